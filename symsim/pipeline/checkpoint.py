"""Bytes of a checkpoint's weights by number format: one copy, unsharded, as the files hold them. Exact integers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import sympy
from sympy import Expr, Integer

from symsim.algebra.symbols import substitute, symbol, weight_symbol
from symsim.cost.kernel_cost import QUANTISABLE
from symsim.cost.priced_step import PricedStep
from symsim.formula.binding import bind_model
from symsim.inputs.config import ModelConfig
from symsim.inputs.cost_model import COUNTING, named_cost_model
from symsim.inputs.deployment import Deployment
from symsim.language.symbolic import Amounts
from symsim.model.family import Family
from symsim.model.op_graph import HELD_ALREADY
from symsim.model.stored_formats import serve
from symsim.pipeline.compilations import phase_of

_SECTIONS = ("text_config", "llm_config", "language_config")
_WIDTHS = {"float32": 4, "float64": 8}
"""Bytes of a weight that is not quantised, by the dtype that the config states; 16 bits else."""


def checkpoint_bytes(family: Family) -> Mapping[str, int]:
    """Number format -> bytes of the weights that are stored in it with their scales, the most first.

    Counted are the weights of the causal language model that `params` counts, and what its routers keep beside them;
    not what the config describes beside that (`not_counted`: vision towers, MTP layers). Scales kept once a matrix
    (4 B each) are left out.  Raises ConfigError for a quantisation that is not understood.
    """
    served = serve(family, Deployment(num_nodes=1, gemm="checkpoint", kv="bf16"), named_cost_model(COUNTING))
    bound = bind_model(served.family.sizes, served.deployment, served.stored)
    rates = None if served.formats is None else dict.fromkeys(served.every, "bf16")
    values = {**bound.symbols(), symbol("B"): Integer(1)}
    width = _width(family.config)
    found: dict[str, Expr] = {}
    for amount in _weights(phase_of(served, "decode", bound, rates)):
        for precision, elements in amount.items():
            name = "bf16" if precision in QUANTISABLE else str(precision)
            each = Integer(width) if name == "bf16" else values[symbol(weight_symbol(name))]
            found[name] = found.get(name, sympy.S.Zero) + substitute(elements * each, values)
    whole = {_stated(name, width): int(sympy.ceiling(amount)) for name, amount in found.items() if amount != 0}
    return dict(sorted(whole.items(), key=lambda item: -item[1]))


def _weights(phased: PricedStep) -> Iterator[Amounts]:
    """Elements of weights at each precision, of all layers: what kernels stream, and what blocks state apart."""
    for op in phased.graph.ops:
        if op.part not in HELD_ALREADY:
            yield {name: op.repeat * amount for name, amount in phased.costs[op.name].weight.items()}
    for item in phased.graph.residents:
        if item.kind == "weight" and item.part not in HELD_ALREADY:
            yield {name: item.repeat * amount for name, amount in item.amount.items()}


def _width(config: ModelConfig) -> int:
    places = [config.keys, *(config.keys[name] for name in _SECTIONS if isinstance(config.keys.get(name), dict))]
    stated = (place.get(key) for place in places for key in ("dtype", "torch_dtype"))
    return next((_WIDTHS.get(str(name).removeprefix("torch."), 2) for name in stated if name), 2)


def _stated(name: str, width: int) -> str:
    return f"fp{8 * width}" if name == "bf16" and width != 2 else name
