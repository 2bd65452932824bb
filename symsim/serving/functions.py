"""What forms of serving may call besides arithmetic: as sympy functions, and as plain floats."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from statistics import NormalDist
from typing import Any, cast

import sympy
from sympy import Expr, Symbol

from symsim.errors import SymsimError
from symsim.solve.bisection import last_holding

INDICES: Mapping[str, Symbol] = {"n": Symbol("n", integer=True, nonnegative=True)}
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
    "sum": _sum,
    "normal": sympy.Function("normal", real=True),
    "lambert": sympy.Function("lambert", real=True),
    "poisson": sympy.Function("poisson", real=True),
    STEP_TIME: sympy.Function(STEP_TIME, positive=True),
}

SMALLEST = 1e-9
"""Where a root is looked for at the least: no time and no number of sequences of a form is below it."""


def root(increasing: Callable[[float], float], name: str) -> float:
    """The smallest x with x = f(x), by bisection; f increases and is concave or affine (or falls: then it is the only
    one).  Raises NoEquilibrium where f stays above x."""

    def holds(x: float) -> bool:
        return increasing(x) > x

    low = SMALLEST
    if not holds(low):
        return low
    first = increasing(low)
    if first < math.inf and holds(first):
        low = first
    high = 2 * low
    for _ in range(_DOUBLINGS):
        if not holds(high):
            return last_holding(holds, low, high, _middle)[0]
        low, high = high, 2 * high
    raise NoEquilibrium(f"no {name} is large enough: more work arrives than can be done")


_DOUBLINGS = 64
_CLOSE = 1e-12


def _middle(low: float, high: float) -> float | None:
    return None if high - low <= _CLOSE * low else (low + high) / 2


def mean(ratio: Callable[[int], float], value: Callable[[int], float]) -> float:
    """E[value(n)] where n is ratio(n) times as likely as n - 1, summed until the rest is below 1e-13 of it.

    Raises NoEquilibrium where weights do not fall.

    >>> round(mean(lambda n: 3/n, lambda n: n), 12)
    3.0
    """
    weight, total, summed = 1.0, 1.0, float(value(0))
    for n in range(1, _TERMS):
        factor = ratio(n)
        weight *= factor
        if weight == 0:
            return summed / total
        term = weight * value(n)
        total, summed = total + weight, summed + term
        if factor < 1 and max(weight / total, abs(term / summed) if summed else 0.0) < _REST * (1 - factor):
            return summed / total
        if weight > _LARGE:
            weight, total, summed = weight / _LARGE, total / _LARGE, summed / _LARGE
    raise NoEquilibrium("the number of requests has no limit: more work arrives than can be done")


_TERMS = 50_000
_REST = 1e-13
_LARGE = 1e200


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
    "normal": _normal,
    "lambert": lambert,
    "poisson": poisson,
    "root": root,
}
