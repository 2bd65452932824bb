"""What a paper says about a compiled model, before it is set: formulas, regimes, a worked example, sources, remarks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from symsim.algebra.symbols import DEFAULTS
from symsim.analysis.regimes import Piece, Regimes
from symsim.api.costs import Costs
from symsim.api.formula import Formula
from symsim.cost.metric_table import metrics_of
from symsim.formula.breakdown import defaults_at
from symsim.formula.closed_form import Level
from symsim.notation.layout import Layout
from symsim.publication.bibliography import cited
from symsim.publication.worked_example import Check, worked
from symsim.tables.table import Signature, rows_of


@dataclass(frozen=True, slots=True)
class Dated:
    """A measured table as a source: how many of its rows answer for the device, and from when to when they are."""

    table: Signature
    rows: int
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Section:
    """What a section says, before it is set.

    name: what the model is called; sheets: metric -> its formula; checks: metrics worked out at the point; spans: runs
    of pieces of `map` on which the same arms bind; cites: what for -> BibTeX keys; remarks: everything assumed.
    """

    name: str
    costs: Costs
    point: Mapping[str, int]
    sheets: Mapping[str, Layout]
    checks: Mapping[str, Check]
    map: Regimes
    spans: tuple[tuple[Piece, ...], ...]
    tables: tuple[Dated, ...]
    cites: Mapping[str, tuple[str, ...]]
    remarks: tuple[str, ...]


CHECKED = ("tpot", "ttft", "memory")
"""Metrics that are worked out by hand."""


LAST = 1024
"""Regimes are followed up to the largest batch in memory, or this."""


def compose(costs: Costs, level: Level, at: Mapping[str, int]) -> Section:
    """Everything at a workload point; what it does not name is taken as questions take it."""
    point = {**DEFAULTS, **at}
    fits = costs.max_batch.evaluate(**workload_of(costs.max_batch, point))
    last = max(2 * point["B"], min(fits, LAST))
    along = costs.regimes("tpot", "B", 1, last, **{name: point[name] for name in ("B", "S", "O")})
    sheets = {name: costs.metric(name).layout(level) for name in metrics_of(costs.compiled.phases)}
    checks = {name: worked(costs.metric(name), workload_of(costs.metric(name), point)) for name in CHECKED}
    tables = _tables(costs, sheets)
    cites = cited(costs, [dated.table.library for dated in tables])
    spans = tuple(tuple(run) for _, run in groupby(along.pieces, key=lambda piece: sorted(piece.binds.items())))
    path = Path(costs.compiled.config.path)
    name = path.parent.name if path.name == "config.json" and path.parent.name else path.stem
    return Section(name, costs, point, sheets, checks, along, spans, tables, cites, _remarks(costs, point))


def workload_of(formula: Formula, point: Mapping[str, int]) -> dict[str, int]:
    """The part of a point that a formula depends on."""
    return {name: value for name, value in point.items() if name in formula.symbols}


def _tables(costs: Costs, sheets: Mapping[str, Layout]) -> tuple[Dated, ...]:
    used = {table.function: table for one in sheets.values() for table in one.tables}
    context = costs.compiled.context
    found: list[Dated] = []
    for name, table in sorted(used.items()):
        rows = rows_of(name, context.device, context.vintage, context.cost_model)
        dates = sorted(row.cells["published"] for row in rows)
        found.append(Dated(table, len(rows), *((dates[0], dates[-1]) if dates else ("", ""))))
    return tuple(found)


def _remarks(costs: Costs, point: Mapping[str, int]) -> tuple[str, ...]:
    forms = [costs.metric(name).form for name in ("tpot", "ttft")]
    points = [{name: value for name, value in point.items() if name in form.symbols} for form in forms]
    at = [sentence for form, here in zip(forms, points, strict=True) for sentence in defaults_at(form, here)]
    stand_ins = [sentence for form in forms for sentence in form.stand_ins]
    return tuple(dict.fromkeys((*costs.notes, *costs.assumptions, *stand_ins, *at)))
