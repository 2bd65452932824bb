"""What a solved question says beyond its number: the answer as a formula, and what would improve it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from typing import Any, cast

import sympy
from sympy import Expr, Rational, Symbol
from sympy.core.function import AppliedUndef

from symsim.algebra.symbols import SymbolInfo, is_symbol, substitute, symbol_info
from symsim.formula.binding_piece import binding_arms, root
from symsim.formula.breakdown import numbers
from symsim.formula.closed_form import ClosedForm
from symsim.notation.latex import expression_latex
from symsim.notation.layout import YOURS, SymbolRow, laid_out
from symsim.notation.text import expression_text
from symsim.solve.answer import Answer
from symsim.solve.bisection import last_holding, ratio_middle, whole_middle
from symsim.solve.limits import Limit, room_at, tightest
from symsim.tables.table import TableContext

MOST_CHUNKS = 32
"""Chunks of a prompt that an answer's formula is worked out for at the most."""

FARTHEST = 8.0
"""Inputs that would have to change by more than this factor are not named."""


def with_closed_form(limits: list[Limit], answer: Answer) -> Answer:
    """The answer with its formula, on the piece it lies on; without one where measured rows cut it off.

    As LaTeX in all remaining symbols; as text with the numbers of the model and its deployment put in.

    Look-ups along the unknown stand as the figure of the row that answers there.

    The bound stands as a symbol of its own, TPOT_max; a whole number is the floor (or ceiling) of the root.
    """
    tight = next((limit for limit in limits if limit.text in answer.binding), None)
    name, value = answer.variable, answer.value
    if tight is None or value is None or name not in tight.form.symbols or tight.resized is not None:
        return answer
    point = {**tight.fixed, name: value}
    if tight.form.chunk_count(point) > MOST_CHUNKS:
        return answer
    form = tight.form.in_chunks(point)
    unknown = replace(tight, form=form).symbol(name)
    values = form.point(**point)
    piece = binding_arms(form.derivation, values, form.context).inlined()
    end, metric = "max" if tight.sense > 0 else "min", form.derivation.result
    bound = sympy.Symbol(f"{metric.symbol}_{end}", positive=True)
    values = {**values, bound.name: float(tight.bound)}
    above, below = sympy.fraction(piece)  # a rate is a quotient: x / y = bound where x = bound * y
    found = _root(above - bound * below, unknown, value, values, form.context)
    if found is None:
        return answer
    exact = numbers((found,), values, form.context)[0]
    whole = is_symbol(name) and symbol_info(name).integer
    if not (value <= exact * (1 + 1e-12) < value + 1 if whole else math.isclose(value, exact, rel_tol=1e-6)):
        return answer
    held = [call for call in found.atoms(AppliedUndef) if unknown in call.free_symbols]
    figures = numbers(tuple(held), values, form.context) if held else []
    found = substitute(found, {call: sympy.Float(figure, 6) for call, figure in zip(held, figures, strict=True)})
    return _with_formula(answer, form, sympy.floor(found) if whole else found, bound, end)


PUT_IN = ("architecture", "deployment", "precision")
"""Kinds of symbols whose numbers stand in a closed form as text."""


def _with_formula(answer: Answer, form: ClosedForm, found: Expr, bound: Symbol, end: str) -> Answer:
    """found: the unknown, in symbols and the bound of a metric, which is the most or the least (end) of it."""
    name, metric = answer.variable, form.derivation.result
    layout = laid_out(form, "symbolic", "")
    limit = SymbolInfo(
        name=bound.name, kind="workload", unit=metric.unit, meaning=metric.meaning, latex=f"{metric.latex}_{{\\{end}}}"
    )
    layout = replace(layout, symbols=(*layout.symbols, SymbolRow(limit, None, YOURS)))
    sign = symbol_info(name).latex if is_symbol(name) else name
    latex = f"{sign} = {expression_latex(found, layout)}"
    known = {name: number for name, number in form.bound.values.items() if name in form.symbols}
    put_in = [s for s in found.free_symbols if str(s) in known and form.symbols[str(s)].kind in PUT_IN]
    filled = substitute(found, {symbol: Rational(known[str(symbol)]) for symbol in put_in})
    text = expression_text(sympy.factor_terms(filled), "", layout)
    return replace(answer, closed_form=f"{name} = {text}", latex=latex)


