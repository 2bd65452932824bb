r"""A formula worked out at a point -> LaTeX: name = numbers put in = value, a line for each step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import cast

from sympy import Expr, Pow, Symbol
from sympy.core.function import AppliedUndef

from symsim.algebra.symbols import substitute
from symsim.algebra.units import format_quantity
from symsim.formula.breakdown import numbers
from symsim.notation.latex import Math, grouped, quantity
from symsim.notation.latex_lines import Lines
from symsim.notation.layout import Layout, laid_out
from symsim.notation.line_width import SMALL_LINE, beside, width
from symsim.publication.kernel_functions import NamedKernels
from symsim.publication.worked_example import Worked, WorkedCheck


class Filled(Math):
    """Prints symbols as their values: quantities with units for steps, numbers for the workload and look-ups."""

    def __init__(self, layout: Layout, unit: str, values: Mapping[str, str]) -> None:
        super().__init__(layout, unit)
        self._settings["mul_symbol_latex"] = r" \cdot "
        self._settings["mul_symbol_latex_numbers"] = r" \cdot "
        self.values = values

    def of_unit(self, unit: str) -> Math:
        return Filled(self.layout, unit, self.values)

    def _print_Symbol(self, expr: Symbol, style: str = "plain") -> str:
        return self.values.get(str(expr)) or super()._print_Symbol(expr, style)

    def _print_Pow(self, expr: Pow) -> str:
        """A quantity that takes a power stands in brackets, so that its unit does not take it alone."""
        value = self.values.get(str(expr.base), "")
        if "\\mathrm" not in value or expr.exp.could_extract_minus_sign():
            return super()._print_Pow(expr)
        return f"\\left({value}\\right)^{{{self._print(expr.exp)}}}"

    def _print_Function(self, expr: Expr, exp: str | None = None) -> str:
        call = self.values.get(str(expr))
        if call is None:
            return super()._print_Function(expr, exp)
        return call if exp is None else f"{call}^{{{exp}}}"


def worked_latex(check: WorkedCheck, kernels: NamedKernels) -> str:
    """An align* from the operators up to the metric, kernels by name."""
    form = check.formula.form
    printed = replace(laid_out(form, "symbolic", check.formula.subject), functions=kernels.layout.functions)
    values = {name: _number(value, form.symbols[name].unit) for name, value in check.values.items()}
    values |= {row.step.symbol.name: _number(row.value, row.step.unit) for row in check.steps}
    values |= {str(one.call): _number(one.value, one.unit) for one in check.measured}
    room = beside([row.step.latex for row in check.steps], SMALL_LINE)
    rows: list[str] = []
    for row in check.steps:
        named, own = _applied(row, check, kernels)
        rows += _rows(named, printed, {**values, **own}, room)
    return "\\begin{align*}\n" + " \\\\\n".join(rows) + "\n\\end{align*}"


def _applied(row: Worked, check: WorkedCheck, kernels: NamedKernels) -> tuple[Worked, Mapping[str, str]]:
    """A step with its kernel applied to numbers that are worked out, and how these are printed."""
    expr = kernels.in_full.get(row.step.expr)
    if expr is None:
        return row, {}
    (call,) = expr.atoms(AppliedUndef)
    function = next(one for one in kernels.functions if one.name == str(call.func))
    at = {**check.values, **{one.step.symbol.name: one.value for one in check.steps}}
    found = numbers(cast(tuple[Expr, ...], call.args), at, check.formula.form.context)
    shown = [Symbol(f"argument_{i}", positive=True) for i in range(len(found))]
    printed = {s.name: _number(x, unit) for s, x, unit in zip(shown, found, function.units, strict=True)}
    step = replace(row.step, expr=substitute(expr, {call: call.func(*shown)}))
    return replace(row, step=step, arms=None), printed


def _rows(row: Worked, printed: Layout, values: Mapping[str, str], room: float) -> list[str]:
    """The lines of one step; the value on the last, where it fits."""
    chain = [_lines(row.step.expr, row, printed, values, room)]
    if row.arms is not None:
        expr, arms = row.arms
        larger = {**values, **{s.name: _number(v, row.step.unit) for s, v in arms.items()}}
        chain.append(_lines(expr, row, printed, larger, room))
    result = _number(row.value, row.step.unit)
    if chain[-1] != [result]:
        chain.append([result])
    lines = [f"  {row.step.latex} &= {chain[0][0]}", *(f"  &\\quad {line}" for line in chain[0][1:])]
    for part in chain[1:]:
        first = f"= {part[0]}"
        if len(part) == 1 and width(lines[-1].partition("&")[2]) + width(first) <= room:
            lines[-1] += f" {first}"
        else:
            lines += [f"  &{first}", *(f"  &\\quad {line}" for line in part[1:])]
    return lines


def _lines(expr: Expr, row: Worked, printed: Layout, values: Mapping[str, str], room: float) -> list[str]:
    lines = Lines(printed, row.step.unit, lambda found, unit: Filled(found, unit, values))
    return lines.of(expr, room)


def _number(value: float, unit: str) -> str:
    """A value as LaTeX with its unit; tokens are plain numbers."""
    if unit in ("1", "tokens"):
        text = format_quantity(value, "1", 6)
        return grouped(text) if text.isdigit() else text
    return quantity(value, unit)
