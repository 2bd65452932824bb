"""Many deployments at once: those whose metrics are one formula with other numbers are looked at together.

A scan looks at every whole number of the unknown up to where a limit has failed whose direction is certified for all of
them. It says where the goal is best, and leaves the certificate to an exact look at that deployment.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from sympy import Add, Dummy, Expr, Mul, Rational, Symbol
from sympy.core.function import AppliedUndef

from symsim.algebra.direction import direction
from symsim.algebra.symbols import rebuilt
from symsim.errors import DeploymentError
from symsim.formula.closed_form import ClosedForm
from symsim.formula.grid import CASE, Gridded, gridded_together, same_formulas
from symsim.formula.program import program
from symsim.language.query import Constraint, Query
from symsim.solve.limits import Forms, bound_of, form_of

_Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A deployment whose metrics are compiled. place: in the order in which deployments are named."""

    place: int
    sizes: Mapping[str, int]
    forms: Forms


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The whole numbers of `unknown` are looked at, at a point of the rest of the workload, for the largest (sense 1)
    or least (-1) value of the metric that the question is about; only one number where it is stated."""

    query: Query
    unknown: str
    point: Mapping[str, float]
    sense: int
    stated: int | None = None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class _Alike:
    """Deployments of one formula. grids: the last step of a metric -> the metric and what it contains; limits:
    constraint -> its metric by the last step, and its bound in each deployment."""

    cases: Sequence[Case]
    search: Search
    goal: str
    forms: Mapping[str, Sequence[ClosedForm]]
    grids: Mapping[str, Gridded]
    limits: Mapping[Constraint, tuple[str, _Array]]

    def values(self, numbers: _Array, wanted: Collection[str]) -> Mapping[str, _Array]:
        """Metrics by deployment and value of the unknown; NaN where a measured row cannot be used."""
        count, found = len(self.cases), dict[str, _Array]()
        given = {CASE: np.arange(count, dtype=float), self.search.unknown: numbers}
        given |= {name: np.array([value]) for name, value in self.search.point.items()}
        for grid in self.grids.values():
            if not found.keys() >= {*wanted} & {*grid.outputs}:
                found |= grid.values({name: given[name] for name in grid.axes})
        return {name: np.broadcast_to(found[name].reshape(count, -1), (count, numbers.size)) for name in wanted}

    def holds(self, constraint: Constraint, values: Mapping[str, _Array]) -> NDArray[np.bool_]:
        metric, bounds = self.limits[constraint]
        with np.errstate(invalid="ignore"):
            return values[metric] >= bounds if constraint.relation == ">=" else values[metric] <= bounds

    def rising(self) -> Constraint | None:
        """A limit from above on what never falls as the unknown grows; the shortest formula is asked first."""
        above = [one for one in self.limits if one.relation == "<="]
        above.sort(key=lambda one: len(self.forms[self.limits[one][0]][0].derivation.steps))
        return next((one for one in above if _rises(self.forms[self.limits[one][0]], self.search)), None)


def best_of_each(cases: Iterable[Case], search: Search) -> tuple[dict[int, float], list[Case]]:
    """(place of a deployment -> the best value of the goal there, deployments for which nothing certifies an end)."""
    found: dict[int, float] = {}
    unsure: list[Case] = []
    for alike in _grouped(cases, search):
        stated = search.stated
        first, last = (1, _last(alike)) if stated is None else (stated, stated + 1)
        if last is None:
            unsure += alike.cases
        else:
            found |= _scanned(alike, first, last)
    return found, unsure


def _grouped(cases: Iterable[Case], search: Search) -> Iterator[_Alike]:
    query = search.query
    goal = Constraint(query.variable, ">=", query.constraints[0].bound, query.span)
    groups: dict[Hashable, list[tuple[Case, list[ClosedForm]]]] = {}
    for case in cases:
        with suppress(DeploymentError):
            forms = [form_of(one, case.forms) for one in (goal, *query.constraints)]
            groups.setdefault(same_formulas(forms), []).append((case, forms))
    for group in groups.values():
        yield _alike([case for case, _ in group], [*zip(*(forms for _, forms in group), strict=True)], search)


def _alike(cases: Sequence[Case], metrics: Sequence[Sequence[ClosedForm]], search: Search) -> _Alike:
    """metrics: the goal, and that of each constraint, in each of the deployments."""
    names = [forms[0].derivation.result.symbol.name for forms in metrics]
    limits: dict[Constraint, tuple[str, _Array]] = {}
    for constraint, name, forms in zip(search.query.constraints, names[1:], metrics[1:], strict=True):
        bounds = [float(bound_of(constraint.bound, form)) for form in forms]
        limits[constraint] = name, np.array(bounds).reshape(-1, 1)
    forms_of, grids, given = dict(zip(names, metrics, strict=True)), dict[str, Gridded](), set[str]()
    for name, forms in forms_of.items():
        if name not in given:
            steps = forms[0].applied.steps
            also = [other for other, of in forms_of.items() if other != name and of[0].applied.result in steps]
            axes = [one for one in (search.unknown, *search.point) if forms[0].takes(one)]
            grids[name] = gridded_together(forms, axes, also)
            given |= {name, *also}
    return _Alike(cases=cases, search=search, goal=names[0], forms=forms_of, grids=grids, limits=limits)


def _rises(forms: Sequence[ClosedForm], search: Search) -> bool:
    """Whether a metric never falls as the unknown grows, certified in all deployments: of what differs between them
    only the sign counts."""
    first = forms[0]
    known = [form.bound.values for form in forms]
    rows = {name: [float(values[name]) for values in known] for name in known[0]}
    same = {name for name, row in rows.items() if min(row) == max(row)}
    numbers = {s: number for s, number in first.bound.symbols().items() if s.name in same}
    numbers |= {s: Rational(str(search.point[s.name])) for s in first.applied.free() if s.name in search.point}
    expr = first.applied.substituted(numbers).inlined()
    variable = next((s for s in expr.free_symbols if str(s) == search.unknown), None)
    if variable is None or first.cut is not None:
        return False
    if any(variable in call.free_symbols for call in expr.atoms(AppliedUndef)):
        return False
    differing = {name: np.array(row) for name, row in rows.items() if name not in same}
    return direction(_by_signs(expr, cast(Symbol, variable), differing), cast(Symbol, variable)) == 1


def _by_signs(expr: Expr, variable: Symbol, numbers: Mapping[str, _Array]) -> Expr:
    """The expression with each part that does not depend on the variable, and differs between deployments, as a
    positive symbol, or as one taken away where it is nowhere positive; as it is where its sign changes."""
    if variable not in expr.free_symbols:
        names = [str(s) for s in expr.free_symbols]
        if not names or expr.has(AppliedUndef):
            return expr
        values = program((("part", expr),), ("part",), "numpy").run({name: numbers[name] for name in names}, {})[0]
        part = Dummy(positive=True)
        return part if np.min(values) >= 0 else -part if np.max(values) <= 0 else expr
    args = [cast(Expr, arg) for arg in expr.args]
    if isinstance(expr, (Add, Mul)):
        free = [arg for arg in args if variable not in arg.free_symbols]
        args = [arg for arg in args if variable in arg.free_symbols]
        args += [expr.func(*free)] if free else []
    return rebuilt(expr, [_by_signs(arg, variable, numbers) for arg in args]) if args else expr


_MOST, _BLOCK = 2**20, 2**18
"""Whole numbers that are looked at, and points that are worked out at once."""


def _last(alike: _Alike) -> int | None:
    """From where on nothing is feasible in any of the deployments; None where it is not certified, or too far off."""
    constraint = alike.rising()
    if constraint is None:
        return None
    low, high = 1, _MOST
    while high - low > 1:
        numbers = np.unique(np.geomspace(low, high, 24).round())
        over = ~alike.holds(constraint, alike.values(numbers, {alike.limits[constraint][0]})).any(axis=0)
        if not over.any():
            return None
        first = int(np.argmax(over))
        if first == 0:
            return low
        low, high = int(numbers[first - 1]), int(numbers[first])
    return high


def _scanned(alike: _Alike, start: int, last: int) -> dict[int, float]:
    """Place -> the best value from start to before last, of deployments in which anything is feasible."""
    best = np.full(len(alike.cases), -math.inf)
    block = max(1, _BLOCK // len(alike.cases))
    for first in range(start, last, block):
        numbers = np.arange(first, min(first + block, last), dtype=float)
        values = alike.values(numbers, {alike.goal, *(metric for metric, _ in alike.limits.values())})
        good = np.all([np.isfinite(values[alike.goal]), *(alike.holds(one, values) for one in alike.limits)], axis=0)
        goal = values[alike.goal] * alike.search.sense
        best = np.maximum(best, np.where(good, goal, -math.inf).max(axis=1))
    return {case.place: float(value) for case, value in zip(alike.cases, best, strict=True) if value > -math.inf}
