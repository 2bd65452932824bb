"""Measured tables -> look-ups, bound to a device, a vintage and a shape.

The policies are those of the reference cost model (spec of the reference, section 9). All but `nearest` reduce to step
functions: sorted edges, and in each cell between them the row that answers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from symsim.errors import EmptyTable
from symsim.tables.forms import UNANSWERED, Nearest, StepTable, scaled
from symsim.tables.lookup import Lookup, stated_sizes
from symsim.tables.residual_lookup import residual_lookup
from symsim.tables.signature import Signature
from symsim.tables.table import Policy, Row, TableContext, policy, rows, rows_by_shape, signatures

_FARTHEST = 1e9
"""A GEMM shape at this squared distance or more does not stand in for another (spec section 9)."""


@lru_cache(maxsize=4096)
def bind(function: str, shape: tuple[float, ...], context: TableContext) -> Lookup:
    """The look-up of one table at one shape.

    Raises EmptyTable where the policy says that nothing may stand in for missing rows, unless the context allows
    fallbacks and the table names one.
    """
    if function not in signatures():
        return residual_lookup(signatures()[function], shape, dict(context.residuals)[function])
    signature, rule = signatures()[function], policy(function, context.vintage)
    groups = rows_by_shape(function, context.device, context.vintage, context.cost_model)
    found = _ceiling(shape, groups) if "ceiling" in rule.by.values() else shape
    group = groups.get(found, ()) if found is not None else ()
    if not group:
        why = f"no rows of {_where(signature, shape, context)}"
        borrowed = _borrowed(signature, rule, shape, context, why) if rule.missing_table == "refuse" else None
        return borrowed or _missing(signature, shape, rule.missing_table, context, why)
    if rule.kv_column is None:
        return _bound(signature, rule, shape, group, context)
    own = tuple(row for row in group if row.cells[rule.kv_column] == context.kv)
    if own:
        return _bound(signature, rule, shape, own, context)
    present = sorted({row.cells[rule.kv_column] for row in group})
    why = f"no {context.kv} KV rows (only {', '.join(present)}) of {_where(signature, shape, context)}"
    if context.figures is None or rule.missing_precision != "refuse":
        return _missing(signature, shape, rule.missing_precision, context, why)
    instead = tuple(row for row in group if row.cells[rule.kv_column] == present[0])
    assumed = f"{why}: fallback, rows of {present[0]} KV used"
    return replace(_bound(signature, rule, shape, instead, context), assumed=assumed)


def _borrowed(
    signature: Signature, rule: Policy, shape: tuple[float, ...], context: TableContext, why: str
) -> Lookup | None:
    """Another device's rows of a time, scaled by the ratio of a datasheet figure."""
    figure = rule.fallback.get("scale_by")
    if context.figures is None or context.lenders is None or figure is None:
        return None
    for device in sorted({row.cells["device"] for row in rows(signature.function)}):
        group = rows_by_shape(signature.function, device, context.vintage, context.cost_model).get(shape, ())
        if group and device.lower() in context.lenders.figures:
            ratio = context.lenders.figures[device.lower()][figure] / dict(context.figures)[figure]
            lent = _bound(signature, rule, shape, group, context)
            assumed = f"{why}: fallback, times of {device} x {ratio:.4g} used (the ratio of {figure})"
            return replace(lent, table=scaled(lent.table, ratio), assumed=assumed)
    return None


def _bound(
    signature: Signature, rule: Policy, shape: tuple[float, ...], rows: tuple[Row, ...], context: TableContext
) -> Lookup:
    values = tuple(_value(row, rule, signature.unit, context) for row in rows)
    points = tuple(row.numbers(signature.axes) for row in rows)
    policies = {rule.by[axis] for axis in signature.axes}
    if policies == {"nearest"}:
        scale = None if rule.scale is None else signature.axes.index(rule.scale)
        table = Nearest(axes=signature.axes, points=points, values=values, scale=scale)
        return Lookup(signature=signature, shape=shape, table=table, rows=rows)
    columns = [list(column) for column in zip(*points, strict=True)]
    edges, picks = _last(columns[0]) if policies == {"last"} else _scanned(columns, points)
    default = _default(rule.missing_row)
    answers = tuple(None if pick is None else rows[pick] for pick in picks)
    figures = tuple(default if pick is None else values[pick] for pick in picks)
    return Lookup(
        signature=signature,
        shape=shape,
        table=StepTable(axes=signature.axes, edges=edges, values=figures),
        rows=answers,
    )


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
    best, least = None, _FARTHEST
    for measured in groups:
        if all(have >= want for have, want in zip(measured, shape, strict=True)):
            gap = sum((have - want) ** 2 for have, want in zip(measured, shape, strict=True))
            if gap < least:
                best, least = measured, gap
    return best


Edges = tuple[tuple[float, ...], ...]
Picks = tuple[int | None, ...]
"""The row of every cell, None where no row answers."""


def _last(column: list[float]) -> tuple[Edges, Picks]:
    """`last`: the last row in file order that is not above the asked value."""
    edges = sorted(set(column))
    picks = [max(i for i, value in enumerate(column) if value <= edge) for edge in edges]
    return (tuple(edges),), (None, *picks)


def _scan(column: list[float]) -> tuple[tuple[float, ...], Picks]:
    """`scan`: the row before the first larger one. The edges are the record highs of the column."""
    edges: list[float] = []
    picks: list[int] = []
    for i, value in enumerate(column):
        if not edges or value > edges[-1]:
            picks += [i - 1] if edges else []
            edges.append(value)
    return tuple(edges), (None, *picks, len(column) - 1)


def _scanned(columns: list[list[float]], points: tuple[tuple[float, ...], ...]) -> tuple[Edges, Picks]:
    """One axis: the scanned row. Two: each scanned apart, then the last row that has both values."""
    first, *others = [_scan(column) for column in columns]
    if not others:
        return (first[0],), first[1]
    (second,) = others
    last = {point: i for i, point in enumerate(points)}
    return (first[0], second[0]), tuple(_both(i, j, points, last) for i in first[1] for j in second[1])


def _both(
    i: int | None, j: int | None, points: tuple[tuple[float, ...], ...], last: Mapping[tuple[float, ...], int]
) -> int | None:
    return None if i is None or j is None else last.get((points[i][0], points[j][1]))


def _missing(
    signature: Signature, shape: tuple[float, ...], stands_in: float | str, context: TableContext, why: str
) -> Lookup:
    if stands_in == "refuse":
        have = sorted({row.cells["device"] for row in rows(signature.function)})
        hint = "" if context.figures is not None else "; --fallback goes on with a stated assumption"
        raise EmptyTable(f"{why}, and nothing may stand in for it; the table has rows of {', '.join(have)}{hint}")
    table = StepTable(axes=signature.axes, edges=tuple(() for _ in signature.axes), values=(_default(stands_in),))
    return Lookup(signature=signature, shape=shape, table=table, rows=(None,), missing=why)


def _default(stands_in: float | str) -> float:
    """The number that a table states for missing rows, or UNANSWERED for the formula's own default."""
    return UNANSWERED if isinstance(stands_in, str) else float(stands_in)


def _where(signature: Signature, shape: tuple[float, ...], context: TableContext) -> str:
    sizes = stated_sizes(signature.shape_args, shape)
    return f"{signature.file} for {context.device}, {sizes} (vintage {context.vintage})"
