"""Cost -> fitted time of every operator: its form of kernel time, on the FLOPs, bytes and messages of its graph."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import sympy
from sympy import Expr
from sympy.core.function import AppliedUndef

from symsim.algebra.symbols import KNOWN, coefficient_symbol, one_if_any, symbol, table_function
from symsim.cost.engine_terms import EngineTerms
from symsim.cost.forms import HARDWARE_NAMES, named_form
from symsim.cost.kernel_cost import Cost, in_bytes
from symsim.cost.operators import Operator, dtypes_of, operators
from symsim.language.symbolic import Scope, expression
from symsim.model.op_graph import Op, OpGraph
from symsim.model.scope import work_of
from symsim.tables.residuals import residual_function
from symsim.tables.table import signatures

SLOW_COMPUTE = "slow_compute"
"""The symbol by which products take longer in a running engine."""

_FUSED = "slow_stream"
"""The symbol of kernels of which engines fuse some."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """The coefficients that stand in for one kind of kernel, by their symbols.

    suffix: what tells their symbols from those of other kernels with the same form; low, high: predicted times these
    is the interval; numbers: of the device, for what it has no symbol; message: whether GPUs wait for each other in it;
    slow: the symbol by which a running engine takes longer, if any; peak: the precision that it multiplies in, where
    that is not its operator's; residuals: whether the nearest measurements correct it, by a look-up of their own.
    """

    form: str
    suffix: str
    low: float
    high: float
    numbers: tuple[tuple[str, Expr], ...] = ()
    message: bool = False
    slow: str = ""
    peak: str = ""
    residuals: bool = False

    def coefficients(self) -> Mapping[str, Expr]:
        """Coefficient -> its symbol, or its number where it is known beforehand."""
        form = named_form(self.form)
        own = {row.name: symbol(coefficient_symbol(row.name, self.form, self.suffix)) for row in form.fitted}
        return {**own, **form.constants()}

    def shares(self) -> Mapping[str, tuple[str, ...]]:
        """The symbols of its shares of a datasheet's rates -> those by which a running engine takes longer there: a
        share divided by all of them is what the engine reaches. Not of row-wise kernels, of which engines fuse some."""
        if self.slow == _FUSED:
            return {}
        slow = (self.slow,) if self.slow else ()
        known = {"em": slow, "ec": (*slow, SLOW_COMPUTE)}
        return {coefficient_symbol(name, self.form, self.suffix): by for name, by in known.items()}


Key = tuple[str, str, str]
"""Table, phase and operation, number format."""


@dataclass(frozen=True, slots=True)
class KernelPlan:
    """kinds: the fitted kernels of a device and an engine by what they are; gemm: what weights of the deployment's own
    precision are multiplied in; engine: what it adds to them, None where every constant of an engine is zero."""

    kinds: frozenset[tuple[Key, Fitted]]
    gemm: str
    engine: EngineTerms | None = None

    def of(self, op: Op, cost: Cost) -> tuple[Operator, Fitted] | None:
        """The row and the fitted kernel that stand in for an operator; None where nothing does: of those that no row
        names a stream does, but not for messages and for what states its share of the peak as a formula."""
        stated = cost.mfu is not None and not cost.mfu.atoms(AppliedUndef)
        if op.kernel not in operators() and (stated or cost.link_bytes != 0):
            return None
        found = dict(self.kinds)
        row = operators().get(op.kernel, operators()[""])
        for dtype in dtypes_of(cost, self.gemm):
            fitted = found.get(key_of(row, dtype))
            if fitted is not None:
                return row, fitted
        return None


def key_of(row: Operator, dtype: str) -> Key:
    """What the coefficients of a row are kept under."""
    return row.table, "/".join(filter(None, (row.phase, *row.operations))), dtype


@dataclass(frozen=True, slots=True)
class KernelCall:
    """An operator as one execution of a fitted kernel. slow: by what it takes longer in a running engine; sizes: of the
    kernel; amounts: FLOPs, bytes, messages and their seconds, in place of those that the form has for its sizes; rows:
    what an iteration may hold none of, None where it always holds the operator."""

    kernel: Fitted
    slow: Expr
    sizes: Mapping[str, Expr]
    amounts: Mapping[str, Expr]
    rows: Expr | None = None

    def seconds(self) -> Expr:
        """Raises UndefinedName at its place in the text of a form."""
        time = self.slow * kernel_seconds_of(self.kernel, self.sizes, self.amounts)
        return time if self.rows is None else time * one_if_any(self.rows)


def kernel_seconds_of(
    kernel: Fitted,
    sizes: Mapping[str, Expr],
    amounts: Mapping[str, Expr],
    coefficients: Mapping[str, Expr] | None = None,
) -> Expr:
    """One execution alone. coefficients: in place of the kernel's symbols."""
    hardware = {**{name: symbol(name) for name in HARDWARE_NAMES}, **dict(kernel.numbers)}
    scope = {**hardware, **(coefficients or kernel.coefficients()), **sizes}
    steps = named_form(kernel.form).steps(scope, amounts)
    if not kernel.residuals:
        return steps["time"]
    function = residual_function(kernel.form, kernel.suffix)
    return steps["time"] * table_function(function)(*(steps[name] for name in signatures()[function].args))


