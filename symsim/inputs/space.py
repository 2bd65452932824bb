"""Which deployments there are: one enumeration for questions about sizes, for what would help, and for sweeps."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from symsim.errors import DeploymentError
from symsim.inputs.deployment import Deployment
from symsim.inputs.number_checks import positive_integer

_GPUS = (1, 2, 4, *range(8, 65, 8), *range(80, 161, 16), *range(192, 513, 32))

SIZES: Mapping[str, tuple[int, ...]] = {
    "world_size": (*_GPUS, 640, 768, 1024),
    "nodes": (1, 2, 4, 8, 16, 32, 64),
    "tp": (1, 2, 4, 8, 16),
    "cp": (1, 2, 4, 8, 16, 32),
    "pp": (1, 2, 4, 8, 16, 32),
    "dp": _GPUS,
    "ep": _GPUS,
    "moe_tp": (1, 2, 4, 8, 16),
    "dcp": (1, 2, 4, 8, 16),
    "redundant_experts": (0, *_GPUS),
}
"""Sizes of a deployment, by symbol, that are tried; those that do not divide the model are left out where they are."""

MOST, GROWTH = 64, 4
"""Deployments that are tried have up to this many GPUs, or so many times those that there are."""


NARROWER: tuple[Mapping[str, str], ...] = (
    {"kv": "fp8"},
    {"gemm": "fp8"},
    {"gemm": "fp8", "kv": "fp8"},
    {"gemm": "int8"},
    {"gemm": "fp4"},
    {"gemm": "fp4", "kv": "fp8"},
)
"""Formats of weights and caches that may make feasible what is not, in the order in which they are named."""


def resized(base: Deployment, changes: Mapping[str, Any]) -> Deployment:
    """The same deployment with other fields, as if they had been stated so.

    GPUs and dp that were not stated follow from the degrees; of both, the one that is stated here counts. Nodes that
    were not stated follow from the GPUs; one node stays one, several stay as full as they are.
    Raises DeploymentError where that cannot be.

    >>> resized(Deployment(32, 4), {"world_size": 64}).num_nodes, resized(Deployment(), {"tp": 2}).world_size
    (8, 2)
    """
    fields = {"num_nodes" if name == "nodes" else name: value for name, value in changes.items()}
    kept = next((name for name in ("world_size", "dp") if name in fields or name in base.given), None)
    if "dp" in fields and "world_size" not in fields:
        positive_integer("dp", fields["dp"])
        kept = "dp"
    follow = {name: None for name in ("world_size", "dp") if name != kept}
    bare = replace(base, **{"num_nodes": None, **follow, **fields})
    if "num_nodes" in fields or base.num_nodes is None:
        return bare
    held = base.world_size // base.num_nodes
    if base.num_nodes > 1 and bare.world_size > held and bare.world_size % held:
        raise DeploymentError(f"{bare.world_size} GPUs do not fill nodes of {held}")
    nodes = max(1, bare.world_size // held) if base.num_nodes > 1 else 1
    return replace(bare, **{"num_nodes": nodes, **{name: None for name in follow if name not in fields}})


def with_size(base: Deployment, size: str, value: int) -> Deployment:
    """The same deployment with another size, by symbol.

    More data parallelism, or an expert parallelism that is not given apart, needs more GPUs; other degrees share those
    that are there. Raises DeploymentError where that cannot be.

    >>> with_size(Deployment(32, 4, tp=2), "dp", 32).world_size
    64
    """
    match size:
        case "ep" if base.ep is None:
            return resized(base, {"world_size": value * base.pp * max(base.tp, base.experts_split)})
        case _:
            return resized(base, {size: value})


def deployments(base: Deployment) -> Iterator[Deployment]:
    """Deployments in which tp, one of pp and cp, and the sharing of the cache (dcp) may be others, from one GPU on.

    The fewest GPUs come first, of mixes of as many that which differs in the fewest degrees, and tp before pp and cp.
    Precisions and communication are those of `base`; its experts spread over as many ranks as there, or over all of a
    stage.
    """
    stated = base.tp, base.pp, base.cp, base.ep, base.dcp
    mixes = [*itertools.product(SIZES["tp"], SIZES["pp"], SIZES["cp"], dict.fromkeys((base.ep, None)), (base.dcp,))]
    shared = itertools.product(SIZES["tp"], (base.pp,), (base.cp,), dict.fromkeys((base.ep, None)), SIZES["dcp"])
    kept = [mix for mix in mixes if base.pp == mix[1] or base.cp == mix[2]]
    kept = [*dict.fromkeys((stated, *kept, *(mix for mix in shared if mix[0] % mix[4] == 0)))]

    def far(mix: tuple[int, int, int, int | None, int]) -> tuple[int, ...]:
        tp, pp, cp, _, dcp = mix
        return sum(now != old for now, old in zip(mix, stated, strict=True)), tp + pp + cp, cp, pp, dcp

    for gpus in SIZES["world_size"]:
        if gpus <= max(MOST, GROWTH * base.world_size):
            for tp, pp, cp, ep, dcp in sorted(kept, key=far):
                with suppress(DeploymentError):
                    yield resized(base, {"world_size": gpus, "tp": tp, "pp": pp, "cp": cp, "ep": ep, "dcp": dcp})


def differences(base: Deployment, other: Deployment) -> Mapping[str, int]:
    """The sizes of another deployment that differ, by symbol."""
    sizes = {name: getattr(other, name) for name in ("world_size", "tp", "pp", "cp", "dcp")}
    changed = {name: value for name, value in sizes.items() if value != getattr(base, name)}
    return changed if other.ep == base.ep else {**changed, "ep": other.experts_over}


def engines_of(base: Deployment, gpus: int, *, experts: int, kv_heads: int, per_node: int = 8) -> Iterator[Deployment]:
    """Every engine of so many GPUs that is worth a look, with the precisions of `base`; fewest stages first.

    Of a model without experts, more attention replicas are engines of their own, and none of them is here. Experts are
    whole on their GPUs, or shared by a tensor parallel group or by all GPUs of a stage; where they do not divide, some
    of them are held twice. Inside a scale-up domain of `per_node` GPUs there are up to two pipeline stages, and outside
    one a domain; a cache is shared (dcp) by engines of one stage and one replica. experts, kv_heads: of the model, 0
    experts of one that has none.

    >>> [one.text() for one in engines_of(Deployment(), 2, experts=0, kv_heads=8)]
    ['world_size 2, tp 2', 'world_size 2, pp 2']
    """
    stages = [size for size in SIZES["pp"] if size <= max(2, -(-gpus // per_node))]
    for pp, tp in itertools.product(stages, SIZES["tp"]):
        dp, rest = divmod(gpus, pp * tp)
        if rest or not dp or (dp > 1 and (not experts or pp > 1)):
            continue
        splits = [size for size in SIZES["dcp"] if tp % (size * kv_heads) == 0 and pp * dp == 1] or [1]
        for dcp, (ep, moe_tp) in itertools.product(splits, _layouts(experts, tp, dp)):
            sizes = {"world_size": gpus, "tp": tp, "pp": pp, "dcp": dcp, "ep": ep, "moe_tp": moe_tp}
            spare = -experts % ep if ep else 0
            for comm in ("allreduce", "deepep") if dp > 1 and ep else (base.comm,):
                with suppress(DeploymentError):
                    yield resized(base, {**sizes, "redundant_experts": spare, "comm": comm})


def _layouts(experts: int, tp: int, dp: int) -> list[tuple[int | None, int | None]]:
    """(ep, moe_tp): whole experts on every GPU of a stage, and experts that a tensor parallel group shares, or all of a
    stage."""
    if not experts:
        return [(None, None)]
    shared = dict.fromkeys(((tp * dp, 1), (dp, tp), (1, tp * dp)))
    return [layout for layout in shared if layout[0] <= experts]


def engine_sizes(low: int, high: int) -> list[int]:
    """GPUs that an engine on `low` to `high` of them may have: powers of two and divisors, all of which leave no GPU
    idle.

    >>> engine_sizes(12, 12), engine_sizes(1, 6)
    ([1, 2, 3, 4, 6, 12], [1, 2, 3, 4, 6])
    """
    sizes = {size for size in range(1, high + 1) if high % size == 0 or size & (size - 1) == 0}
    return sorted(size for size in sizes if high // size * size >= low)
