"""Times of operators -> the time of one step, as named steps."""

from __future__ import annotations

from collections.abc import Mapping

import sympy
from sympy import Expr, Symbol

from symsim.algebra.symbols import one_if_any
from symsim.cost.derivation import Step, named_step, step_called
from symsim.cost.engine_terms import engine_time
from symsim.cost.priced_step import PricedStep, ops_by_body
from symsim.cost.roofline import Time
from symsim.cost.schedule import batches, overlaps, serial, two_batch
from symsim.cost.stages import of_all_stages
from symsim.errors import DeploymentError
from symsim.model.op_graph import Op, OpGraph
from symsim.model.step import EngineStep


def _overlap(step: EngineStep) -> None:
    """Raise DeploymentError for an iteration of several steps: two batches are paired in prefill or in decode."""
    if step.is_mixed:
        raise DeploymentError(
            f"two batches overlap in prefill or in decode, and a {step.name} step holds both; choose --overlap none"
        )


def time_of_step(phase: PricedStep) -> tuple[tuple[Step, ...], Expr]:
    """Operator times -> stage times -> body times -> the time of one step, seconds."""
    times = phase.times()
    bodies = ops_by_body(phase.graph)
    if phase.overlapped:
        _overlap(phase.graph.step)
    steps: list[Step] = []
    total: list[Expr] = []
    layers: list[tuple[str, Expr, Expr]] = []
    for body, stages in bodies.items():
        repeat = next(iter(stages.values()))[0].body_repeat
        if repeat == 0:  # in the graph to be looked at, never executed
            continue
        if not body:
            total += [_once(ops, times, phase, steps) for ops in stages.values()]
            continue
        stage_times = {stage: _stage(ops, times, steps) for stage, ops in stages.items()}
        paired = phase.overlapped and overlaps(stages)
        whole = two_batch(stage_times, phase.graph.step) if paired else serial(stage_times)
        layer = named_step(
            steps, [f"t_{body}"], whole, f"one {body}, two batches overlapped" if paired else f"one {body}"
        )
        layers.append((body, repeat, layer * (1 if paired else batches(phase.overlapped))))
    kernels = phase.graph.degrees["pp"] * _slowest(phase.graph, layers) + sympy.Add(*total)
    if phase.engine is None:
        return tuple(steps), kernels
    launched = [op for op in phase.graph.ops if op.name in phase.fitted]
    collectives = [op for op in launched if phase.fitted[op.name][1].message]
    counts = _executed(phase, launched), _executed(phase, collectives)
    more, whole = engine_time(phase.engine, phase.graph.step, kernels, *counts)
    return (*steps, *more), whole


def _executed(phase: PricedStep, ops: list[Op]) -> Expr:
    """How often operators are executed on a token's way through all pipeline stages; those of a step that the iteration
    may not hold, only where it does."""
    step = phase.graph.step
    held = [one_if_any(step.part(op.step).facts["rows"]) if op.step else sympy.S.One for op in ops]
    stages = zip(*map(phase.passes, ops), strict=True)
    counts = [sympy.Add(*(is_held * count for is_held, count in zip(held, own, strict=True))) for own in stages]
    return of_all_stages("max", counts) if counts else sympy.S.Zero


def _slowest(graph: OpGraph, layers: list[tuple[str, Expr, Expr]]) -> Expr:
    """The time of the slowest pipeline stage. layers: body, its repeats, the time of one."""
    if not graph.stages:
        return sympy.Add(*(repeat * layer for _, repeat, layer in layers))
    stages = [
        sympy.Add(*(counts.get(body, repeat) * layer for body, repeat, layer in layers))
        for counts in graph.stages.values()
    ]
    return of_all_stages("max", stages)


def _once(ops: list[Op], times: Mapping[str, Time], phase: PricedStep, steps: list[Step]) -> Expr:
    """What one step does besides its layers: work for each overlapped batch, plain latency (a scheduler's) once."""
    if all(times[op.name].total == times[op.name].latency for op in ops):
        return sympy.Add(*(times[op.name].latency * op.repeat for op in ops))
    return batches(phase.overlapped) * _stage(ops, times, steps)


def _stage(ops: list[Op], times: Mapping[str, Time], steps: list[Step]) -> Symbol:
    """The time of one stage; a stage of several operators, or of one repeated, becomes steps of its own."""
    stage, body = ops[0].stage, ops[0].body
    names = [f"t_{stage}", f"t_{body}_{stage}"]
    if len(ops) == 1 and ops[0].repeat == ops[0].body_repeat:
        return named_step(steps, names, times[ops[0].name].total, ops[0].name, ops[0])
    parts: list[Expr] = []
    reserved = {step.symbol.name for step in steps} | set(names)
    for op in ops:
        wanted = [f"t_{op.label}", f"t_{stage}_{op.label}", f"t_{body}_{stage}_{op.label}"]
        own = [name for name in wanted if name not in reserved or step_called(steps, name) is not None]
        parts.append(op.repeat / op.body_repeat * named_step(steps, own, times[op.name].total, op.name, op))
    return named_step(steps, names, sympy.Add(*parts), f"{stage} of one layer" if body else stage)
