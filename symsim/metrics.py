"""TTFT, TPOT, TGS, memory and the largest batch as derivations: named steps from operators up to the metric."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import sympy
from sympy import Expr, Symbol

from symsim.cost import Cost
from symsim.graph import Guard, Op, OpGraph
from symsim.memory import reserved, resident, weights
from symsim.roofline import Time, time
from symsim.schedule import batches, overlaps, serial, two_batch
from symsim.symbols import put_in, step_symbol, symbol


@dataclass(frozen=True, slots=True)
class Step:
    """`symbol = expr`: one named sub-term. op: the operator whose time it is, if one's; origin: its graph line."""

    symbol: Symbol
    expr: Expr
    unit: str
    meaning: str
    latex: str
    op: str | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Derivation:
    """A metric as steps in order of evaluation (each uses earlier ones); the last step is the metric itself.

    guards: the conditions under which it holds.
    """

    name: str
    meaning: str
    steps: tuple[Step, ...]
    guards: tuple[Guard, ...]

    @property
    def result(self) -> Step:
        return self.steps[-1]

    def inlined(self) -> Expr:
        """The metric as one expression, every step put in."""
        values: dict[Expr, Expr] = {}
        for step in self.steps:
            values[step.symbol] = put_in(step.expr, values)
        return values[self.result.symbol]

    def substituted(self, values: Mapping[Symbol, Expr]) -> Derivation:
        """The same derivation with symbols replaced by numbers."""
        steps = tuple(replace(step, expr=put_in(step.expr, values)) for step in self.steps)
        return replace(self, steps=steps)

    def free(self) -> tuple[Symbol, ...]:
        """Symbols that are not steps, by name."""
        own = {step.symbol for step in self.steps}
        found = {s for step in self.steps for s in step.expr.free_symbols if s not in own}
        return tuple(sorted((s for s in found if isinstance(s, Symbol)), key=lambda s: s.name))


@dataclass(frozen=True, slots=True, eq=False)
class Phased:
    """One phase, priced: its graph, costs and times by operator name; guards: the conditions under which it holds."""

    graph: OpGraph
    costs: Mapping[str, Cost]
    overlapped: bool
    guards: tuple[Guard, ...]

    def times(self) -> Mapping[str, Time]:
        return {name: time(cost) for name, cost in self.costs.items()}


def priced_phase(graph: OpGraph, costs: Mapping[str, Cost], decided: tuple[Guard, ...], two_batches: bool) -> Phased:
    """A phase, overlapped when asked and when its layers can be. decided: what pricing the kernels decided."""
    overlapped = two_batches and any(overlaps(stages) for stages in _bodies(graph).values())
    return Phased(graph, costs, overlapped, tuple(dict.fromkeys((*graph.guards, *decided))))


def ttft(phase: Phased) -> Derivation:
    """Time to first token: one prefill iteration of T tokens per GPU, inputs of S tokens. Seconds."""
    return Derivation("ttft", "time to first token", _step_time(phase, "TTFT", "time to first token"), phase.guards)


def tpot(phase: Phased) -> Derivation:
    """Time per output token: one decode step of B sequences per GPU. Seconds."""
    return Derivation("tpot", "time per output token", _step_time(phase, "TPOT", "time per output token"), phase.guards)


def tgs(phase: Phased, of: Derivation) -> Derivation:
    """Tokens per GPU and second of a phase. Both of two overlapped batches count."""
    tokens = symbol("T") if phase.graph.phase == "prefill" else symbol("B")
    rate = batches(phase.overlapped) * tokens / (symbol("tp") * of.result.symbol)
    meaning = f"tokens per GPU and second, {phase.graph.phase}"
    step = Step(step_symbol("TGS"), rate, "tokens/s", meaning, "\\mathrm{TGS}")
    return Derivation(f"tgs_{phase.graph.phase}", meaning, (*of.steps, step), phase.guards)


def memory(phase: Phased) -> Derivation:
    """Bytes of one GPU that hold weights, reserves and the caches of B sequences of S + O tokens."""
    steps = _memory_steps(phase)
    total = step_symbol("weights") + reserved(phase.graph) + symbol("B") * step_symbol("cache_per_sequence")
    result = Step(step_symbol("memory"), total, "B", "memory used on one GPU", "M")
    return Derivation("memory", result.meaning, (*steps, result), phase.guards)


def max_batch(phase: Phased) -> Derivation:
    """The largest decode batch per GPU whose caches fit beside weights and reserves."""
    space = symbol("hbm_capacity") - step_symbol("weights") - reserved(phase.graph)
    room = Step(step_symbol("cache_space"), space, "B", "memory left for caches", "M_{\\mathrm{cache}}")
    batch = sympy.floor(room.symbol / step_symbol("cache_per_sequence"))
    meaning = "largest decode batch per GPU that fits in memory"
    result = Step(step_symbol("B_max"), batch, "1", meaning, "B_{\\max}")
    return Derivation("max_batch", meaning, (*_memory_steps(phase), room, result), phase.guards)


