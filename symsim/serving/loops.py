"""Closed loops of engines whose steps are a model's: limited places, budgets, quantiles, and loops by Little's law."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

from symsim.serving.engines import Served, ServingEngine
from symsim.serving.outcome import applied
from symsim.serving.quantiles import LEVELS
from symsim.serving.workload import Letters
from symsim.solve.bisection import last_holding, secants


def with_percentiles(found: Served, engine: ServingEngine) -> Served:
    """A closed loop with percentiles, and what clients in lockstep would wait."""
    if not found.solved:
        return found
    letters = found.letters
    values = {**found.values, **_spread(engine, letters)}
    return replace(found, values=values, letters={**letters, "locked": _lockstep(engine, letters)})


def queued_for_places(found: Served, clients: float, places: float) -> Served:
    """What as many clients as have a place are served, with the wait of those beyond them for one."""
    wait = max(0.0, clients - places) / found.values["rate"]
    values = {name: value + wait * name.startswith("ttft") for name, value in found.values.items()}
    load = {**found.load, "places": clients / places if math.isfinite(places) else 0.0}
    return replace(found, values=values, letters={**found.letters, "W_slot": wait}, load=load)


def _spread(engine: ServingEngine, letters: Letters) -> dict[str, float]:
    """Percentiles of times to first token and of gaps between tokens: of the other clients that are at their prompts.

    They are kept in order: a prompt of few tokens is less work than the decode it stands for."""
    found: dict[str, float] = {}
    least = {"ttft": 0.0, "itl": 0.0}
    for name, q in LEVELS.items():
        seen = applied("closed_quantile", {**letters, "q": q}, engine.time).values
        least = {"ttft": max(least["ttft"], seen["ttft_q"]), "itl": max(least["itl"], seen["itl"])}
        found |= {f"{figure}_{name}": value for figure, value in least.items()}
    del found["itl_p90"]
    return found


def _lockstep(engine: ServingEngine, letters: Letters) -> float:
    """The time to first token of clients that start together and stay so."""
    clients = letters["admitted"]
    tokens = min(clients * letters["S_new"], max(letters["budget"], letters["S_new"]))
    rows = letters["B"]
    return engine.time(letters["Q"] * rows, letters["C"] * rows, tokens, letters["pairs"] * tokens / letters["S_new"])


def rate_of_clients(
    at: Callable[[float], Served], clients: float, most: float, users: Callable[[Served], float]
) -> float:
    """The rate at which requests in the system are as many as clients: they increase with the rate, without end.

    at: what is served at a rate; most: a rate that cannot be served; users: requests in the system, which by Little's
    law are the rate times the time of one: the rate less clients over that time rises almost in a line.
    """
    at = cache(at)

    def excess(rate: float) -> float:
        found = at(rate)
        return rate - clients * rate / users(found) if found.solved else rate

    return last_holding(lambda rate: excess(rate) <= 0, most * _HARDLY, most, secants(excess))[0]


_HARDLY = 2.0**-48
"""Share of a rate that is next to none."""
