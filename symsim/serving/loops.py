"""Closed loops of engines whose steps are a model's: limited places, budgets, quantiles, and loops by Little's law."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

from symsim.serving.engines import Served, ServingEngine, closed_loop
from symsim.serving.quantiles import LEVELS
from symsim.serving.workload import Letters
from symsim.solve.bisection import last_holding, secants


def clients_of(engine: ServingEngine, clients: float, *, budget: float, places: float) -> Served:
    """Clients of one engine that always wait for their answer; those beyond its places wait for one."""
    admitted = min(clients, places)
    found = closed_loop(engine, admitted, budget=budget)
    if not found.solved:
        return found
    quantiles = _quantiles(engine, found.letters, found.values["ttft_mean"])
    values = {**found.values, **quantiles, **_gaps(engine, found.letters)}
    letters = {**found.letters, "locked": _lockstep(engine, found.letters, budget)}
    used = found.values["rate"] * (letters["S_new"] + letters["N"] * letters["Q"]) * found.values["step_mean"]
    load = {"places": 0.0, "budget": used / budget}
    return queued_for_places(replace(found, values=values, letters=letters, load=load), clients, places)


def queued_for_places(found: Served, clients: float, places: float) -> Served:
    """What as many clients as have a place are served, with the wait of those beyond them for one."""
    wait = max(0.0, clients - places) / found.values["rate"]
    values = {name: value + wait * name.startswith("ttft") for name, value in found.values.items()}
    load = {**found.load, "places": clients / places if math.isfinite(places) else 0.0}
    return replace(found, values=values, letters={**found.letters, "W_slot": wait}, load=load)


def _quantiles(engine: ServingEngine, letters: Letters, mean: float) -> dict[str, float]:
    """Of one iteration beside the others that happen to be at their prompts: a binomial number of them."""
    if "share_p" not in letters:
        return {f"ttft_{name}": mean for name in LEVELS}
    others, chunks = letters["others"], letters["chunks"]
    piece = (letters["S_new"] / chunks, letters["pairs"] / chunks)
    found: dict[str, float] = {}
    for name, q in LEVELS.items():
        beside = _binomial(others, letters["share_p"], q)
        rows = max(0.0, others - beside)
        work = (letters["Q"] * rows, letters["C"] * rows, (beside + 1) * piece[0], (beside + 1) * piece[1])
        least = max(found.values(), default=0.0)  # a prompt of few tokens is less work than the decode it stands for
        found[f"ttft_{name}"] = max(least, chunks * engine.time(*work))
    return found


def _gaps(engine: ServingEngine, letters: Letters) -> dict[str, float]:
    """Gaps between tokens: iterations beside a binomial number of prompts."""
    if "share_p" not in letters:
        return {"itl_p50": letters["X"], "itl_p99": letters["X"]}
    others, chunks, found = letters["others"], letters["chunks"], dict[str, float]()
    for name, q in (("itl_p50", 0.5), ("itl_p99", 0.99)):
        beside = _binomial(others, letters["share_p"], q)
        rows = max(0.0, others + 1 - beside)
        prompts = (beside * letters["S_new"] / chunks, beside * letters["pairs"] / chunks)
        gap = engine.time(letters["Q"] * rows, letters["C"] * rows, *prompts)
        found[name] = max([gap, *found.values()])  # a prompt of few tokens is less work than the decode it stands for
    return found


def _binomial(count: float, chance: float, level: float) -> int:
    """The smallest n whose cumulated chance reaches the level."""
    n, weight = 0, (1 - chance) ** max(0.0, count)
    reached = weight
    while reached < level and n < count and weight > 0:
        n += 1
        weight *= (count - n + 1) / n * chance / (1 - chance)
        reached += weight
    return n


def _lockstep(engine: ServingEngine, letters: Letters, budget: float) -> float:
    """The time to first token of clients that start together and stay so."""
    clients = letters["concurrency"]
    tokens = min(clients * letters["S_new"], max(budget, letters["S_new"]))
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
