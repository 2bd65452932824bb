"""One kernel of a graph library by itself: its time and the FLOP/s it achieves, as formulas in its sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import networkx as nx
import sympy
from sympy import Expr

from symsim.algebra.symbols import KNOWN, architecture_symbol, step_symbol, substitute, symbol
from symsim.cost.kernel_cost import costs
from symsim.cost.metrics import Derivation, Step
from symsim.cost.roofline import time
from symsim.errors import DeploymentError, SymsimError, did_you_mean
from symsim.formula.binding import Numbers, bind_all, deciding_numbers, table_context
from symsim.formula.closed_form import ClosedForm
from symsim.inputs.config import ModelConfig
from symsim.inputs.cost_model import named_cost_model
from symsim.inputs.deployment import CHECKPOINT, Deployment
from symsim.inputs.device import load_device
from symsim.language.library import load_library
from symsim.language.symbolic import expression
from symsim.language.tree import Kernel
from symsim.model.architecture import Architecture
from symsim.model.lower import degrees
from symsim.model.op_graph import Guard, Op, OpGraph, Phase
from symsim.pipeline.formula import Formula

PARTS = {
    "compute": "multiplying, or a measured or modelled time",
    "memory": "moving bytes through HBM",
    "link": "sending",
    "latency": "waiting that nothing hides",
}


@dataclass(frozen=True, eq=False)
class KernelCosts:
    """time: seconds of one execution on one GPU; achieved: FLOP/s, None for a kernel that only moves bytes."""

    kernel: Kernel
    time: Formula
    achieved: Formula | None


def kernel(
    name: str,
    device: str | Path,
    sizes: Mapping[str, int],
    deployment: Deployment | None = None,
    cost_model: str = "roofline",
    phase: Phase = "decode",
    tables: str = "2026-05",
    *,
    fallback: bool = False,
) -> KernelCosts:
    """Price one kernel. sizes: its parameters; workload symbols (B, S, T, C) stay free.

    Raises SymsimError for an unknown kernel, or a size it does not have.

    >>> found = kernel("sparse_mla_fp8", "h800", dict(h=128, q=1, r=512, dr=64, topk=2048))
    >>> f"{found.time.evaluate(B=128) * 1e6:.0f} µs, {found.achieved.evaluate(B=128) / 1e12:.0f} TFLOP/s"
    '124 µs, 591 TFLOP/s'
    """
    library, counted_by = load_library(cost_model), named_cost_model(cost_model)
    if name not in library.kernels:
        raise SymsimError(f"the {cost_model} graphs have no kernel {name}; {did_you_mean(name, library.kernels)}")
    found = library.kernels[name]
    _check(found, sizes)
    deployment, chip = _decided(deployment or Deployment()), load_device(device)
    read = Architecture(dict(sizes), {size: size for size in sizes}, (), ())
    bound = bind_all(ModelConfig(str(found.span), {}), read, chip, deployment, counted_by)
    numbers, guards = deciding_numbers(bound, phase), dict[sympy.Basic, bool]()
    graph = _alone(found, sizes, phase, degrees(numbers, guards))
    priced, decided = costs(graph, library, numbers)
    decided = (*(Guard(test, outcome) for test, outcome in guards.items()), *decided)
    cost = priced[name]
    spent = time(cost)
    parts = {part: getattr(spent, part) for part in PARTS}
    steps = [
        Step(step_symbol(f"t_{part}"), expr, "s", PARTS[part], f"t_{{\\mathrm{{{part}}}}}")
        for part, expr in parts.items()
        if expr != 0
    ]
    meaning = f"one execution of {name}"
    whole = substitute(spent.total, {step.expr: step.symbol for step in steps})
    steps = [] if len(steps) == 1 else steps
    steps.append(Step(step_symbol("t"), whole if steps else spent.total, "s", meaning, "t"))
    binding = table_context(chip, deployment, counted_by, tables, fallback=fallback)
    subject = f"{found.span}, {chip.name}, {deployment.text()}, {cost_model} cost model, tables {tables}"

    def formula(derivation: Derivation) -> Formula:
        return Formula(ClosedForm(derivation, _needed(bound, derivation), binding), subject)

    seconds = formula(Derivation("time", f"time of {name}", tuple(steps), decided))
    if cost.total_flops == 0:
        return KernelCosts(found, seconds, None)
    rate = Step(step_symbol("achieved"), cost.total_flops / steps[-1].symbol, "FLOP/s", "FLOP/s achieved", "P")
    return KernelCosts(found, seconds, formula(Derivation("achieved", rate.meaning, (*steps, rate), decided)))


def _decided(deployment: Deployment) -> Deployment:
    """A kernel by itself has no checkpoint. Raises DeploymentError where one is asked for."""
    if CHECKPOINT in (deployment.gemm, deployment.kv):
        raise DeploymentError("a kernel by itself has no checkpoint; choose bf16 or fp8")
    return replace(deployment, gemm=deployment.gemm or "bf16", kv=deployment.kv or "bf16")


def _check(found: Kernel, sizes: Mapping[str, int]) -> None:
    own = ", ".join(found.params)
    for name in sizes:
        if name not in found.params:
            raise SymsimError(f"{found.name}({own}) has no size {name}; {did_you_mean(name, found.params)}")
    missing = [name for name in found.params if name not in sizes and name not in found.defaults]
    if missing:
        raise SymsimError(f"{found.name}({own}) needs {', '.join(missing)}; state them as {missing[0]}=1")


def _alone(found: Kernel, sizes: Mapping[str, int], phase: Phase, shared: Mapping[str, Expr]) -> OpGraph:
    """A graph of this one operator, its sizes as symbols of their own; those that are not given by their defaults."""
    known: dict[str, Expr] = {**{name: symbol(name) for name in KNOWN}, **shared}
    shape: dict[str, Expr] = {}
    for name in found.params:
        if name in sizes:
            shape[name] = symbol(name) if name in KNOWN else architecture_symbol(name)
        else:
            shape[name] = expression(found.defaults[name], {**known, **shape})
    op = Op(
        name=found.name,
        body="",
        stage=found.name,
        kernel=found.name,
        shape=shape,
        repeat=sympy.S.One,
        body_repeat=sympy.S.One,
        origin=found.span,
    )
    dag: nx.DiGraph[str] = nx.DiGraph()
    dag.add_node(op.name)
    return OpGraph(
        model=found.name,
        phase=phase,
        ops=(op,),
        dag=nx.freeze(dag),
        residents=(),
        guards=(),
        whole=(),
        refusals=(),
        degrees=shared,
    )


def _needed(bound: Numbers, derivation: Derivation) -> Numbers:
    names = {s.name for s in derivation.free()}
    return Numbers({k: v for k, v in bound.values.items() if k in names}, bound.sources)
