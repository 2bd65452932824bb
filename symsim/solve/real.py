"""Real numbers (bandwidths, peaks, figures of kernels): the border of a one-sided feasible set, bisected."""

from __future__ import annotations

from collections.abc import Mapping

from symsim.errors import SymsimError
from symsim.language.query import Query
from symsim.solve.answer import Answer, infeasible, solved, unbounded
from symsim.solve.bisection import last_holding, ratio_middle
from symsim.solve.limits import Limit, room_at, tightest
from symsim.solve.movement import direction_of
from symsim.tables.table import signatures


def solve_real(query: Query, limits: list[Limit], assumed: Mapping[str, float]) -> Answer:
    """The value of a real symbol at which a limit just holds; every limit must move the same way."""
    name, kept = query.variable, tightest(limits)
    certified = {limit.metric: direction_of(limit, name) for limit in kept}
    if unsure := [metric for metric, move in certified.items() if move is None]:
        raise SymsimError(f"nothing certifies how {unsure[0]} moves with {name}; evaluate it at some values instead")
    moves = {(certified[limit.metric] or 0) * limit.sense for limit in kept} - {0}

    def inside(value: float) -> bool:
        return all(room_at(limit, name, value) >= 0 for limit in kept)

    if len(moves) != 1:
        raise SymsimError(f"these constraints pull {name} both ways or not at all; ask one at a time")
    grows = moves == {-1}  # room grows with the variable: the feasible set is [edge, infinity)
    start = float(limits[0].form.bound.values[name])
    least = 1e-6 if name in signatures() else start * 2.0**-60
    most = 1.0 if _is_share(name) else start * 2.0**60
    far, near = (most, least) if grows else (least, most)
    if not inside(far):
        extreme = "large as may be" if grows else "small as may be"
        where = f"at {name} = {far:g}" if _is_share(name) else f"with {name} as {extreme}"
        return infeasible(query, limits, far, where, assumed)
    if inside(near) or ((query.goal == "max") == grows and query.goal != "solve"):
        return unbounded(query, limits, ((near, None if grows else far),), assumed)
    good, bad = last_holding(inside, far, near, ratio_middle)
    return solved(query, limits, good, bad, ((good, None),) if grows else ((0.0, good),), assumed)


def _is_share(name: str) -> bool:
    """Whether a number is a share of what there is, so that it is 1 at the most: an MFU, an efficiency."""
    return name in signatures() or name in _SHARES or name.endswith("_efficiency")


_SHARES = ("default_mfu", "sm_ratio", "reserve_share")
