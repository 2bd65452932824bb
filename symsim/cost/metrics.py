"""The metrics of metric_table as derivations: named steps from operators up to the metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import sympy
from sympy import Expr, Symbol

from symsim.algebra.symbols import KNOWN, step_symbol, symbol
from symsim.cost.activations import activations
from symsim.cost.calibrated import Fitted, KernelPlan, fitted_times
from symsim.cost.derivation import Derivation, Step
from symsim.cost.engine_terms import EngineTerms, engine_time
from symsim.cost.kernel_cost import Cost
from symsim.cost.memory import repeated, reserved, resident, stages_behind, weights_by_stage, windowed
from symsim.cost.metric_table import Amount, Metric, metrics
from symsim.cost.roofline import Time, time
from symsim.cost.schedule import batches, overlaps, serial, two_batch
from symsim.errors import DeploymentError, InternalError
from symsim.language.graph_text import parse_expression
from symsim.language.symbolic import expression
from symsim.model.op_graph import Guard, Op, OpGraph
from symsim.model.step import EngineStep


@dataclass(frozen=True, slots=True, eq=False)
class PricedStep:
    """One phase, priced: its graph, costs and times by operator name; guards: the conditions under which it holds.

    fitted: the seconds of operators that measured kernels stand in for, and which; engine: what it adds to them.
    """

    graph: OpGraph
    costs: Mapping[str, Cost]
    overlapped: bool
    guards: tuple[Guard, ...]
    fitted: Mapping[str, tuple[Expr, Fitted]] = field(default_factory=dict[str, tuple[Expr, Fitted]])
    engine: EngineTerms | None = None

    def times(self) -> Mapping[str, Time]:
        times = {name: time(cost) for name, cost in self.costs.items()}
        return {**times, **{name: replace(times[name], fitted=seconds) for name, (seconds, _) in self.fitted.items()}}

    def passes(self, op: Op) -> tuple[Expr, ...]:
        """How often a step executes an operator: a token waits pp times for the slowest pipeline stage, or rather, for
        each that may be the slowest."""
        if not op.body:
            return (op.repeat,) * max(1, len(self.graph.stages))
        counts = [stage.get(op.body, op.body_repeat) for stage in self.graph.stages.values()] or [op.body_repeat]
        return tuple(self.graph.degrees["pp"] * (op.repeat / op.body_repeat * count) for count in counts)


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """How an engine plans memory. fullest: its largest step, priced; unused: what it leaves, a formula over the steps
    of the metric of memory; origin: where the formula is from."""

    fullest: PricedStep
    unused: str
    origin: str


def priced_phase(
    graph: OpGraph,
    costs: Mapping[str, Cost],
    decided: tuple[Guard, ...],
    two_batches: bool,
    plan: KernelPlan | None = None,
) -> PricedStep:
    """A phase, overlapped when asked and when its layers can be. decided: what pricing the kernels decided; plan: the
    measured kernels that stand in for its operators, where they do."""
    fitted = {} if plan is None else fitted_times(graph, costs, plan)
    overlapped = two_batches and any(overlaps(stages) for stages in _bodies(graph).values())
    guards = tuple(dict.fromkeys((*graph.guards, *decided)))
    return PricedStep(graph, costs, overlapped, guards, fitted, None if plan is None else plan.engine)


@dataclass(frozen=True, slots=True)
class _Start:
    """Steps that a metric stands on; scope: what its formula may name besides them.

    stages: what else it may name of each pipeline stage that may be the fullest, where that is not the same one always.
    """

    steps: tuple[Step, ...]
    scope: Mapping[str, Expr]
    stages: tuple[Mapping[str, Expr], ...] = ()


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
            expr = _of_all(metric.stages, each) if stages else expression(amount.tree(), known)
            steps.append(_amount_step(amount, expr))
    guards = phase.guards if plan is None else (*phase.guards, *plan.fullest.guards)
    return Derivation(metric.name, metric.meaning, (*_context(steps), *steps), tuple(dict.fromkeys(guards)))


def _amount_step(amount: Amount, expr: Expr, suffix: str = "") -> Step:
    """An amount of a metric's row as a step. suffix: tells that of a pipeline stage apart."""
    named = step_symbol(f"{amount.symbol}{suffix}", signed=amount.signed)
    latex = f"{amount.latex.removesuffix('}}')}{_marked(suffix)}}}}}" if suffix else amount.latex
    return Step(named, expr, amount.unit, _of_stage(amount.meaning, suffix), latex)


def _of_all(which: str, stages: list[Expr]) -> Expr:
    """The largest or the smallest over pipeline stages; each Max binary and unevaluated (sympy is slow on more)."""
    chosen = stages[0]
    for other in stages[1:]:
        chosen = (sympy.Max if which == "max" else sympy.Min)(chosen, other, evaluate=False)
    return chosen


