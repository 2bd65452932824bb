"""Compares rows of regimes, each on the range that it is said to hold on, with a derived step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from sympy import Expr, Symbol

from symsim.algebra.units import format_quantity
from symsim.cost.derivation import Step
from symsim.errors import LatexSyntaxError, Span
from symsim.formula.breakdown import numbers
from symsim.formula.closed_form import ClosedForm
from symsim.notation.text import expression_text
from symsim.verification.differences import Difference, Ground
from symsim.verification.latex_cases import RowRanges
from symsim.verification.latex_numbers import Literal


def ranges_of(form: ClosedForm, values: Mapping[str, Any], literals: Mapping[Symbol, Literal]) -> RowRanges:
    """How rows of a text about a form are decided, at a point."""
    steps = {step.symbol: step.expr for step in form.derivation.steps}
    return RowRanges(values, literals, form.context, numbers, steps)


def wrong_rows(ranges: RowRanges, rows: Expr, step: Step, ground: Ground, span: Span) -> list[Difference]:
    """One difference for each row that has another value than the step somewhere on its range.

    Raises LatexSyntaxError where no single symbol of the workload decides which row holds.
    """
    variable = ranges.variable(rows)
    if variable is None:
        message = "cases can be compared where the conditions are ranges of one workload symbol, e.g. B \\le 64"
        raise LatexSyntaxError(span, message)
    if absent := ranges.absent((rows, step.expr), variable):
        message = f"cases can be compared on ranges of {variable} at a point; give {', '.join(absent)} with --at"
        raise LatexSyntaxError(span, message)
    wrong: dict[int, Difference] = {}
    for row, at, mine, theirs in ranges.held(rows, variable, step.expr):
        allowed = 1e-9 * abs(theirs) + ranges.slack(rows, row, variable, at)
        if abs(mine - theirs) > allowed and row not in wrong:
            value = cast(Expr, rows.args[2 * row])
            written = expression_text(value, step.unit, ground.sheet)
            yours, derived = (format_quantity(one, step.unit, 6) for one in (mine, theirs))
            where = f"at {variable} = {at:g}"
            wrong[row] = Difference(
                kind="wrong row",
                step=step.symbol.name,
                step_latex=step.latex,
                yours=f"row {row + 1} ({written}) = {yours} {where}",
                derived=derived,
                latex=step.latex,
                unit=step.unit,
                value=None,
                source=None,
                line=span.line,
            )
    return list(wrong.values())
