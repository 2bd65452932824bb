"""A formula worked out by hand at a point: every named step with the numbers put in, up to the metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import sympy
from sympy import Expr, Symbol
from sympy.core.function import AppliedUndef

from symsim.algebra.symbols import substitute
from symsim.api.formula import Formula
from symsim.cost.derivation import Step
from symsim.formula.breakdown import found_at, numbers
from symsim.formula.closed_form import ClosedForm
from symsim.formula.program import program
from symsim.notation.layout import ordered
from symsim.tables.table import signatures


@dataclass(frozen=True, slots=True)
class Worked:
    """One step at a point. value: SI, in step.unit.

    arms: the same with every arm of a maximum as a symbol of its own, and the symbols' values; None without maxima.
    """

    step: Step
    value: float
    arms: tuple[Expr, Mapping[Symbol, float]] | None


@dataclass(frozen=True, slots=True)
class Measured:
    """One look-up at a point: the call in its arguments, its value, and the row it is from."""

    call: AppliedUndef
    arguments: tuple[float, ...]
    value: float
    unit: str
    source: str


@dataclass(frozen=True, slots=True)
class WorkedCheck:
    """steps in order of evaluation, the metric last; measured: the look-ups they use; values: of every other symbol."""

    formula: Formula
    values: Mapping[str, float]
    steps: tuple[Worked, ...]
    measured: tuple[Measured, ...]


def worked(formula: Formula, workload: Mapping[str, int]) -> WorkedCheck:
    """Every step of a formula at a workload point. Raises EmptyTable where a measured row cannot be used."""
    form = formula.form.in_chunks(workload)
    values = form.point(**{name: v for name, v in workload.items() if name in form.symbols})
    steps = form.derivation.steps
    exprs = tuple((step.symbol.name, step.expr) for step in steps)
    compiled = program(exprs, tuple(name for name, _ in exprs), "python")
    results = compiled.at(values, form.context)
    at = {**values, **dict(zip(compiled.outputs, results, strict=True))}
    rows = tuple(Worked(step, float(value), _arms(step, at, form)) for step, value in zip(steps, results, strict=True))
    return WorkedCheck(formula, {name: values[name] for name in form.symbols}, rows, _measured(steps, at, form))


def _arms(step: Step, at: Mapping[str, Any], form: ClosedForm) -> tuple[Expr, Mapping[Symbol, float]] | None:
    """Arms that are more than one named step are worked out before the larger is taken."""
    expr = step.expr
    found: dict[Expr, Symbol] = {}
    for node in sorted(expr.atoms(sympy.Max, sympy.Min), key=str):
        for arm in ordered(cast(Expr, node), form.derivation.steps):
            if not isinstance(arm, Symbol) and not arm.is_number:
                found.setdefault(arm, Symbol(f"arm_{len(found)}", positive=True))
    if not found or not isinstance(expr.as_coeff_Mul()[1], sympy.Max | sympy.Min):
        return None
    figures = numbers(tuple(found), at, form.context)
    return substitute(expr, found), dict(zip(found.values(), figures, strict=True))


def _measured(steps: tuple[Step, ...], at: Mapping[str, Any], form: ClosedForm) -> tuple[Measured, ...]:
    calls = list(dict.fromkeys(call for step in steps for call in sorted(step.expr.atoms(AppliedUndef), key=str)))
    found: list[Measured] = []
    for call in calls:
        arguments = tuple(numbers(cast(tuple[Expr, ...], call.args), at, form.context))
        (value,) = numbers((cast(Expr, call),), at, form.context)
        where = found_at(call, at, form.context).sentence()
        found.append(Measured(call, arguments, value, signatures()[str(call.func)].unit, where))
    return tuple(found)