def _root(expr: Expr, unknown: Symbol, near: float, values: Mapping[str, Any], context: TableContext) -> Expr | None:
    """As `root`; where the unknown is counted in whole pages alone, the most of those that there may be, filled."""
    counts = [cast(Expr, part) for part in expr.atoms(sympy.ceiling) if unknown in part.free_symbols]
    pages = Symbol("pages", positive=True)
    paged = cast(Expr, expr.xreplace(dict.fromkeys(counts, pages)))
    if len(counts) != 1 or unknown in paged.free_symbols:
        return root(expr, unknown, near, values, context)
    held = root(paged, pages, numbers((counts[0],), {**values, unknown.name: near}, context)[0], values, context)
    filled = None if held is None else cast(Expr, counts[0].args[0]) - sympy.floor(held)
    return None if filled is None else root(filled, unknown, near, values, context)


def levers_of(limits: list[Limit], answer: Answer, goal: str) -> Mapping[str, float]:
    """Hardware input -> the factor by which it alone must change so that the answer gains 10 %; the nearest first."""
    value, name = answer.value, answer.variable
    if value is None or goal == "solve" or any(limit.resized is not None for limit in limits):
        return {}
    target = value * (1.1 if goal == "max" else 0.9)
    if is_symbol(name) and symbol_info(name).integer:
        target = math.ceil(target) if goal == "max" else max(1, math.floor(target))
    return factors_at(limits, name, target)


def factors_at(limits: list[Limit], name: str, target: float) -> Mapping[str, float]:
    """Hardware input -> the factor by which it alone must change so that every limit holds at the target."""
    if any(limit.resized is not None for limit in limits):
        return {}
    limits = tightest(limits)
    bound = {n: v for limit in limits for n, v in limit.form.bound.values.items()}
    inputs = _inputs(limits) | {limit.bound_name for limit in limits if limit.bound_name is not None}
    found = {n: _factor(limits, name, target, n, bound[n]) for n in sorted(inputs - {name}) if n in bound}
    return dict(sorted(((n, f) for n, f in found.items() if f is not None), key=lambda pair: abs(math.log(pair[1]))))


def fixed_time(limits: list[Limit], name: str, target: float) -> tuple[Limit, float] | None:
    """A limit of a time that no deployment meets at the target, and its seconds of launches and of the host, which no
    hardware shortens. None where there is no such limit.

    Other deployments launch as much but for messages: the seconds are more than `_SURELY` times what the limit leaves.
    """
    for limit in limits:
        if limit.resized is None and limit.form.unit == "s" and limit.sense > 0 and limit.bound_name is None:
            known = limit.form.bound.values
            rates = (n for n in _inputs([limit]) if n in known and not _is_share(n))
            room = room_at(limit, name, target, **{n: float(known[n]) * _ENDLESS for n in rates})
            seconds = float(limit.bound) - room
            if _SURELY * float(limit.bound) < seconds < math.inf:
                return limit, seconds
    return None


_ENDLESS, _SURELY = 1e9, 2.0


def _is_share(lever: str) -> bool:
    """Says the same as the rate that it is a share of."""
    return lever.endswith("_efficiency")


def less_at(limits: list[Limit], name: str, target: float, assumed: Mapping[str, float]) -> Mapping[str, int]:
    """Workload symbol -> the most of it, below what was assumed, with which alone every limit holds at the target."""
    if any(limit.resized is not None for limit in limits):
        return {}
    found: dict[str, int] = {}
    for symbol, usual in assumed.items():

        def holds(value: int, symbol: str = symbol) -> bool:
            return all(room_at(limit, name, target, **{symbol: value}) >= 0 for limit in limits)

        halves = [int(usual) >> power for power in range(1, int(usual).bit_length())]
        half = next(filter(holds, halves), None)
        if half is not None:
            found[symbol] = last_holding(holds, half, min(2 * half + 1, int(usual)), whole_middle)[0]
    return found


def _inputs(limits: list[Limit]) -> set[str]:
    """The hardware that the limits depend on; each figure of the device under one name."""
    symbols = {(n, info.kind) for limit in limits for n, info in limit.form.symbols.items()}
    named = {n for n, kind in symbols if kind == "hardware" or n == "peak_w"}
    same = {n: leader for limit in limits for n, leader in limit.form.bound.same.items()}
    return {n if n == "peak_w" and same[n] not in named else same.get(n, n) for n in named}


def _factor(limits: list[Limit], name: str, target: float, lever: str, figure: Fraction) -> float | None:
    """The smallest change of one input with which every limit holds at the target."""
    if _is_share(lever):
        return None

    def holds(factor: float) -> bool:
        return all(room_at(limit, name, target, **{lever: float(figure) * factor}) >= 0 for limit in limits)

    if holds(1.0) or not holds(FARTHEST):
        return None
    return last_holding(holds, FARTHEST, 1.0, ratio_middle)[0]
