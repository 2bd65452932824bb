"""Goals that are metrics: `max tokens/s/GPU over B, tp subject to ...`, the best of every deployment and whole number.

The unknowns are sizes of the deployment, which are few and tried one by one, and at most one whole number of the
workload: in each deployment all of those that meet the limits are looked at, so that the best is the best there is.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from symsim.algebra.symbols import DEFAULTS, INPUTS, STEP_DEFAULTS, symbol_info
from symsim.algebra.units import format_quantity
from symsim.errors import DeploymentError, QuerySyntaxError
from symsim.formula.closed_form import ClosedForm
from symsim.inputs.space import SIZES
from symsim.language.query import Constraint, Quantity, Query
from symsim.solve.answer import Answer, Ranges, infeasible, solved
from symsim.solve.limits import Forms, Limit, form_called, limits_of
from symsim.solve.scan import Case, Search, best_of_each
from symsim.solve.whole import feasible_ranges, solve_whole

Reshape = Callable[[Mapping[str, int], bool], Forms]
"""Sizes of the deployment -> the metrics compiled for them, of all steps that it is checked by, or of a decode step
alone. Raises DeploymentError where they cannot be."""

_MOST = 2**20
"""Whole numbers that are looked at in one deployment."""


@dataclass(frozen=True, slots=True)
class _Refused:
    """An answer without a value: of the question for the unknown alone, and its limits."""

    answer: Answer
    asked: Query
    limits: list[Limit]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Best:
    """The goal at its best in one deployment; beside: at the next whole numbers, where those are feasible."""

    sizes: Mapping[str, int]
    value: float
    unit: str
    unknown: int
    ranges: Ranges
    limits: list[Limit]
    beside: Mapping[int, float]
    assumed: Mapping[str, float]


def solve_goal(query: Query, forms: Forms, reshape: Reshape | None) -> Answer | _Refused:
    """The largest or smallest value of a metric over the unknowns that the question names, B where it names none.

    Refused where no deployment that is looked at meets the limits.
    """
    form = form_called(query.variable, query.span, forms)
    sizes, unknown = _unknowns(query, form, reshape)
    unit = None if form.unit in ("1", "tokens") else form.unit
    least = Constraint(query.variable, ">=", Quantity("0", unit, None, query.span), query.span)  # always holds
    stated = query.fixed.get(unknown) if unknown not in query.over else None
    if query.goal == "value" and stated is None:
        return _at_default(query, unknown, forms, reshape)
    asked = replace(
        query,
        goal="max",
        variable=unknown,
        constraints=(*query.constraints, least),
        fixed={name: quantity for name, quantity in query.fixed.items() if quantity is not stated},
    )
    only = None if stated is None else int(stated.value(symbol_info(unknown).unit))
    cases = [*_cases(sizes, forms, reshape)]
    if query.constraints and cases:
        found, feasible = _scanned(asked, _search(query, asked, cases[0], only), cases, reshape)
    else:
        found = [best for case in cases for best in _best(asked, query.goal, case, only)]
        feasible = len(found)
    if not found:
        return _refused(replace(asked, constraints=query.constraints), forms, only)
    best = (max if query.goal == "max" else min)(found, key=lambda one: one.value)
    return _answer(query, asked, best, feasible)


def _at_default(query: Query, unknown: str, forms: Forms, reshape: Reshape | None) -> Answer | _Refused:
    """A metric whose question leaves out one of the workload."""
    usual = {**DEFAULTS, **STEP_DEFAULTS}[unknown]
    stated = Quantity(str(usual), None, None, query.span)
    answer = solve_goal(replace(query, fixed={**query.fixed, unknown: stated}), forms, reshape)
    return replace(answer, assumed={**answer.assumed, unknown: usual}) if isinstance(answer, Answer) else answer


def _cases(sizes: list[str], forms: Forms, reshape: Reshape | None) -> Iterator[Case]:
    """Every deployment of these sizes that can be, checked by its decode step."""
    for place, combination in enumerate(itertools.product(*(SIZES[name] for name in sizes))):
        point = dict(zip(sizes, combination, strict=True))
        with suppress(DeploymentError):
            yield Case(place=place, sizes=point, forms=reshape(point, False) if point and reshape else forms)


def _search(query: Query, asked: Query, case: Case, stated: int | None) -> Search:
    limits, assumed = limits_of(asked, case.forms, None)
    point = {**assumed, **{name: value for limit in limits for name, value in limit.fixed.items()}}
    sense = 1 if query.goal == "max" else -1
    return Search(query=query, unknown=asked.variable, point=point, sense=sense, stated=stated)


def _scanned(asked: Query, search: Search, cases: list[Case], reshape: Reshape | None) -> tuple[list[_Best], int]:
    """The best deployment, looked at exactly, and those for which a scan knows no end; in how many it is feasible."""
    scanned, unsure = best_of_each(cases, search)
    goal, stated = search.query.goal, search.stated
    found = [best for case in unsure for best in _best(asked, goal, case, stated)]
    feasible = len(scanned) + len(found)
    while scanned:
        top = max(scanned.values())
        first = min(place for place, value in scanned.items() if value >= top - _SAME * abs(top))
        winner = next(case for case in cases if case.place == first)
        with suppress(DeploymentError):
            whole = reshape(winner.sizes, True) if winner.sizes and reshape else winner.forms
            return [*_best(asked, goal, replace(winner, forms=whole), stated), *found], feasible
        del scanned[first]
    return found, feasible


_SAME = 1e-12
"""Relative difference of values that are one, but for rounding."""


def _unknowns(query: Query, form: ClosedForm, reshape: Reshape | None) -> tuple[list[str], str]:
    names = query.over or ("B" if "B" in form.symbols else "T",)
    sizes = [name for name in names if name in SIZES and reshape is not None]
    others = [name for name in names if name not in sizes]
    if len(others) > 1 or not set(others) <= set(INPUTS):
        known = f"sizes of the deployment ({', '.join(SIZES)}) and one of {', '.join(INPUTS)}"
        raise QuerySyntaxError(query.span, f"{query.variable} over {', '.join(names)}: expected {known}")
    (unknown,) = others or ("B" if "B" in form.symbols else "T",)
    if unknown not in form.symbols:
        has = ", ".join(name for name in INPUTS if name in form.symbols)
        raise QuerySyntaxError(query.span, f"{query.variable} does not depend on {unknown}; say over what of {has}")
    return sizes, unknown


def _best(asked: Query, goal: str, case: Case, stated: int | None) -> Iterator[_Best]:
    """The best of one deployment, where anything is feasible there; stated: the one value that is looked at."""
    (*limits, metric), assumed = limits_of(asked, case.forms, None)
    ranges = feasible_ranges(limits, asked.variable)
    if stated is not None:
        ranges = ((stated, stated),) if any(low <= stated <= (high or stated) for low, high in ranges) else ()
    if any(high is None or high - low > _MOST for low, high in ranges):
        alone = f", or ask for {asked.constraints[-1].metric} alone, where all is stated" * (not asked.over)
        message = f"{asked.variable} has no bound that is any use; add one, e.g. memory <= capacity{alone}"
        raise QuerySyntaxError(asked.constraints[-1].span, message)
    if not ranges:
        return
    points = np.concatenate([np.arange(low, (high or low) + 1) for low, high in ranges])
    values = metric.form.function([asked.variable, *metric.fixed])(points, *metric.fixed.values())
    usable = np.isfinite(values)
    if not usable.any():
        return
    at = int(np.nanargmax(values) if goal == "max" else np.nanargmin(values))
    beside = {int(points[i]): float(values[i]) for i in (at - 1, at + 1) if 0 <= i < points.size}
    yield _Best(
        sizes=case.sizes,
        value=float(values[at]),
        unit=metric.form.unit,
        unknown=int(points[at]),
        ranges=ranges,
        limits=limits,
        beside={point: value for point, value in beside.items() if abs(point - points[at]) == 1},
        assumed=assumed,
    )


def _answer(query: Query, asked: Query, best: _Best, deployments: int) -> Answer:
    name, unknown = asked.variable, best.unknown
    inner = solved(asked, best.limits, unknown, unknown + 1, best.ranges, best.assumed)
    at = {**best.sizes, name: unknown}
    unit = best.unit
    sentence = f"{query.variable} = {format_quantity(best.value, unit, 6)} at {_stated(at)}"
    if inner.binding:
        sentence += f", bound by {inner.sentence.partition(', bound by ')[2].removesuffix('.')}"
    beside = [f"{format_quantity(value, unit, 6)} at {name} = {point:,}" for point, value in best.beside.items()]
    sentence += f"; beside it {' and '.join(beside)}" if beside and not inner.binding else ""
    sentence += f"; the best of {deployments} deployments" if best.sizes else ""
    return replace(
        inner,
        variable=query.variable,
        value=best.value,
        unit=unit,
        objective=f"{query.goal} {query.variable} over {', '.join((*best.sizes, name))}",
        at=at,
        sentence=f"{sentence}.",
    )


def _refused(asked: Query, forms: Forms, only: int | None) -> _Refused:
    """Why nothing is feasible in the deployment that there is."""
    limits, assumed = limits_of(asked, forms, None)
    if only is None:
        return _Refused(solve_whole(asked, limits, assumed), asked, limits)
    return _Refused(infeasible(asked, limits, only, f"at {asked.variable} = {only:,}", assumed), asked, limits)


def _stated(point: Mapping[str, int]) -> str:
    return ", ".join(f"{name} = {value:,}" for name, value in point.items())
