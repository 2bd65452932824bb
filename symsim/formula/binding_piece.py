"""The piece of a formula that holds around a point: every maximum replaced by the arm that binds there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import sympy
from sympy import Expr, Symbol
from sympy.core.function import AppliedUndef

from symsim.algebra.symbols import rebuilt, substitute
from symsim.cost.derivation import Derivation
from symsim.formula.breakdown import numbers
from symsim.formula.program import program
from symsim.tables.table import TableContext

Extreme = sympy.Max | sympy.Min

_LONGEST = 150
"""Operations of an expression that is put over one denominator at most; a longer one would take minutes."""


def binding_arms(derivation: Derivation, values: Mapping[str, Any], context: TableContext) -> Derivation:
    """The derivation with no maximum or minimum left, as it is at a point. values: name -> number of every symbol.

    Look-ups stay applied functions.  On ties the arm that is written first is taken; both give the same value.
    """
    steps = tuple((step.symbol.name, step.expr) for step in derivation.steps)
    nodes = sorted({node for _, expr in steps for node in expr.atoms(sympy.Max, sympy.Min)}, key=str)
    arms = {node: cast(tuple[Expr, ...], tuple(sorted(node.args, key=str))) for node in nodes}
    terms = tuple((f"arm_{i}_{j}", arm) for i, node in enumerate(nodes) for j, arm in enumerate(arms[node]))
    compiled = program((*steps, *terms), tuple(name for name, _ in terms), "python") if terms else None
    found = iter(() if compiled is None else compiled.at(values, context))
    figures = {node: [next(found) for _ in arms[node]] for node in nodes}

    def binding(node: Extreme) -> Expr:
        best = max(figures[node]) if isinstance(node, sympy.Max) else min(figures[node])
        return arms[node][figures[node].index(best)]

    def pinned(expr: Expr) -> Expr:
        if isinstance(expr, (sympy.Max, sympy.Min)):
            return pinned(binding(expr))
        if not expr.has(sympy.Max, sympy.Min):
            return expr
        return rebuilt(expr, [pinned(argument) for argument in cast(tuple[Expr, ...], expr.args)])

    return derivation.mapped(pinned)


def root(expr: Expr, variable: Symbol, near: float, values: Mapping[str, Any], context: TableContext) -> Expr | None:
    """Where the expression is zero, solved for the variable: the solution nearest to a point, or None.

    Look-ups and powers that are no whole ones are held as they are; the expression must be a quotient of polynomials,
    the upper of degree two at most.
    """
    powers = {power for power in expr.atoms(sympy.Pow) if not power.exp.is_Integer}
    if any(variable in power.free_symbols for power in powers):
        return None
    calls = {call: sympy.Dummy(positive=True) for call in {*expr.atoms(AppliedUndef), *powers}}
    back = {dummy: call for call, dummy in calls.items()}
    held = sympy.expand(substitute(expr, calls))
    parts = _powers(held, variable)
    if parts is None and sympy.count_ops(held) <= _LONGEST:
        held = sympy.fraction(sympy.together(held))[0]
        parts = _powers(sympy.expand(held), variable)
    found = [cast(Expr, answer.xreplace(back)) for answer in ([] if parts is None else _roots(parts))]
    try:
        figures = [numbers((answer,), {**values, variable.name: near}, context)[0] for answer in found]
    except ArithmeticError:  # beyond what floats hold
        return None
    scored = [(abs(figure - near), answer) for figure, answer in zip(figures, found, strict=True)]
    return min(scored, key=lambda pair: pair[0])[1] if scored else None


def _powers(expr: Expr, variable: Symbol) -> list[Expr] | None:
    """The coefficients of a sum of powers of the variable, the least power first; None for any other expression."""
    parts: dict[int, list[Expr]] = {}
    for term in sympy.Add.make_args(expr):
        without, power = term.as_independent(variable, as_Add=False)
        base, exponent = power.as_base_exp()
        if power != 1 and (base != variable or not exponent.is_Integer):
            return None
        parts.setdefault(0 if power == 1 else int(exponent), []).append(without)
    return [sympy.Add(*parts.get(power, ())) for power in range(min(parts), max(parts) + 1)]


def _roots(parts: Sequence[Expr]) -> list[Expr]:
    """The roots of a straight line or a parabola; none of anything else."""
    match parts:
        case rest, slope:
            return [_straight(slope, rest)]
        case rest, slope, bend:
            half = sympy.sqrt(slope**2 - 4 * bend * rest) / (2 * bend)
            return [-slope / (2 * bend) + sign * half for sign in (1, -1)]
        case _:
            return []


def _straight(slope: Expr, rest: Expr) -> Expr:
    """The root of slope * variable + rest, terms left as they are; factors that all of them share cancel."""
    terms = [term.as_powers_dict() for part in (slope, rest) for term in sympy.Add.make_args(part)]
    shared = [s for s in slope.free_symbols if all(powers[s] == terms[0][s] for powers in terms)]
    common = sympy.Mul(*(cast(Expr, s) ** terms[0][s] for s in shared))
    minus = [part.as_coeff_Mul()[0].is_negative for part in (*sympy.Add.make_args(rest), *sympy.Add.make_args(-slope))]
    sign = -1 if 2 * sum(map(bool, minus)) > len(minus) else 1  # most terms should read as positive
    above = sympy.Add(*(sign * term / common for term in sympy.Add.make_args(rest)))
    return above / sympy.Add(*(-sign * term / common for term in sympy.Add.make_args(slope)))
