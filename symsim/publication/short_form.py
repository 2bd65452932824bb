"""A metric in few named terms at a workload point: a time as weights, KV cache, activations, links and fixed time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import sympy
from sympy import Expr, Symbol

from symsim.algebra.powers import fractional_powers
from symsim.algebra.symbols import substitute
from symsim.api.costs import Costs
from symsim.cost.derivation import Derivation, Step
from symsim.cost.kernel_cost import Cost
from symsim.formula.breakdown import numbers
from symsim.formula.closed_form import ClosedForm
from symsim.formula.program import program

TERMS = {
    "weights": "products with weights",
    "KV": "attention, which reads the cache",
    "act": "operators on activations alone",
    "link": "links between GPUs",
    "fixed": "what is beside operators",
}
"""Terms that a time is the sum of, and what each is the time of."""


@dataclass(frozen=True, slots=True)
class ShortTerm:
    """One term. sum: over the steps of its operators; closed: in the symbols alone, with the arms of maxima that bind
    at the point, or None where it has fractional powers or look-ups; value: at the point, in SI units."""

    name: str
    sum: Expr
    closed: Expr | None
    value: float


@dataclass(frozen=True, slots=True)
class ShortForm:
    """A metric as a sum of terms, or, with none, as the first step of its derivation. value: at the point."""

    metric: str
    derivation: Derivation
    terms: tuple[ShortTerm, ...]
    value: float
    values: Mapping[str, float]

    @property
    def result(self) -> Step:
        return self.derivation.result


def short_form(costs: Costs, metric: str, workload: Mapping[str, int]) -> ShortForm:
    """The terms of a metric around a workload point; what is zero there is left out."""
    form = costs.metric(metric).form.in_chunks(workload)
    derivation = form.level("model")
    at = _values(form, derivation, workload)
    value = float(at[derivation.result.symbol.name])
    if metric not in ("tpot", "ttft"):
        return ShortForm(metric, derivation, (), value, at)
    count = form.chunk_count(form.point(**workload))
    phase = costs.compiled.phase_at(metric, count)
    terms = _terms(form, derivation, at, phase.costs)
    return ShortForm(metric, derivation, terms, value, at)


def _values(form: ClosedForm, derivation: Derivation, workload: Mapping[str, int]) -> Mapping[str, Any]:
    """The number behind every symbol and step."""
    values = form.point(**workload)
    steps = tuple((step.symbol.name, step.expr) for step in derivation.steps)
    compiled = program(steps, tuple(name for name, _ in steps), "python")
    return {**values, **dict(zip(compiled.outputs, compiled.at(values, form.context), strict=True))}


def _terms(
    form: ClosedForm, derivation: Derivation, at: Mapping[str, Any], costs: Mapping[str, Cost]
) -> tuple[ShortTerm, ...]:
    operators = {step.symbol: step for step in derivation.steps if step.op is not None}
    inlined: dict[Expr, Expr] = {}
    for step in derivation.steps:
        if step.symbol not in operators and (step.unit == "s" or step.expr.is_number):
            inlined[step.symbol] = substitute(_bound(step.expr, at, form), inlined)
    whole = sympy.expand(inlined[derivation.result.symbol])
    parts: dict[str, list[Expr]] = {name: [] for name in TERMS}
    addends = sympy.Add.make_args(whole)
    for term, number in zip(addends, numbers(addends, at, form.context), strict=True):
        if not number:
            continue
        own = [step for step in operators.values() if step.symbol in term.free_symbols]
        parts[_kind(costs, own[0].op) if own else "fixed"].append(term)
    sums = {name: sympy.Add(*terms) for name, terms in parts.items() if terms}
    arms = {symbol: _bound(step.expr, at, form) for symbol, step in operators.items()}
    figures = numbers(tuple(sums.values()), at, form.context)
    return tuple(
        ShortTerm(name, part, _closed(substitute(part, arms)), value)
        for (name, part), value in zip(sums.items(), figures, strict=True)
        if value
    )


def _kind(costs: Mapping[str, Cost], op: str | None) -> str:
    """Which term an operator belongs to, as what it moves says."""
    cost = costs[op or ""]
    if cost.send:
        return "link"
    if "attention" in cost.counted or "kv" in cost.read:
        return "KV"
    if cost.flops:
        return "weights"
    return "fixed" if cost.hbm_bytes == 0 else "act"


def _bound(expr: Expr, at: Mapping[str, Any], form: ClosedForm) -> Expr:
    """The arms of maxima that bind at the point, in their place."""
    while found := [node for node in expr.atoms(sympy.Max, sympy.Min) if not node.atoms(sympy.Max, sympy.Min) - {node}]:
        chosen: dict[Expr, Expr] = {}
        for node in sorted(found, key=str):
            arms = cast(tuple[Expr, ...], node.args)
            figures = numbers(arms, at, form.context)
            best = max(figures) if isinstance(node, sympy.Max) else min(figures)
            chosen[cast(Expr, node)] = arms[figures.index(best)]
        expr = substitute(expr, chosen)
    return expr


def _closed(expr: Expr) -> Expr | None:
    """A sum of products of symbols, or None where it is not one."""
    if fractional_powers(expr) or any(not power.exp.is_Integer for power in expr.atoms(sympy.Pow)):
        return None
    expanded = cast(Expr, sympy.expand(expr))
    if expanded.atoms(sympy.core.function.AppliedUndef):
        return None
    simple = all(
        isinstance(factor, Symbol) or factor.is_number
        for part in sympy.Add.make_args(expanded)
        for factor in _bases(part)
    )
    return expanded if simple else None


def _bases(part: Any) -> list[Any]:
    return [factor.base if isinstance(factor, sympy.Pow) else factor for factor in sympy.Mul.make_args(part)]
