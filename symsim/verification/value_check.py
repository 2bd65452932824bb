"""Compares the numbers that a text gives symbols with those that stand behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sympy import Expr, Symbol

from symsim.algebra.normal_form import normal
from symsim.algebra.symbols import is_symbol, substitute, symbol_info
from symsim.algebra.terms import alike, deviation, expression_of, is_exact
from symsim.algebra.units import format_quantity
from symsim.formula.closed_form import ClosedForm
from symsim.verification.differences import Difference
from symsim.verification.latex_numbers import Literal
from symsim.verification.latex_reader import Equation


@dataclass(frozen=True, slots=True)
class Stated:
    """An equation that gives a symbol (or a table's name) its value."""

    symbol: Any
    equation: Equation


def wrong_values(
    form: ClosedForm, stated: Stated, literals: Mapping[Symbol, Literal]
) -> tuple[list[Difference], list[Fraction]]:
    """Where a symbol that has a number is said to be another one, in the digits that are printed; how far those
    that are not are off."""
    known = form.bound.symbols()
    if stated.symbol not in known:
        return [], []
    right = known[stated.symbol]
    sides = [normal(substitute(side, known), literals) for side in stated.equation.sides]
    wrong = [side for side in sides if not alike(side, normal(right))]
    hidden = [deviation(side, normal(right)) for side in sides if side not in wrong and not is_exact(side)]
    return [_wrong_value(form, stated, expression_of(side), right) for side in wrong], hidden


def _wrong_value(form: ClosedForm, stated: Stated, yours: Expr, derived: Expr) -> Difference:
    name = stated.symbol.name
    unit, said = symbol_info(name).unit if is_symbol(name) else "1", str(stated.equation.name)
    mine, theirs = (_number(value, unit, 6) for value in (yours, derived))
    if mine == theirs:
        mine, theirs = (_number(value, unit, 15) for value in (yours, derived))
    known = form.bound.sources.get(name)
    source = None if known is None else str(known)
    return Difference(
        kind="wrong value",
        step=said,
        step_latex=said,
        yours=mine,
        derived=theirs,
        latex=said,
        unit=unit,
        value=None,
        source=source,
        line=stated.equation.span.line,
    )


def _number(value: Expr, unit: str, digits: int) -> str:
    return format_quantity(float(value), unit, digits) if value.is_number else str(value)
