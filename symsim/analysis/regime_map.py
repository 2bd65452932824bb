"""Regime map of a metric in two symbols: regions where the same arms bind, the curves between them, and the point.

A region has an exact expression in both symbols for each set of measured rows; a curve is where two arms are equal,
one symbol as a formula in the other (and in all that is fixed).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr

from symsim.algebra.powers import plain
from symsim.algebra.shown import html_table, one_line
from symsim.algebra.symbols import symbol_info
from symsim.analysis.regimes import SPAN, Regimes, regimes_along
from symsim.analysis.stretches import is_cut_along
from symsim.errors import SymsimError
from symsim.formula.closed_form import ClosedForm
from symsim.formula.local_form import crossing, exact_at, followed
from symsim.formula.scan import Scan, scanned
from symsim.notation.layout import laid_out
from symsim.notation.written import Written

_FINENESS = 96
"""Points of the map along each symbol, spaced by equal ratios."""

AxisEnds = tuple[float | None, float | None]


@dataclass(frozen=True, slots=True)
class Region:
    """Where the same arms bind. binds: step -> compute, memory, link, or the step that is longer.

    share: of the points of the map; at: the point of it nearest to its middle; value: the metric there; expression:
    exact in both symbols around that point, in SI units.
    """

    binds: Mapping[str, str]
    share: float
    at: tuple[float, float]
    value: float
    expression: Expr


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Between two arms of a step. variable: which symbol the formula is solved for; formula: None where measured rows
    make the arms jump; at: a point near which it runs."""

    step: str
    was: str
    now: str
    variable: str
    at: tuple[float, float]
    formula: Written | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegimeMap:
    """A metric over two symbols. xs, ys: points of the map; index: region of each (rows are ys).

    expression: exact at the point, in both symbols; along: exact pieces along each symbol through the point.
    """

    metric: str
    latex: str
    unit: str
    variables: tuple[str, str]
    subject: str
    at: Mapping[str, float]
    xs: NDArray[np.float64]
    ys: NDArray[np.float64]
    values: NDArray[np.float64]
    index: NDArray[np.int64]
    regions: tuple[Region, ...]
    curves: tuple[Curve, ...]
    here: int
    expression: Expr
    along: tuple[Regimes, Regimes]

    def __repr__(self) -> str:
        over = " and ".join(self.variables)
        return one_line(self, f"{self.metric} over {over}, {len(self.regions)} regions, of {self.subject}")

    def _repr_html_(self) -> str:
        regions = {f"{region.share:.1%}": plain(region.expression) for region in self.regions}
        return html_table(f"{self.metric} [{self.unit}] over {' and '.join(self.variables)}", regions)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        regions = [
            {
                "binds": dict(region.binds),
                "share": region.share,
                "at": region.at,
                "value": region.value,
                "expression": plain(region.expression),
            }
            for region in self.regions
        ]
        curves = [
            {
                "step": curve.step,
                "was": curve.was,
                "now": curve.now,
                "variable": curve.variable,
                "at": curve.at,
                "closed_form": None if curve.formula is None else curve.formula.text,
            }
            for curve in self.curves
        ]
        return {
            "metric": self.metric,
            "unit": self.unit,
            "variables": self.variables,
            "at": dict(self.at),
            "here": self.here,
            "expression": plain(self.expression),
            "to_next": {name: found.to_next for name, found in zip(self.variables, self.along, strict=True)},
            "regions": regions,
            "curves": curves,
        }


def map_regimes(
    whole: ClosedForm, variables: tuple[str, str], ranges: tuple[AxisEnds, AxisEnds], **at: float
) -> RegimeMap:
    """The regime map of a metric in two symbols, as `regimes_along` has it in one.

    ranges: from where to where along each; None as in `regimes_along`. at: the point, which fixes all other symbols.
    Raises SymsimError for symbols that the metric does not have, EmptyTable where a measured row cannot be used.
    """
    if variables[0] == variables[1]:
        raise SymsimError(f"a map in two symbols needs two; {variables[0]} was named twice")
    if is_cut_along(whole, variables):
        whole = _of_one_count(whole, variables, ranges, at)
    form, point, values = followed(whole, variables, at)
    here = {name: float(values[name]) for name in variables}
    xs, ys = (_grid(name, here[name], *ends) for name, ends in zip(variables, ranges, strict=True))
    x, y = (part.ravel() for part in np.meshgrid(xs, ys))
    scan = scanned(form, values, dict(zip(variables, (x, y), strict=True)))
    kinds, index = np.unique(scan.chosen, axis=0, return_inverse=True)
    index = index.reshape(len(ys), len(xs))
    others = {name: value for name, value in point.items() if name not in variables}
    metric = np.asarray(form.function([*variables, *others])(x, y, *others.values())).reshape(index.shape)
    regions = tuple(_region(form, scan, values, metric, index == i, (xs, ys)) for i in range(len(kinds)))
    mine = scanned(form, values, {name: np.array([here[name]]) for name in variables})
    there = np.flatnonzero((kinds == mine.chosen[0]).all(axis=1))
    stated = {**at, **here} if "C" not in variables else {**others, **here}
    lines = tuple(regimes_along(whole, name, *ends, **stated) for name, ends in zip(variables, ranges, strict=True))
    order = sorted(range(len(kinds)), key=lambda i: -regions[i].share)
    place = {old: new for new, old in enumerate(order)}
    return RegimeMap(
        metric=form.name,
        latex=form.derivation.result.latex,
        unit=form.unit,
        variables=variables,
        subject=whole.subject,
        at={**point, **here},
        xs=xs,
        ys=ys,
        values=metric,
        index=np.vectorize(place.__getitem__, otypes=[np.int64])(index),
        regions=tuple(regions[i] for i in order),
        curves=_curves(form, scan, values, variables, index.shape),
        here=place[int(there[0])] if len(there) else -1,
        expression=exact_at(form, mine, values, 0),
        along=(lines[0], lines[1]),
    )


