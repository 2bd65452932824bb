"""Sizes of the deployment: the best one that is asked for, and deployments that would make a question feasible."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from symsim.errors import EmptyTable, SymsimError
from symsim.inputs.space import SIZES
from symsim.language.query import Query
from symsim.solve.answer import Answer, infeasible, solved
from symsim.solve.limits import Forms, Limit, limit_at, room_at

Candidate = tuple[Mapping[str, Any], Callable[[bool], Forms]]
"""Sizes or formats in which a deployment differs from today's, and its metrics; compiling them may raise SymsimError.

True compiles all that a deployment is checked by, False a decode step alone and other steps once they are asked for.
"""

Ways = tuple[Iterable[Candidate], Iterable[Candidate]]
"""Deployments of other sizes, and the same one in other formats."""


def solve_size(query: Query, limits: list[Limit], assumed: Mapping[str, float]) -> Answer:
    """Try every size of the deployment that divides the model, all others as they are."""
    name = query.variable
    rooms = {value: [room_at(limit, name, value) for limit in limits] for value in SIZES[name]}
    tried = [value for value, found in rooms.items() if all(room > -math.inf for room in found)]
    good = [value for value in tried if min(rooms[value]) >= 0]
    if not good:
        best = max(tried or SIZES[name], key=lambda value: min(rooms[value]))
        return infeasible(query, limits, best, f"at {name} = {best:,}", assumed)
    runs: list[list[int]] = []
    for before, value in zip([None, *tried], tried, strict=False):
        if value in good:
            runs = [*runs[:-1], [*runs[-1], value]] if runs and runs[-1][-1] == before else [*runs, [value]]
    ranges = tuple((run[0], run[-1]) for run in runs)
    value = max(good) if query.goal == "max" else min(good)
    onward = [x for x in tried if x > value] if query.goal == "max" else [x for x in tried[::-1] if x < value]
    return solved(query, limits, value, onward[0] if onward else 0, ranges, assumed)


def first_feasible(
    query: Query, limits: list[Limit], value: float, candidates: Iterable[Candidate]
) -> tuple[Mapping[str, Any], int]:
    """The first deployment in which every limit holds at a value of the variable, and how many could be compiled.

    Nothing is given where none does. At first the shortest formula is asked first, as memory is known before any time
    is; then that which failed last, which mostly fails again. All of a decode step alone; only where all is well the
    other steps are looked at too.
    """
    point = {name: number for limit in limits for name, number in limit.fixed.items()}
    if query.variable not in SIZES:
        point[query.variable] = value
    short = {limit.text: len(limit.form.derivation.steps) for limit in limits}
    constraints = sorted(query.constraints, key=lambda constraint: short[str(constraint)])
    compiled = 0
    for changes, forms in candidates:
        try:
            found = forms(False)
            compiled += 1
            rooms = ((one, room_at(limit_at(one, found, point), query.variable, value)) for one in constraints)
            failed = next((one for one, room in rooms if not room >= 0), None)
            if failed is None and forms(True):
                return changes, compiled
        except EmptyTable:
            continue
        except SymsimError:  # it cannot be deployed so
            continue
        constraints.sort(key=lambda one: one is not failed)
    return {}, compiled
