"""calibration/*.toml <-> fitted coefficients: what each set was fitted on, and how far it was off where it was not."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, cast

from symsim.errors import DataError
from symsim.inputs.kept import kept
from symsim.paths import CALIBRATION, display_path, read_text

KEYS = ("device", "engine", "version", "kernel", "dtype", "kv_dtype", "operation", "phase")
"""What a set of coefficients is of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficients:
    """One kernel of one engine on one device.

    rows, groups: how many measurements of how many shapes; median, p90: |predicted/measured - 1| on groups that were
    left out; low, high: predicted times these is the interval that holds nine measurements of ten, by groups left out;
    inside: the share of measurements left out that it does hold; residuals: the file of measurements that correct the
    form, as errors and interval then have it, empty where none do.
    """

    device: str
    engine: str
    version: str
    kernel: str
    dtype: str
    form: str
    rows: int
    groups: int
    median: float
    p90: float
    low: float
    high: float
    inside: float
    values: Mapping[str, float]
    kv_dtype: str = ""
    operation: str = ""
    phase: str = ""
    residuals: str = ""
    source: str = field(default="", compare=False)
    file: str = field(default="", compare=False)

    def key(self) -> tuple[str, ...]:
        return tuple(getattr(self, name) for name in KEYS)


@cache
def spellings() -> Mapping[str, Mapping[str, Any]]:
    """Section -> name -> value, of calibration/measured.toml."""
    return tomllib.loads((CALIBRATION / "measured.toml").read_text(encoding="utf-8"))


@cache
def coefficients_of(op: str) -> tuple[Coefficients, ...]:
    """Every set of one table of measured kernels that ships; none where nothing was fitted."""
    return own_coefficients(CALIBRATION, op)


def own_coefficients(folder: Path, op: str) -> tuple[Coefficients, ...]:
    """Every set of one table in a folder. Raises DataError where it is none."""
    path = folder / f"{op}.toml"
    return read_coefficients(path) if path.is_file() else ()


def read_coefficients(path: Path) -> tuple[Coefficients, ...]:
    """The sets of a file. Raises DataError where it is none."""
    try:
        text = read_text(path)
        data = kept(("coefficients", text), lambda: tomllib.loads(text))
        rows = cast(Sequence[Mapping[str, Any]], data["kernels"])
        source, file = str(data["source"]), display_path(path)
        return tuple(_within(path.parent, Coefficients(**row, source=source, file=file)) for row in rows)
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise DataError(f"{display_path(path)}: not a file of coefficients: {error}") from None


def _within(folder: Path, one: Coefficients) -> Coefficients:
    """The set with its file of residuals where it lies."""
    return replace(one, residuals=str(folder / one.residuals)) if one.residuals else one


def write_coefficients(path: Path, found: Iterable[Coefficients], header: str, source: str) -> None:
    """One line a set, in a fixed order, numbers to four digits."""
    lines = [f"    {_line(one)},\n" for one in sorted(found, key=Coefficients.key)]
    path.write_text(f'{header}\nsource = "{source}"\nkernels = [\n{"".join(lines)}]\n', encoding="utf-8")


def _line(one: Coefficients) -> str:
    words = {name: getattr(one, name) for name in (*KEYS, "form", "residuals")}
    parts = [f'{name} = "{value}"' for name, value in words.items() if value]
    parts += [f"{name} = {getattr(one, name)}" for name in ("rows", "groups")]
    parts += [f"{name} = {getattr(one, name):.3g}" for name in ("median", "p90", "low", "high", "inside")]
    values = ", ".join(f"{name} = {value:.4g}" for name, value in one.values.items())
    return "{ " + ", ".join(parts) + ", values = { " + values + " } }"
