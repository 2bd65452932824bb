"""Memory of one GPU: resident weights, KV cache and state, and what is kept for the runtime. Bytes."""

from __future__ import annotations

import sympy
from sympy import Expr

from symsim.cost import in_bytes
from symsim.graph import OpGraph
from symsim.symbols import symbol


def resident(graph: OpGraph, kind: str) -> Expr:
    """Bytes of one kind over all layers: `weight` in all, `cache` per context token, `state` per sequence."""
    return sympy.Add(*(item.repeat * in_bytes(item.amount) for item in graph.residents if item.kind == kind))


def reserves() -> Expr:
    """What a cost model keeps free of weights and cache."""
    return symbol("reserve_runtime") + symbol("reserve_encoder")


def reported(graph: OpGraph, key: str) -> Expr:
    """A figure that the graph reports under `key`, of one layer: bytes when priced, else a plain count.

    Zero where no block reports it.
    """
    for item in graph.residents:
        if item.kind == "report" and item.key == key:
            counts = [amount for at, amount in item.amount.items() if at is None]
            return sympy.Add(*counts) if counts else in_bytes(item.amount)
    return sympy.Integer(0)
