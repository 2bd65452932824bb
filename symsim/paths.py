"""Where the data folders are: inside an installed package, or at the top of a source checkout; how files are read."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from symsim.errors import DataError, SymsimError, printable

_PACKAGE = Path(__file__).resolve().parent
ROOT = _PACKAGE / "data" if (_PACKAGE / "data").is_dir() else _PACKAGE.parent

GRAMMAR = ROOT / "grammar"
GRAPHS = ROOT / "graphs"
FORMS = ROOT / "forms"
HARDWARE = ROOT / "hardware"
ENGINES = ROOT / "engines"
MFU = ROOT / "mfu"
CALIBRATION = ROOT / "calibration"
QUANTIZATION = ROOT / "quantization"
CONFIGS = ROOT / "configs"
REFERENCES = ROOT / "references"
PUBLISHED = ROOT / "examples" / "published.toml"


def is_file(path: Path) -> bool:
    """Path.is_file, but no file is there also under a name that is too long, and in a folder that is closed to us."""
    return os.path.isfile(path)


def read_text(path: Path, kind: type[SymsimError] = DataError) -> str:
    """The text of a file in UTF-8. Raises an error of the kind where there is no text to read."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise kind(f"{display_path(path)} is not a text file in UTF-8") from None
    except OSError as error:
        raise kind(f"{display_path(path)} cannot be read: {error.strerror or error}") from None


@contextmanager
def replacing(file: str | Path) -> Generator[Path]:
    """A path beside a file to write into; it takes the file's place once all is written, and an error leaves nothing.

    Raises SymsimError where the file cannot be written.
    """
    target = Path(os.path.realpath(file))
    unfinished = target.with_name(f".{target.name}.{os.getpid()}.unfinished")
    try:
        yield unfinished
        os.replace(unfinished, target)
    except OSError as error:
        raise SymsimError(f"{file}: cannot be written: {error.strerror or error}") from None
    finally:
        unfinished.unlink(missing_ok=True)


def display_path(path: Path) -> str:
    """The path as a user should see it, on one line: relative to the data folders when it is one of ours."""
    return printable(str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path))
