"""A compiled model as programs in JavaScript: metrics with every named step, and what each operator waits for.

`end` is an input of times that were fitted: -1 is the low end of the interval, 0 the time itself, 1 the high end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction

from sympy import Symbol

from symsim.algebra.symbols import is_symbol, symbol_info
from symsim.cost.derivation import Derivation, Step
from symsim.errors import SymsimError
from symsim.formula.closed_form import ClosedForm
from symsim.formula.ends import ENDS_OF, with_ends
from symsim.formula.interval import RUNNING
from symsim.inputs.space import SIZES
from symsim.notation.javascript import javascript_function
from symsim.pipeline.compiled import Compiled
from symsim.pipeline.pipeline import compiled_for

STEPWISE = ("tgs_decode", "ttft", "memory")
_PLAIN = ("tgs_prefill", "max_batch")
_METRICS = (*STEPWISE, *_PLAIN)
MOST_VARIANTS = 4


@dataclass(frozen=True, slots=True)
class Variant:
    """One deployment: how its metrics are worked out, as source of an object of functions.

    held, in_flight: batches of all GPUs, and of one; ops: the operators of a decode step, in the order of `operators`;
    weights: step of TPOT -> how often its time enters it, where that is a number; running: metric -> within which
    factors runs of engines were.
    """

    tp: int
    text: str
    gpus: int
    held: int
    in_flight: int
    source: str
    ops: tuple[Mapping[str, str], ...]
    weights: Mapping[str, float]
    running: Mapping[str, tuple[float, float]]


def variants(compiled: Compiled) -> Iterator[Variant]:
    """The compiled deployment, and those of other tensor parallel sizes that there are, in order of size."""
    own = compiled.deployment.tp
    sizes = sorted(SIZES["tp"], key=lambda tp: abs(tp - own))[:MOST_VARIANTS]
    for tp in sorted({own, *sizes}):
        with suppress(SymsimError):
            yield _variant(compiled if tp == own else compiled_for(compiled, "tp", tp))


def hardware_inputs(forms: Sequence[ClosedForm]) -> dict[str, Fraction]:
    """Figures of the device that a program takes as inputs, each under one name, with their values."""
    found: dict[str, Fraction] = {}
    for form in forms:
        for name in form.symbols:
            if name == "peak_w" or not is_symbol(name) or symbol_info(name).kind != "hardware":
                continue
            if name not in found and name in form.bound.values and _is_input(form, name):
                found[name] = form.bound.values[name]
    return found


def _is_input(form: ClosedForm, name: str) -> bool:
    if name in form.rewriting.shaped or form.bound.same.get(name, name) != name:
        return False
    with suppress(SymsimError):
        form.along((name,))
        return True
    return False


def forms_of(compiled: Compiled) -> list[ClosedForm]:
    """The metrics of the page, with each figure of the device under one name."""
    return [compiled.form(metric).leading() for metric in _METRICS]


def _variant(compiled: Compiled) -> Variant:
    forms = forms_of(compiled)
    functions = [_function(form, steps=form.name in STEPWISE) for form in forms]
    operators, ops = _operators(compiled, forms[0])
    functions.append(_function(operators, steps=True, named="operators"))
    names = ", ".join((*_METRICS, "operators"))
    deployment = compiled.deployment
    flights = deployment.pp * (2 if deployment.overlap == "two-batch" else 1)
    body = "\n".join(functions)
    return Variant(
        tp=deployment.tp,
        text=deployment.in_words(),
        gpus=deployment.world_size,
        held=deployment.dp * flights,
        in_flight=flights,
        source=f"(() => {{\n{body}\nreturn {{{names}}};\n}})()",
        ops=ops,
        running={form.name: form.ends[RUNNING] for form in [*forms, compiled.form("tpot")] if RUNNING in form.ends},
        weights=_weights(compiled.form("tpot").level("numeric")),
    )


def _weights(derivation: Derivation) -> dict[str, float]:
    """Step -> how often its time enters the metric, where that is a number."""
    steps = {step.symbol: step for step in derivation.steps if step.unit == "s"}
    found: dict[Symbol, float] = {derivation.result.symbol: 1.0}
    for symbol, step in reversed(steps.items()):
        for inner in step.expr.free_symbols if symbol in found else ():
            if not isinstance(inner, Symbol) or inner not in steps:
                continue
            slope = float(step.expr.as_coefficients_dict()[inner])  # only sums have one: what a maximum hides has none
            if slope:
                found[inner] = found.get(inner, 0.0) + found[symbol] * slope
    return {symbol.name: weight for symbol, weight in found.items()}


def _function(form: ClosedForm, *, steps: bool, named: str = "") -> str:
    """The source of one function, in the workload, the figures of the device and the end of the interval."""
    form = with_ends(form)
    inputs = [*hardware_inputs([form]), *([ENDS_OF] if ENDS_OF in form.symbols else [])]
    text = javascript_function(form, form.subject, inputs, steps=steps)
    return text.replace(f"function {form.name}(", f"function {named or form.name}(", 1)


def _operators(compiled: Compiled, timed: ClosedForm) -> tuple[ClosedForm, tuple[Mapping[str, str], ...]]:
    """The operators of a decode step as a form of its own: their FLOPs, bytes, seconds by what they wait for, and how
    often each pipeline stage executes them."""
    phase = compiled.decode
    times = phase.times()
    steps: list[Step] = []
    ops: list[Mapping[str, str]] = []
    for i, op in enumerate(phase.graph.ops):
        cost, time = phase.costs[op.name], times[op.name]
        named = {"flops": cost.total_flops, "bytes": cost.hbm_bytes, "seconds": time.total, **time.parts}
        named |= {f"times_{stage}": count for stage, count in enumerate(phase.passes(op))}
        for name, expr in named.items():
            fitted = op.name if name == "seconds" else None
            steps.append(Step(Symbol(f"op{i}_{name}"), expr, "1", "", "", op=fitted))
        ops.append({"name": op.name, "kernel": op.kernel, "stage": op.stage})
    form = timed.changed(lambda derivation: derivation)
    needed = {s for step in steps for s in step.expr.free_symbols}
    first = [step for step in timed.applied.steps if step.symbol in needed]
    one = replace(timed.applied, name="operators", steps=(*first, *steps))
    return replace(form, applied=one, cut=None).leading(), tuple(ops)
