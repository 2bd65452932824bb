"""Breakdown: every operator of a phase at a workload point, what bounds it, and where each number is from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sympy import Expr, Tuple
from sympy.core.function import AppliedUndef

from symsim.algebra.symbols import is_symbol, symbol_info
from symsim.cost.bound import longest
from symsim.cost.kernel_cost import Cost
from symsim.cost.priced_step import PricedStep
from symsim.cost.roofline import Time
from symsim.formula.chunk_sums import chunks_of
from symsim.formula.closed_form import ClosedForm
from symsim.formula.program import positions, program
from symsim.model.op_graph import Op
from symsim.tables.bind import bind
from symsim.tables.lookup import Found
from symsim.tables.table import TableContext


@dataclass(frozen=True, slots=True, kw_only=True)
class OpLine:
    """One operator, one execution on one GPU: FLOPs, bytes in HBM and on links, seconds; `times` executions a step, on
    all stages of a pipeline together.

    bound: compute, memory, link or latency, whichever would take longest if nothing else did; format: of its weights
    and activations, and the peak they are multiplied at, where a checkpoint gives them; source: its graph line, and the
    measured rows or the file of coefficients that its time rests on.
    """

    name: str
    kernel: str
    flops: float
    hbm_bytes: float
    link_bytes: float
    intensity: float | None
    seconds: float
    times: float
    bound: str
    source: str
    format: str | None = None

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def breakdown(
    phase: PricedStep, form: ClosedForm, workload: Mapping[str, int], *, cut: bool = False
) -> tuple[OpLine, ...]:
    """Operators in the order of the graph text. Raises EmptyTable where a measured row cannot be used.

    cut: whether the phase is one chunk of a prompt, of which the workload has several: figures are then means over its
    chunks, `times` counts executions in all of them, and what bounds is what takes longest in all.
    """
    values = form.point(**workload)
    points = chunk_values(values) if cut else [values]
    times = phase.times()
    lines: list[OpLine] = []
    passed: list[list[float]] = []
    for op in phase.graph.ops:
        cost, time = phase.costs[op.name], times[op.name]
        passes = phase.passes(op)
        terms = (cost.total_flops, cost.hbm_bytes, cost.link_bytes, time.total, *time.parts.values(), *passes)
        every = [numbers(terms, point, form.context) for point in points]
        flops, hbm, link, seconds, *rest = (math.fsum(column) / len(points) for column in zip(*every, strict=True))
        parts = dict(zip(time.parts, rest, strict=False))
        repeats = [each * len(points) for each in rest[len(parts) :]]
        passed.append(repeats)
        asked = _spread(points) if cut else points
        rows = [_answer(found) for point in asked for found in look_ups(time, point, form.context)]
        rows = [*dict.fromkeys([*rows, *_fitted_in(time, form)])]
        keys = form.keys_of(Tuple(*op.shape.values()))
        source = "; ".join([f"{op.origin} ({', '.join(keys)})" if keys else str(op.origin), *rows])
        intensity = flops / hbm if hbm else None
        lines.append(
            OpLine(
                name=op.name,
                kernel=op.kernel,
                flops=flops,
                hbm_bytes=hbm,
                link_bytes=link,
                intensity=intensity,
                seconds=seconds,
                times=repeats[0],
                bound=longest(parts),
                source=source,
                format=_format(op, cost),
            )
        )
    return _of_the_slowest(lines, passed)


def _of_the_slowest(lines: list[OpLine], passed: list[list[float]]) -> tuple[OpLine, ...]:
    """The operators as often as they are executed where the slowest pipeline stage is waited for."""
    totals = [
        sum(line.seconds * times for line, times in zip(lines, stage, strict=True))
        for stage in zip(*passed, strict=True)
    ]
    slowest = totals.index(max(totals)) if totals else 0
    return tuple(replace(line, times=times[slowest]) for line, times in zip(lines, passed, strict=True))


def _format(op: Op, cost: Cost) -> str | None:
    """The format of an operator's weights as the checkpoint has it, and the peaks of its FLOPs."""
    if op.format is None:
        return None
    return f"{op.format.name} @ {', '.join(str(precision) for precision in cost.flops)}"


def numbers(terms: tuple[Expr, ...], values: Mapping[str, Any], context: TableContext) -> list[float]:
    """The values of expressions at a point."""
    steps = tuple((f"term_{i}", term) for i, term in enumerate(terms))
    compiled = program(steps, tuple(name for name, _ in steps), "python")
    return [float(value) for value in compiled.at(values, context)]


def defaults_at(form: ClosedForm, workload: Mapping[str, int]) -> tuple[str, ...]:
    """A sentence for every look-up of a formula that no measured row of its own answers at a workload point."""
    values = form.point(**workload)
    cut = form.chunk_count(values) > 1
    calls = {call for step in (form.one_chunk if cut else form).applied.steps for call in step.expr.atoms(AppliedUndef)}
    points = _spread(chunk_values(values)) if cut else [values]
    found = [found_at(call, point, form.context).default for call in sorted(calls, key=str) for point in points]
    return tuple(dict.fromkeys(sentence for sentence in found if sentence is not None))


def chunk_values(values: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The numbers of every chunk of a prompt, in place of those of the whole."""
    chunks = chunks_of(values["S"], values["T"], values["cp"], values.get("past", 0))
    return [{**values, "T": tokens, "past": before} for tokens, before in chunks]


ASKED = 32
"""Chunks of a prompt whose look-ups are asked for at the most."""


def _spread(points: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """The first, the last and others between, evenly."""
    at = dict.fromkeys(round(i * (len(points) - 1) / (ASKED - 1)) for i in range(ASKED))
    return [points[i] for i in at]


def look_ups(time: Time, values: Mapping[str, Any], context: TableContext) -> list[Found]:
    """Where every measured figure in an operator's time is from."""
    calls = sorted(time.total.atoms(AppliedUndef), key=str)
    return [found_at(call, values, context) for call in calls]


def _answer(found: Found) -> str:
    """The row that answers, or the default that does: why is told once for all operators."""
    return found.sentence() if found.default is None else f"default {found.value:g}"


def _fitted_in(time: Time, form: ClosedForm) -> list[str]:
    """The files of the fitted coefficients in an operator's time."""
    names = [str(s) for s in time.total.free_symbols if is_symbol(str(s))]
    own = [name for name in names if symbol_info(name).kind == "calibration" and name in form.bound.sources]
    return sorted({form.bound.sources[name].file for name in own})


def found_at(call: AppliedUndef, values: Mapping[str, Any], context: TableContext) -> Found:
    """What answers a look-up at a point."""
    name = str(call.func)
    arguments = numbers(tuple(call.args), values, context)  # pyright: ignore[reportArgumentType]
    shape, axes = positions(name)
    lookup = bind(name, tuple(arguments[i] for i in shape), context)
    return lookup.explain(*(arguments[i] for i in axes), default=values["default_mfu"])
