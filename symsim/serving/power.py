"""Power of the GPUs that serve: what the mean iteration makes of compute, memory and links, between idle and limit."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import sympy
from sympy import Expr

from symsim.algebra.symbols import symbol
from symsim.cost.kernel_cost import Cost, in_bytes
from symsim.cost.priced_step import PricedStep
from symsim.errors import DeploymentError
from symsim.formula.program import program, scalar_tables
from symsim.inputs.expenses import Power
from symsim.pipeline.compiled import Compiled
from symsim.serving.aggregated import Deployed
from symsim.serving.engines import Served
from symsim.serving.outcome import applied
from symsim.serving.resources import mean_work

Range = tuple[float, float, float]
"""A value, and from where to where it may be."""


def power_of(sides: Sequence[tuple[int, Deployed]], found: Served) -> Range | None:
    """W of a GPU, on average over the engines of all sides: (how many GPUs, what they run). None where a device file
    has no [power]."""
    total = sum(gpus for gpus, _ in sides)
    drawn = [_of_side(of, found, number, len(sides)) for number, (_, of) in enumerate(sides)]
    if any(one is None for one in drawn):
        return None
    each = [(gpus, one) for (gpus, _), one in zip(sides, drawn, strict=True) if one is not None]
    value, low, high = (sum(gpus * one[i] for gpus, one in each) / total for i in range(3))
    return value, low, high


def _of_side(of: Deployed, found: Served, number: int, count: int) -> Range | None:
    stated = of.compiled.device.power
    if stated is None:
        return None
    prefills, decodes = count == 1 or number == 0, count == 1 or number == 1
    work = mean_work(of, found, prefills=prefills, decodes=decodes)
    seconds = of.step.iteration(**work)
    used = _used(of.compiled)(work, seconds)
    busy = busy_share(found, prefills=prefills, decodes=decodes)
    idle = float(stated.idle)

    def drawn(hbm: Any) -> float:
        return idle + busy * (_step_power(stated, float(hbm), used) - idle)

    return drawn(stated.hbm), drawn(stated.hbm_low), drawn(stated.hbm_high)


def _step_power(stated: Power, hbm: float, used: Mapping[str, float]) -> float:
    known = {"power_idle": float(stated.idle), "power_max": float(stated.limit), "f_m": hbm, "f_l": float(stated.links)}
    return applied("step_power", {**known, **used}).value or 0.0


def busy_share(found: Served, *, prefills: bool, decodes: bool) -> float:
    """Share of its time that an engine has a request: of a prefill worker its load; else by the number of requests in
    the system, as many of which are there by chance (Poisson)."""
    if prefills and not decodes:
        return min(1.0, found.load.get("prefill", 1.0))
    if "closed_tpot" in found.forms:
        return 1.0
    if "busy" in found.letters:
        return found.letters["busy"]
    letters, values = found.letters, found.values
    users = letters["rate"] * values["ttft_mean"] + values.get("rows", 0.0)
    return 1 - math.exp(-users)


@lru_cache(maxsize=64)
def _used(compiled: Compiled) -> Callable[[Mapping[str, float], float], Mapping[str, float]]:
    """Shares of the peak, of HBM and of links that an iteration of so many seconds uses."""
    phases = tuple(_phases(compiled))
    names = ("u_f", "u_m", "u_l")
    together = (sympy.Add(*parts) for parts in zip(*map(_at_peak, phases), strict=True))
    steps = tuple(zip(names, together, strict=True))
    run = program(steps, names, "python")
    fixed: dict[str, Any] = {name: float(value) for name, value in compiled.numbers.values.items()}
    known = {name: fixed.get(name, 0.0) for name in run.inputs}
    tables = scalar_tables(run.tables, compiled.context, fixed)
    batches = 2 if compiled.decode.overlapped else 1

    def shares(work: Mapping[str, float], seconds: float) -> Mapping[str, float]:
        floats = run.run({**known, **work}, tables)
        return {name: min(1.0, batches * float(one) / seconds) for name, one in zip(names, floats, strict=True)}

    return shares


def _phases(compiled: Compiled) -> Iterator[PricedStep]:
    """One that holds decodes and prompts; where no iteration does, both."""
    try:
        yield compiled.phase("iteration")
    except DeploymentError:
        yield compiled.decode
        yield compiled.prefill


def _at_peak(phase: PricedStep) -> tuple[Expr, Expr, Expr]:
    """Seconds that FLOPs, HBM bytes and messages of a GPU would take at what is printed of it."""
    counts = {op.name: phase.passes(op)[0] for op in phase.graph.ops}

    def added(seconds: Callable[[Cost], Expr]) -> Expr:
        return sympy.Add(*(counts[name] * seconds(cost) for name, cost in phase.costs.items()))

    flops = added(lambda cost: sympy.Add(*(of / symbol(f"peak_{at}") for at, of in cost.flops.items())))
    moved = added(lambda cost: cost.hbm_bytes) / symbol("hbm_bandwidth")
    sent = added(
        lambda cost: sympy.Add(*(in_bytes(of) / symbol(f"{link}_bandwidth") for link, of in cost.send.items()))
    )
    return flops, moved, sent
