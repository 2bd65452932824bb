"""What fills the memory of a GPU under load, and how many sequences its cache holds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from symsim.pipeline.compiled import Compiled
from symsim.pipeline.draft_memory import draft_memory
from symsim.serving.model_step import EngineLayout
from symsim.serving.step_functions import step_values
from symsim.serving.workload import Letters


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Bytes of one GPU: capacity, weights, activations (None where nothing counts them), reserve; token: cache of one
    token; sequence: of one sequence at its mean context. sequences, tokens: that the cache of an engine holds."""

    capacity: float
    weights: float
    activations: float | None
    space: float
    sequence: float
    sequences: float
    tokens: float

    def filled(self, running: float, layout: EngineLayout) -> dict[str, float | None]:
        """The parts with so many running sequences of an engine."""
        cache = min(max(0.0, self.space), running / layout.replicas * layout.held * self.sequence)
        known = self.weights + (self.activations or 0.0) + self.space
        return {
            "weights": self.weights,
            "cache": cache,
            "activations": self.activations,
            "reserve": max(0.0, self.capacity - known),
            "free": self.space - cache,
            "kv_tokens": self.tokens,
        }


def room_of(compiled: Compiled, letters: Letters, layout: EngineLayout, budget: int | None = None) -> Room:
    """Room for caches, paged: a sequence holds its mean context. Of pipeline stages, that which holds the fewest;
    while drafts are asked for, the model's modules for them are held beside. budget: tokens of the largest step, None
    for the engine's own."""
    context = max(2.0, letters["C"])
    stages = memory_of_stages(compiled, context, budget)
    modules = draft_memory(compiled, context) if letters.get("drafts") else None
    if modules is not None:
        more = {"weights": modules.weights, "cache_space": -modules.weights, "cache_per_sequence": modules.sequence}
        stages = [{part: amount + more.get(part, 0.0) for part, amount in stage.items()} for stage in stages]
    each, fullest = min(((_held(stage, layout), stage) for stage in stages), key=lambda held: held[0])
    return Room(
        capacity=float(compiled.numbers.values["hbm_capacity"]),
        weights=fullest["weights"],
        activations=fullest.get("activations"),
        space=fullest["cache_space"],
        sequence=fullest["cache_per_sequence"],
        sequences=each * layout.replicas,
        tokens=each * layout.replicas * context,
    )


@lru_cache(maxsize=1024)
def memory_of_stages(compiled: Compiled, context: float, budget: int | None = None) -> Sequence[Mapping[str, float]]:
    """Weights, activations where they are counted, cache_space and cache_per_sequence of a GPU, in bytes, of each
    pipeline stage that may be the fullest. context: tokens of a sequence; budget: of the largest step."""
    form = compiled.form("max_batch")
    own = {step.symbol.name for step in form.derivation.steps}
    apart = [f"_stage{number}" for number in compiled.decode.graph.stages]
    ends = [end for end in apart if f"cache_space{end}" in own] or [""]
    names = [f"{part}{end}" for part in _OF_A_STAGE for end in ends]
    at = {"B": 1.0, "S": context - 1, "O": 1.0, **({"max_tokens": float(budget)} if budget else {})}
    found = step_values(form, at, ("activations", *names))
    shared = {name: value for name, value in found.items() if name == "activations"}
    return [{**shared, **{part: found[f"{part}{end}"] for part in _OF_A_STAGE}} for end in ends]


_OF_A_STAGE = ("weights", "cache_space", "cache_per_sequence")


def _held(stage: Mapping[str, float], layout: EngineLayout) -> float:
    """Sequences whose caches a GPU of a stage holds."""
    sequence = stage["cache_per_sequence"]
    return math.inf if not sequence else max(0.0, stage["cache_space"]) / (layout.held * sequence)
