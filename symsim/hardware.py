"""hardware/*.toml -> Device. Figures are the datasheet's, exact, in SI units; shares and assumptions stay apart."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, cast

from symsim.errors import BadUnit, DataError, UnknownField, did_you_mean
from symsim.paths import HARDWARE, shown
from symsim.units import parse_quantity

FIELDS: Mapping[str, str] = {
    "peak_bf16": "FLOP/s",
    "peak_fp8": "FLOP/s",
    "peak_fp4": "FLOP/s",
    "peak_int8": "FLOP/s",
    "peak_fp32": "FLOP/s",
    "hbm_capacity": "B",
    "hbm_bandwidth": "B/s",
    "nvlink_bandwidth": "B/s",
    "rdma_bandwidth": "B/s",
    "sm_count": "1",
    "clock": "Hz",
}
"""Field of a device file's datasheet -> its dimension."""

CONVERSIONS = ("cycles_fp8_to_half", "cycles_half_to_fp32", "cycles_fp32_to_bf16", "cycles_bf16_by_fp32")
"""Cycles of one SM for one element."""

_REQUIRED = ("peak_bf16", "hbm_capacity", "hbm_bandwidth")
_SHARES = ("hbm_bandwidth", "nvlink_bandwidth", "rdma_bandwidth", "clock")
_SECTIONS = ("name", "source", "datasheet", "conversion", "achievable", "assume", "cost_model")


@dataclass(frozen=True, slots=True)
class Device:
    """One accelerator. key: its value in the `device` column of measured tables; figures: field -> SI value.

    achievable: field -> measured share of the figure; assume: what is taken where no table answers;
    overrides: cost model -> field -> the figure that it uses instead.
    """

    name: str
    key: str
    path: Path
    source: str
    figures: Mapping[str, Fraction]
    achievable: Mapping[str, Fraction]
    assume: Mapping[str, Fraction]
    overrides: Mapping[str, Mapping[str, Fraction]]

    def figure(self, field: str, cost_model: str) -> Fraction | None:
        """The field as a cost model uses it, or None where the file does not state it."""
        return self.overrides.get(cost_model, {}).get(field, self.figures.get(field))


def bundled_devices() -> tuple[str, ...]:
    """Names of the devices that ship with symsim."""
    return tuple(sorted(path.stem for path in HARDWARE.glob("*.toml")))


def load_device(device: str | Path) -> Device:
    """A bundled name in any case, or a path to a device TOML.

    Raises DataError (UnknownField, BadUnit) naming the file, its line and the key.

    >>> float(load_device("H20").figures["hbm_bandwidth"])
    4000000000000.0
    """
    name = str(device).lower()
    if name in bundled_devices():
        return _bundled(name)
    path = Path(device)
    if not path.is_file():
        hint = did_you_mean(name, bundled_devices())
        raise DataError(f"no device {str(device)!r}: neither a bundled name nor a TOML file; {hint}")
    return _read(path)


@cache
def _bundled(name: str) -> Device:
    return _read(HARDWARE / f"{name}.toml")


def _read(path: Path) -> Device:
    text = path.read_text(encoding="utf-8")
    try:
        data = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{shown(path)}: not TOML: {error}") from None
    file = _File(shown(path), text)
    file.check(data, _SECTIONS)
    figures = file.quantities(data.get("datasheet", {}), FIELDS)
    figures |= file.quantities(data.get("conversion", {}), dict.fromkeys(CONVERSIONS, "1"))
    for field in _REQUIRED:
        if field not in figures:
            raise DataError(f"{file.path}: [datasheet] has no {field}, which every device needs")
    assume = file.quantities(data.get("assume", {}), {"mfu": "1"})
    if "mfu" not in assume:
        raise DataError(f"{file.path}: [assume] has no mfu; state the share of peak to take where no table answers")
    shares = file.quantities(data.get("achievable", {}), dict.fromkeys(_SHARES, "1"))
    for field, share in (*shares.items(), *assume.items()):
        if share > 1:
            raise DataError(f"{file.at(field)}: {field} = {float(share)} is a share and cannot exceed 1")
    overrides = {model: file.quantities(rows, FIELDS) for model, rows in data.get("cost_model", {}).items()}
    source = str(data.get("source", "no source stated"))
    return Device(str(data.get("name", path.stem)), path.stem.upper(), path, source, figures, shares, assume, overrides)


@dataclass(frozen=True, slots=True)
class _File:
    """A device file with its text, to find the line of a key."""

    path: str
    text: str

    def at(self, key: str) -> str:
        for number, line in enumerate(self.text.splitlines(), start=1):
            if line.split("=")[0].strip() == key:
                return f"{self.path}:{number}"
        return self.path

    def check(self, rows: Mapping[str, Any], known: Any) -> None:
        for key in rows:
            if key not in known:
                raise UnknownField(f"{self.at(key)}: there is no field {key}; {did_you_mean(key, known)}")

    def quantities(self, rows: Any, dimensions: Mapping[str, str]) -> dict[str, Fraction]:
        if not isinstance(rows, dict):
            raise DataError(f"{self.path}: expected a section of `field = value`, found {rows!r}")
        table = cast(dict[str, Any], rows)
        self.check(table, dimensions)
        return {key: self.quantity(key, value, dimensions[key]) for key, value in table.items()}

    def quantity(self, key: str, value: Any, dimension: str) -> Fraction:
        try:
            number = parse_quantity(str(value), dimension)
        except BadUnit as error:
            raise BadUnit(f"{self.at(key)}: {key}: {error}") from None
        if number <= 0:
            raise DataError(f"{self.at(key)}: {key} = {value} must be above zero")
        return number
