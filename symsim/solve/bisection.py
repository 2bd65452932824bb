"""The last value at which something holds: one bisection for whole numbers, real numbers and factors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

_Number = TypeVar("_Number", int, float)


def last_holding(
    holds: Callable[[_Number], bool], low: _Number, high: _Number, middle: Callable[[_Number, _Number], _Number | None]
) -> tuple[_Number, _Number]:
    """(the last value that holds, the first that does not) between low, which holds, and high, which does not.

    middle: a value strictly between two, or None where they are neighbours; `high` may be below `low`.

    >>> last_holding(lambda n: n * n <= 50, 1, 100, whole_middle)
    (7, 8)
    """
    while (between := middle(low, high)) is not None:
        low, high = (between, high) if holds(between) else (low, between)
    return low, high


def whole_middle(low: _Number, high: _Number) -> _Number | None:
    """Of whole numbers, which may be kept as floats."""
    return None if abs(high - low) <= 1 else (low + high) // 2


def ratio_middle(low: float, high: float) -> float | None:
    """The geometric mean of two positive numbers, until they agree to all but the last digits of a float."""
    between = math.sqrt(low) * math.sqrt(high)
    return None if abs(high - low) <= 1e-15 * abs(low) or between in (low, high) else between


def gallop(holds: Callable[[int], bool], first: int, most: int) -> int:
    """The last whole number from `first`, which holds, up to `most`, for a property that ends once."""
    step = 1
    while first + step < most and holds(first + step):
        step *= 2
    high = min(first + step, most)
    if high == most and holds(most):
        return most
    return last_holding(holds, first + step // 2, high, whole_middle)[0]


def secants(excess: Callable[[float], float]) -> Callable[[float, float], float | None]:
    """Between two positive numbers where the line through their excesses is zero, else the geometric mean; an end that
    stays counts half from the second time on (Illinois), so that both ends close in.

    >>> asked = []
    >>> low, high = last_holding(lambda x: asked.append(x) or x**2 <= 2, 1.0, 100.0, secants(lambda x: x**2 - 2))
    >>> low <= 2**0.5 < high <= CLOSE * low, len(asked) < 14
    (True, True)
    """
    ends: tuple[float, float] = (math.nan, math.nan)
    stays = [0, 0]

    def middle(low: float, high: float) -> float | None:
        nonlocal ends
        if high <= CLOSE * low:
            return None
        for side, now in enumerate((low, high)):
            stays[side] = stays[side] + 1 if now == ends[side] else 0
        ends = low, high
        at_low, at_high = (excess(end) / 2 ** max(0, stay - 1) for end, stay in zip(ends, stays, strict=True))
        if not math.isfinite(at_low - at_high):
            return ratio_middle(low, high)
        step = 1 + _NEARLY * (CLOSE - 1)
        return min(max(low + (high - low) * at_low / (at_low - at_high), low * step), high / step)

    return middle


CLOSE = 1.00001
"""Numbers that secants look for are told apart by so much."""

_NEARLY = 0.9
"""Share of that by which a number is at least away from those that were tried."""
