"""Fractional powers as they stand: how they are made, found and printed, and the norms that they are part of."""

from __future__ import annotations

from functools import lru_cache
from typing import cast

import sympy
from sympy import Expr
from sympy.printing.str import sstr


def fractional_powers(expr: Expr) -> set[Expr]:
    """The powers whose exponent is a fraction."""
    return {power for power in expr.atoms(sympy.Pow) if power.exp.is_Rational and not power.exp.is_Integer}


def terms_of_norm(expr: Expr) -> tuple[Expr, ...]:
    """The terms of a p-norm, (x**p + y**p)**(1/p), in one order; none of anything else.

    >>> x, y, p = sympy.Symbol("x"), sympy.Symbol("y"), sympy.Rational(5, 4)
    >>> terms_of_norm((x**p + y**p) ** (1 / p)), terms_of_norm((x + y) ** p)
    ((x, y), ())
    """
    if not isinstance(expr, sympy.Pow) or expr.exp.is_Integer or not isinstance(expr.base, sympy.Add):
        return ()
    powers = expr.base.args
    if not all(isinstance(power, sympy.Pow) and power.exp * expr.exp == 1 for power in powers):
        return ()
    return tuple(sorted((cast(Expr, power.args[0]) for power in powers), key=str))


def norm(exponent: Expr, *terms: Expr) -> Expr:
    """(sum of term**p)**(1/p), the largest term where p is infinite. The Max stays unevaluated: sympy is slow on it."""
    present = [term for term in terms if term != 0]
    if len(present) < 2:
        return sympy.Add(*present)
    if exponent is sympy.oo:
        largest = present[0]
        for term in present[1:]:
            largest = sympy.Max(largest, term, evaluate=False)
        return largest
    return power(sympy.Add(*(power(term, exponent) for term in present)), 1 / exponent)


def term_order(expr: Expr) -> str | None:
    """How a printer orders terms: as they stand beside fractional powers, whose numbers sympy would take roots of."""
    return "none" if fractional_powers(expr) else None


@lru_cache(maxsize=4096)
def plain(expr: Expr) -> str:
    """The expression as sympy prints it."""
    return sstr(expr, order=term_order(expr))


def power(base: Expr, exponent: Expr) -> Expr:
    """A fractional power as it stands: sympy would take the roots of its numbers, in numbers of thousands of digits."""
    if base.is_Symbol or base == 0 or not exponent.is_Rational or exponent.is_Integer:
        return base**exponent
    return sympy.Pow(base, exponent, evaluate=False)
