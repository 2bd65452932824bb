"""Look-ups in measured tables, bound to a device, a vintage and a shape: numbers, arrays, provenance.

The policies are those of the reference cost model (spec of the reference, section 9). All but `nearest` reduce to step
functions: sorted breaks, and in each cell between them the row that answers.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symsim.errors import EmptyTable
from symsim.inputs.device import bundled_devices, load_device
from symsim.tables.nearest import nearest_rows
from symsim.tables.table import Policy, Row, Signature, TableContext, policy, rows, rows_by_shape, signatures

NO_ROW = -1
FARTHEST = 1e9
"""A GEMM shape at this squared distance or more does not stand in for another (spec section 9)."""


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, eq=False)
class Lookup:
    """One table with its shape fixed: a function of `axes`.

    kind "steps": `breaks` per axis, `cells` nested by axis with the index of a row, NO_ROW where the default answers
    (cell 0 lies below the first break).  kind "nearest": the row of `points` at the least L1 distance, the first on
    ties.  scale_axis: the value grows as asked / measured along that axis.  missing: why no row can answer at all;
    assumed: what a fallback took instead of rows of its own.
    """

    signature: Signature
    shape: tuple[float, ...]
    found_shape: tuple[float, ...]
    kind: Literal["steps", "nearest"]
    rows: tuple[Row, ...]
    values: tuple[float, ...]
    breaks: tuple[tuple[float, ...], ...]
    cells: Any
    points: tuple[tuple[float, ...], ...]
    scale_axis: int | None
    default: float
    missing: str | None
    assumed: str | None = None

    @property
    def function(self) -> str:
        return self.signature.function

    @property
    def axes(self) -> tuple[str, ...]:
        return self.signature.axes

    def index(self, *point: float) -> int:
        """Which row answers, or NO_ROW."""
        if self.kind == "nearest":
            gaps = [sum(abs(a - x) for a, x in zip(at, point, strict=True)) for at in self.points]
            return gaps.index(min(gaps))
        cell = self.cells
        for breaks, x in zip(self.breaks, point, strict=True):
            cell = cell[bisect_right(breaks, x)]
        return cell

    def __call__(self, *point: float) -> float:
        """The value at a point. Raises EmptyTable where the row's figure cannot be used."""
        at = self.index(*point)
        if at == NO_ROW:
            return self.default
        if math.isnan(self.values[at]):
            raise EmptyTable(self._unusable(self.rows[at]))
        return self._scaled(at, point)

    def _scaled(self, at: int, point: Sequence[float]) -> float:
        axis, value = self.scale_axis, self.values[at]
        return value if axis is None else value * point[axis] / self.points[at][axis]

    def array(self, *points: ArrayLike) -> NDArray[np.float64]:
        """The same over arrays, broadcasting; NaN where a row's figure cannot be used."""
        arrays = [np.asarray(point, dtype=float) for point in points]
        values = np.array([*self.values, self.default])
        if self.kind == "steps":
            where = [np.searchsorted(b, x, side="right") for b, x in zip(self.breaks, arrays, strict=True)]
            return values[self._cell_array[tuple(where)]]
        at = nearest_rows(self.points, *arrays)
        answer = values[at]
        if self.scale_axis is None:
            return answer
        measured = np.array([row[self.scale_axis] for row in self.points])[at]
        return answer * arrays[self.scale_axis] / measured

    @cached_property
    def _cell_array(self) -> NDArray[np.int64]:
        """Row index by cell; NO_ROW indexes the default, which `array` appends last."""
        return np.asarray(self.cells)

    def explain(self, *point: float) -> Found:
        """Which row answers and how far it is from what was asked; the value is NaN where it cannot be used."""
        asked = {
            **dict(zip(self.signature.shape_args, self.shape, strict=True)),
            **dict(zip(self.axes, point, strict=True)),
        }
        at = self.index(*point)
        file = self.signature.file
        if at == NO_ROW:
            why = self.missing or (
                f"no row of {file} for {_point(self.axes, point)} at {_point(self.signature.shape_args, self.shape)}: "
                f"default {self.default:g} used"
            )
            return Found(self.function, self.default, file, None, {}, asked, {}, True, why)
        row = self.rows[at]
        distance = {name: float(row.cells[name]) - x for name, x in asked.items() if float(row.cells[name]) != x}
        value, stood_in = self._scaled(at, point), self.assumed
        if stood_in is None and self.signature.unit == "1" and not any(self._stated(row)) and not math.isnan(value):
            stood_in = f"{file}:{row.line} has MFU 0.000: fallback, {value:.3g} from its latency used"
        return Found(self.function, value, file, row.line, row.cells, asked, distance, self._outside(point), stood_in)

    def _stated(self, row: Row) -> tuple[float, ...]:
        """The row's own figures."""
        return row.numbers(self.signature.value)

    def _outside(self, point: Sequence[float]) -> bool:
        columns = [[float(row.cells[axis]) for row in self.rows] for axis in self.axes]
        return any(not min(column) <= x <= max(column) for column, x in zip(columns, point, strict=True))

    def constant_beyond(self, axis: int) -> float:
        """A point on the axis beyond which the value no longer changes along it."""
        return math.inf if self.scale_axis == axis else self.same_row_beyond(axis)

    def same_row_beyond(self, axis: int) -> float:
        """A point on the axis beyond which the same row answers; a scaled value still grows there."""
        if self.kind == "nearest":
            return max(row[axis] for row in self.points)
        return max(self.breaks[axis], default=0.0)

    def _unusable(self, row: Row) -> str:
        columns = self.signature.args
        return (
            f"{self.signature.file}:{row.line}: the row that answers {self.function} ({row.text(columns)}) has MFU"
            f" 0.000, by which nothing can be divided; --fallback recomputes it from the row's latency"
        )


