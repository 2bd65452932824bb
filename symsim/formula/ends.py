"""The interval of a metric as one more input: `end` moves fitted times from low ends (-1) to high ones (1), and as many
times as far on logarithms beyond them."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import cast

import sympy
from sympy import Expr, Rational, Symbol

from symsim.cost.derivation import Derivation, Step
from symsim.formula.closed_form import ClosedForm
from symsim.formula.interval import Ends

ENDS_OF = "end"


def with_ends(form: ClosedForm) -> ClosedForm:
    """The metric in `end` besides, which is 0 unless stated; the same metric where no time of it was fitted."""
    if not form.ends:
        return form
    end = Symbol(ENDS_OF, real=True)

    def moved(derivation: Derivation) -> Derivation:
        return derivation.keeping(tuple(_moved(step, end, form.ends) for step in derivation.steps))

    bound = replace(form.bound, values={**form.bound.values, ENDS_OF: Fraction(0)})
    return replace(form, bound=bound).changed(moved)


def _moved(step: Step, end: Symbol, ends: Ends) -> Step:
    if step.op is None or step.op not in ends:
        return step
    low, high = map(Rational, map(repr, ends[step.op]))
    factor = cast(Expr, high ** sympy.Max(0, end) * low ** sympy.Max(0, -end))
    return replace(step, expr=factor * step.expr)
