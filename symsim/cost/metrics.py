"""The metrics of metric_table as derivations: named steps from operators up to the metric."""

from __future__ import annotations

from collections.abc import Mapping

import sympy
from sympy import Expr

from symsim.algebra.symbols import KNOWN, step_symbol, symbol
from symsim.cost.derivation import Derivation, Step, step_called
from symsim.cost.memory_steps import MemoryPlan, MetricStart, memory_start
from symsim.cost.metric_table import Amount, Metric, metrics
from symsim.cost.priced_step import PricedStep
from symsim.cost.schedule import batches
from symsim.cost.stages import of_all_stages, stage_mark, stage_meaning
from symsim.cost.step_time import time_of_step
from symsim.language.symbolic import expression


def derivation(
    metric: Metric, phase: PricedStep, base: Derivation | None = None, plan: MemoryPlan | None = None
) -> Derivation:
    """A metric of a phase, as its row of the table says. base: the derivation of the metric that it starts from; plan:
    of an engine, where memory is planned by one.

    With pp pipeline stages as many batches are in flight, so a token waits for the slowest stage at each of them, and
    stages do not change rates but through their time. Both of two overlapped batches count.
    """
    start = _start(metric, phase, base, plan)
    scope = {**{name: symbol(name) for name in KNOWN}, **_served(phase), **start.scope}
    steps, stages = [*start.steps], [dict(stage) for stage in start.stages]
    numbers = [*phase.graph.stages] if stages else []
    for amount in (*metric.let, metric.result):
        known = {**scope, **{step.symbol.name: step.symbol for step in steps}}
        each = [expression(amount.tree(), {**known, **stage}) for stage in stages]
        if stages and amount is not metric.result:
            for number, stage, own in zip(numbers, stages, each, strict=True):
                steps.append(_amount_step(amount, own, f"_stage{number}"))
                stage[amount.symbol] = steps[-1].symbol
        else:
            expr = of_all_stages(metric.stages, each) if stages else expression(amount.tree(), known)
            steps.append(_amount_step(amount, expr))
    guards = phase.guards if plan is None else (*phase.guards, *plan.fullest.guards)
    return Derivation(metric.name, metric.meaning, (*_context(steps), *steps), tuple(dict.fromkeys(guards)))


def _amount_step(amount: Amount, expr: Expr, suffix: str = "") -> Step:
    """An amount of a metric's row as a step. suffix: tells that of a pipeline stage apart."""
    named = step_symbol(f"{amount.symbol}{suffix}", signed=amount.signed)
    latex = f"{amount.latex.removesuffix('}}')}{stage_mark(suffix)}}}}}" if suffix else amount.latex
    return Step(named, expr, amount.unit, stage_meaning(amount.meaning, suffix), latex)


def _start(metric: Metric, phase: PricedStep, base: Derivation | None, plan: MemoryPlan | None) -> MetricStart:
    match metric.starts_from:
        case "time":
            steps, total = time_of_step(phase)
            return MetricStart(steps, {"step_time": total})
        case "residents":
            return memory_start(phase, plan)
        case other:
            return MetricStart((base or derivation(metrics()[other], phase)).steps, {})


def _served(phase: PricedStep) -> Mapping[str, Expr]:
    """What a step serves. tokens: of one batch and tensor parallel group; in_flight: one batch a pipeline stage."""
    degrees = phase.graph.degrees
    tokens = phase.graph.step.facts["tokens"]
    return {"batches": batches(phase.overlapped), "tokens": tokens, "in_flight": degrees["pp"]}


def _context(steps: list[Step]) -> tuple[Step, ...]:
    """The mean context length while decoding, where a step uses it: S + O/2, whole tokens."""
    context = symbol("C")
    if step_called(steps, "C") or not any(context in step.expr.free_symbols for step in steps):
        return ()
    mean = sympy.floor(symbol("S") + symbol("O") / 2)
    return (Step(context, mean, "tokens", "mean context length while decoding", "C"),)