def kernel_calls(graph: OpGraph, costs: Mapping[str, Cost], plan: KernelPlan) -> Mapping[str, KernelCall]:
    """Operator -> the kernel that stands in for it, where one does.

    Raises UndefinedName at its place in the text of the table of operators.
    """
    steps, flags = {op.step for op in graph.ops}, _flags(graph)
    work = {name: {**work_of(graph.step.part(name), graph.degrees), **flags} for name in steps}
    found: dict[str, KernelCall] = {}
    for op in graph.ops:
        chosen = plan.of(op, costs[op.name])
        if chosen is not None and _takes_time(costs[op.name]):
            row, fitted = chosen
            scope = {**work[op.step], **op.shape}
            optional = op.step != ""
            slow = _slowed(plan.engine)
            sizes, amounts = kernel_measures(row, costs[op.name], scope, slow, optional=optional, peak=fitted.peak)
            found[op.name] = KernelCall(
                replace(fitted, message=row.message),
                sympy.S.One if plan.engine is None else plan.engine.slowed(row.slow, scope),
                sizes,
                amounts,
                scope["rows"] if optional else None,
            )
    return found


def fitted_times(graph: OpGraph, costs: Mapping[str, Cost], plan: KernelPlan) -> Mapping[str, tuple[Expr, Fitted]]:
    """Operator -> seconds of one execution, and the kernel that stands in for it.

    Raises UndefinedName at its place in the text of a form or of the table of operators.
    """
    calls = kernel_calls(graph, costs, plan)
    return {name: (call.seconds(), call.kernel) for name, call in calls.items()}


def _flags(graph: OpGraph) -> Mapping[str, Expr]:
    """The flags that the graph was lowered for: a guard of one alone leaves one value; 0 where nothing asked for it."""
    flags = [symbol(name) for name, info in KNOWN.items() if info.kind == "flag"]
    values = (sympy.S.Zero, sympy.S.One)
    decided = {
        flag.name: next(value for value in values if guard.holds({flag: value}))
        for guard in graph.guards
        for flag in flags
        if guard.symbols() == (flag,)
    }
    return {flag.name: sympy.S.Zero for flag in flags} | decided


def _slowed(engine: EngineTerms | None) -> Expr:
    """By what products take longer in a running engine."""
    return sympy.S.One if engine is None else engine.slowed(SLOW_COMPUTE, {})


def _takes_time(cost: Cost) -> bool:
    """Whether there is anything to do but to wait."""
    return any(amount != 0 for amount in (cost.total_flops, cost.hbm_bytes, cost.link_bytes, cost.time))


def kernel_measures(
    row: Operator, cost: Cost, scope: Scope, slow: Expr = sympy.S.One, *, optional: bool = False, peak: str = ""
) -> tuple[dict[str, Expr], dict[str, Expr]]:
    """Sizes and amounts of an operator. scope: sizes of its kernel and its step; slow: by what products take longer;
    optional: the iteration may hold none of its step, where sizes are zero and forms would divide by them; peak: of the
    precision that all products are in, in place of the operator's."""
    sizes = {name: expression(size, scope) for name, size in row.sizes.items()}
    products = sympy.Add(*(flops / symbol(f"peak_{peak or at}") for at, flops in cost.flops.items()))
    amounts: dict[str, Expr] = {
        "flops": cost.total_flops,
        "compute": slow * (cost.time + products),
        "bytes": cost.hbm_bytes,
        "memory": cost.hbm_bytes / symbol("hbm_bandwidth"),
        "sent": cost.link_bytes,
        "link": sympy.Add(*(in_bytes(sent) / symbol(f"{link}_bandwidth") for link, sent in cost.send.items())),
    }
    if optional:
        sizes = {name: size if size.is_Number else sympy.Max(size, 1, evaluate=False) for name, size in sizes.items()}
        amounts["bytes"] = sympy.Max(amounts["bytes"], 1, evaluate=False)
    amounts |= {name: sizes[name] for name in ("rows",) if name in sizes}
    return sizes, amounts
