"""Which deployments there are: one enumeration for questions about sizes, for what would help, and for sweeps."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from math import prod
from typing import Any

from symsim.errors import DeploymentError
from symsim.inputs.deployment import Deployment, positive_integer

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
    "redundant_experts": (0, *_GPUS),
}
"""Sizes of a deployment, by symbol, that are tried; those that do not divide the model are left out where they are."""

MOST, GROWTH = 64, 4
"""Deployments that are tried have up to this many GPUs, or so many times those that there are."""


def resized(base: Deployment, changes: Mapping[str, Any]) -> Deployment:
    """The same deployment with other fields, as if they had been stated so.

    GPUs follow from dp where that is stated without them, else dp from the GPUs. Nodes that were not stated follow from
    the GPUs; one node stays one, several stay as full as they are.
    Raises DeploymentError where that cannot be.

    >>> resized(Deployment(32, 4), {"world_size": 64}).num_nodes
    8
    """
    fields = {"num_nodes" if name == "nodes" else name: value for name, value in changes.items()}
    if "dp" in fields and "world_size" not in fields:
        positive_integer("dp", fields["dp"])
        fields["world_size"] = prod(fields.get(name, getattr(base, name)) for name in ("pp", "tp", "cp", "dp"))
    gpus = fields.get("world_size", base.world_size)
    if "num_nodes" not in fields and base.num_nodes is not None and base.num_nodes > 1 and isinstance(gpus, int):
        held = base.world_size // base.num_nodes
        if gpus > held and gpus % held:
            raise DeploymentError(f"{gpus} GPUs do not fill nodes of {held}")
        fields["num_nodes"] = max(1, gpus // held)
    return replace(base, **{"dp": None, **fields})


def with_size(base: Deployment, size: str, value: int) -> Deployment:
    """The same deployment with another size, by symbol.

    More data parallelism, or an expert parallelism that is not given apart, needs more GPUs; other degrees share those
    that are there. Raises DeploymentError where that cannot be.

    >>> with_size(Deployment(32, 4, tp=2), "dp", 32).world_size
    64
    """
    match size:
        case "ep" if base.ep is None:
            return resized(base, {"world_size": value * base.pp * base.tp})
        case _:
            return resized(base, {size: value})


def deployments(base: Deployment) -> Iterator[Deployment]:
    """Deployments of as many GPUs as `base` or more, in which tp and one of pp and cp may be others.

    The fewest GPUs come first, and of mixes of as many that which differs in the fewest degrees.  Precisions and
    communication are those of `base`; its experts spread over as many ranks as there, or over all of a stage.
    """
    stated = base.tp, base.pp, base.cp, base.ep
    mixes = itertools.product(SIZES["tp"], SIZES["pp"], SIZES["cp"], dict.fromkeys((base.ep, None)))
    kept = dict.fromkeys((stated, *(mix for mix in mixes if base.pp == mix[1] or base.cp == mix[2])))

    def far(mix: tuple[int, int, int, int | None]) -> tuple[int, int]:
        return sum(now != old for now, old in zip(mix, stated, strict=True)), sum(map(int, mix[:3]))

    for gpus in SIZES["world_size"]:
        if base.world_size <= gpus <= max(MOST, GROWTH * base.world_size):
            for tp, pp, cp, ep in sorted(kept, key=far):
                with suppress(DeploymentError):
                    yield resized(base, {"world_size": gpus, "tp": tp, "pp": pp, "cp": cp, "ep": ep})


def differences(base: Deployment, other: Deployment) -> Mapping[str, int]:
    """The sizes of another deployment that differ, by symbol."""
    sizes = {"world_size": other.world_size, "tp": other.tp, "pp": other.pp, "cp": other.cp}
    changed = {name: value for name, value in sizes.items() if value != getattr(base, name)}
    return changed if other.ep == base.ep else {**changed, "ep": other.experts_over}
