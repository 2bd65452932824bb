"""Whole numbers that meet all limits, exactly: each looked at while tables change, then piece by piece, then certified.

Measured tables make a metric jump, so it need not be monotone in a batch or a length.  Up to the point beyond which no
table changes any more every whole number is evaluated.  Beyond it the metric moves one way while the number of inputs
in a prefill iteration, ceil(T / S), stays what it is: both ends of each such stretch are evaluated, and a border inside
is bisected.  The last stretch has no end.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from symsim.errors import SymsimError
from symsim.language.query import Query
from symsim.solve.answer import Answer, Ranges, infeasible, solved, unbounded
from symsim.solve.bisection import gallop, last_holding, whole_middle
from symsim.solve.lengths import looked_at
from symsim.solve.limits import Limit, room_at, tightest
from symsim.solve.movement import counted, moves, settled, with_numbers

_LARGEST = 2**50
"""Whole numbers are looked for up to here; beyond, floats would soon skip some."""

LOOKED_AT = 2**18
"""Whole numbers that are looked at one by one where nothing certifies how a metric moves."""

_BLOCK = 2**18
"""Points that are evaluated at once."""

_FIRST_BLOCK = 2**12
"""Where a limit may end the search soon."""

_MOST_TOKENS = 10**12
"""Tokens of an iteration that lengths are counted in at the most: 2 million stretches."""

_Ends = tuple[NDArray[np.float64], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Course:
    """How limits go along a variable. limits: with the certified direction of each metric; settled: from where on no
    table changes; tokens: from where on the number of inputs is one; open: whether nothing certifies how one of them
    goes on from there, so that nothing is said of what is beyond."""

    variable: str
    limits: tuple[tuple[Limit, int], ...]
    settled: int
    tokens: int
    open: bool = False

    @property
    def end(self) -> int:
        """Where the last stretch starts."""
        return max(self.settled + 1, self.tokens)


def solve_whole(query: Query, limits: list[Limit], assumed: Mapping[str, float]) -> Answer:
    """The largest or smallest whole number that meets every limit, with the whole feasible set."""
    course = _course(tightest(limits), query.variable)
    ranges = _feasible(course)
    if not ranges:
        best = _least_bad(course)
        return infeasible(query, limits, best, f"at {query.variable} = {best:,}", assumed)
    low, high = ranges[0][0], ranges[-1][1]
    if query.goal == "min":
        return solved(query, limits, int(low), int(low) - 1, ranges, assumed)
    if high is None:
        return unbounded(query, limits, ranges, assumed, at=course.settled if course.open else None)
    return solved(query, limits, int(high), int(high) + 1, ranges, assumed)


def feasible_ranges(limits: list[Limit], variable: str) -> Ranges:
    """Maximal ranges of whole numbers >= 1 that meet all limits; an open end is None."""
    return _feasible(_course(tightest(limits), variable)) if limits else ((1, None),)


def _course(limits: list[Limit], variable: str) -> Course:
    moving: list[tuple[Limit, int]] = []
    wall, tokens, unsure = 1, 1, False
    for limit in limits:
        if variable not in limit.form.symbols and variable != limit.bound_name:
            moving.append((limit, 0))
            continue
        expr = with_numbers(limit, variable)
        wall = max(wall, settled(expr, limit, variable), looked_at(limit, variable))
        tokens = max(tokens, counted(expr, variable))
        move = moves(expr, limit, variable)
        moving.append((limit, move or 0))
        if move is None:
            wall, unsure = max(wall, LOOKED_AT), True
    if tokens > _MOST_TOKENS:
        raise SymsimError(f"T = {tokens:,} tokens in one iteration are more than {_MOST_TOKENS:,}; ask for fewer")
    return Course(variable, tuple(moving), wall, min(tokens, wall) if unsure else tokens, unsure)


def _feasible(course: Course) -> Ranges:
    """Maximal ranges of whole numbers >= 1 that meet all limits."""
    found: list[tuple[float, float | None]] = []
    ending = [limit for limit, move in course.limits if move * limit.sense > 0]
    for low, high in _stretches(course):
        for part in _inside(course, low, high):
            found = _joined(found, part)
        if course.open and not _all_hold(ending, course.variable, int(high[-1])):
            return tuple(found)
    if course.open:
        ends = found and found[-1][1] == course.settled
        return (*found[:-1], (found[-1][0], None)) if ends else tuple(found)
    tail = _tail(course)
    return tuple(found if tail is None else _joined(found, tail))


def _joined(
    ranges: list[tuple[float, float | None]], part: tuple[float, float | None]
) -> list[tuple[float, float | None]]:
    """Ranges with one more, which begins behind them: they grow together where it touches the last."""
    if ranges and ranges[-1][1] == part[0] - 1:
        return [*ranges[:-1], (ranges[-1][0], part[1])]
    ranges.append(part)
    return ranges


def _stretches(course: Course) -> Iterator[_Ends]:
    """From and to of stretches on which every metric moves one way, in blocks: single numbers, then equal ceil(T/S)."""
    root = math.isqrt(course.tokens)
    single = max(course.settled, min(root, course.tokens - 1))
    first, size = 1, _BLOCK if not course.open else _FIRST_BLOCK
    while first <= single:
        points = np.arange(first, min(first + size, single + 1), dtype=float)
        yield points, points
        first, size = first + size, min(4 * size, _BLOCK)
    most = -(-course.tokens // (single + 1))  # inputs of an iteration just beyond
    for last in range(most, 1, -_BLOCK):
        inputs = np.arange(last, max(last - _BLOCK, 1), -1, dtype=np.int64)
        low, high = -(-course.tokens // inputs), -(-course.tokens // (inputs - 1)) - 1
        low = np.maximum(low, single + 1)
        kept = low <= high
        if kept.any():
            yield low[kept].astype(float), high[kept].astype(float)


def _inside(course: Course, low: NDArray[np.float64], high: NDArray[np.float64]) -> Ranges:
    """Feasible ranges of a block of stretches."""
    starts, stops = _hold(course, low), _hold(course, high)
    if (low == high).all() or (starts & stops).all():
        return _runs(low, high, starts)
    ranges: list[tuple[float, float | None]] = []
    for from_, to, first, last in zip(low.tolist(), high.tolist(), starts.tolist(), stops.tolist(), strict=True):
        part = (from_, to) if first and last else _border(course, int(from_), int(to))
        ranges = ranges if part is None else _joined(ranges, part)
    return tuple(ranges)


def _runs(low: NDArray[np.float64], high: NDArray[np.float64], good: NDArray[np.bool_]) -> Ranges:
    """Stretches that hold, those that touch as one."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], good, [False])).astype(np.int8)))
    return tuple((int(low[start]), int(high[stop - 1])) for start, stop in edges.reshape(-1, 2))


