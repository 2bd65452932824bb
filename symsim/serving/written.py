"""A form at a load as a closed form of formulas: its steps, with what equations and means come to as numbers."""

from __future__ import annotations

from fractions import Fraction

import sympy
from sympy.core.function import AppliedUndef

from symsim.algebra.symbols import subscripted
from symsim.cost.derivation import Derivation, Step
from symsim.formula.binding import Numbers
from symsim.formula.closed_form import ClosedForm
from symsim.inputs.source import Source
from symsim.pipeline.compiled import Compiled
from symsim.serving.forms import FormStep, letters
from symsim.serving.functions import Mean
from symsim.serving.outcome import Outcome
from symsim.serving.workload import Letters


def closed_form(outcome: Outcome, known: Letters, wanted: str, compiled: Compiled) -> ClosedForm:
    """The steps that lead to one of a form. Roots, means over queues and times of steps are numbers of this load."""
    steps = _leading([step for step in outcome.form.steps if not step.within], wanted)
    written = tuple(_step(step) for step in steps if _is_plain(step))
    named = {step.symbol.name for step in written}
    free = {s.name for step in written for s in step.expr.free_symbols} - named  # pyright: ignore
    values = {**known, **outcome.values}
    numbers = {name: Fraction(values[name]).limit_denominator(10**15) for name in free}
    file = outcome.form.place.partition(":")[0]
    sources = {name: Source(how="computed", file=file, note=letters()[name].meaning) for name in free}
    derivation = Derivation(wanted, letters()[wanted].meaning, written, ())
    return ClosedForm(derivation, Numbers(numbers, sources), compiled.context, compiled.subject)


def _is_plain(step: FormStep) -> bool:
    return not step.solved and not step.expr.atoms(AppliedUndef, Mean, sympy.exp)


def _step(step: FormStep) -> Step:
    of = letters()[step.symbol.name]
    return Step(step.symbol, step.expr, of.unit, of.meaning, of.latex or subscripted(of.name))


def _leading(steps: list[FormStep], wanted: str) -> list[FormStep]:
    """The steps that one rests on, itself last."""
    last = max(place for place, step in enumerate(steps) if step.symbol.name == wanted)
    names, kept = {wanted}, list[FormStep]()
    for step in reversed(steps[: last + 1]):
        if step.symbol.name in names and step.symbol.name not in {later.symbol.name for later in kept}:
            kept.append(step)
            names |= {s.name for s in step.expr.free_symbols} if _is_plain(step) else set()  # pyright: ignore
    return kept[::-1]
