"""Memory of one GPU: resident weights, KV cache and state, and what is kept for the runtime. Bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import sympy
from sympy import Expr

from symsim.cost.kernel_cost import Cost, in_bytes
from symsim.model.op_graph import HELD_ALREADY, UNUSED, Op, OpGraph, Resident


def weights(graph: OpGraph, costs: Mapping[str, Cost]) -> Expr:
    """Bytes of all weights: those that kernels stream, and those that blocks state apart."""
    streamed = [op.repeat * in_bytes(costs[op.name].weight) for op in graph.ops if _held(op)]
    return sympy.Add(*streamed, resident(graph, "weight"))


Layer = tuple[str, Expr]
"""A body of the graph and how often it is repeated; the body without a name is what stands outside of layers."""


def weights_by_stage(graph: OpGraph, costs: Mapping[str, Cost]) -> Mapping[Layer, Mapping[str, Expr]]:
    """The same bytes of one pass of each body, by stage."""
    found: dict[Layer, dict[str, Expr]] = {}
    streamed = [
        (op.body, op.body_repeat, op.stage, op.repeat, in_bytes(costs[op.name].weight)) for op in graph.ops if _held(op)
    ]
    apart = [
        (item.body, item.body_repeat, item.stage, item.repeat, in_bytes(item.amount))
        for item in graph.residents
        if item.kind == "weight" and _held(item)
    ]
    for body, layers, stage, repeat, amount in (*streamed, *apart):
        if amount != 0:
            stages = found.setdefault((body, layers), {})
            stages[stage] = stages.get(stage, sympy.S.Zero) + repeat / layers * amount
    return found


def stages_behind(graph: OpGraph) -> frozenset[str]:
    """The stages outside of layers whose operators come after those of the first layer."""
    first = next((i for i, op in enumerate(graph.ops) if op.body), len(graph.ops))
    return frozenset(op.stage for op in graph.ops[first:] if not op.body)


def resident(graph: OpGraph, kind: str) -> Expr:
    """Bytes of one kind over all layers: `cache` per context token, `state` per sequence, `weight` besides kernels'.

    Of caches, those that grow with every token; windowed ones are apart.
    """
    kept = [item for item in graph.residents if item.kind == kind and item.window is None]
    kept = [item for item in kept if kind != "weight" or _held(item)]
    return repeated([(in_bytes(item.amount), item.repeat) for item in kept])


def _held(weights: Op | Resident) -> bool:
    return weights.part not in HELD_ALREADY | {UNUSED}


def windowed(graph: OpGraph) -> Mapping[Expr, Expr]:
    """Window in tokens -> cache bytes per token over all layers; past its window such a cache grows no more."""
    found: dict[Expr, list[tuple[Expr, Expr]]] = {}
    for item in graph.residents:
        if item.window is not None:
            found.setdefault(item.window, []).append((in_bytes(item.amount), item.repeat))
    return {window: repeated(amounts) for window, amounts in found.items()}


def repeated(amounts: Iterable[tuple[Expr, Expr]]) -> Expr:
    """The sum of amounts, each so many times; equal ones are taken together, L0 + (L - L0) times as L times."""
    times: dict[Expr, Expr] = {}
    for amount, repeat in amounts:
        times[amount] = times.get(amount, sympy.S.Zero) + repeat
    return sympy.Add(*(repeat * amount for amount, repeat in times.items()))


def reserved(graph: OpGraph) -> Expr:
    """What the cost model keeps free of weights and cache."""
    return sympy.Add(*(item.amount[None] for item in graph.residents if item.kind == "reserve"))


def reported(graph: OpGraph, key: str) -> Expr:
    """A figure that blocks report under `key`, of one layer: bytes when priced, else a plain count."""
    amounts = [item.amount for item in graph.residents if item.kind == "report" and item.key == key]
    return sympy.Add(*(amount[None] if None in amount else in_bytes(amount) for amount in amounts))