def _border(course: Course, low: int, high: int) -> tuple[float, float] | None:
    """The feasible part of one stretch: growing metrics bound it from above, falling ones from below."""
    start = low
    growing, shrinking = _sides(course)
    if not _all_hold(growing, course.variable, high) or not _all_hold(shrinking, course.variable, low):
        return None
    if not _all_hold(growing, course.variable, low):
        start = last_holding(lambda x: _all_hold(growing, course.variable, x), high, low, whole_middle)[0]
    if _all_hold(shrinking, course.variable, high):
        return start, high
    stop = last_holding(lambda x: _all_hold(shrinking, course.variable, x), low, high, whole_middle)[0]
    return (start, stop) if start <= stop else None


def _tail(course: Course) -> tuple[float, float | None] | None:
    """The feasible range of the last stretch, which has no end."""
    name, first = course.variable, course.end
    growing, shrinking = _sides(course)
    if not _all_hold(growing, name, _LARGEST):
        return None
    start = first
    if not _all_hold(growing, name, first):
        start = gallop(lambda value: not _all_hold(growing, name, value), first, _LARGEST) + 1
    if not _all_hold(shrinking, name, start):
        return None
    last = gallop(lambda value: _all_hold(shrinking, name, value), start, _LARGEST)
    return start, None if last >= _LARGEST else last


def _sides(course: Course) -> tuple[list[Limit], list[Limit]]:
    """Limits whose room grows with the variable, and all others."""
    growing = [limit for limit, move in course.limits if move * limit.sense < 0]
    return growing, [limit for limit, move in course.limits if move * limit.sense >= 0]


def _all_hold(limits: list[Limit], variable: str, value: int) -> bool:
    return all(room_at(limit, variable, value) >= 0 for limit in limits)


def _hold(course: Course, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where every limit holds; a point whose measured row cannot be used (NaN) does not count as holding."""
    good = np.ones(points.shape, dtype=bool)
    with np.errstate(invalid="ignore"):
        for limit, _ in course.limits:
            good &= _rooms(limit, course.variable, points) >= 0
    return good


def _rooms(limit: Limit, variable: str, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Room inside the limit at every point, in SI units."""
    bound = points if limit.bound_name == variable else float(limit.bound)
    if variable not in limit.form.symbols:
        return np.broadcast_to((bound - limit.form.evaluate(**limit.fixed)) * limit.sense, points.shape)
    values = np.asarray(limit.form.function([variable, *limit.fixed])(points, *limit.fixed.values()))
    return (bound - values) * limit.sense


def _least_bad(course: Course) -> int:
    """The whole number at which the constraint that fails most fails least."""
    best, at = -math.inf, 1
    for block in (np.concatenate(ends) if ends[0] is not ends[1] else ends[0] for ends in _stretches(course)):
        rooms = [_rooms(limit, course.variable, block) / (abs(float(limit.bound)) or 1.0) for limit, _ in course.limits]
        least = np.minimum.reduce([np.nan_to_num(room, nan=-np.inf) for room in rooms])
        place = int(np.argmax(least))
        if least[place] > best:
            best, at = float(least[place]), int(block[place])
    return at
