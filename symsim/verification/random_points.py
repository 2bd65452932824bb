"""Whether two expressions have equal values at random points: what is called equal must pass it."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import sympy
from sympy import Expr, Symbol
from sympy.core.function import AppliedUndef

from symsim.verification.latex_numbers import Literal

_POINTS = 8
"""Random points at which formulas that were found equal are evaluated."""


def agree(one: Expr, other: Expr, literals: Mapping[Symbol, Literal], known: Mapping[Symbol, Expr]) -> bool:
    """Whether two expressions have equal values at random points, with random but consistent tables.

    one may hold literals: it may be off by what their digits leave open. At every other point the symbols that have a
    number are that number, so that maxima and shares are met where they are used.
    """
    draw = random.Random(0)
    symbols = sorted({s for s in one.free_symbols | other.free_symbols if isinstance(s, Symbol)}, key=str)
    rounded = [s for s in symbols if s in literals]
    met = 0
    for seed in range(_POINTS):
        values = {s: _drawn(s, draw) for s in symbols}
        if seed % 2:
            values |= {s: Fraction(int(known[s].p), int(known[s].q)) for s in symbols if s in known}  # pyright: ignore
        values |= {s: literals[s].value for s in rounded}
        try:
            mine, theirs = _at(one, values, seed), _at(other, values, seed)
            allowed = 1e-8 * max(abs(mine), abs(theirs))
            for s in rounded:
                off = literals[s].value * literals[s].slack
                ends = (_at(one, {**values, s: values[s] + by}, seed) for by in (off, -off))
                allowed += 1.001 * max(abs(end - mine) for end in ends)
            if abs(mine - theirs) > allowed:
                return False
        except (OverflowError, ZeroDivisionError, TypeError, ValueError):  # a complex share of experts has no order
            continue
        met += 1
    return met > 0


def _drawn(s: Symbol, draw: random.Random) -> Fraction:
    return Fraction(draw.randint(1, 4096) if s.is_integer else 10 ** draw.uniform(-3, 3))


_EXACT_POWER = 64
"""Greater powers are taken in floats."""


def _at(expr: Expr, values: Mapping[Symbol, Fraction], seed: int) -> Any:
    """The value of an expression at a point: exact where it can be, so that rounding down is where it should be.

    A look-up answers with a random figure that its arguments decide.
    """
    if isinstance(expr, sympy.Rational):
        return Fraction(int(expr.p), int(expr.q))
    if isinstance(expr, Symbol):
        return values[expr]
    args = [_at(part, values, seed) for part in expr.args]  # pyright: ignore[reportArgumentType]
    match expr:
        case sympy.Add():
            return sum(args)
        case sympy.Mul():
            return math.prod(args)
        case sympy.Pow():
            small = args[1] == int(args[1]) and abs(args[1]) <= _EXACT_POWER
            return args[0] ** int(args[1]) if small else float(args[0]) ** float(args[1])
        case sympy.Max():
            return max(args)
        case sympy.Min():
            return min(args)
        case sympy.floor():
            return math.floor(args[0])
        case sympy.ceiling():
            return math.ceil(args[0])
        case sympy.exp():
            return math.exp(float(args[0]))
        case sympy.log():
            return math.log(float(args[0]))
        case AppliedUndef():
            shown = [f"{float(arg):.9g}" for arg in args]
            return Fraction(random.Random(f"{expr.func}{seed}{shown}").uniform(0.05, 1))
        case _:
            return Fraction(float(expr))
