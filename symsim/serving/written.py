"""A form at a load as a closed form of formulas: its steps, with what equations and means come to as numbers."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import sympy
from sympy.core.function import AppliedUndef

from symsim.cost.derivation import Derivation, Step
from symsim.formula.binding import Numbers
from symsim.formula.closed_form import ClosedForm
from symsim.inputs.source import Source
from symsim.pipeline.compiled import Compiled
from symsim.serving.engines import Served
from symsim.serving.forms import FormStep, letter, letter_infos, letters
from symsim.serving.functions import Mean, Quantile
from symsim.serving.outcome import Outcome


def closed_form(outcome: Outcome, served: Served, wanted: str, compiled: Compiled) -> ClosedForm:
    """The steps that lead to one of a form, and what a request waits beside it. Roots, means over queues and times of
    steps are numbers of this load."""
    waits = _waits(outcome, served) if wanted == "ttft" else {}
    steps = _leading([step for step in outcome.form.steps if not step.within], wanted)
    written = tuple(_step(step) for step in steps if _is_plain(step))
    if waits:
        *before, last = written
        total = last.expr + sympy.Add(*(letter(name) for name in waits))
        written = (*before, replace(last, expr=total))
    named = {step.symbol.name for step in written}
    free = {s.name for step in written for s in step.expr.free_symbols} - named  # pyright: ignore
    values = {**served.letters, **outcome.values, **waits}
    numbers = {name: Fraction(values[name]).limit_denominator(10**15) for name in free}
    file = outcome.form.place.partition(":")[0]
    sources = {name: Source(how="computed", file=file, note=letters()[name].meaning) for name in free}
    derivation = Derivation(wanted, letters()[wanted].meaning, written, ())
    return ClosedForm(derivation, Numbers(numbers, sources, infos=letter_infos()), compiled.context, compiled.subject)


def _waits(outcome: Outcome, served: Served) -> dict[str, float]:
    """For a place, for others that start with it, and for the host of an engine."""
    own = outcome.values.get("ttft")
    if own is None or "ttft_mean" not in served.values:
        return {}
    place = served.letters.get("W_slot", 0.0) if "slot_wait" in served.forms or "closed_tpot" in served.forms else 0.0
    found = {"W_slot": place, **{name: served.letters.get(name, 0.0) for name in ("W_rank", "W_start")}}
    found["t_host"] = served.values["ttft_mean"] - own - sum(found.values())
    return {name: value for name, value in found.items() if value > 1e-12}


def _is_plain(step: FormStep) -> bool:
    return not step.solved and not step.expr.atoms(AppliedUndef, Mean, Quantile, sympy.exp)


def _step(step: FormStep) -> Step:
    of = letters()[step.symbol.name]
    return Step(step.symbol, step.expr, of.unit, of.meaning, of.latex)


def _leading(steps: list[FormStep], wanted: str) -> list[FormStep]:
    """The steps that one rests on, itself last."""
    last = max(place for place, step in enumerate(steps) if step.symbol.name == wanted)
    names, kept = {wanted}, list[FormStep]()
    for step in reversed(steps[: last + 1]):
        if step.symbol.name in names and step.symbol.name not in {later.symbol.name for later in kept}:
            kept.append(step)
            names |= {s.name for s in step.expr.free_symbols} if _is_plain(step) else set()  # pyright: ignore
    return kept[::-1]
