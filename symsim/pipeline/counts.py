"""Parameters and matrix-product FLOPs of a model by itself: one copy, unsharded, no device. Exact integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import sympy
from sympy import Expr, Integer

from symsim.algebra.shown import html_table, one_line
from symsim.algebra.symbols import substitute, symbol, symbol_or_zero
from symsim.cost.kernel_cost import COUNTED, Cost, costs
from symsim.cost.priced_step import PricedStep
from symsim.errors import ConfigError, SymsimError
from symsim.formula.binding import bind_model, deciding_numbers
from symsim.inputs.deployment import Deployment
from symsim.model.drafter import drafter_of
from symsim.model.family import Family, find_family
from symsim.model.lower import lower
from symsim.model.op_graph import AGAIN, HELD_ALREADY, SHARED, UNUSED
from symsim.model.stored_formats import ServedModel
from symsim.pipeline.checkpoint import checkpoint_bytes
from symsim.pipeline.compilations import phase_of
from symsim.pipeline.shards import whole_shards
from symsim.pipeline.towers import tower_parameters

_PARTS = ("attention", "ffn", "norm")
"""What the weights of a layer are listed under; graph text says which with `part`."""

_BF16 = Deployment(num_nodes=1, gemm="bf16", kv="bf16")
"""Elements and FLOPs are counted as if nothing were quantised."""

BUFFER = "buffer"
"""Listed under this is what is held but is no parameter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """How many weights a model has, in elements: the causal language model, tied weights once.

    active: those that one token uses; lm_head: the matrix of the LM head, which is the embedding where tied;
    non_embedding: without embedding and LM head; other: what stands outside of layers besides those two;
    layers: attention, ffn and norm of each, in order; where they occur, also what is `shared` with an earlier layer,
    which the total has once, and what is `unused`; drafts: modules for multi-token prediction, beside the total, and
    their `parameters`, embedding and LM head apart; not_counted: what the config describes beside that; vision: the
    parameters of an image encoder among that and of its projector, None where no graph describes it; checkpoint:
    number format -> bytes that the files hold of these weights, scales included, or the sentence why nobody knows.
    """

    total: int
    active: int
    embedding: int
    lm_head: int
    tied: bool
    non_embedding: int
    other: int
    layers: tuple[Mapping[str, int], ...]
    not_counted: tuple[str, ...]
    vision: int | None
    drafts: Mapping[str, int] | None
    checkpoint: Mapping[str, int] | str

    @property
    def checkpoint_bytes(self) -> int | None:
        """Bytes of the checkpoint's weights, in every format; None where its quantisation is not understood."""
        return None if isinstance(self.checkpoint, str) else sum(self.checkpoint.values())

    def __repr__(self) -> str:
        return one_line(self, f"{self.total:,} in {len(self.layers)} layers, {self.active:,} active for one token")

    def _repr_html_(self) -> str:
        counts = {name: count for name, count in self.as_dict().items() if isinstance(count, int)}
        return html_table("parameters", {name: f"{count:,}" for name, count in counts.items()})

    def as_dict(self) -> dict[str, Any]:
        """The counts as plain JSON types."""
        names = ("total", "active", "embedding", "lm_head", "tied", "non_embedding", "other")
        plain = {name: getattr(self, name) for name in (*names, "checkpoint_bytes")}
        layers = [dict(layer) for layer in self.layers]
        stored = self.checkpoint if isinstance(self.checkpoint, str) else dict(self.checkpoint)
        drafts = None if self.drafts is None else dict(self.drafts)
        beside = {"drafts": drafts, "not_counted": list(self.not_counted), "vision": self.vision}
        return {**plain, "checkpoint": stored, "layers": layers, **beside}


def params(model: str | Path | Family, *, graphs: Sequence[str | Path] = (), fallback: bool = False) -> Parameters:
    """Count the parameters of a model, exactly.

    Raises SymsimError for a model that the graphs do not describe.

    >>> params("qwen3-8b").total
    8190735360
    """
    family = family_given(model, graphs, fallback)
    phased, values = _unsharded(family)
    values = {**values, symbol("B"): Integer(1)}
    outside: dict[str, int] = {}
    bodies: dict[str, dict[str, int]] = {}
    active = 0
    for body, part, weight, touch in _weights(phased):
        if part in (BUFFER, AGAIN) or weight == 0:
            continue
        held = bodies.setdefault(body, {}) if body else outside
        amount = whole_number(weight, values)
        held[part] = held.get(part, 0) + amount
        if part in (SHARED, UNUSED):
            continue
        active += whole_number(touch * weight, values) * (_times(phased, body, values) if body else 1)
    head = outside.get("lm_head", 0)
    tied = "embedding" not in outside
    layers = _in_order(family, phased, bodies, values)
    total = sum(outside.values()) + sum(sum(layer.values()) - layer.get(SHARED, 0) for layer in layers)
    embedding = outside.get("embedding", head)
    inner = total - head - (0 if tied else embedding)
    other = sum(amount for part, amount in outside.items() if part not in ("embedding", "lm_head"))
    stored = _stored(family)
    return Parameters(
        total=total,
        active=active,
        embedding=embedding,
        lm_head=head,
        tied=tied,
        non_embedding=inner,
        other=other,
        layers=layers,
        not_counted=family.sizes.omitted,
        vision=tower_parameters(family),
        drafts=_drafts(family, layers),
        checkpoint=stored,
    )