def _memory_steps(phase: Phased) -> tuple[Step, ...]:
    graph = phase.graph
    held = Step(
        step_symbol("weights"),
        weights(graph, phase.costs),
        "B",
        "resident weights of one GPU",
        "M_{\\mathrm{weights}}",
    )
    token = Step(
        step_symbol("cache_per_token"),
        resident(graph, "cache"),
        "B",
        "KV cache of one token, all layers",
        "m_{\\mathrm{token}}",
    )
    cache = (symbol("S") + symbol("O")) * token.symbol + resident(graph, "state")
    meaning = "KV cache and state of one sequence at its full length"
    return held, token, Step(step_symbol("cache_per_sequence"), cache, "B", meaning, "m_{\\mathrm{sequence}}")


def _bodies(graph: OpGraph) -> Mapping[str, Mapping[str, list[Op]]]:
    """Body -> stage -> operators, in the order of the graph text."""
    found: dict[str, dict[str, list[Op]]] = {}
    for op in graph.ops:
        found.setdefault(op.body, {}).setdefault(op.stage, []).append(op)
    return found


def _step_time(phase: Phased, name: str, meaning: str) -> tuple[Step, ...]:
    """Operator times -> stage times -> body times -> the time of one step."""
    times = phase.times()
    bodies = _bodies(phase.graph)
    steps: list[Step] = []
    total: list[Expr] = []
    for body, stages in bodies.items():
        if not body:  # what one step costs besides its layers
            total += [times[op.name].total * op.repeat for ops in stages.values() for op in ops]
            continue
        if next(iter(stages.values()))[0].body_repeat == 0:  # in the graph to be looked at, never executed
            continue
        stage_times = {
            stage: _stage(ops, times, body if _shared(stage, bodies) else "", steps) for stage, ops in stages.items()
        }
        paired = phase.overlapped and overlaps(stages)
        whole = two_batch(stage_times, phase.graph.phase) if paired else serial(stage_times)
        steps.append(_seconds(f"t_{body}", whole, f"one {body}, two batches overlapped" if paired else f"one {body}"))
        total.append(next(iter(stages.values()))[0].body_repeat * steps[-1].symbol)
    steps.append(Step(step_symbol(name), sympy.Add(*total), "s", meaning, f"\\mathrm{{{name}}}"))
    return (*_context(steps), *steps)


def _shared(stage: str, bodies: Mapping[str, Mapping[str, list[Op]]]) -> bool:
    """Whether several bodies have a stage of this name, so that its step must say whose it is."""
    return sum(stage in stages for stages in bodies.values()) > 1


def _stage(ops: list[Op], times: Mapping[str, Time], prefix: str, steps: list[Step]) -> Expr:
    """The time of one stage; a stage of several operators, or of one repeated, becomes steps of its own."""
    stage = ops[0].stage
    named = f"t_{prefix}_{stage}" if prefix else f"t_{stage}"
    if len(ops) == 1 and ops[0].repeat == ops[0].body_repeat:
        steps.append(_seconds(named, times[ops[0].name].total, ops[0].name, ops[0]))
        return steps[-1].symbol
    parts: list[Expr] = []
    taken = {step.symbol.name for step in steps} | {named}
    for op in ops:
        label = f"t_{op.label}" if f"t_{op.label}" not in taken else f"t_{prefix or stage}_{op.label}"
        steps.append(_seconds(label, times[op.name].total, op.name, op))
        parts.append(op.repeat / op.body_repeat * steps[-1].symbol)
    steps.append(_seconds(named, sympy.Add(*parts), f"{stage} of one layer"))
    return steps[-1].symbol


def _seconds(name: str, expr: Expr, meaning: str, op: Op | None = None) -> Step:
    text = name.removeprefix("t_").replace("_", "\\,")
    latex = f"t_{{\\mathrm{{{text}}}}}"
    of = (None, None) if op is None else (op.name, str(op.origin))
    return Step(step_symbol(name), expr, "s", meaning, latex, *of)


def _context(steps: list[Step]) -> tuple[Step, ...]:
    """The mean context length while decoding, where a step uses it: S + O/2, whole tokens."""
    context = symbol("C")
    if not any(context in step.expr.free_symbols for step in steps):
        return ()
    mean = sympy.floor(symbol("S") + symbol("O") / 2)
    return (Step(context, mean, "tokens", "mean context length while decoding", "C"),)
