"""A look-up in a measured table, bound to a device, a vintage and a shape: plain data, and where each value is from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from symsim.errors import EmptyTable
from symsim.tables.forms import UNANSWERED, Nearest, Table, filled
from symsim.tables.signature import Signature
from symsim.tables.table import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where one value is from. distance: argument -> found - asked, where they differ.

    default: what stood in, and why, where no row of the table's own answers.
    """

    function: str
    value: float
    file: str
    line: int | None
    row: Mapping[str, str]
    asked: Mapping[str, float]
    distance: Mapping[str, float]
    outside: bool
    default: str | None

    def sentence(self) -> str:
        """One line for a breakdown."""
        if self.default is not None:
            return self.default
        off = ", ".join(f"{name} {gap:+g}" for name, gap in self.distance.items())
        edge = ", outside the table" if self.outside else ""
        return f"{self.file}:{self.line}{f' (off by {off}{edge})' if off else ''}"


@dataclass(frozen=True, eq=False, kw_only=True)
class Lookup:
    """One table with its shape fixed: a function of `axes`.

    table: its values as plain data, UNANSWERED where the formula's default_mfu is to stand; rows: the row behind each
    of those values, None where no row answers; missing: why no row can answer at all; assumed: what a fallback took
    instead of rows of its own.
    """

    signature: Signature
    shape: tuple[float, ...]
    table: Table
    rows: tuple[Row | None, ...]
    missing: str | None = None
    assumed: str | None = None

    @property
    def axes(self) -> tuple[str, ...]:
        return self.signature.axes

    @property
    def partly(self) -> bool:
        """Whether the default answers somewhere."""
        return UNANSWERED in self.table.values

    def __call__(self, *point: float) -> float:
        """The value at a point, or UNANSWERED. Raises EmptyTable where the row's figure cannot be used."""
        value = self.table.at(point)
        if math.isnan(value):
            raise EmptyTable(self._unusable(cast(Row, self.rows[self.table.index(point)])))
        return value

    def filled(self, default: float) -> Table:
        """The plain data with a number where no row answers."""
        return filled(self.table, default)

    def stand_in(self, default: float) -> str | None:
        """A sentence where the table does not answer by its own rows: what is used in its place."""
        if self.missing is None:
            return self.assumed
        stated = self.table.values[0]
        return f"{self.missing}: default {default if stated == UNANSWERED else stated:g} used"

    def explain(self, *point: float, default: float) -> Found:
        """Which row answers and how far it is from what was asked; the value is NaN where it cannot be used."""
        shape = dict(zip(self.signature.shape_args, self.shape, strict=True))
        asked = {**shape, **dict(zip(self.axes, point, strict=True))}
        row, value, file = self.rows[self.table.index(point)], self.table.at(point), self.signature.file
        if row is None:
            value = default if value == UNANSWERED else value
            at, sizes = stated_sizes(self.axes, point), stated_sizes(self.signature.shape_args, self.shape)
            why = self.stand_in(default) or f"no row of {file} for {at} at {sizes}: default {value:g} used"
            line, cells, distance, outside = None, dict[str, str](), dict[str, float](), True
        else:
            distance = {name: float(row.cells[name]) - x for name, x in asked.items() if float(row.cells[name]) != x}
            line, cells, outside = row.line, row.cells, self._outside(point)
            why = self.assumed or self._recomputed(row, value)
        return Found(
            function=self.signature.function,
            value=value,
            file=file,
            line=line,
            row=cells,
            asked=asked,
            distance=distance,
            outside=outside,
            default=why,
        )

    def answers_itself(self, *point: float) -> bool:
        """Whether a figure that a row of the table's own states answers there: no default, and nothing recomputed."""
        row = self.rows[self.table.index(point)]
        return row is not None and self.assumed is None and any(row.numbers(self.signature.value))

    def _recomputed(self, row: Row, value: float) -> str | None:
        """A sentence where a row's own figure is zero and its latency is used."""
        if self.signature.unit != "1" or any(row.numbers(self.signature.value)) or math.isnan(value):
            return None
        return f"{self.signature.file}:{row.line} has MFU 0.000: fallback, {value:.3g} from its latency used"

    def _outside(self, point: Sequence[float]) -> bool:
        columns = [[float(row.cells[axis]) for row in self.rows if row is not None] for axis in self.axes]
        return any(not min(column) <= x <= max(column) for column, x in zip(columns, point, strict=True))

    def same_row_beyond(self, axis: int) -> float:
        """A point on the axis beyond which the same row answers; a scaled value still grows there."""
        if isinstance(self.table, Nearest):
            return max(point[axis] for point in self.table.points)
        return max(self.table.edges[axis], default=0.0)

    def _unusable(self, row: Row) -> str:
        columns = row.text(self.signature.args)
        return (
            f"{self.signature.file}:{row.line}: the row that answers {self.signature.function} ({columns}) has MFU"
            f" 0.000, by which nothing can be divided; --fallback recomputes it from the row's latency"
        )


def stated_sizes(names: Sequence[str], values: Sequence[float]) -> str:
    """Arguments with their values, in words."""
    return ", ".join(f"{name}={value:g}" for name, value in zip(names, values, strict=True))