@lru_cache(maxsize=65536)
def bind(function: str, shape: tuple[float, ...], context: TableContext) -> Lookup:
    """The look-up of one table at one shape.

    Raises EmptyTable where the policy says that nothing may stand in for missing rows, unless the context allows
    fallbacks and the table names one.
    """
    signature, rule = signatures()[function], policy(function, context.vintage)
    groups = rows_by_shape(function, context.device, context.vintage, context.cost_model)
    found = _ceiling(shape, groups) if "ceiling" in rule.by.values() else shape
    group = groups.get(found, ()) if found is not None else ()
    if not group or found is None:
        why = f"no rows of {_where(signature, shape, context)}"
        borrowed = _borrowed(signature, rule, shape, context, why) if rule.missing_table == "refuse" else None
        return borrowed or _missing(signature, shape, rule.missing_table, context, why)
    if rule.kv_column is not None:
        present = sorted({row.cells[rule.kv_column] for row in group})
        own = tuple(row for row in group if row.cells[rule.kv_column] == context.kv)
        if not own:
            why = f"no {context.kv} KV rows (only {', '.join(present)}) of {_where(signature, shape, context)}"
            if context.figures is None or rule.missing_precision != "refuse":
                return _missing(signature, shape, rule.missing_precision, context, why)
            instead = tuple(row for row in group if row.cells[rule.kv_column] == present[0])
            assumed = f"{why}: fallback, rows of {present[0]} KV used"
            return replace(_bound(signature, rule, shape, found, instead, context), assumed=assumed)
        group = own
    return _bound(signature, rule, shape, found, group, context)


def _borrowed(
    signature: Signature, rule: Policy, shape: tuple[float, ...], context: TableContext, why: str
) -> Lookup | None:
    """Another device's rows of a time, scaled by the ratio of a datasheet figure."""
    figure = rule.fallback.get("scale_by")
    if context.figures is None or figure is None:
        return None
    for device in sorted({row.cells["device"] for row in rows(signature.function)}):
        group = rows_by_shape(signature.function, device, context.vintage, context.cost_model).get(shape, ())
        if group and device.lower() in bundled_devices():
            ratio = float(load_device(device).figures[figure]) / dict(context.figures)[figure]
            lent = _bound(signature, rule, shape, shape, group, context)
            assumed = f"{why}: fallback, times of {device} x {ratio:.4g} used (the ratio of {figure})"
            return replace(lent, values=tuple(value * ratio for value in lent.values), assumed=assumed)
    return None


def _bound(
    signature: Signature,
    rule: Policy,
    shape: tuple[float, ...],
    found: tuple[float, ...],
    rows: tuple[Row, ...],
    context: TableContext,
) -> Lookup:
    values = tuple(_value(row, rule, signature.unit, context) for row in rows)
    points = tuple(row.numbers(signature.axes) for row in rows)
    policies = {rule.by[axis] for axis in signature.axes}
    scale = None if rule.scale is None else signature.axes.index(rule.scale)
    default = _default(rule.missing_row, context)
    if policies == {"nearest"}:
        return Lookup(signature, shape, found, "nearest", rows, values, (), (), points, scale, default, None)
    columns = [list(column) for column in zip(*points, strict=True)]
    breaks, cells = _last(columns[0]) if policies == {"last"} else _scanned(columns, points)
    return Lookup(signature, shape, found, "steps", rows, values, breaks, cells, points, None, default, None)