def _start(metric: Metric, phase: PricedStep, base: Derivation | None, plan: MemoryPlan | None) -> _Start:
    match metric.starts_from:
        case "time":
            steps, total = _step_time(phase)
            return _Start(steps, {"step_time": total})
        case "residents":
            return _planned(_memory_start(phase, paged=plan is not None), phase, plan)
        case other:
            return _Start((base or derivation(metrics()[other], phase)).steps, {})


def _planned(start: _Start, phase: PricedStep, plan: MemoryPlan | None) -> _Start:
    """What stays in memory; by an engine's plan also what its largest step needs, and what it leaves of each stage."""
    if plan is None:
        kept = {"reserved": reserved(phase.graph), "activations": sympy.S.Zero, "unused": sympy.S.Zero}
        return _Start(start.steps, kept, start.stages)
    meant = "memory kept for the runtime and captured graphs"
    kept = Step(step_symbol("reserved"), reserved(phase.graph), "B", meant, "M_{\\mathrm{res}}")
    steps = [*start.steps, *_activation_steps(plan.fullest), kept]
    scope = {**{name: symbol(name) for name in KNOWN}, **{step.symbol.name: step.symbol for step in steps}}
    unused = [expression(parse_expression(plan.unused, plan.origin), {**scope, **own}) for own in start.stages or ({},)]
    left, latex = "memory that the engine leaves by its share", "M_{\\mathrm{left}}"
    if len(set(unused)) == 1:
        steps.append(Step(step_symbol("unused"), unused[0], "B", left, latex))
        return _Start(tuple(steps), {}, start.stages)
    stages: list[Mapping[str, Expr]] = []
    for number, own, amount in zip(phase.graph.stages, start.stages, unused, strict=True):
        suffix = f"_stage{number}"
        latex = f"M_{{\\mathrm{{left{_marked(suffix)}}}}}"
        steps.append(Step(step_symbol(f"unused{suffix}"), amount, "B", _of_stage(left, suffix), latex))
        stages.append({**own, "unused": steps[-1].symbol})
    return _Start(tuple(steps), {}, tuple(stages))


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


def _served(phase: PricedStep) -> Mapping[str, Expr]:
    """What a step serves. tokens: of one batch and tensor parallel group; in_flight: one batch a pipeline stage."""
    degrees = phase.graph.degrees
    tokens = phase.graph.step.facts["tokens"]
    return {"batches": batches(phase.overlapped), "tokens": tokens, "in_flight": degrees["pp"]}


def cache_derivation(phase: PricedStep) -> Derivation:
    """Bytes of KV cache and state of one sequence of S + O tokens."""
    caches, each = _cache_steps(phase.graph, paged=False)
    return Derivation("cache", each.meaning, (*caches, each), phase.guards)


def _memory_start(phase: PricedStep, *, paged: bool) -> _Start:
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
        return _Start((*steps, *caches, each), {})
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
    return _Start(tuple(steps), {}, tuple(stages) if len(stages) > 1 else ())


def _held(suffix: str, amount: Expr) -> Step:
    return Step(
        step_symbol(f"weights{suffix}"),
        amount,
        "B",
        _of_stage("resident weights of one GPU", suffix),
        f"M_{{\\mathrm{{weights{_marked(suffix)}}}}}",
    )


def _of_stage(meaning: str, suffix: str) -> str:
    return f"{meaning}, pipeline stage {suffix.removeprefix('_stage')}" if suffix else meaning


def _marked(suffix: str) -> str:
    """What tells a stage apart in LaTeX."""
    return f"\\,{suffix.removeprefix('_')}" if suffix else ""


def _weights(phase: PricedStep, steps: list[Step]) -> tuple[list[tuple[str, Expr, Expr]], Expr]:
    """Weights of the layers, each with its body and how often it is repeated; and of the larger end of a pipeline."""
    graph = phase.graph
    layers: list[tuple[str, Expr, Expr]] = []
    ends: tuple[list[Expr], list[Expr]] = [], []
    behind = stages_behind(graph) if graph.degrees["pp"] != 1 else frozenset[str]()
    for (body, repeat), stages in weights_by_stage(graph, phase.costs).items():
        amounts = {stage: amount for stage, amount in stages.items() if amount != 0}
        parts = [
            _named(steps, [f"w_{stage}", f"w_{body}_{stage}"], amount, f"weights of {stage}", unit="B")
            for stage, amount in amounts.items()
        ]
        if body and len(parts) > 1:
            parts = [_named(steps, [f"w_{body}"], sympy.Add(*parts), f"weights of one {body}", unit="B")]
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
    marked = _marked(suffix)
    amount, latex = resident(graph, "cache"), f"m_{{\\mathrm{{token{marked}}}}}"
    meaning = _of_stage("KV cache of one token, all layers" if not suffix else "KV cache of one token", suffix)
    token = Step(step_symbol(f"cache_per_token{suffix}"), amount, "B", meaning, latex)
    steps, cache = [token], whole(length) * token.symbol + resident(graph, "state")
    for i, (window, bytes_) in enumerate(windowed(graph).items()):
        name = "cache_per_windowed_token" + (f"_{i + 1}" if i else "") + suffix
        meaning = _of_stage(f"KV cache of one token, layers with a window of {window}", suffix)
        latex = f"m_{{\\mathrm{{window{i + 1 if i else ''}{marked}}}}}"
        steps.append(Step(step_symbol(name), bytes_, "B", meaning, latex))
        cache += whole(sympy.Min(length, window)) * steps[-1].symbol
    meaning = _of_stage("KV cache and state of one sequence at its full length", suffix)
    latex = f"m_{{\\mathrm{{sequence{marked}}}}}"
    return tuple(steps), Step(step_symbol(f"cache_per_sequence{suffix}"), cache, "B", meaning, latex)


