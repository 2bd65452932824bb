"""Memory of one GPU as named steps: weights, caches, and by an engine's plan what its largest step needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy
from sympy import Expr

from symsim.algebra.symbols import KNOWN, step_symbol, symbol
from symsim.cost.activations import activations
from symsim.cost.derivation import Derivation, Step, named_step
from symsim.cost.memory import repeated, reserved, resident, stages_behind, weights_by_stage, windowed
from symsim.cost.priced_step import PricedStep
from symsim.cost.stages import stage_mark, stage_meaning
from symsim.language.graph_text import parse_expression
from symsim.language.symbolic import expression
from symsim.model.op_graph import OpGraph


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """How an engine plans memory. fullest: its largest step, priced; unused: what it leaves, a formula over the steps
    of the metric of memory; origin: where the formula is from."""

    fullest: PricedStep
    unused: str
    origin: str


@dataclass(frozen=True, slots=True)
class MetricStart:
    """Steps that a metric stands on; scope: what its formula may name besides them.

    stages: what else it may name of each pipeline stage that may be the fullest, where that is not the same one always.
    """

    steps: tuple[Step, ...]
    scope: Mapping[str, Expr]
    stages: tuple[Mapping[str, Expr], ...] = ()


def memory_start(phase: PricedStep, plan: MemoryPlan | None) -> MetricStart:
    """What stays in memory; by an engine's plan also what its largest step needs, and what it leaves of each stage."""
    start = _held_by_stages(phase, paged=plan is not None)
    if plan is None:
        kept = {"reserved": reserved(phase.graph), "activations": sympy.S.Zero, "unused": sympy.S.Zero}
        return MetricStart(start.steps, kept, start.stages)
    meant = "memory kept for the runtime and captured graphs"
    kept = Step(step_symbol("reserved"), reserved(phase.graph), "B", meant, "M_{\\mathrm{res}}")
    steps = [*start.steps, *_activation_steps(plan.fullest), kept]
    scope = {**{name: symbol(name) for name in KNOWN}, **{step.symbol.name: step.symbol for step in steps}}
    unused = [expression(parse_expression(plan.unused, plan.origin), {**scope, **own}) for own in start.stages or ({},)]
    left, latex = "memory that the engine leaves by its share", "M_{\\mathrm{left}}"
    if len(set(unused)) == 1:
        steps.append(Step(step_symbol("unused"), unused[0], "B", left, latex))
        return MetricStart(tuple(steps), {}, start.stages)
    stages: list[Mapping[str, Expr]] = []
    for number, own, amount in zip(phase.graph.stages, start.stages, unused, strict=True):
        suffix = f"_stage{number}"
        latex = f"M_{{\\mathrm{{left{stage_mark(suffix)}}}}}"
        steps.append(Step(step_symbol(f"unused{suffix}"), amount, "B", stage_meaning(left, suffix), latex))
        stages.append({**own, "unused": steps[-1].symbol})
    return MetricStart(tuple(steps), {}, tuple(stages))


def _activation_steps(fullest: PricedStep) -> list[Step]:
    """What the largest step of an engine needs, from the rows of one token up."""
    found = activations(fullest.graph, fullest.costs)
    steps = [Step(step_symbol("widest"), found.of_token, "B", "rows of a token, widest operator", "m_{\\mathrm{rows}}")]
    largest = symbol("max_tokens") * steps[0].symbol
    if found.apart != 0:
        meant = "rows of operators that do not grow in proportion with a step"
        steps.append(Step(step_symbol("apart"), found.apart, "B", meant, "M_{\\mathrm{rows}}"))
        largest = sympy.Max(largest, steps[1].symbol, evaluate=False)
    meant = "rows of the widest operator of the largest step, and logits"
    steps.append(Step(step_symbol("activations"), largest + found.logits, "B", meant, "M_{\\mathrm{act}}"))
    return steps


def cache_derivation(phase: PricedStep) -> Derivation:
    """Bytes of KV cache and state of one sequence of S + O tokens."""
    caches, each = _cache_steps(phase.graph, paged=False)
    return Derivation("cache", each.meaning, (*caches, each), phase.guards)