def _of_one_count(
    whole: ClosedForm, variables: tuple[str, str], ranges: tuple[AxisEnds, AxisEnds], at: Mapping[str, float]
) -> ClosedForm:
    """The metric of prompts that take as many chunks all over the map. Raises SymsimError where they do not."""
    ends = dict(zip(variables, ranges, strict=True))
    corners = [{**at, **{name: end[i] for name, end in ends.items()}} for i in (0, 1)]
    few = {**corners[0], "S": corners[0].get("S"), "T": corners[1].get("T")}
    many = {**corners[1], "S": corners[1].get("S"), "T": corners[0].get("T")}
    known = all(point.get(name) for point in (few, many) for name in ("S", "T"))
    counts = {whole.chunk_count(point) for point in (few, many)} if known else set[int]()
    if len(counts) != 1:
        raise SymsimError(
            f"a map of {whole.name} is of prompts that are cut into as many chunks all over it; give ranges of "
            f"{' and '.join(name for name in variables if name in ('S', 'T'))} with S <= T, or follow one symbol"
        )
    return replace(whole.in_chunks(few), cut=None)


def _grid(name: str, here: float, low: float | None, high: float | None) -> NDArray[np.float64]:
    whole = symbol_info(name).integer
    usual = symbol_info(name).range or (here / SPAN, here * SPAN)
    ends = low or usual[0], high or usual[1]
    spaced = np.geomspace(*ends, _FINENESS)
    return np.unique(np.rint(spaced)) if whole else spaced


def _region(
    form: ClosedForm,
    scan: Scan,
    values: Mapping[str, Any],
    metric: NDArray[np.float64],
    mask: NDArray[np.bool_],
    axes: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> Region:
    rows, columns = np.nonzero(mask & ~np.isnan(metric)) if (mask & ~np.isnan(metric)).any() else np.nonzero(mask)
    middle = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    row, column = int(rows[middle]), int(columns[middle])
    at = row * metric.shape[1] + column
    expression = exact_at(form, scan, values, at)
    where = (_plain(scan, 0, axes[0][column]), _plain(scan, 1, axes[1][row]))
    return Region(scan.binds(at), float(mask.mean()), where, float(metric[row, column]), expression)


def _plain(scan: Scan, axis: int, value: float) -> float:
    name = list(scan.axes)[axis]
    return int(value) if symbol_info(name).integer else float(value)


def _curves(
    form: ClosedForm, scan: Scan, values: Mapping[str, Any], variables: tuple[str, str], shape: tuple[int, ...]
) -> tuple[Curve, ...]:
    """One curve for each pair of arms that meet on the map, solved for the first symbol where it crosses along it."""
    found: list[Curve] = []
    flat = np.arange(scan.chosen.shape[0]).reshape(shape)
    for i in range(len(scan.choices)):
        chosen = scan.chosen[:, i].reshape(shape)
        for axis, variable in ((1, variables[0]), (0, variables[1])):
            before, after = (
                np.take(flat, range(*ends), axis=axis) for ends in ((0, shape[axis] - 1), (1, shape[axis]))
            )
            flips = np.argwhere(chosen.ravel()[before] != chosen.ravel()[after])
            pairs = [(int(before[tuple(place)]), int(after[tuple(place)])) for place in flips]
            if not pairs:
                continue
            curve = _curve(form, scan, values, variable, i, pairs)
            known = {(one.step, frozenset((one.was, one.now))) for one in found}
            if (curve.step, frozenset((curve.was, curve.now))) not in known:
                found.append(curve)
    return tuple(found)


def _curve(
    form: ClosedForm,
    scan: Scan,
    values: Mapping[str, Any],
    variable: str,
    i: int,
    pairs: list[tuple[int, int]],
) -> Curve:
    """The first pair of neighbours between which the root of both arms lies; else no closed form."""
    near, formula = pairs[len(pairs) // 2], None
    for before, after in pairs[:: max(1, len(pairs) // 12)]:
        crossed = crossing(form, scan, i, variable, values, before, after)
        low, high = (float(scan.axes[variable][at]) for at in (before, after))
        if crossed is not None and low <= crossed[1] <= high * (1 + 1e-9):
            near, formula = (before, after), Written(crossed[0], laid_out(form, "symbolic", ""))
            break
    was, now = (scan.labels(at)[i] for at in near)
    x, y = (float(points[near[1]]) for points in scan.axes.values())
    return Curve(step=scan.choices[i].step, was=was, now=now, variable=variable, at=(x, y), formula=formula)
