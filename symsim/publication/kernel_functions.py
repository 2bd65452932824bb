r"""Times of fitted kernels as functions of their shape: steps name \tau(comp, mem, m, n, k), which is defined once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import sympy
from sympy import Expr, Function, Symbol

from symsim.algebra.symbols import kernel_sign, substitute, symbol
from symsim.api.costs import Costs
from symsim.cost.calibrated import Fitted, KernelCall, kernel_calls, kernel_seconds_of
from symsim.notation.layout import Layout

SECONDS = {"compute": "comp", "memory": "mem", "link": "link"}
"""Seconds at the rates of the datasheet that a kernel's time depends on -> what they are called in its function."""


_UNITS = {**dict.fromkeys(SECONDS, "s"), "flops": "FLOP", "sent": "B"}


@dataclass(frozen=True, slots=True)
class KernelFunction:
    """name: of the function; latex: its sign; parameters: symbol -> its LaTeX, in order; body: in them."""

    name: str
    latex: str
    parameters: Mapping[Symbol, str]
    body: Expr

    @property
    def units(self) -> tuple[str, ...]:
        """Of its parameters."""
        return tuple(_UNITS.get(one.name.removeprefix("parameter_"), "1") for one in self.parameters)

    @property
    def left(self) -> str:
        """What its definition stands behind."""
        return f"{self.latex}({', '.join(self.parameters.values())})"


@dataclass(frozen=True, slots=True)
class NamedKernels:
    """layout: a metric whose steps name kernels; functions: theirs, in order of appearance; in_full: what a step is in
    full -> what it is with its kernel named."""

    layout: Layout
    functions: tuple[KernelFunction, ...]
    in_full: Mapping[Expr, Expr]


def with_kernels_named(costs: Costs, metric: str, layout: Layout) -> NamedKernels:
    """A metric's layout with the time of every operator that a fitted kernel stands in for as a function of its shape.

    A step stays as it is where it is no longer the call of the kernel alone, as with numbers put in.
    """
    compiled = costs.compiled
    if compiled.fitted is None:
        return NamedKernels(layout, (), {})
    phase = compiled.phase(metric)
    calls = kernel_calls(phase.graph, phase.costs, compiled.fitted.plan)
    of: dict[Fitted, list[KernelCall]] = {}
    for step in layout.steps:
        if step.op is not None and step.op in calls and calls[step.op].rows is None:
            of.setdefault(calls[step.op].kernel, []).append(calls[step.op])
    known = {kernel: _function(every) for kernel, every in of.items()}
    functions: dict[Fitted, KernelFunction] = {}
    named: dict[Symbol, Expr] = {}
    for step in layout.steps:
        call = calls.get(step.op or "")
        if call is None or call.kernel not in known:
            continue
        function = known[call.kernel]
        arguments = _arguments(call, function)
        if call.slow * substitute(function.body, arguments) == step.expr:
            functions[call.kernel] = function
            named[step.symbol] = call.slow * Function(function.name)(*arguments.values())
    steps = tuple(replace(step, expr=named.get(step.symbol, step.expr)) for step in layout.steps)
    signs = {function.name: function.latex for function in functions.values()}
    letters = {one.name: latex for function in functions.values() for one, latex in function.parameters.items()}
    in_full = {step.expr: named[step.symbol] for step in layout.steps if step.symbol in named}
    return NamedKernels(
        replace(layout, steps=steps, functions={**signs, **letters}), tuple(functions.values()), in_full
    )


def _function(calls: Sequence[KernelCall]) -> KernelFunction:
    """The function of one kernel, in what differs between its calls: a number that is the same in all of them stands in
    its place, and of two that are always equal there is one."""
    every = [{**call.amounts, **call.sizes} for call in calls]
    stands: dict[str, Expr] = {}
    met: dict[tuple[Expr, ...], Symbol] = {}
    for name in (*SECONDS, "flops", "sent", *calls[0].sizes):
        values = tuple(sympy.sympify(known[name]) for known in every)
        same = values[0].is_number and len(set(values)) == 1
        stands[name] = values[0] if same else met.setdefault(values, _parameter(name))
    amounts = {name: stands[name] for name in (*SECONDS, "flops", "sent")}
    amounts["bytes"] = stands["memory"] * symbol("hbm_bandwidth")
    sizes = {name: stands[name] for name in calls[0].sizes}
    kernel = calls[0].kernel
    body = kernel_seconds_of(kernel, sizes, {**amounts, **({"rows": sizes["rows"]} if "rows" in sizes else {})})
    used = [one for one in dict.fromkeys(met.values()) if one in body.free_symbols]
    return KernelFunction(
        name="_".join(filter(None, ("kernel", kernel.form, kernel.suffix))),
        latex=f"\\tau_{{{kernel_sign(kernel.form, kernel.suffix)}}}",
        parameters={one: f"\\mathrm{{{_word(one)}}}" for one in used},
        body=body,
    )


def _word(parameter: Symbol) -> str:
    name = parameter.name.removeprefix("parameter_")
    return SECONDS.get(name, name).replace("_", "\\,")


def _parameter(name: str) -> Symbol:
    return Symbol(f"parameter_{name}", positive=True)


def _arguments(call: KernelCall, function: KernelFunction) -> Mapping[Symbol, Expr]:
    """What an operator has of each parameter."""
    known = {**call.amounts, **call.sizes}
    return {one: sympy.sympify(known[one.name.removeprefix("parameter_")]) for one in function.parameters}
