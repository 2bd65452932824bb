"""What modules for multi-token prediction hold on a GPU while an engine drafts with them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import sympy
from sympy import Expr

from symsim.algebra.symbols import symbol
from symsim.cost.kernel_cost import in_bytes
from symsim.cost.memory import weights_by_stage
from symsim.formula.program import program
from symsim.model.drafter import Drafter, drafter_of
from symsim.pipeline.compiled import Compiled


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftMemory:
    """Bytes of one GPU, all modules. sequence: the caches of a sequence."""

    weights: float
    sequence: float


@lru_cache(maxsize=64)
def drafter(compiled: Compiled) -> Drafter | None:
    """The modules of the model that is compiled."""
    return drafter_of(compiled.family)


@lru_cache(maxsize=256)
def draft_memory(compiled: Compiled, context: float) -> DraftMemory | None:
    """What the modules hold with `context` tokens a sequence; None where the config states no modules that are known.

    Their layers are held as those of the model that they are like; the joining matrix is whole on every GPU in bf16;
    embedding and LM head are the model's.
    """
    found = drafter(compiled)
    if found is None:
        return None
    names = {index: kind.name for kind in compiled.sizes.kinds for index in kind.layers}
    parts = [_of_a_layer(compiled, names[index]) for index in found.layers]
    weights, sequence = (sympy.Add(*amounts) for amounts in zip(*parts, strict=True))
    values = {**compiled.numbers.values, "C": context}
    amounts = program((("held", weights), ("kept", sequence)), ("held", "kept"), "python").at(values, compiled.context)
    held, kept = map(float, amounts)
    return DraftMemory(weights=found.modules * (held + 2 * found.joined), sequence=found.modules * kept)


def _of_a_layer(compiled: Compiled, body: str) -> tuple[Expr, Expr]:
    """Bytes of the weights of one layer of a kind, and of its cache of a sequence of C tokens."""
    graph = compiled.decode.graph
    stages = weights_by_stage(graph, compiled.decode.costs)
    weights = [amount for (name, _), of in stages.items() if name == body for amount in of.values()]
    tokens = symbol("C")
    cache = [
        in_bytes(item.amount)
        * item.repeat
        / item.body_repeat
        * (1 if item.kind == "state" else tokens if item.window is None else sympy.Min(tokens, item.window))
        for item in graph.residents
        if item.body == body and item.kind in ("cache", "state")
    ]
    return sympy.Add(*weights), sympy.Add(*cache)
