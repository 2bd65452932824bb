"""Requests that a deployment does not serve: the nearest one that does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace

from symsim.algebra.units import format_quantity
from symsim.errors import SymsimError
from symsim.inputs.space import deployments, differences
from symsim.pipeline.compiled import Compiled
from symsim.pipeline.pipeline import compiled_as
from symsim.serving.aggregated import Deployed, deployed
from symsim.serving.ask import Ask
from symsim.serving.memory_use import room_of
from symsim.serving.model_step import EngineLayout
from symsim.serving.prediction import Figures, predicted, workers
from symsim.serving.workload import decoding
from symsim.solve.bisection import gallop

_MOST = 1024
"""Copies of a deployment, and workers of a kind, that are looked at."""

_DOUBLINGS = 9
"""Of a token budget that are looked at."""


def way_out(compiled: Compiled, ask: Ask) -> str | None:
    """A sentence on what would serve requests that are not served: another mix of degrees where not one sequence fits,
    copies of the deployment, or more workers, where they come too fast. None where nothing is found."""
    if ask.prefill is not None and ask.decode is not None:
        crowded = next(((kind, one) for kind, one in workers(compiled, ask).items() if one.places < 1), None)
        if crowded is not None:
            way = _with_room(crowded[1])
            return None if way is None else f"{crowded[0]} workers: {way}"
        return None if ask.rate is None else _in_workers(compiled, ask, ask.prefill, ask.decode)
    one = deployed(compiled, ask)
    if one.places < 1:
        return _with_room(one)
    if ask.rate is None:
        return None
    ways = [*_by_settings(compiled, ask, one), _in_copies(compiled, ask)]
    found = ", or ".join(way for way in ways if way)
    return f"{found}, would serve this rate" if found else None


def _by_settings(compiled: Compiled, ask: Ask, one: Deployed) -> Iterator[str]:
    """What an engine may be started with: the least larger budget that does, or no limit of sequences."""
    if not ask.exclusive_prefill:
        budgets = (int(one.budget) << power for power in range(1, _DOUBLINGS))
        larger = next((budget for budget in budgets if _stable(compiled, replace(ask, budget=budget))), None)
        if larger is not None:
            yield f"a token budget of {larger:,} (--budget)"
    if ask.max_running is not None and _stable(compiled, replace(ask, max_running=None)):
        yield f"more than {ask.max_running:,} sequences at once (--max-running)"


def more_room(compiled: Compiled, ask: Ask, figures: Figures) -> str | None:
    """What a cache in a narrower format would serve of requests that wait for a place in it; None where none is
    narrower, where it serves no more and no sooner, or where prefill and decode are apart."""
    if ask.prefill is not None or not figures.request_rate or not figures.ttft["mean"]:
        return None
    asked = compiled.asked
    bare = {name: None for name in ("world_size", "dp") if name not in asked.given}
    with suppress(SymsimError):  # no kernel reads such caches there
        narrow = compiled_as(compiled, replace(asked, kv="fp8", **bare))
        held = [deployed(one, ask).places for one in (compiled, narrow)]
        found = predicted(narrow, ask, sure=False)
        sooner = (found.ttft["mean"] or math.inf) < _SOONER * figures.ttft["mean"]
        if held[1] > held[0] and sooner and (found.request_rate or 0.0) >= figures.request_rate:
            does = f"{found.request_rate:.4g} requests/s, TTFT {format_quantity(found.ttft['mean'] or 0.0, 's', 3)}"
            return f"a cache in fp8 (--kv fp8) holds {held[1]:,g} sequences, not {held[0]:,g}: {does}"
    return None


_SOONER = 0.95
"""Of the time to first token, from where on it is worth a sentence."""


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
                return f"with {sizes} there is room for {places:,} sequence{'s' if places > 1 else ''}"
    return None


def _in_copies(compiled: Compiled, ask: Ask) -> str | None:
    """The fewest copies that share the rate and are stable."""
    copies = _fewest(1, lambda many: _stable(compiled, replace(ask, copies=many * ask.copies)))
    if copies is None:
        return None
    whole = copies * ask.copies
    return f"{whole:,} such deployments, {whole * compiled.deployment.world_size:,} GPUs"


def _in_workers(compiled: Compiled, ask: Ask, prefill: tuple[int, str], decode: tuple[int, str]) -> str | None:
    """The fewest workers of either kind: those that decode beside all that may prefill, then those that prefill."""

    def stable(x: int, y: int) -> bool:
        return _stable(compiled, replace(ask, prefill=(x, prefill[1]), decode=(y, decode[1])))

    y = _fewest(decode[0], lambda many: stable(_MOST, many))
    x = None if y is None else _fewest(prefill[0], lambda many: stable(many, y))
    if x is None or y is None:
        return None
    gpus = predicted(compiled, replace(ask, prefill=(x, prefill[1]), decode=(y, decode[1])), sure=False).gpus
    return f"{x:,} x {prefill[1]} to prefill and {y:,} x {decode[1]} to decode, {gpus:,} GPUs, would serve this rate"


def _stable(compiled: Compiled, ask: Ask) -> bool:
    return not predicted(compiled, ask, sure=False).sentence


def _fewest(first: int, does: Callable[[int], bool]) -> int | None:
    """The least number from `first` on that does; more never hurt."""
    if does(first):
        return first
    few = gallop(lambda many: not does(many), first, _MOST)
    return None if few >= _MOST else few + 1
