"""How a metric answers to each of its inputs: exact derivatives, elasticities, and what 10 % more would bring.

Derivatives are those of the piece of the formula that holds around the point (`formula.binding_piece`); at a kink
both sides are given.  Look-ups are held as they are, and whole-number rounding is left out: floor(x) moves as x.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import sympy
from sympy import Expr, Symbol
from sympy.core.function import AppliedUndef

from symsim.algebra.shown import one_line
from symsim.algebra.symbols import INPUTS, KNOWN, substitute
from symsim.cost.derivation import Derivation
from symsim.errors import SymsimError, did_you_mean
from symsim.formula.binding_piece import binding_arms
from symsim.formula.closed_form import ClosedForm
from symsim.formula.program import program
from symsim.formula.rewriting import Swaps, defaults_at_point, rewritten
from symsim.notation.layout import Layout, laid_out
from symsim.notation.written import Written
from symsim.tables.table import TableContext, signatures

STEP = 1e-9
"""How far to either side of a point, relative, its pieces are looked for."""

_KINDS = ("workload", "hardware", "convention", "engine")
"""Kinds of symbols that are inputs unless others are asked for; sizes of models and deployments are whole numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sensitivity:
    """One input. derivative, elasticity: (from below, from above), equal away from kinks; SI units.

    gain: relative change of the metric when the input is 10 % larger (whole numbers: the next above), look-ups
    included; None for sizes of models and deployments.  A table's value is a factor on all its figures.
    formula: the derivative, on the side from above.
    """

    name: str
    meaning: str
    unit: str
    value: float
    derivative: tuple[float, float]
    elasticity: tuple[float, float]
    gain: float | None
    formula: Written

    def __repr__(self) -> str:
        return one_line(self, f"{self.name} ({self.meaning}), elasticity {self.elasticity[1]:+.4f}")

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.formula.latex}$"

    @property
    def kink(self) -> bool:
        """Whether the two sides differ."""
        below, above = self.elasticity
        return abs(below - above) > 1e-9 * max(abs(below), abs(above))

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        fields = ("name", "meaning", "unit", "value", "derivative", "elasticity", "gain", "kink")
        stated = {name: getattr(self, name) for name in fields}
        return stated | {"expression": self.formula.text, "latex": self.formula.latex}


def ranked_inputs(form: ClosedForm, names: Sequence[str] = (), **at: float) -> tuple[Sensitivity, ...]:
    """Every input of a metric, the one that moves it most first. names: only these; architecture sizes are allowed.

    at: the workload point; any other symbol may be overridden too.
    A measured table is an input of its own, by its function's name: all its figures grow alike.
    Raises SymsimError for a name that the metric does not have.
    """
    form = form.for_inputs(at)
    whole = form.overriding({name: value for name, value in at.items() if form.takes(name)}).leading()
    form = whole.in_chunks(at)
    _, tables = _with_table_factors(form.derivation)
    point = {name: int(value) for name, value in at.items() if name in INPUTS and name in form.symbols}
    values = {**form.point(**point), **dict.fromkeys(tables.values(), 1.0)}
    missing = [name for name in form.symbols if name not in values]
    if missing:
        raise SymsimError(f"{form.name} needs a value for {', '.join(missing)}")
    usual = [name for name, info in form.symbols.items() if info.kind in _KINDS and name in values]
    usual += ["default_mfu"] if "default_mfu" not in usual and _defaults(form, values) else []
    known = {**dict.fromkeys([*form.symbols, *usual]), **tables}
    names = [form.bound.same.get(name, name) for name in names]
    for name in names:
        if name not in known:
            raise SymsimError(f"{form.name} has no input {name}; {did_you_mean(name, known)}")
    chosen = names or [*usual, *tables]
    printed = laid_out(form, "symbolic", "")
    found = [_sensitivity(form, whole, name, tables.get(name, name), values, printed) for name in chosen]
    return tuple(sorted(found, key=lambda one: -max(map(abs, one.elasticity))))


def _defaults(form: ClosedForm, values: Mapping[str, Any]) -> Swaps:
    """The look-ups that default_mfu answers at a point, where others are answered by rows."""
    return defaults_at_point(form.derivation, values, form.context) if form.rewriting.partly else {}


def _around(form: ClosedForm, values: Mapping[str, Any]) -> Derivation:
    """The metric as it is around a point, every look-up that a row answers there times a factor of its table."""
    return _with_table_factors(rewritten(form.derivation, _defaults(form, values)))[0]