def _drafts(family: Family, layers: Sequence[Mapping[str, int]]) -> Mapping[str, int] | None:
    """The modules for multi-token prediction, and the parameters of all of them."""
    found = drafter_of(family)
    if found is None:
        return None
    like = (layers[index] for index in found.layers)
    each = found.joined + sum(sum(layer.values()) - layer.get(SHARED, 0) for layer in like)
    return {"modules": found.modules, "parameters": found.modules * each}


def _stored(family: Family) -> Mapping[str, int] | str:
    """What the checkpoint holds; weights are counted also where what is quantised is not understood."""
    try:
        return checkpoint_bytes(family)
    except ConfigError as error:
        return str(error)


def flops(
    model: str | Path | Family,
    phase: Literal["prefill", "decode"] = "prefill",
    *,
    batch: int = 1,
    seq: int = 4096,
    past: int = 0,
    logits: Literal["all", "last"] = "all",
    causal: bool = False,
    graphs: Sequence[str | Path] = (),
    fallback: bool = False,
) -> Mapping[str, int]:
    """Matrix-product FLOPs of one step of the whole model, 2 per multiply-add: total, linear, attention, ...

    prefill: seq new tokens of each of batch sequences, after past tokens that are cached; decode: one new token of
    each, in a context of seq + past tokens with itself. Every query meets every key, also behind a window, unless
    causal. logits: of all new tokens, or of the last of each sequence.

    >>> flops("qwen3-8b", batch=1, seq=128)["attention"]
    9663676416
    """
    for name, value, least in (("batch", batch, 1), ("seq", seq, 1), ("past", past, 0)):
        if value < least:
            raise SymsimError(f"{name} = {value} must be at least {least}")
    family = family_given(model, graphs, fallback)
    bound = bind_model(family.sizes, _BF16)
    numbers = deciding_numbers(bound)
    step = ("continued" if phase == "prefill" else "decode") if causal else f"eager_{phase}"
    changed = {"logit_tokens": "tokens"} if logits == "all" else {}
    graph = lower(family.model, family.library, step, numbers, family.sizes.kinds, changed=changed)
    priced, _ = costs(graph, family.library, numbers)
    prompts = {"T": batch * seq, "S": seq, "past": past}
    work = prompts if phase == "prefill" else {"B": batch, "C": seq + past}
    own = {called(name): Integer(value) for name, value in work.items() for called in (symbol, symbol_or_zero)}
    values = {**bound.symbols(), **own}
    found: dict[str, int] = dict.fromkeys(COUNTED, 0)
    for op in graph.ops:
        for kind, amount in _counted(priced[op.name]).items():
            found[kind] += whole_number(op.repeat * amount, values)
    return {"total": sum(found.values()), **found}


def family_given(model: str | Path | Family, graphs: Sequence[str | Path], fallback: bool) -> Family:
    """The family that describes a model, where it is not given. Raises SymsimError where none does."""
    return model if isinstance(model, Family) else find_family(model, graphs=graphs, fallback=fallback)


def _unsharded(family: Family) -> tuple[PricedStep, Mapping[Any, Expr]]:
    bound = bind_model(family.sizes, _BF16)
    phased = phase_of(ServedModel(family, _BF16), "decode", bound)
    whole_shards(phased, bound, pad=False)
    return phased, bound.symbols()


def _weights(phased: PricedStep) -> list[tuple[str, str, Expr, Expr]]:
    """Body, part, elements of one pass of the body, and the share of them that the step touches."""
    found: list[tuple[str, str, Expr, Expr]] = []
    for op in phased.graph.ops:
        cost = phased.costs[op.name]
        elements = op.repeat / op.body_repeat * sympy.Add(*cost.weight.values())
        part = op.part if op.part in HELD_ALREADY else cost.part or op.part
        found.append((op.body, part, elements, cost.touch))
    for item in phased.graph.residents:
        if item.kind == "weight":
            elements = item.repeat / item.body_repeat * sympy.Add(*item.amount.values())
            found.append((item.body, item.part, elements, sympy.S.One))
    return found


def _in_order(
    family: Family, phased: PricedStep, bodies: Mapping[str, Mapping[str, int]], values: Mapping[Any, Expr]
) -> tuple[Mapping[str, int], ...]:
    """Every layer's parts, first to last."""
    listed = {name: {part: held.get(part, 0) for part in _PARTS} | dict(held) for name, held in bodies.items()}
    placed = {index: listed.get(kind.name, {}) for kind in family.sizes.kinds for index in kind.layers}
    apart = [name for name in listed if name not in {kind.name for kind in family.sizes.kinds}]
    repeated = [listed[name] for name in apart for _ in range(_times(phased, name, values))]
    return (*(placed[index] for index in sorted(placed)), *repeated)


def _times(phased: PricedStep, body: str, values: Mapping[Any, Expr]) -> int:
    repeats = (item.body_repeat for item in (*phased.graph.ops, *phased.graph.residents) if item.body == body)
    return whole_number(next(repeats), values)


def _counted(cost: Cost) -> Mapping[str, Expr]:
    return cost.counted or {COUNTED[0]: cost.total_flops}


def whole_number(amount: Expr, values: Mapping[Any, Expr]) -> int:
    """The number of an amount. Raises ConfigError where it is not whole."""
    number = substitute(amount, values)
    if not number.is_Integer:
        raise ConfigError(
            f"the sizes of this config do not fit together: {amount} is {number}; expected a whole number, as of a "
            "hidden size that its heads divide"
        )
    return int(number)
