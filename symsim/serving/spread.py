"""Between which values an answer about requests lies: the same question with times as short, and as long, as their
intervals say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache

from symsim.language.query import Constraint, Query
from symsim.serving.points import Point, Unknown, holds, is_memory, key, metric_of
from symsim.solve.bisection import last_holding

_INTERVALS = (("ttft", "ttft_s.mean"), ("tpot", "tpot_s.mean"), ("tokens/s/user", "tpot_s.mean"))
"""Beginning of a metric -> the interval that tells of it; percentiles are as sure as the mean."""


def factors(constraint: Constraint, at: Point) -> tuple[float, float]:
    """The least and the most that a metric may be of what is predicted; (1, 1) where nothing is known, as of memory,
    which is counted."""
    name, figures = key(constraint.metric), at.figures
    interval = next((of for beginning, of in _INTERVALS if name.startswith(beginning)), None)
    ends = figures.intervals.get(interval or "")
    value = figures.ttft["mean"] if interval == "ttft_s.mean" else figures.tpot
    if ends is None or not value:
        return 1.0, 1.0
    low, high = ends[0] / value, ends[1] / value
    return (1 / high, 1 / low) if name == "tokens/s/user" else (low, high)


def spread_of(
    value: float, at: Point, query: Query, point: Callable[[float], Point], unknown: Unknown
) -> tuple[float, float] | None:
    """(low, high) of an unknown whose largest or smallest value is `value`; None where no constraint has an interval.

    The value moves from where it is to where the constraints just hold with other times.
    """
    known = [(one, factors(one, at)) for one in query.constraints]
    if all(ends == (1.0, 1.0) for _, ends in known):
        return None
    most, looked = query.goal == "max", cache(point)
    found = [_moved(value, [(one, ends[i]) for one, ends in known], looked, unknown, most=most) for i in (0, 1)]
    return min(found), max(found)


def _moved(
    value: float,
    scaled: Sequence[tuple[Constraint, float]],
    point: Callable[[float], Point],
    unknown: Unknown,
    *,
    most: bool,
) -> float:
    """The largest, or smallest, value with other times: further on where they hold here, further back where not."""

    def inside(x: float) -> bool:
        at = point(x)
        return not at.figures.sentence and all(_holds(one, factor, at) for one, factor in scaled)

    whole, here = unknown.whole, inside(value)
    upwards = here == most
    near, step = value, _NEAR
    for _ in range(_STEPS):
        far = _rounded(value * (1 + step) if upwards else value / (1 + step), value, unknown)
        if inside(far) != here:
            break
        if far in (unknown.low, unknown.high):
            return far
        near, step = far, 2 * step
    else:
        return near

    def middle(low: float, high: float) -> float | None:
        if abs(high - low) <= max(_NEAR / 4 * value, 1.0 if whole else 0.0):
            return None
        between = (low + high) / 2
        return float(round(between)) if whole else between

    near, far = last_holding(lambda x: inside(x) == here, near, far, middle)
    return near if here else far


_NEAR = 0.04
_STEPS = 7


def _rounded(x: float, value: float, unknown: Unknown) -> float:
    """Within what is looked at; whole numbers are others than the value itself."""
    if unknown.whole:
        x = min(float(round(x)), value - 1) if x < value else max(float(round(x)), value + 1)
    return min(max(x, unknown.low), unknown.high)


def _holds(constraint: Constraint, factor: float, at: Point) -> bool:
    if is_memory(constraint):
        return holds(constraint, at)
    unit, of = metric_of(constraint.metric)
    value = of(at)
    if value is None:
        return False
    bound = float(constraint.bound.value(unit))
    return value * factor <= bound if constraint.relation == "<=" else value * factor >= bound
