"""What fills the memory of a GPU under load, and how many sequences its cache holds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from symsim.pipeline.compiled import Compiled
from symsim.serving.model_step import Layout, values_of
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

    def filled(self, running: float, layout: Layout) -> dict[str, float | None]:
        """The parts with so many running sequences of an engine."""
        cache = min(max(0.0, self.space), running / layout.replicas * layout.held * self.sequence)
        known = self.weights + (self.activations or 0.0) + max(0.0, self.space)
        return {
            "weights": self.weights,
            "cache": cache,
            "activations": self.activations,
            "reserve": max(0.0, self.capacity - known),
            "free": self.space - cache,
            "kv_tokens": self.tokens,
        }


def room_of(compiled: Compiled, letters: Letters, layout: Layout) -> Room:
    """Room for caches, paged: a sequence holds its mean context."""
    context = max(2.0, letters["C"])
    at = {"B": 1.0, "S": context - 1, "O": 1.0}
    found = values_of(compiled.form("max_batch"), at, ("weights", "activations", "cache_space", "cache_per_sequence"))
    space, sequence = found["cache_space"], found["cache_per_sequence"]
    each = math.inf if not sequence else max(0.0, space) / (layout.held * sequence)
    return Room(
        capacity=float(compiled.numbers.values["hbm_capacity"]),
        weights=found["weights"],
        activations=found.get("activations"),
        space=space,
        sequence=sequence,
        sequences=each * layout.replicas,
        tokens=each * layout.replicas * context,
    )


def shares(parts: Mapping[str, float | None]) -> dict[str, float]:
    """Parts of the memory that are known and not nothing."""
    return {name: value for name, value in parts.items() if value and name != "kv_tokens"}
