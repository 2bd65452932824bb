"""mfu/*.csv and their sidecars -> rows of measured figures, and how each table wants to be looked up.

A sidecar names the function that stands for the table in formulas, its arguments (columns), where the figures are
from, and the look-up policy of every argument; mfu/README.md explains the keys.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from symsim.paths import MFU, display_path
from symsim.tables.residuals import residual_signature
from symsim.tables.signature import Signature

PUBLISHED_UNTIL: Mapping[str, str] = {"2025-10": "2025-10-15", "2026-05": "9999-12-31"}
"""Vintage -> the last day on which a row of it may have been published (spec of the reference, section 9)."""

SHAPE_POLICIES = ("exact", "ceiling")


@dataclass(frozen=True, slots=True, eq=False)
class Lenders:
    """Datasheets of the devices whose measured times another device may borrow: name in small letters -> figures."""

    figures: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableContext:
    """What binds a table besides its arguments: hashable, so that bound look-ups are shared.

    device: value of the `device` column; kv: precision of the KV cache; cost_model: the one whose rules of looking up
    hold; mfu_decimals: places an MFU is rounded to;
    figures, lenders: the device's datasheet and other devices' where fallbacks are allowed, else None; residuals: the
    files of measurements behind functions `residual_FORM`.
    """

    device: str
    vintage: str
    kv: str
    cost_model: str
    mfu_decimals: int | None = 3
    figures: tuple[tuple[str, float], ...] | None = None
    lenders: Lenders | None = None
    residuals: tuple[tuple[str, Path], ...] = ()


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement: its line in the CSV file and its cells as text."""

    line: int
    cells: Mapping[str, str]

    def numbers(self, columns: tuple[str, ...]) -> tuple[float, ...]:
        return tuple(float(self.cells[column]) for column in columns)

    def text(self, columns: tuple[str, ...]) -> str:
        return ", ".join(f"{column}={self.cells[column]}" for column in columns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How one table is looked up in one vintage.

    by: argument -> exact, ceiling, last, scan or nearest; missing_table, missing_precision, missing_row: a number,
    "device" (its default MFU) or "refuse".  fallback: what to do instead of refusing, when that is asked for.
    """

    by: Mapping[str, str]
    missing_table: float | str
    missing_precision: float | str
    missing_row: float | str
    value: tuple[str, ...]
    combine: str
    scale: str | None
    kv_column: str | None
    skip: tuple[Mapping[str, str], ...]
    fallback: Mapping[str, str]


@cache
def _sidecars() -> Mapping[str, tuple[Path, Mapping[str, Any]]]:
    found: dict[str, tuple[Path, Mapping[str, Any]]] = {}
    for path in sorted(MFU.glob("*.toml")):
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        found[data["function"]] = (path.with_suffix(".csv"), data)
    return found


class _Signatures(dict[str, Signature]):
    """Of the tables that ship, and, where it is asked for by name, of any kernel's residuals."""

    def __missing__(self, function: str) -> Signature:
        found = residual_signature(function)
        if found is None:
            raise KeyError(function)
        return found


@cache
def signatures() -> Mapping[str, Signature]:
    """Function name -> Signature of every table; reads sidecars only."""
    return _Signatures({name: _signature(path, data) for name, (path, data) in _sidecars().items()})


def _signature(path: Path, data: Mapping[str, Any]) -> Signature:
    args, by = tuple(data["args"]), data["lookup"]
    shape = tuple(argument for argument in args if by[argument] in SHAPE_POLICIES)
    axes = tuple(argument for argument in args if argument not in shape)
    return Signature(
        function=data["function"],
        args=args,
        shape_args=shape,
        axes=axes,
        meaning=data["meaning"],
        latex=data["latex"],
        unit=data["unit"],
        file=display_path(path),
        library=data["library"],
        source=data["source"],
        value=tuple(data["value"]),
    )


@cache
def scaling(function: str) -> int | None:
    """Which argument the table's value grows with in proportion, if with one."""
    scale = None if function not in _sidecars() else _sidecars()[function][1].get("scale")
    return None if scale is None else signatures()[function].args.index(scale)


@cache
def policy(function: str, vintage: str) -> Policy:
    """The look-up rules of a table in a vintage: its newest rules, changed where an older vintage differs."""
    data = _sidecars()[function][1]
    older = data.get("vintage", {}).get(vintage, {})
    by = {**data["lookup"], **older.get("lookup", {})}
    default = {**data["default"], **older.get("default", {})}
    return Policy(
        by=by,
        missing_table=default["table"],
        missing_precision=default["precision"],
        missing_row=default["row"],
        value=tuple(data["value"]),
        combine=data["combine"],
        scale=data.get("scale"),
        kv_column=data.get("kv_column"),
        skip=tuple(data.get("skip", ())),
        fallback=data.get("fallback", {}),
    )


@cache
def rows(function: str) -> tuple[Row, ...]:
    """All rows of a table in file order."""
    path = _sidecars()[function][0]
    with path.open(encoding="utf-8", newline="") as handle:
        return tuple(Row(line, cells) for line, cells in enumerate(csv.DictReader(handle), start=2))


@lru_cache(maxsize=1024)
def rows_of(function: str, device: str, vintage: str, cost_model: str) -> tuple[Row, ...]:
    """The rows of one device that a vintage holds and a cost model does not skip."""
    last_day = PUBLISHED_UNTIL[vintage]
    skipped = [entry for entry in policy(function, vintage).skip if entry["cost_model"] == cost_model]
    return tuple(
        row
        for row in rows(function)
        if row.cells["device"] == device
        and row.cells["published"] <= last_day
        and not any(_is(row, entry) for entry in skipped)
    )


@lru_cache(maxsize=1024)
def rows_by_shape(
    function: str, device: str, vintage: str, cost_model: str
) -> Mapping[tuple[float, ...], tuple[Row, ...]]:
    """The same rows grouped by their shape columns, groups and rows in file order."""
    columns = signatures()[function].shape_args
    groups: dict[tuple[float, ...], list[Row]] = {}
    for row in rows_of(function, device, vintage, cost_model):
        groups.setdefault(row.numbers(columns), []).append(row)
    return {shape: tuple(group) for shape, group in groups.items()}


def _is(row: Row, entry: Mapping[str, str]) -> bool:
    return all(row.cells[column] == cell for column, cell in entry.items() if column in row.cells)