def _bodies(graph: OpGraph) -> Mapping[str, Mapping[str, list[Op]]]:
    """Body -> stage -> operators, in the order of the graph text."""
    found: dict[str, dict[str, list[Op]]] = {}
    for op in graph.ops:
        found.setdefault(op.body, {}).setdefault(op.stage, []).append(op)
    return found


def _overlap(step: EngineStep) -> None:
    """Raise DeploymentError for an iteration of several steps: two batches are paired in prefill or in decode."""
    if step.is_mixed:
        raise DeploymentError(
            f"two batches overlap in prefill or in decode, and a {step.name} step holds both; choose --overlap none"
        )


def _step_time(phase: PricedStep) -> tuple[tuple[Step, ...], Expr]:
    """Operator times -> stage times -> body times -> the time of one step, seconds."""
    times = phase.times()
    bodies = _bodies(phase.graph)
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
        layer = _named(steps, [f"t_{body}"], whole, f"one {body}, two batches overlapped" if paired else f"one {body}")
        layers.append((body, repeat, layer * (1 if paired else batches(phase.overlapped))))
    kernels = phase.graph.degrees["pp"] * _slowest(phase.graph, layers) + sympy.Add(*total)
    if phase.engine is None:
        return tuple(steps), kernels
    launched = [op for op in phase.graph.ops if op.name in phase.fitted]
    collectives = [op for op in launched if phase.fitted[op.name][1].message]
    more, whole = engine_time(phase.engine, phase.graph.step, kernels, launched, collectives)
    return (*steps, *more), whole


def _slowest(graph: OpGraph, layers: list[tuple[str, Expr, Expr]]) -> Expr:
    """The time of the slowest pipeline stage. layers: body, its repeats, the time of one."""
    if not graph.stages:
        return sympy.Add(*(repeat * layer for _, repeat, layer in layers))
    stages = [
        sympy.Add(*(counts.get(body, repeat) * layer for body, repeat, layer in layers))
        for counts in graph.stages.values()
    ]
    return _of_all("max", stages)


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
        return _named(steps, names, times[ops[0].name].total, ops[0].name, ops[0])
    parts: list[Expr] = []
    reserved = {step.symbol.name for step in steps} | set(names)
    for op in ops:
        wanted = [f"t_{op.label}", f"t_{stage}_{op.label}", f"t_{body}_{stage}_{op.label}"]
        own = [name for name in wanted if name not in reserved or _of(steps, name) is not None]
        parts.append(op.repeat / op.body_repeat * _named(steps, own, times[op.name].total, op.name, op))
    return _named(steps, names, sympy.Add(*parts), f"{stage} of one layer" if body else stage)


def _of(steps: list[Step], name: str) -> Step | None:
    return next((step for step in steps if step.symbol.name == name), None)


def _named(
    steps: list[Step], names: list[str], expr: Expr, meaning: str, op: Op | None = None, unit: str = "s"
) -> Symbol:
    """The step of this amount: one of these names that stands for the same expression, else the first that is free."""
    for name in names:
        found = _of(steps, name)
        if found is None:
            letter, _, words = name.replace("_", "\\,").partition("\\,")
            latex = f"{letter}_{{\\mathrm{{{words}}}}}"
            of = (None, None) if op is None else (op.name, str(op.origin))
            steps.append(Step(step_symbol(name), expr, unit, meaning, latex, *of))
            return steps[-1].symbol
        if found.expr == expr:
            return found.symbol
    raise InternalError("metrics", f"no name is left for {meaning}")


def _context(steps: list[Step]) -> tuple[Step, ...]:
    """The mean context length while decoding, where a step uses it: S + O/2, whole tokens."""
    context = symbol("C")
    if _of(steps, "C") or not any(context in step.expr.free_symbols for step in steps):
        return ()
    mean = sympy.floor(symbol("S") + symbol("O") / 2)
    return (Step(context, mean, "tokens", "mean context length while decoding", "C"),)