def _held_by_stages(phase: PricedStep, *, paged: bool) -> MetricStart:
    """Weights of one GPU by layer and stage, then what a token and a sequence keep.

    The first pipeline stage holds what stands before the layers, the last one what stands behind them: the fullest GPU
    holds the larger of both, and the layers of the fullest stage.
    """
    graph = phase.graph
    steps: list[Step] = []
    layers, larger = _weights(phase, steps)
    if not graph.stages:
        steps.append(_held("", repeated([(part, repeat) for _, part, repeat in layers]) + larger))
        caches, each = _cache_steps(graph, paged=paged)
        return MetricStart((*steps, *caches, each), {})
    stages: list[Mapping[str, Expr]] = []
    for number, counts in graph.stages.items():
        suffix = f"_stage{number}" if len(graph.stages) > 1 else ""
        steps.append(
            _held(suffix, repeated([(part, counts.get(body, repeat)) for body, part, repeat in layers]) + larger)
        )
        caches, each = _cache_steps(graph.of_stage(number), suffix, paged=paged)
        own = (steps[-1], *caches, each)
        steps += (*caches, each)
        stages.append({step.symbol.name.removesuffix(suffix): step.symbol for step in own})
    return MetricStart(tuple(steps), {}, tuple(stages) if len(stages) > 1 else ())


def _held(suffix: str, amount: Expr) -> Step:
    return Step(
        step_symbol(f"weights{suffix}"),
        amount,
        "B",
        stage_meaning("resident weights of one GPU", suffix),
        f"M_{{\\mathrm{{weights{stage_mark(suffix)}}}}}",
    )


def _weights(phase: PricedStep, steps: list[Step]) -> tuple[list[tuple[str, Expr, Expr]], Expr]:
    """Weights of the layers, each with its body and how often it is repeated; and of the larger end of a pipeline."""
    graph = phase.graph
    layers: list[tuple[str, Expr, Expr]] = []
    ends: tuple[list[Expr], list[Expr]] = [], []
    behind = stages_behind(graph) if graph.degrees["pp"] != 1 else frozenset[str]()
    for (body, repeat), stages in weights_by_stage(graph, phase.costs).items():
        amounts = {stage: amount for stage, amount in stages.items() if amount != 0}
        parts = [
            named_step(steps, [f"w_{stage}", f"w_{body}_{stage}"], amount, f"weights of {stage}", unit="B")
            for stage, amount in amounts.items()
        ]
        if body and len(parts) > 1:
            parts = [named_step(steps, [f"w_{body}"], sympy.Add(*parts), f"weights of one {body}", unit="B")]
        if body or graph.degrees["pp"] == 1:
            layers += [(body, part, repeat) for part in parts]
        else:
            for stage, part in zip(amounts, parts, strict=True):
                ends[stage in behind].append(part)
    larger = sympy.Max(*(sympy.Add(*end) for end in ends if end), evaluate=False) if any(ends) else sympy.S.Zero
    return layers, larger


def _cache_steps(graph: OpGraph, suffix: str = "", *, paged: bool) -> tuple[tuple[Step, ...], Step]:
    """What a token keeps; where windows saturate, what a windowed one keeps; and what a sequence does.

    suffix: tells the steps of a pipeline stage apart; paged: whether a sequence holds whole pages.
    """

    def whole(tokens: Expr) -> Expr:
        return symbol("kv_page") * sympy.ceiling(tokens / symbol("kv_page")) if paged else tokens

    length = symbol("S") + symbol("O")
    marked = stage_mark(suffix)
    amount, latex = resident(graph, "cache"), f"m_{{\\mathrm{{token{marked}}}}}"
    meaning = stage_meaning("KV cache of one token, all layers" if not suffix else "KV cache of one token", suffix)
    token = Step(step_symbol(f"cache_per_token{suffix}"), amount, "B", meaning, latex)
    steps, cache = [token], whole(length) * token.symbol + resident(graph, "state")
    for i, (window, bytes_) in enumerate(windowed(graph).items()):
        name = "cache_per_windowed_token" + (f"_{i + 1}" if i else "") + suffix
        meaning = stage_meaning(f"KV cache of one token, layers with a window of {window}", suffix)
        latex = f"m_{{\\mathrm{{window{i + 1 if i else ''}{marked}}}}}"
        steps.append(Step(step_symbol(name), bytes_, "B", meaning, latex))
        cache += whole(sympy.Min(length, window)) * steps[-1].symbol
    meaning = stage_meaning("KV cache and state of one sequence at its full length", suffix)
    latex = f"m_{{\\mathrm{{sequence{marked}}}}}"
    return tuple(steps), Step(step_symbol(f"cache_per_sequence{suffix}"), cache, "B", meaning, latex)
