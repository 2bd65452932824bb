"""Tables of measured kernels in a folder: one's own CSVs, or the files of the public package.

Needs pandas (extra `fit`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from symsim.calibration.measured import KERNEL_FORMS, device_numbers
from symsim.calibration.package import package_table
from symsim.cost.forms import named_form
from symsim.errors import DataError
from symsim.inputs.extras import load_extra
from symsim.paths import display_path

GROUPS: Mapping[str, tuple[str, ...]] = {
    "gemm": ("n", "k"),
    "attention_prefill": ("heads", "kv_heads", "head_dim"),
    "attention_decode": ("heads", "kv_heads", "head_dim"),
    "mla_prefill": ("heads",),
    "mla_decode": ("heads",),
    "moe": ("hidden", "inter", "topk", "experts"),
    "gdn": ("k_heads", "v_heads"),
    "collectives": ("elements",),
    "all_to_all": ("hidden", "topk", "experts"),
}
"""Table -> the columns that make a shape: errors are told on shapes that were left out."""

_ABOUT = ("device", "engine", "version", "kernel", "dtype")

_TOLD_BY: Mapping[str, tuple[str, ...]] = {
    "gdn": ("operation",),
    "collectives": ("operation",),
    "all_to_all": ("operation", "phase"),
}
"""Table -> what else tells its kernels apart."""

_OPERATION = {"op": "operation"}
"""What the package's tables call it."""

_SIZES_OF_FEW = ("sms",)
"""Sizes that stand for themselves where a table does not say."""


def pandas() -> Any:
    """pandas, of the extra `fit`."""
    return load_extra("pandas", "fit", "measured tables need")


def kernel_table(folder: Path, op: str, device: str = "*", engine: str = "*") -> tuple[Any, Mapping[str, int]]:
    """The measurements of a table as a data frame, None where there are none, and why rows of it are left out -> how
    many. device, engine: as measurements call them, `*` for all.

    Raises DataError for a file that is no such table.
    """
    path = next(iter(sorted(folder.glob(f"{op}.csv*"))), None)
    frame = package_table(folder, op, device, engine) if path is None else _own_table(path, op, device, engine)
    if frame is None or not len(frame):
        return None, {}
    frame = frame.rename(columns=_OPERATION)
    if "divided" in frame:  # rows whose experts were not divided by ep measure something else
        frame = frame[(frame.divided == 1) | (frame.ep == 1)]
    return _known_rows(frame)


def _own_table(path: Path, op: str, device: str, engine: str) -> Any:
    """A CSV of one's own; a `source` that it does not state is the file."""
    where = display_path(path)
    try:
        frame = pandas().read_csv(path, dtype={"version": str}).rename(columns=_OPERATION)
    except (OSError, ValueError) as error:  # pandas' own errors of parsing are ValueErrors
        raise DataError(f"{where}: not a CSV of measured kernels: {error}") from None
    sizes = {name for form in KERNEL_FORMS[op] for name in named_form(form).text.sizes} - {*_SIZES_OF_FEW}
    numbers = sorted({*sizes, *GROUPS[op], "seconds"})
    needed = (*_ABOUT, *_TOLD_BY.get(op, ()), *numbers)
    missing = [name for name in needed if name not in frame]
    if missing:
        raise DataError(f"{where}: no column {', '.join(missing)}; a table of {op} has {', '.join(needed)}")
    for name in numbers:
        frame[name] = _numbers(frame[name], name, where)
    if "source" not in frame:
        frame["source"] = path.name
    for column, one in (("device", device), ("engine", engine)):
        frame = frame if one == "*" else frame[frame[column] == one]
    return frame


def _numbers(column: Any, name: str, where: str) -> Any:
    """Finite numbers, above 0 but for windows, the numbers of SMs and truths, of which 0 is none.

    Raises DataError at the row.
    """
    found = pandas().to_numeric(column, errors="coerce").astype(float)
    least = 0 if name in ("window", "gated") else np.nextafter(0, 1)
    wrong = np.flatnonzero(~(np.isfinite(found) & (found >= least)))
    if len(wrong):
        expected = "0 or more" if least == 0 else "above 0"
        raise DataError(f"{where}:{wrong[0] + 2}: {name} = {column.iloc[wrong[0]]}; expected a number {expected}")
    return found


def _known_rows(frame: Any) -> tuple[Any, Mapping[str, int]]:
    """Rows of cards and number formats whose figures are known, and why others are left out."""
    spelled = [name for name in ("device", "dtype", "kv_dtype", "phase") if name in frame]
    known, refused = np.zeros(len(frame), dtype=bool), dict[str, int]()
    for values, places in frame.groupby(spelled, dropna=False).indices.items():
        words = {name: None if value != value else str(value) for name, value in zip(spelled, values, strict=True)}
        try:
            device_numbers(str(words["device"]), str(words["dtype"]), words.get("kv_dtype"), words.get("phase"))
            known[places] = True
        except LookupError as error:
            refused[str(error.args[0])] = refused.get(str(error.args[0]), 0) + len(places)
    return (frame[known] if known.any() else None), refused
