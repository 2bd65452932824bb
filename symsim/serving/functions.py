"""What forms of serving may call besides arithmetic: as sympy functions, and as plain floats."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping
from statistics import NormalDist
from typing import Any, cast

import sympy
from sympy import Expr, Symbol

from symsim.errors import SymsimError

INDICES: Mapping[str, Symbol] = {
    "n": Symbol("n", integer=True, nonnegative=True),
    "i": Symbol("i", integer=True, nonnegative=True),
}
"""What sums and means run over: a line that speaks of it is put in where it is used."""

STEP_TIME = "t"
"""The time of a step as a function of the rows and the context of its decodes, and the tokens and pairs of prompts."""


class NoEquilibrium(SymsimError):
    """An equation x = f(x) without a root, or a law without a sum: more arrives than can be served."""


class Mean(sympy.Function):  # pyright: ignore  (sympy types its functions loosely)
    """E[v(n)] over n = 0, 1, ... where n is r(n) times as likely as n - 1: Mean(Lambda(n, r), Lambda(n, v))."""

    nargs = (2,)

    def _eval_derivative(self, s: Symbol) -> Expr:
        """E[v'] + Cov(v, l), where l(n) is the derivative of the logarithm of the n-th weight."""
        (bound,), ratio = cast(Any, self.args[0]).args
        value = cast(Any, self.args[1]).expr
        i = sympy.Dummy("i", integer=True, positive=True)
        slope: Any = sympy.diff(ratio, s) / ratio
        log_slope = sympy.Sum(slope.subs(bound, i), (i, 1, bound)) if slope != 0 else sympy.S.Zero

        def mean(of: Any) -> Any:
            return Mean(self.args[0], sympy.Lambda(bound, of)) if of != 0 else sympy.S.Zero

        return mean(sympy.diff(value, s)) + mean(value * log_slope) - mean(value) * mean(log_slope)


class Quantile(sympy.Function):  # pyright: ignore  (sympy types its functions loosely)
    """Where the cumulated chance reaches a level q, of the law of Mean: Quantile(Lambda(n, r), q)."""

    nargs = (2,)


def _quantile(index: Expr, ratio: Expr, q: Expr) -> Expr:
    return cast(Expr, Quantile(sympy.Lambda(index, ratio), q))


def _mean(index: Expr, ratio: Expr, value: Expr) -> Expr:
    return cast(Expr, Mean(sympy.Lambda(index, ratio), sympy.Lambda(index, value)))


def _sum(index: Expr, low: Expr, high: Expr, value: Expr) -> Expr:
    return cast(Expr, sympy.Sum(value, (index, low, high)))


def _extreme(function: Any) -> Callable[..., Expr]:
    """Arms are not compared: that takes long, and which binds is the reader's to see."""
    return lambda *arms: function(*arms, evaluate=all(arm.is_Number for arm in arms))


SYMBOLIC: Mapping[str, Callable[..., Any]] = {
    "exp": sympy.exp,
    "log": sympy.log,
    "sqrt": sympy.sqrt,
    "loggamma": sympy.Function("loggamma", real=True),  # sympy's own turns into factorials, which overflow
    "max": _extreme(sympy.Max),
    "min": _extreme(sympy.Min),
    "mean": _mean,
    "quantile": _quantile,
    "sum": _sum,
    "normal": sympy.Function("normal", real=True),
    "lambert": sympy.Function("lambert", real=True),
    "poisson": sympy.Function("poisson", real=True),
    STEP_TIME: sympy.Function(STEP_TIME, positive=True),
}

SMALLEST = 1e-9
"""Where a root is looked for at the least: no time and no number of sequences of a form is below it."""


def root_of(increasing: Callable[[float], float], name: str, near: float | None = None) -> float:
    """The smallest x with x = f(x) between two values that hold it; f increases and is concave or affine (or falls:
    then it is the only one). near: where it may be. Raises NoEquilibrium where f stays above x.

    >>> round(root_of(lambda x: 1 + x / 2, "x"), 9)
    2.0
    """

    def over(x: float) -> float:
        return increasing(x) - x

    if near is not None:
        low, high = near * (1 - _CLOSE), near * (1 + _CLOSE)
        if over(low) > 0 >= over(high):
            return low
    low = SMALLEST
    if (at_low := over(low)) <= 0:
        return low
    if (first := at_low + low) < math.inf and (above := over(first)) > 0:
        low, at_low = first, above
    high = 2 * low
    for _ in range(_DOUBLINGS):
        if (at_high := over(high)) <= 0:
            return _between(over, low, at_low, high, at_high)
        low, at_low, high = high, at_high, 2 * high
    raise NoEquilibrium(f"no {name} is large enough: more work arrives than can be done")


def _between(over: Callable[[float], float], low: float, at_low: float, high: float, at_high: float) -> float:
    """The last x above which `over` is not positive, by secants that keep both sides (Illinois), else by halves."""
    kept = 0
    while high - low > _CLOSE * low:
        halve = abs(kept) > _STUCK or not math.isfinite(at_low - at_high)
        middle = (low + high) / 2 if halve else high - at_high * (high - low) / (at_high - at_low)
        middle = min(max(middle, low + _CLOSE * low / 2), high - _CLOSE * low / 2)
        at = over(middle)
        kept = 0 if halve else kept
        if at > 0:
            low, at_low, at_high, kept = middle, at, at_high / (2 if kept > 0 else 1), max(kept, 0) + 1
        else:
            high, at_high, at_low, kept = middle, at, at_low / (2 if kept < 0 else 1), min(kept, 0) - 1
    return low


_DOUBLINGS = 64
_CLOSE = 1e-12
_STUCK = 4


def mean(ratio: Callable[[int], float], value: Callable[[int], float]) -> float:
    """E[value(n)] where n is ratio(n) times as likely as n - 1, summed until the rest is below 1e-13 of it.

    Raises NoEquilibrium where weights do not fall.

    >>> round(mean(lambda n: 3/n, lambda n: n), 12)
    3.0
    """
    top = _likeliest(ratio)
    weight, total, summed = 1.0, 1.0, float(value(top))
    for n, weight in _less_likely(ratio, top):
        total, summed = total + weight, summed + weight * value(n)
    weight, same, before = 1.0, 0, math.nan
    for n in range(top + 1, _TERMS):
        factor = ratio(n)
        same, before = (same + 1 if factor == before else 0), factor
        if same == _SAME and (rest := _geometric(factor, value, n)) is not None:
            first, moment = rest
            return (summed + weight * moment) / (total + weight * first)
        weight *= factor
        if weight == 0:
            return summed / total
        term = weight * value(n)
        total, summed = total + weight, summed + term
        if factor < 1 and max(weight / total, abs(term / summed) if summed else 0.0) < _REST * (1 - factor):
            return summed / total
    raise NoEquilibrium(_ENDLESS)


def quantile(ratio: Callable[[int], float], q: float) -> float:
    """Where the cumulated chance reaches q, of an n that is ratio(n) times as likely as n - 1: linear between integers.

    Raises NoEquilibrium where weights do not fall.

    >>> round(quantile(lambda n: 3/n, 0.5), 2), round(quantile(lambda n: 3/n, 0.99), 2), quantile(lambda n: 1/n, 0.3)
    (2.34, 7.24, 0.0)
    """
    top = _likeliest(ratio)
    weights = [*reversed([*_less_likely(ratio, top)]), (top, 1.0)]
    n, weight = weights[-1]
    while weight > _NONE:
        n, weight = n + 1, weight * ratio(n + 1)
        weights.append((n, weight))
    reached = itertools.accumulate(weight for _, weight in weights)
    wanted = q * math.fsum(weight for _, weight in weights)
    found = ((n, weight, sum_) for (n, weight), sum_ in zip(weights, reached, strict=True) if sum_ >= wanted)
    n, weight, sum_ = next(found, (n, weight, wanted))
    return max(0.0, n - (sum_ - wanted) / weight)


def _likeliest(ratio: Callable[[int], float]) -> int:
    """The first n that is likelier than the next. Raises NoEquilibrium where there is none."""
    same, before = 0, math.nan
    for n in range(1, _TERMS):
        factor = ratio(n)
        if factor < 1:
            return n - 1
        same, before = (same + 1 if factor == before else 0), factor
        if same == _SAME:
            break
    raise NoEquilibrium(_ENDLESS)


def _less_likely(ratio: Callable[[int], float], top: int) -> Iterator[tuple[int, float]]:
    """n and its weight from below the likeliest down, whose weight is 1, to where hardly any is left."""
    weight = 1.0
    for n in range(top, 0, -1):
        weight /= ratio(n)
        if weight < _NONE:
            return
        yield n - 1, weight


_ENDLESS = "the number of requests has no limit: more work arrives than can be done"
_NONE = 1e-14
"""Weight, of that of the likeliest, below which nothing is counted."""

_SAME = 3
"""Equal factors in turn after which the rest is taken for geometric."""


def _geometric(factor: float, value: Callable[[int], float], n: int) -> tuple[float, float] | None:
    """(sum of f^j, sum of f^j v(n + j - 1)) over j = 1, 2, ..., where v is affine: from where all places are taken.

    Raises NoEquilibrium where weights do not fall.
    """
    if factor >= 1:
        raise NoEquilibrium(_ENDLESS)
    values = [float(value(n + j)) for j in (0, 1, 2, 1000)]
    slope = values[1] - values[0]
    if any(
        abs(v - values[0] - slope * j) > 1e-9 * max(1.0, abs(v)) for v, j in zip(values, (0, 1, 2, 1000), strict=True)
    ):
        return None
    share = factor / (1 - factor)
    return share, values[0] * share + slope * share * factor / (1 - factor)


_TERMS = 50_000
_REST = 1e-13


def _exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def _normal(level: float) -> float:
    """Quantile of the standard normal law; below all levels it is minus infinity."""
    return NormalDist().inv_cdf(level) if 0 < level < 1 else math.copysign(math.inf, level - 0.5)


def lambert(x: float) -> float:
    """The lower branch of w e^w = x for -1/e <= x < 0, by Newton's method.

    >>> w = lambert(-0.2)
    >>> round(w * math.exp(w), 12), w < -1
    (-0.2, True)
    """
    w = math.log(-x) - math.log(-math.log(-x)) if x > -0.25 else -1 - math.sqrt(max(0.0, 2 * (1 + math.e * x)))
    for _ in range(50):
        if w >= -1:
            return -1.0
        change = (w * math.exp(w) - x) / (math.exp(w) * (1 + w))
        w -= change
        if abs(change) < 1e-15 * abs(w):
            break
    return w


def poisson(expected: float, level: float) -> int:
    """The smallest n whose cumulated Poisson chance reaches the level."""
    n, chance = 0, math.exp(-expected)
    reached = chance
    while reached < level and n < _TERMS:
        n += 1
        chance *= expected / n
        reached += chance
    return n


NUMERIC: Mapping[str, Callable[..., Any]] = {
    "exp": _exp,
    "log": math.log,
    "sqrt": math.sqrt,
    "loggamma": math.lgamma,
    "floor": math.floor,
    "ceil": math.ceil,
    "max": max,
    "min": min,
    "sum": sum,
    "Mean": mean,
    "Quantile": quantile,
    "normal": _normal,
    "lambert": lambert,
    "poisson": poisson,
    "root": root_of,
}
