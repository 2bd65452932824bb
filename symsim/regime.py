"""The piece of a formula that holds around a point: every maximum replaced by the arm that binds there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import sympy
from sympy import Expr, Symbol
from sympy.core.function import AppliedUndef

from symsim.explain import numbers
from symsim.metrics import Derivation
from symsim.tables import Context


def binding_arms(derivation: Derivation, values: Mapping[str, Any], context: Context) -> Derivation:
    """The derivation with no maximum or minimum left, as it is at a point. values: name -> number of every symbol.

    Look-ups stay applied functions.  On ties the arm that is written first is taken; both give the same value.
    """
    known = dict(values)
    for step in derivation.steps:
        known[step.symbol.name] = numbers((step.expr,), known, context)[0]

    def pinned(expr: Expr) -> Expr:
        if not expr.has(sympy.Max, sympy.Min):
            return expr
        arms = cast(tuple[Expr, ...], expr.args)
        if not isinstance(expr, (sympy.Max, sympy.Min)):
            return cast(Expr, expr.func(*map(pinned, arms)))
        ordered = sorted(arms, key=str)
        figures = numbers(tuple(ordered), known, context)
        best = max(figures) if isinstance(expr, sympy.Max) else min(figures)
        return pinned(ordered[figures.index(best)])

    return derivation.mapped(pinned)


def root(expr: Expr, variable: Symbol, near: float, values: Mapping[str, Any], context: Context) -> Expr | None:
    """Where the expression is zero, solved for the variable: the solution nearest to a point, or None.

    Look-ups are held as they are; the expression must then be a quotient of polynomials of degree two at most.
    """
    calls = {call: sympy.Dummy(f"look_up_{i}", positive=True) for i, call in enumerate(expr.atoms(AppliedUndef))}
    numerator, _ = sympy.fraction(sympy.together(expr.xreplace(calls)))
    if not numerator.is_polynomial(variable) or sympy.degree(numerator, variable) not in (1, 2):
        return None
    back = {dummy: call for call, dummy in calls.items()}
    found = [cast(Expr, answer.xreplace(back)) for answer in sympy.roots(sympy.Poly(numerator, variable))]
    at = {**values, variable.name: near}
    scored = [(abs(numbers((answer,), at, context)[0] - near), answer) for answer in found]
    return min(scored, key=lambda pair: pair[0])[1] if scored else None