def _value(row: Row, rule: Policy, unit: str, context: TableContext) -> float:
    """A row's figure: seconds, or an MFU rounded as the cost model does; NaN for an MFU of zero."""
    figures = row.numbers(rule.value)
    figure = sum(figures) * 1e-6 if rule.combine == "sum" else max(figures)
    if unit == "s":
        return figure
    rounded = figure if context.mfu_decimals is None else round(figure, context.mfu_decimals)
    return rounded or _from_latency(row, rule, context)


def _from_latency(row: Row, rule: Policy, context: TableContext) -> float:
    """The MFU that a row's latency gives, where fallbacks are allowed and the table says how; else NaN."""
    if context.figures is None or "flops" not in rule.fallback:
        return math.nan
    flops = math.prod(float(row.cells.get(factor, factor)) for factor in rule.fallback["flops"].split("*"))
    return flops / (float(row.cells["latency_us"]) * 1e-6 * dict(context.figures)[rule.fallback["peak"]])


def _ceiling(shape: tuple[float, ...], groups: Mapping[tuple[float, ...], Any]) -> tuple[float, ...] | None:
    """The measured shape that covers the asked one and is nearest to it, the first of the file on ties."""
    best, least = None, FARTHEST
    for measured in groups:
        if all(have >= want for have, want in zip(measured, shape, strict=True)):
            gap = sum((have - want) ** 2 for have, want in zip(measured, shape, strict=True))
            if gap < least:
                best, least = measured, gap
    return best


def _last(column: list[float]) -> tuple[tuple[tuple[float, ...]], tuple[int, ...]]:
    """`last`: the last row in file order that is not above the asked value."""
    breaks = sorted(set(column))
    picks = [max(i for i, value in enumerate(column) if value <= edge) for edge in breaks]
    return (tuple(breaks),), (NO_ROW, *picks)


def _scan(column: list[float]) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """`scan`: the row before the first larger one. The breaks are the record highs of the column."""
    breaks: list[float] = []
    picks: list[int] = []
    for i, value in enumerate(column):
        if not breaks or value > breaks[-1]:
            picks += [i - 1] if breaks else []
            breaks.append(value)
    return tuple(breaks), (NO_ROW, *picks, len(column) - 1)


def _scanned(columns: list[list[float]], points: tuple[tuple[float, ...], ...]) -> tuple[Any, Any]:
    """One axis: the scanned row. Two: each scanned apart, then the last row that has both values."""
    first, *others = [_scan(column) for column in columns]
    if not others:
        return (first[0],), first[1]
    (second,) = others
    last = {point: i for i, point in enumerate(points)}
    cells = tuple(tuple(_both(i, j, points, last) for j in second[1]) for i in first[1])
    return (first[0], second[0]), cells


def _both(i: int, j: int, points: tuple[tuple[float, ...], ...], last: Mapping[tuple[float, ...], int]) -> int:
    if NO_ROW in (i, j):
        return NO_ROW
    return last.get((points[i][0], points[j][1]), NO_ROW)


def _missing(
    signature: Signature, shape: tuple[float, ...], stands_in: float | str, context: TableContext, why: str
) -> Lookup:
    if stands_in == "refuse":
        have = sorted({row.cells["device"] for row in rows(signature.function)})
        hint = "" if context.figures is not None else "; --fallback goes on with a stated assumption"
        raise EmptyTable(f"{why}, and nothing may stand in for it; the table has rows of {', '.join(have)}{hint}")
    default = _default(stands_in, context)
    breaks: tuple[tuple[float, ...], ...] = tuple(() for _ in signature.axes)
    cells: Any = NO_ROW
    for _ in signature.axes:
        cells = (cells,)
    sentence = f"{why}: default {default:g} used"
    return Lookup(signature, shape, shape, "steps", (), (), breaks, cells, (), None, default, sentence)


def _default(stands_in: float | str, context: TableContext) -> float:
    return context.default_mfu if isinstance(stands_in, str) else float(stands_in)


def _where(signature: Signature, shape: tuple[float, ...], context: TableContext) -> str:
    return f"{signature.file} for {context.device}, {_point(signature.shape_args, shape)} (vintage {context.vintage})"


def _point(names: Sequence[str], values: Sequence[float]) -> str:
    return ", ".join(f"{name}={value:g}" for name, value in zip(names, values, strict=True))