@lru_cache(maxsize=64)
def _with_table_factors(derivation: Derivation) -> tuple[Derivation, Mapping[str, str]]:
    """Every look-up times a factor of its table; table -> the factor's name."""
    calls = {call for step in derivation.steps for call in step.expr.atoms(AppliedUndef)}
    factors = {str(call.func): f"factor_{call.func}" for call in sorted(calls, key=str)}
    scaled = {call: call * Symbol(factors[str(call.func)], positive=True) for call in calls}
    return derivation.mapped(lambda expr: substitute(expr, scaled)), factors


def _sensitivity(
    form: ClosedForm, whole: ClosedForm, name: str, own: str, values: Mapping[str, Any], printed: Layout
) -> Sensitivity:
    """form: the metric as it is at the point; whole: wherever it is; own: the symbol's name in the derivation."""
    value = float(values[own])
    pieces = [_piece(form, {**values, own: value * (1 + step)}) for step in (-STEP, STEP)]
    slopes = {piece: _slope(piece, own) for piece in dict.fromkeys(pieces)}
    sides = [slopes[piece] for piece in pieces]
    metric = _value(form, values)
    below, above = (_numbers((("slope", side),), "slope", values, form.context) for side in sides)
    info = KNOWN.get(name) or form.symbols.get(name)
    more = None
    if info is None or not info.integer or name in INPUTS:
        larger = value * 1.1 if info is None or not info.integer else math.ceil(value * 1.1)
        moved = _moved(form, values, own, larger)
        more = _value(whole.in_chunks(moved), moved) / metric - 1
    meaning, unit = (signatures()[name].meaning, "1") if info is None else (info.meaning, info.unit)
    factors = {s: sympy.S.One for s in sides[1].free_symbols if str(s).startswith("factor_")}
    shown = substitute(sides[1], factors)
    elasticity = (below * value / metric, above * value / metric)
    return Sensitivity(
        name=name,
        meaning=meaning,
        unit=unit,
        value=value,
        derivative=(below, above),
        elasticity=elasticity,
        gain=more,
        formula=Written(shown, printed),
    )


def _moved(form: ClosedForm, values: Mapping[str, Any], name: str, value: float) -> Mapping[str, Any]:
    """The point with another number, and the mean context that follows from it."""
    moved = {**values, name: value}
    return {**moved, **form.numbers.following({n: moved[n] for n in INPUTS if n in moved})}


def _value(form: ClosedForm, values: Mapping[str, Any]) -> float:
    steps = tuple((step.symbol.name, step.expr) for step in _around(form, values).steps)
    return _numbers(steps, steps[-1][0], values, form.context)


def _piece(form: ClosedForm, values: Mapping[str, Any]) -> Expr:
    """The piece of the metric that holds at a point."""
    return binding_arms(_around(form, values), values, form.context).inlined()


def _slope(piece: Expr, name: str) -> Expr:
    """The derivative of a piece, look-ups held."""
    held: dict[Expr, Expr] = {call: sympy.Dummy(positive=True) for call in piece.atoms(AppliedUndef)}
    outside = substitute(piece, held)
    variable = next((s for s in outside.free_symbols if isinstance(s, Symbol) and s.name == name), None)
    if variable is None:
        return sympy.S.Zero
    back = {dummy: call for call, dummy in held.items()}
    return substitute(_derivative(outside, variable), back)


def _derivative(expr: Expr, variable: Symbol) -> Expr:
    """The derivative where floor(x) and ceil(x) move as x does, and stay where they are."""
    rounded: dict[Expr, Expr] = {part: sympy.Dummy(positive=True) for part in expr.atoms(sympy.floor, sympy.ceiling)}
    held = substitute(expr, rounded)  # the outermost ones: roundings inside of others go with them
    slope = cast(Expr, sympy.diff(held, variable))
    for part, dummy in rounded.items():
        if dummy in held.free_symbols and variable in part.free_symbols:
            slope += sympy.diff(held, dummy) * _derivative(cast(Expr, part.args[0]), variable)
    return substitute(slope, {dummy: part for part, dummy in rounded.items()})


def _numbers(
    steps: tuple[tuple[str, Expr], ...], output: str, values: Mapping[str, Any], context: TableContext
) -> float:
    compiled = program(steps, (output,), "python")
    return float(compiled.at(values, context)[0])
