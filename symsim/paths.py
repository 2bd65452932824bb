"""Where the data folders are: inside an installed package, or at the top of a source checkout."""

from __future__ import annotations

from pathlib import Path

from symsim.errors import printable

_PACKAGE = Path(__file__).resolve().parent
ROOT = _PACKAGE / "data" if (_PACKAGE / "data").is_dir() else _PACKAGE.parent

GRAMMAR = ROOT / "grammar"
GRAPHS = ROOT / "graphs"
HARDWARE = ROOT / "hardware"
MFU = ROOT / "mfu"
QUANTIZATION = ROOT / "quantization"
CONFIGS = ROOT / "configs"
REFERENCES = ROOT / "references"
PUBLISHED = ROOT / "examples" / "published.toml"


def display_path(path: Path) -> str:
    """The path as a user should see it, on one line: relative to the data folders when it is one of ours."""
    return printable(str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path))
