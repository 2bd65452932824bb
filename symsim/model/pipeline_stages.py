"""Which layers each pipeline stage has, and which stages may be the fullest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from symsim.errors import DeploymentError
from symsim.model.layer_kinds import LayerKind


@dataclass(frozen=True, slots=True)
class PipelineStage:
    """A stage, counted from 1. counts: kind of layer -> how many of them it has."""

    number: int
    counts: Mapping[str, int]

    def symbol(self, kind: str) -> str:
        """The name of the number of such layers."""
        return f"L_{kind}_stage{self.number}"


def layers_by_stage(layers: int, pp: int, stated: Sequence[int] | None = None) -> tuple[int, ...]:
    """How many layers each of pp stages has: as stated, or as vLLM splits them (`get_pp_indices`).

    What is left of an even split goes to the stages before the last, which has the LM head; the first gets one last.
    Raises DeploymentError where the stated ones are not all layers.

    >>> layers_by_stage(61, 4), layers_by_stage(42, 2), layers_by_stage(62, 4, (16, 16, 16, 14))
    ((15, 15, 16, 15), (21, 21), (16, 16, 16, 14))
    """
    if stated is not None:
        if sum(stated) != layers:
            split = ",".join(map(str, stated))
            raise DeploymentError(f"pp_layers = {split} are {sum(stated)} layers; the model has {layers}")
        return tuple(stated)
    each, left = divmod(layers, pp)
    return tuple(each + (pp - 1 - left <= stage < pp - 1) for stage in range(pp))


def fullest_stages(
    kinds: tuple[LayerKind, ...], pp: int, stated: tuple[int, ...] | None = None
) -> tuple[PipelineStage, ...]:
    """The stages that may have the most to hold or to do: those of which no other has as many of every kind, or more.

    None where there is one stage, or where all layers are alike and evenly split: then ceil(L/pp) says it.
    Raises DeploymentError where the stated layers are not those of the model.
    """
    return () if pp == 1 or (stated is None and len(kinds) == 1) else _fullest(kinds, pp, stated)


@lru_cache(maxsize=1024)
def _fullest(kinds: tuple[LayerKind, ...], pp: int, stated: tuple[int, ...] | None) -> tuple[PipelineStage, ...]:
    order = _in_order(kinds)
    if len(order) < pp:  # refused when lowering
        return ()
    stages: list[PipelineStage] = []
    first = 0
    for number, held in enumerate(layers_by_stage(len(order), pp, stated), 1):
        own = order[first : first + held]
        stages.append(PipelineStage(number, {kind.name: own.count(kind.name) for kind in kinds}))
        first += held
    return tuple(stage for stage in stages if not any(_fuller(other, stage) for other in stages))


def _in_order(kinds: Sequence[LayerKind]) -> list[str]:
    """The kind of every layer, those of the first `layers` statement first."""
    statements = dict.fromkeys(kind.statement for kind in kinds)
    placed = [
        sorted((index, kind.name) for kind in kinds if kind.statement == statement for index in kind.layers)
        for statement in statements
    ]
    return [name for layers in placed for _, name in layers]


def _fuller(one: PipelineStage, other: PipelineStage) -> bool:
    """Whether one stage has as many layers of every kind as another, or more; of equal ones the first counts."""
    if one.counts == other.counts:
        return one.number < other.number
    return all(count >= other.counts[kind] for kind, count in one.counts.items())
