"""Memory of one GPU: resident weights, KV cache and state, and what is kept for the runtime. Bytes."""

from __future__ import annotations

from collections.abc import Mapping

import sympy
from sympy import Expr

from symsim.cost import Cost, in_bytes
from symsim.graph import OpGraph


def weights(graph: OpGraph, costs: Mapping[str, Cost]) -> Expr:
    """Bytes of all weights: those that kernels stream, and those that blocks state apart."""
    streamed = [op.repeat * in_bytes(costs[op.name].weight) for op in graph.ops]
    return sympy.Add(*streamed, resident(graph, "weight"))


def resident(graph: OpGraph, kind: str) -> Expr:
    """Bytes of one kind over all layers: `cache` per context token, `state` per sequence, `weight` besides kernels'."""
    return sympy.Add(*(item.repeat * in_bytes(item.amount) for item in graph.residents if item.kind == kind))


def reserved(graph: OpGraph) -> Expr:
    """What the cost model keeps free of weights and cache."""
    return sympy.Add(*(item.amount[None] for item in graph.residents if item.kind == "reserve"))


def reported(graph: OpGraph, key: str) -> Expr:
    """A figure that blocks report under `key`, of one layer: bytes when priced, else a plain count."""
    amounts = [item.amount for item in graph.residents if item.kind == "report" and item.key == key]
    return sympy.Add(*(amount[None] if None in amount else in_bytes(amount) for amount in amounts))
