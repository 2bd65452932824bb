"""Requests that a deployment does not serve: the nearest one that does."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from symsim.errors import SymsimError
from symsim.inputs.space import deployments, differences
from symsim.pipeline.compiled import Compiled
from symsim.pipeline.pipeline import compiled_as
from symsim.serving.aggregated import Deployed, deployed
from symsim.serving.ask import Ask
from symsim.serving.memory_use import room_of
from symsim.serving.model_step import EngineLayout
from symsim.serving.prediction import predicted
from symsim.serving.workload import decoding
from symsim.solve.bisection import gallop

_MOST = 1024
"""Copies of a deployment that are looked at."""


def way_out(compiled: Compiled, ask: Ask) -> str | None:
    """A sentence on what would serve requests that are not served: another mix of degrees where not one sequence fits,
    copies of the deployment where they come too fast. None where prefill and decode are apart, or nothing is found."""
    if ask.prefill is not None or ask.decode is not None:
        return None
    one = deployed(compiled, ask)
    if one.places < 1:
        return _with_room(one)
    return None if ask.rate is None else _in_copies(compiled, ask)


def _with_room(of: Deployed) -> str | None:
    """The deployment of the fewest GPUs that holds a sequence."""
    letters, deployment = decoding(of.ask.work), of.compiled.deployment
    held = of.room.weights * deployment.world_size / deployment.dp  # at least: replicas may hold the same weights
    for other in deployments(of.compiled.asked):
        if held > of.room.capacity * other.world_size:
            continue
        with suppress(SymsimError):  # it cannot be deployed so
            found = compiled_as(of.compiled, other, ("decode",))
            layout = EngineLayout.of(found)
            places = int(room_of(found, letters, layout).sequences) * layout.engines
            if places >= 1:
                sizes = ", ".join(f"{name} = {value}" for name, value in differences(of.compiled.asked, other).items())
                return f"with {sizes} there is room for {places:,} sequences"
    return None


def _in_copies(compiled: Compiled, ask: Ask) -> str | None:
    """The fewest copies that share the rate and are stable; more never hurt."""

    def unstable(copies: int) -> bool:
        return bool(predicted(compiled, replace(ask, copies=copies * ask.copies), sure=False).sentence)

    few = gallop(unstable, 1, _MOST)
    if few == _MOST:
        return None
    whole = (few + 1) * ask.copies
    return f"{whole:,} such deployments, {whole * compiled.deployment.world_size:,} GPUs, would serve this rate"
