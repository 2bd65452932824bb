"""One kernel of a graph library by itself: its time and the FLOP/s it achieves, as formulas in its sizes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import sympy
from sympy import Expr

from symsim.algebra.symbols import KNOWN, named_symbol, step_symbol, substitute, symbol
from symsim.cost.calibrated import Fitted, fitted_times
from symsim.cost.derivation import Derivation, Step
from symsim.cost.kernel_cost import Cost, costs
from symsim.cost.roofline import Time, time
from symsim.errors import DeploymentError, SymsimError, did_you_mean
from symsim.formula.binding import Numbers, bind_all, deciding_numbers, table_context
from symsim.formula.closed_form import ClosedForm
from symsim.inputs.cost_model import graphs_of, named_cost_model
from symsim.inputs.deployment import CHECKPOINT, PLAIN, Deployment
from symsim.inputs.device import load_device
from symsim.inputs.engine import DEFAULT_ENGINE, load_engine
from symsim.inputs.source import Source
from symsim.language.library import load_library
from symsim.language.symbolic import expression
from symsim.language.tree import Kernel, Library
from symsim.model.architecture import Architecture
from symsim.model.op_graph import Guard, Op, OpGraph
from symsim.model.scope import Facts, degrees
from symsim.model.step import EngineStep, step_named
from symsim.paths import GRAPHS
from symsim.pipeline.fitted_kernels import FittedKernels, kernels_alone

_PARTS = {
    "compute": "multiplying, or a measured or modelled time",
    "memory": "moving bytes through HBM",
    "link": "sending",
    "latency": "waiting that nothing hides",
}


def kernel_forms(
    name: str,
    device: str | Path,
    sizes: Mapping[str, int],
    deployment: Deployment,
    cost_model: str,
    step: str,
    tables: str,
    *,
    graphs: Sequence[str | Path],
    fallback: bool,
) -> tuple[Kernel, Mapping[str, ClosedForm], tuple[str, ...]]:
    """A kernel, its `time` in seconds, and the FLOP/s `achieved` unless it only moves bytes, and what to know of the
    measured kernel that stands in for it. sizes: its parameters; workload symbols (B, S, T, C) stay free.

    Raises SymsimError for an unknown kernel, or a size it does not have.
    """
    library = load_library(graphs_of(cost_model), (GRAPHS, *map(Path, graphs)))
    counted_by = named_cost_model(cost_model)
    if name not in library.kernels:
        raise SymsimError(f"the {cost_model} graphs have no kernel {name}; {did_you_mean(name, library.kernels)}")
    found = library.kernels[name]
    _check(found, sizes)
    chip = load_device(device)
    served = _decided(deployment).placed(chip.gpus_per_node)
    stated = {size: Source(how="chosen", file=str(found.span), note=size) for size in sizes}
    read = Architecture(dict(sizes), stated, (), ())
    numbers = bind_all(read, chip, served, counted_by)
    engine = load_engine(served.engine) if counted_by.fitted else None
    fitted = kernels_alone(chip, served, counted_by, engine)
    numbers = numbers if fitted is None else numbers.with_rows(fitted.numbers)
    residuals = () if fitted is None else fitted.residuals
    context = table_context(chip, served, counted_by, tables, fallback=fallback, residuals=residuals)
    used = (
        served.text() if fitted is None or served.engine != DEFAULT_ENGINE else f"{served.text()}, of {DEFAULT_ENGINE}"
    )
    subject = f"{found.span}, {chip.name}, {used}, {cost_model} cost model, tables {tables}"
    priced = _priced(found, library, sizes, step, deciding_numbers(numbers), fitted)
    ends = {} if fitted is None or priced.kernel is None else {name: fitted.ends(priced.kernel)}
    forms = {
        derivation.name: ClosedForm(derivation, _needed(numbers, derivation), context, subject, ends=ends)
        for derivation in _derivations(name, priced)
    }
    notes = () if fitted is None else (*fitted.sentences, *filter(None, [fitted.notes.get(name)]))
    return found, forms, notes


@dataclass(frozen=True, slots=True)
class _Priced:
    """cost: of one execution; seconds: as a form has them, or by the parts of the roofline; kernel: what was measured
    and stands in for it, if anything."""

    cost: Cost
    seconds: Expr | Time
    kernel: Fitted | None
    guards: tuple[Guard, ...]


def _priced(
    found: Kernel, library: Library, sizes: Mapping[str, int], step: str, facts: Facts, fitted: FittedKernels | None
) -> _Priced:
    guards = dict[sympy.Basic, bool]()
    shared = degrees(facts, guards)
    graph = _alone(found, sizes, step_named(step, library, shared), shared)
    priced, decided = costs(graph, library, facts)
    decided = (*(Guard(test, outcome) for test, outcome in guards.items()), *decided)
    cost = priced[found.name]
    stands_in = {} if fitted is None else fitted_times(graph, priced, fitted.plan)
    seconds, kernel = stands_in.get(found.name, (time(cost), None))
    return _Priced(cost, seconds, kernel, decided)


def _derivations(name: str, priced: _Priced) -> Iterator[Derivation]:
    """Its time, then the FLOP/s achieved in it."""
    steps = _time_steps(name, priced.seconds)
    yield Derivation("time", f"time of {name}", steps, priced.guards)
    if priced.cost.total_flops != 0:
        achieved = priced.cost.total_flops / steps[-1].symbol
        rate = Step(step_symbol("achieved"), achieved, "FLOP/s", "FLOP/s achieved", "P")
        yield Derivation("achieved", rate.meaning, (*steps, rate), priced.guards)


def _time_steps(name: str, spent: Expr | Time) -> tuple[Step, ...]:
    """A step for each part of a time by the roofline, where there are several; then the time."""
    meaning = f"one execution of {name}"
    if isinstance(spent, Expr):
        return (Step(step_symbol("t"), spent, "s", meaning, "t", op=name),)
    parts = {part: getattr(spent, part) for part in _PARTS}
    steps = [
        Step(step_symbol(f"t_{part}"), expr, "s", _PARTS[part], f"t_{{\\mathrm{{{part}}}}}")
        for part, expr in parts.items()
        if expr != 0
    ]
    steps = [] if len(steps) == 1 else steps
    whole = substitute(spent.total, {step.expr: step.symbol for step in steps})
    return (*steps, Step(step_symbol("t"), whole, "s", meaning, "t"))


def _decided(deployment: Deployment) -> Deployment:
    """A kernel by itself has no checkpoint. Raises DeploymentError where one is asked for."""
    if CHECKPOINT in (deployment.gemm, deployment.kv):
        raise DeploymentError("a kernel by itself has no checkpoint; choose bf16 or fp8")
    if deployment.gemm not in (None, *PLAIN):
        raise DeploymentError(f"gemm = {deployment.gemm}: a kernel by itself is priced in bf16 or fp8; choose one")
    return replace(deployment, gemm=deployment.gemm or "bf16", kv=deployment.kv or "bf16")


def _check(found: Kernel, sizes: Mapping[str, int]) -> None:
    own = ", ".join(found.params)
    for name in sizes:
        if name not in found.params:
            raise SymsimError(f"{found.name}({own}) has no size {name}; {did_you_mean(name, found.params)}")
    missing = [name for name in found.params if name not in sizes and name not in found.defaults]
    if missing:
        raise SymsimError(f"{found.name}({own}) needs {', '.join(missing)}; state them as {missing[0]}=1")


def _alone(found: Kernel, sizes: Mapping[str, int], step: EngineStep, shared: Mapping[str, Expr]) -> OpGraph:
    """A graph of this one operator, its sizes as symbols of their own; those that are not given by their defaults."""
    known: dict[str, Expr] = {**{name: symbol(name) for name in KNOWN}, **shared}
    shape: dict[str, Expr] = {}
    for name in found.params:
        if name in sizes:
            shape[name] = named_symbol(name)
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
    return OpGraph(
        model=found.name,
        step=step,
        ops=(op,),
        edges=(),
        residents=(),
        guards=(),
        whole=(),
        refusals=(),
        degrees=shared,
    )


def _needed(bound: Numbers, derivation: Derivation) -> Numbers:
    names = {s.name for s in derivation.free()}
    return replace(bound, values={k: v for k, v in bound.values.items() if k in names or k == "default_mfu"})
