"""The figures of the reference's report: formulas of the compiled model, evaluated at one workload point."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

import sympy
from sympy import Expr
from sympy.core.function import AppliedUndef

from symsim.algebra.symbols import KNOWN, architecture_symbol, symbol
from symsim.cost.kernel_cost import Cost
from symsim.cost.memory import reported, reserved, resident, weights
from symsim.cost.priced_step import PricedStep
from symsim.cost.roofline import Time
from symsim.formula.program import Program, positions, program
from symsim.infersim.layout import Timed, phase_lines, sections, tree
from symsim.inputs.cost_model import GIB
from symsim.language.symbolic import expression
from symsim.pipeline.compiled import Compiled
from symsim.tables.bind import bind

ReportFigures = dict[str, float | int]

_REPORTED = ("attention_weight", "linear_weight", "expert_weight", "core_flops", "ffn_flops", "others_flops")
_UNITS = {"MiB": sympy.Integer(2**20), "GiB": sympy.Integer(GIB)}


def static_figures(phase: PricedStep, values: Mapping[str, Any]) -> tuple[Mapping[str, ReportFigures], tuple[str, ...]]:
    """Section -> its figures, of weights, cache and FLOPs, which do not depend on tables; and the flags raised."""
    compiled = _static_program(phase)
    found = dict(zip(compiled.outputs, compiled.run(values, {}), strict=True))
    figures: dict[str, ReportFigures] = {}
    for name, section in sections().items():
        there = [
            line
            for line in section.static
            if (line.when is None or found[line.when]) and (line.unless is None or not found[line.unless])
        ]
        figures[name] = {line.shown.label: found[_output(line.value)] for line in there}
    over = {name: section.over for name, section in sections().items() if section.over is not None}
    return figures, tuple(name for name, formula in over.items() if found[_output(formula)] > 0)


@cache
def _static_program(phase: PricedStep) -> Program:
    """Everything that the lines speak of, then every formula of the lines."""
    terms = _reported(phase)
    scope = {
        **{name: symbol(name) for name in KNOWN},
        **{name: sympy.Symbol(name) for name in terms},
        **_UNITS,
        "L": architecture_symbol("L"),
    }
    lines = {_output(text): expression(tree(text), scope) for text in _formulas()}
    steps = (*terms.items(), *lines.items())
    return program(steps, tuple(name for name, _ in steps), "python")


def _output(formula: str) -> str:
    """A name for the value of a formula of the table."""
    return f"line_{_formulas().index(formula)}"


@cache
def _formulas() -> tuple[str, ...]:
    texts = [text for s in sections().values() for text in (*(line.value for line in s.static), s.over)]
    return tuple(dict.fromkeys(text for text in texts if text is not None))


def _reported(phase: PricedStep) -> Mapping[str, Expr]:
    graph = phase.graph
    return {
        "weight": weights(graph, phase.costs),
        **{kind: resident(graph, kind) for kind in ("cache", "state")},
        **{key: reported(graph, key) for key in _REPORTED},
        "core_layers": sympy.Add(*{item.repeat for item in graph.residents if item.kind == "cache"}),
        "reserved": reserved(graph),
    }


@cache
def _phase_terms(phase: PricedStep) -> tuple[tuple[str, Expr], ...]:
    """Every printed figure of a phase as an expression, by label. Operators with the same line add up."""
    times = phase.times()
    found: list[tuple[str, Expr]] = []
    for line in phase_lines(phase.graph.step.name).lines:
        ops = [op for op in phase.graph.ops if op.name.partition(".")[2].startswith(line.op)]
        parts = [_figure(line, phase.costs[op.name], times[op.name]) for op in ops]
        if ops or line.always:
            found.append((line.shown.label, sympy.Add(*parts)))
    return tuple(found)


def _figure(line: Timed, cost: Cost, time: Time) -> Expr:
    match line.figure:
        case "mfu":
            return cost.mfu or symbol("default_mfu")
        case "compute":
            return time.compute * 10**6
        case "memory":
            return time.memory * 10**6
        case "link":
            return time.link * 10**6


def phase_figures(costs: Compiled, phase: PricedStep, values: Mapping[str, Any]) -> ReportFigures:
    """The lines of a phase: tokens where they are printed, operators, time (ms) and rate."""
    shown, lines = phase_lines(phase.graph.step.name), _phase_terms(phase)
    rate = costs.form("tgs_prefill" if shown.tokens else "tgs_decode")
    steps = tuple((step.symbol.name, step.expr) for step in rate.applied.steps)
    names = tuple(f"line_{i}" for i in range(len(lines)))
    terms = (*steps, *((name, expr) for name, (_, expr) in zip(names, lines, strict=True)))
    compiled = program(terms, (*names, shown.metric, "TGS"), "python")
    *figures, time, tokens = compiled.at(values, costs.context)
    head: ReportFigures = {shown.tokens.label: values["T"]} if shown.tokens else {}
    body = dict(zip((label for label, _ in lines), map(float, figures), strict=True))
    return {**head, **body, shown.time.label: time * 1000, shown.rate.label: tokens}


@cache
def _look_ups(phase: PricedStep) -> tuple[tuple[AppliedUndef, ...], Program]:
    """The look-ups of a phase, operator by operator, and the program of all their arguments."""
    parts = [(t.compute, t.memory, t.link, t.latency) for t in phase.times().values()]
    calls = [sorted({call for part in each for call in part.atoms(AppliedUndef)}, key=str) for each in parts]
    distinct = tuple(dict.fromkeys(call for each in calls for call in each))
    terms = tuple((f"at_{i}_{j}", cast(Expr, x)) for i, call in enumerate(distinct) for j, x in enumerate(call.args))
    return distinct, program(terms, tuple(name for name, _ in terms), "python")


def defaults_used(costs: Compiled, phase: PricedStep, values: Mapping[str, Any]) -> list[str]:
    """A sentence for every look-up of the phase that no measured row answers."""
    calls, compiled = _look_ups(phase)
    arguments = iter(compiled.at(values, costs.context))
    sentences: list[str] = []
    for call in calls:
        name, args = str(call.func), [float(next(arguments)) for _ in call.args]
        shape, axes = positions(name)
        lookup = bind(name, tuple(args[i] for i in shape), costs.context)
        point = tuple(args[i] for i in axes)
        if not lookup.answers_itself(*point):
            sentence = lookup.explain(*point, default=values["default_mfu"]).default
            sentences += [] if sentence is None else [sentence]
    return sentences
