"""What a device costs to rent and what power it draws, as its file states or assumes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any

from symsim.errors import DataError
from symsim.inputs.data_file import DataFile


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """$/s of one device, and from where to where offers go; date: of the offers."""

    rent: Fraction
    low: Fraction
    high: Fraction
    date: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """W of one device without work, and at its limit; hbm, links: share of the limit at the full bandwidth of either,
    hbm_low and hbm_high: from where to where measurements go."""

    idle: Fraction
    limit: Fraction
    hbm: Fraction
    hbm_low: Fraction
    hbm_high: Fraction
    links: Fraction
    source: str


_PRICE: Mapping[str, str] = dict.fromkeys(("rent", "low", "high"), "$/s")
_POWER: Mapping[str, str] = {"idle": "W", "limit": "W", "hbm": "1", "hbm_low": "1", "hbm_high": "1", "links": "1"}


def read_price(file: DataFile, data: Mapping[str, Any]) -> Price | None:
    """`[price]` of a device file, None where it has none. Raises DataError."""
    if "price" not in data:
        return None
    found = _stated(file, data, "price", _PRICE, ("date", "source"))
    _ordered(file, "price", found, ("low", "rent", "high"))
    words = {name: _word(file, data, "price", name) for name in ("date", "source")}
    return Price(**found, **words)  # pyright: ignore[reportArgumentType]


def read_power(file: DataFile, data: Mapping[str, Any]) -> Power | None:
    """`[power]` of a device file, None where it has none. Raises DataError."""
    if "power" not in data:
        return None
    found = _stated(file, data, "power", _POWER, ("source",))
    _ordered(file, "power", found, ("idle", "limit"))
    _ordered(file, "power", found, ("hbm_low", "hbm", "hbm_high"))
    return Power(**found, source=_word(file, data, "power", "source"))  # pyright: ignore[reportArgumentType]


def _stated(
    file: DataFile, data: Mapping[str, Any], section: str, fields: Mapping[str, str], words: tuple[str, ...]
) -> dict[str, Fraction]:
    numbers = {key: value for key, value in file.section(section, data).items() if key not in words}
    found = file.quantities(section, {section: numbers}, fields)
    for name in fields:
        if name not in found:
            raise DataError(f"{file.at(section)}: [{section}] has no {name}; it states {', '.join((*fields, *words))}")
    return found


def _ordered(file: DataFile, section: str, found: Mapping[str, Fraction], names: tuple[str, ...]) -> None:
    for less, more in pairwise(names):
        if found[less] > found[more]:
            raise DataError(f"{file.at(less, section)}: {less} of [{section}] is above {more}")


def _word(file: DataFile, data: Mapping[str, Any], section: str, name: str) -> str:
    return file.line(name, file.section(section, data), "not stated")
