"""One deployment at one workload point: TTFT, TPOT, throughput, memory and what binds, in any cost model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from symsim.algebra.shown import html_table, one_line
from symsim.algebra.symbols import DEFAULTS, INPUTS, STEP_DEFAULTS
from symsim.cost.bound import longest
from symsim.errors import SymsimError
from symsim.formula.breakdown import breakdown
from symsim.formula.closed_form import ClosedForm
from symsim.formula.extrapolation import extrapolated
from symsim.pipeline.compiled import Compiled
from symsim.pipeline.memory_parts import MemoryParts, memory_parts, shortage
from symsim.pipeline.prompts import prompts_in_words
from symsim.pipeline.replicas import batch_in_words

_TIMES = ("ttft", "tpot")
_FIGURES = (*_TIMES, "tgs_prefill", "tgs_decode", "max_batch")


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class StepReport:
    """What a deployment does at a workload point.

    figures: ttft and tpot in seconds, tgs_prefill and tgs_decode in tokens per second of one GPU, max_batch in
    sequences; intervals: low and high of the figures whose error is known, in `level` of cases; bound: of each time,
    the seconds of the operators that compute, memory, a link or latency bounds, before they overlap with others, and
    what the time has beyond them; memory: bytes of one GPU; sentences: what is to be known of the batch and of memory.
    """

    subject: str
    at: Mapping[str, float]
    figures: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    level: float
    bound: Mapping[str, Mapping[str, float]]
    memory: MemoryParts
    sentences: tuple[str, ...]

    def __repr__(self) -> str:
        return one_line(self, self.subject)

    def _repr_html_(self) -> str:
        return html_table(self.subject, {name: f"{value:.6g}" for name, value in self.figures.items()})

    def binding(self, time: str) -> str:
        """What takes most of a time."""
        return longest(self.bound[time])

    def as_dict(self) -> dict[str, Any]:
        """The same as plain JSON types, seconds and bytes."""
        told = {**asdict(self), "intervals": {name: [*ends] for name, ends in self.intervals.items()}}
        return {**told, "binding": {time: self.binding(time) for time in _TIMES}}


def step_report(compiled: Compiled, level: float = 0.9, **at: float) -> StepReport:
    """The report of a compiled model at a workload point, over the defaults. Raises SymsimError for unknown names."""
    point = {**DEFAULTS, **STEP_DEFAULTS, **at}
    forms = {name: compiled.form(name) for name in _FIGURES}
    points = {name: _own(form, point) for name, form in forms.items()}
    _check(at, forms)
    known = {name: form.interval(level, **points[name]) for name, form in forms.items() if name != "max_batch"}
    used = {name: value for own in points.values() for name, value in own.items()}
    beyond = {sentence: None for name in _TIMES if known[name] for sentence in extrapolated(points[name])}
    told = (
        prompts_in_words(compiled, used),
        batch_in_words(compiled, int(used["B"])),
        shortage(compiled, used),
        *beyond,
    )
    return StepReport(
        subject=compiled.subject,
        at={name: used[name] for name in point if name in used},
        figures={name: float(form.evaluate(**points[name])) for name, form in forms.items()},
        intervals={name: ends for name, ends in known.items() if ends is not None},
        level=level,
        bound={name: _bound(compiled, forms[name], points[name]) for name in _TIMES},
        memory=memory_parts(compiled, used),
        sentences=tuple(sentence for sentence in told if sentence),
    )


def _check(at: Mapping[str, float], forms: Mapping[str, ClosedForm]) -> None:
    """Refuse what no figure depends on."""
    has = [name for name in INPUTS if any(name in form.symbols for form in forms.values())]
    for name in at:
        if name not in has:
            raise SymsimError(f"a report has no workload symbol {name}; expected some of {', '.join(has)}")


def _own(form: ClosedForm, point: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in point.items() if name in form.symbols}


BEYOND = "beyond operators"
"""What a time has over the sum of its operators: what an engine adds, or waits."""

_ROUNDING = 1e-9


def _bound(compiled: Compiled, form: ClosedForm, point: Mapping[str, float]) -> dict[str, float]:
    """Seconds of operators by what limits each, and what there is beyond them, the longest first."""
    whole = {name: int(value) for name, value in point.items()}
    count = form.chunk_count(whole)
    lines = breakdown(compiled.phase_at(form.name, count), form, whole, cut=count > 1)
    kinds = {kind: sum(x.seconds * x.times for x in lines if x.bound == kind) for kind in {x.bound for x in lines}}
    value = form.evaluate(**point)
    beyond = value - sum(kinds.values())
    kinds |= {BEYOND: beyond} if beyond > _ROUNDING * value else {}
    return dict(sorted(kinds.items(), key=lambda kind: (-kind[1], kind[0])))
