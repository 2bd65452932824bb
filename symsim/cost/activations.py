"""Activations: the memory that operators need for their rows while the largest step of an engine runs. Bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sympy
from sympy import Expr

from symsim.algebra.symbols import symbol
from symsim.cost.kernel_cost import Cost, in_bytes
from symsim.model.op_graph import OpGraph
from symsim.quantization.kv_cache import PARTS

CACHED = ("kv", *PARTS)
"""Precisions of what stays: keys and values are read from the cache, which is counted apart."""

LOGITS = "lm_head"
"""The part whose operator writes logits; samplers take them in fp32, whole on every rank."""


@dataclass(frozen=True, slots=True)
class Activations:
    """of_token: rows of one token that the widest operator of any layer reads and writes; apart: the same of whole
    steps, where it does not grow in proportion with them; logits: of the step."""

    of_token: Expr
    apart: Expr
    logits: Expr


def activations(graph: OpGraph, costs: Mapping[str, Cost]) -> Activations:
    """What the largest step needs besides weights and cache.

    An engine frees what a layer no longer needs, so the largest live set is one operator's: its inputs and outputs.
    """
    inside = dict.fromkeys(_rows(costs[op.name]) for op in graph.ops if op.body and op.body_repeat != 0)
    tokens = symbol("max_tokens")
    rows = {amount: sympy.expand(amount / tokens) for amount in _uncovered([a for a in inside if a != 0])}
    of_token = [each for each in rows.values() if not each.has(tokens)]
    apart = [amount for amount, each in rows.items() if each.has(tokens)]
    heads = [costs[op.name].write for op in graph.ops if not op.body and op.part == LOGITS]
    logits = sympy.Add(*(symbol("tp") * symbol("b_fp32") * sympy.Add(*written.values()) for written in heads))
    return Activations(_largest(of_token), _largest(apart), logits)


def _rows(cost: Cost) -> Expr:
    """Bytes that it reads and writes, but weights and the cache."""
    moved = (amount for amounts in (cost.read, cost.write) for amount in amounts.items())
    return sympy.expand(sympy.Add(*(in_bytes({name: elements}) for name, elements in moved if name not in CACHED)))


def _uncovered(amounts: list[Expr]) -> list[Expr]:
    """All but those that another one has every term of, at least as large."""
    terms = {amount: amount.as_coefficients_dict() for amount in amounts}
    return [
        amount
        for amount in amounts
        if not any(_covers(terms[other], terms[amount]) for other in amounts if other != amount)
    ]


def _covers(larger: Mapping[Any, Any], smaller: Mapping[Any, Any]) -> bool:
    """Whether each term of a sum of positive terms is in another one, at least as large."""
    return all(larger.get(term, sympy.S.Zero) >= factor for term, factor in smaller.items())


def _largest(amounts: list[Expr]) -> Expr:
    """Unevaluated: sympy is slow on maxima of more than two."""
    return sympy.Max(*amounts, evaluate=False) if len(amounts) > 1 else sympy.Add(*amounts)
