"""What a paper says about a compiled model, before it is set: formulas, regimes, a worked example, sources, remarks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from sympy.core.function import AppliedUndef

from symsim.algebra.symbols import DEFAULTS
from symsim.analysis.regimes import Piece, Regimes
from symsim.api.costs import Costs
from symsim.api.formula import Formula
from symsim.cost.metric_table import metrics_of
from symsim.errors import SymsimError, did_you_mean
from symsim.formula.breakdown import defaults_at, found_at
from symsim.formula.closed_form import Level
from symsim.notation.layout import Layout, SymbolRow
from symsim.paths import display_path
from symsim.publication.bibliography import cited
from symsim.publication.kernel_functions import NamedKernels, with_kernels_named
from symsim.publication.short_form import ShortForm, short_form
from symsim.publication.worked_example import WorkedCheck, worked
from symsim.tables.residuals import read_residuals
from symsim.tables.signature import Signature
from symsim.tables.table import rows_of, signatures


@dataclass(frozen=True, slots=True)
class Dated:
    """A measured table as a source: how many of its rows answer for the device, and from when to when they are,
    empty where it does not say."""

    table: Signature
    rows: int
    first: str
    last: str


@dataclass(frozen=True, slots=True)
class Section:
    """What a section says, before it is set.

    name: what the model is called; sheets: metric -> its formula; kernels: the same with
    the times of fitted kernels as functions; checks: metrics worked out at the point; spans: runs
    of pieces of `map` on which the same arms bind, of TPOT alone; cites: what for -> BibTeX keys; remarks: everything
    assumed, but for the figures that stand in for tables, which are assumed; columns: of a page; short: metric -> its
    terms, printed as `printed` lays it out.  sheets, checks and tables are empty where only this is asked for.
    """

    name: str
    costs: Costs
    point: Mapping[str, int]
    sheets: Mapping[str, Layout]
    checks: Mapping[str, WorkedCheck]
    map: Regimes | None
    spans: tuple[tuple[Piece, ...], ...]
    tables: tuple[Dated, ...]
    cites: Mapping[str, tuple[str, ...]]
    remarks: tuple[str, ...]
    assumed: tuple[SymbolRow, ...]
    columns: int
    short: Mapping[str, ShortForm]
    printed: Mapping[str, Layout]
    kernels: Mapping[str, NamedKernels]


BRIEF = ("tpot", "memory")
"""Metrics of the short form, unless others are named."""

CHECKED = ("tpot", "ttft", "memory")
"""Metrics that are worked out by hand."""


_LAST = 1024
"""Regimes are followed up to the largest batch in memory, or this."""


def compose(
    costs: Costs,
    level: Level,
    at: Mapping[str, int],
    metrics: Sequence[str] = (),
    *,
    columns: int = 1,
    short: bool = False,
) -> Section:
    """Everything at a workload point; what it does not name is taken as questions take it.

    metrics: all, unless named.  Raises SymsimError for one that there is not.
    """
    point = {**DEFAULTS, **at}
    known = metrics_of(costs.compiled.phases)
    if unknown := [name for name in metrics if name not in known]:
        raise SymsimError(f"there is no metric {unknown[0]} for a paper; {did_you_mean(unknown[0], known)}")
    names = [name for name in known if name in metrics] or [*known]
    along = _along(costs, point) if "tpot" in names else None
    forms = {name: costs.metric(name) for name in names}
    sheets = {} if short else {name: formula.layout(level) for name, formula in forms.items()}
    checks = {n: worked(f, workload_of(f, point)) for n, f in forms.items() if n in CHECKED and not short}
    spans = groupby(along.pieces if along else (), key=lambda piece: sorted(piece.binds.items()))
    path = Path(costs.compiled.config.path)
    brief = {name: formula for name, formula in forms.items() if name in (metrics or BRIEF)}
    return Section(
        name=path.parent.name if path.name == "config.json" and path.parent.name else path.stem,
        costs=costs,
        point=point,
        sheets=sheets,
        checks=checks,
        map=along,
        spans=tuple(tuple(run) for _, run in spans),
        tables=_tables(costs, sheets),
        cites=cited(costs, _measured(forms, point), {name for formula in forms.values() for name in formula.symbols}),
        remarks=_remarks(costs, point),
        assumed=_assumed(forms),
        columns=columns,
        short={name: short_form(costs, name, workload_of(formula, point)) for name, formula in brief.items()},
        kernels={name: with_kernels_named(costs, name, layout) for name, layout in sheets.items()},
        printed={name: formula.layout("model") for name, formula in brief.items()},
    )


def _along(costs: Costs, point: Mapping[str, int]) -> Regimes:
    fits = costs.max_batch.evaluate(**workload_of(costs.max_batch, point))
    last = max(2 * point["B"], min(fits, _LAST))
    return costs.regimes("tpot", "B", 1, last, **{name: point[name] for name in ("B", "S", "O")})


def _measured(forms: Mapping[str, Formula], point: Mapping[str, int]) -> list[str]:
    """Libraries whose measurements answer look-ups at the point."""
    libraries: list[str] = []
    for formula in forms.values():
        form = formula.form.in_chunks(workload_of(formula, point))
        values = form.point(**workload_of(formula, point))
        for call in {call for step in form.derivation.steps for call in step.expr.atoms(AppliedUndef)}:
            if found_at(call, values, form.context).default is None:
                libraries.append(signatures()[str(call.func)].library)
    return sorted(set(libraries))


def _assumed(forms: Mapping[str, Formula]) -> tuple[SymbolRow, ...]:
    """Figures that stand in where no table answers."""
    rows = {row.info.name: row for formula in forms.values() for row in formula.layout("model").symbols}
    return tuple(row for name, row in sorted(rows.items()) if name.startswith("default_"))


def workload_of(formula: Formula, point: Mapping[str, int]) -> dict[str, int]:
    """The part of a point that a formula depends on."""
    return {name: value for name, value in point.items() if name in formula.symbols}


def _tables(costs: Costs, sheets: Mapping[str, Layout]) -> tuple[Dated, ...]:
    used = {table.function: table for one in sheets.values() for table in one.tables}
    context = costs.compiled.context
    found: list[Dated] = []
    for name, table in sorted(used.items()):
        if (path := dict(context.residuals).get(name)) is not None:
            found.append(Dated(replace(table, file=display_path(path)), len(read_residuals(path)[1]), "", ""))
            continue
        rows = rows_of(name, context.device, context.vintage, context.cost_model)
        dates = sorted(row.cells["published"] for row in rows)
        found.append(Dated(table, len(rows), *((dates[0], dates[-1]) if dates else ("", ""))))
    return tuple(found)


def _remarks(costs: Costs, point: Mapping[str, int]) -> tuple[str, ...]:
    forms = [costs.metric(name).form for name in ("tpot", "ttft")]
    points = [{name: value for name, value in point.items() if name in form.symbols} for form in forms]
    at = [sentence for form, here in zip(forms, points, strict=True) for sentence in defaults_at(form, here)]
    kept = [sentence for sentence in (*costs.notes, *costs.assumptions, *at) if not sentence.startswith("no rows of ")]
    return tuple(dict.fromkeys(kept))
