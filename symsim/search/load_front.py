"""The front of recommended deployments: tokens per second of a user and of a GPU, over loads, whatever the limits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from symsim.search.candidates import DeploymentCandidate
from symsim.search.largest_load import MOST, at_load
from symsim.search.pareto import FrontPoint, undominated
from symsim.search.rows import words_of
from symsim.serving.disaggregated import at_rates
from symsim.serving.engines import Served

_STEPS = 8
"""Rates at which workers apart are looked at."""


def front_of(candidates: Sequence[DeploymentCandidate]) -> list[FrontPoint]:
    """Points that no other beats, by falling tokens per second of a user, each with its deployment and users."""
    points = [point for one in candidates for point in _points(one)]
    rates = (np.array([getattr(point, name) for point in points]) for name in ("per_user", "per_gpu"))
    return [points[i] for i in undominated(*rates)]


def _points(one: DeploymentCandidate) -> Iterator[FrontPoint]:
    osl, labels = one.of.ask.osl.mean, {"device": one.of.compiled.device.name, "deployment": words_of(one)}
    gpus = one.of.compiled.deployment.world_size if one.apart is None else one.apart.gpus
    for users, found in _served(one):
        if found.solved and found.values.get("tpot_mean"):
            own = {**labels, "users": round(users / gpus * one.gpus)}
            yield FrontPoint(1 / found.values["tpot_mean"], found.values["rate"] * osl / gpus, own)


def _served(one: DeploymentCandidate) -> Iterator[tuple[float, Served]]:
    """(users, what is served) of one engine at powers of two, or of workers apart at shares of what they serve."""
    if one.apart is not None:
        at = at_rates(one.apart)
        for step in range(1, _STEPS + 1):
            found = at(one.found.values["rate"] * step / _STEPS)
            yield found.values.get("users", 0.0), found
        return
    users = 1
    while users <= min(one.of.places, MOST):
        yield users, at_load(one.of, float(users))
        users *= 2
