"""What one process worked out from files, kept for the next in the user's cache folder.

What is kept is told apart by a fingerprint of this installation (symsim's code and texts) and by a key of what else it
depends on, so it is never out of date and can be deleted at any time. SYMSIM_CACHE names another folder; where it is
empty, nothing is kept.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import shutil
import tempfile
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import cache
from itertools import chain
from pathlib import Path
from typing import TypeVar, cast

from symsim.paths import CONFIGS, GRAMMAR, GRAPHS, QUANTIZATION

_T = TypeVar("_T")

INSTALLATIONS = 8
"""Folders of as many installations stay; the least recently made goes first."""

_OURS = (Path(__file__).resolve().parent.parent, GRAMMAR, GRAPHS, QUANTIZATION, CONFIGS)
_FAULTS = (OSError, pickle.UnpicklingError, EOFError, AttributeError, ImportError, IndexError, TypeError, ValueError)
"""What reading or writing a damaged, foreign or full cache may raise."""


def kept(key: object, make: Callable[[], _T]) -> _T:
    """What `make` gives for a key of plain values: read where an earlier process has kept it, else made and kept.

    Errors of `make` go through; trouble with the folder only means that it is made again.
    """
    folder = own_folder()
    if folder is None:
        return make()
    path = folder / hashlib.sha256(repr(key).encode("utf-8", "surrogatepass")).hexdigest()[:40]
    with suppress(*_FAULTS):
        return cast(_T, pickle.loads(path.read_bytes()))  # a folder that only its owner can write
    made = make()
    with suppress(*_FAULTS):
        _write(path, pickle.dumps(made, protocol=pickle.HIGHEST_PROTOCOL))
    return made


def stamps(files: Iterable[str | Path]) -> str:
    """A fingerprint of files: names, sizes and times of change."""
    listed: list[tuple[str, int, int]] = []
    for path in sorted(map(str, files)):
        stat = os.stat(path)
        listed.append((path, stat.st_size, stat.st_mtime_ns))
    return hashlib.sha256(repr(listed).encode("utf-8", "surrogatepass")).hexdigest()[:40]


def files_below(folder: str | Path) -> Iterable[str]:
    """Every file of a folder and of those in it, but for what Python compiled."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_dir():
                yield entry.path
            elif entry.name != "__pycache__":
                yield from files_below(entry.path)


@cache
def own_folder() -> Path | None:
    """The folder of this installation, made if need be; None where there can be none that only this user writes."""
    named = os.environ.get("SYMSIM_CACHE")
    if named == "":
        return None
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    top = Path(named or os.path.join(home, "symsim"))
    try:
        top.mkdir(mode=0o700, parents=True, exist_ok=True)
        stat = top.stat()
        if hasattr(os, "getuid") and (stat.st_uid != os.getuid() or stat.st_mode & 0o022):
            return None
        folder = top / stamps(chain.from_iterable(map(files_below, _OURS)))
        if not folder.is_dir():
            folder.mkdir(mode=0o700, exist_ok=True)
            _tidy(top)
        return folder
    except OSError:
        return None


def _tidy(top: Path) -> None:
    folders = sorted((path for path in top.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime_ns)
    for old in folders[:-INSTALLATIONS]:
        shutil.rmtree(old, ignore_errors=True)


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all: other processes may read meanwhile."""
    handle, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(name, path)
    except OSError:
        os.unlink(name)
        raise
