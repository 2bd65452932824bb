"""What a request waits for besides the steps of its engine: one rank, the host, polls, others that start with it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache

from symsim.serving.engines import Served, ServingEngine, refused
from symsim.serving.model_step import Host
from symsim.serving.outcome import applied
from symsim.serving.quantiles import LEVELS
from symsim.serving.workload import Letters
from symsim.solve.bisection import last_holding, secants


def on_one_rank(found: Served, engine: ServingEngine, *, ranks: int, budget: float) -> Served:
    """One rank of data-parallel attention computes a prompt, in one of its batches in flight, which forms of an
    iteration spread over all of them. ranks: batches of all ranks."""
    if ranks < 2 or not found.solved:
        return found
    values, letters, closed = dict(found.values), found.letters, found.forms.get("closed_tpot")
    others = 1.0 if closed is None else 1 - 1 / max(1.0, letters["concurrency"])
    beside = others * values.get("rate", letters["rate"]) * values["step_mean"]
    running = {"q_0": beside, "B": others * values.get("rows", 0.0)}
    known = {"chunks": 1.0, **letters, **running, "ranks": ranks, "budget": budget}
    name = "fullest" if closed is None else "no-sooner"
    longer = applied("rank_wait", known, engine.time, name=name)
    if not longer.solved:
        return refused(longer)
    wait = longer.values["W_rank"]
    values |= _rate_after(found, wait)
    values |= {name: value + wait for name, value in values.items() if name.startswith("ttft_")}
    letters = {**letters, "ttft": values["ttft_mean"], "rate": values.get("rate", letters["rate"]), "W_rank": wait}
    return replace(found, values=values, letters=letters, forms={**found.forms, "rank_wait": longer})


def _rate_after(found: Served, wait: float) -> Letters:
    """The rate of a closed loop whose clients wait so much longer, by Little's law; an open loop keeps its own."""
    values = found.values
    if "closed_tpot" not in found.forms:
        return {}
    answered = values["ttft_mean"] + (found.letters["O"] - 1) * values["tpot_mean"]
    return {"rate": values["rate"] * (answered / (answered + wait))}


def after_waits(found: Served, host: Host, ranks: int) -> Served:
    """An open loop: before its first step a request waits for the host, and for a step at which the engine looks for
    requests. Forms count the half step that is left on average of the one that a request arrives in.

    It comes at any time between two looks: the longest waits are twice the mean.
    """
    values = dict(found.values)
    polls = host.steps(values.get("rows", 0.0), ranks)
    late = _late(found, polls) - min(polls, 0.5) * values.get("step_mean", 0.0)
    values["ttft_mean"] += late + host.request
    for name, level in LEVELS.items():
        values[f"ttft_{name}"] += host.request + 2 * level * late
    letters = {**found.letters, "ttft": values["ttft_mean"], "rate": values.get("rate", found.letters["rate"])}
    return replace(found, values=values, letters=letters)


def _late(found: Served, polls: float) -> float:
    """Seconds until the engine looks for requests, and of the prompts that are computed with one's own as it does not
    look at every step: those of the steps between two looks."""
    values = found.values
    prompts = values.get("rate", found.letters["rate"]) * found.letters["alpha_1"]
    return (polls + 2 * max(0.0, polls - 1) * prompts) * values.get("step_mean", 0.0)


def admitted(
    at: Callable[[float], Served], clients: float, *, places: float, host: Host, ranks: int
) -> tuple[float, float]:
    """Of clients of whom some wait for the host, for a step at which the engine looks for requests, or for a place: how
    many it attends to, as many as the rate at which it answers them leaves (Little's law), and how long the others wait
    at the least before their first step.

    at: what is served of so many that it attends to.
    """
    at = cache(at)
    polls = host.steps(clients, ranks)

    def before(n: float) -> float:
        """An engine looks at once where there is no other."""
        return host.request + (_late(at(n), polls) * min(1.0, n - 1) if n > 1 else 0.0)

    def beyond(n: float) -> float:
        return n + at(n).values["rate"] * before(n) - clients

    most = min(clients, places)
    if not at(most).solved or beyond(most) <= 0:
        return most, before(most) if at(most).solved else 0.0
    waiting = at(most).values["rate"] * before(most)
    found = min(most, clients / (1 + waiting / most))  # right where nothing else is waited for
    if abs(beyond(found)) > _CLOSE * (clients - found):
        least = max(_HARDLY * most, min(most - waiting, (1 - _HARDLY) * most))
        found = last_holding(lambda n: beyond(n) <= 0, least, most, secants(beyond))[0]
    return found, before(found)


_HARDLY = 1e-9

_CLOSE = 1e-3
"""Of those that wait, so many may be counted twice or not at all."""


def after_turns(found: Served, clients: float, *, places: float, host: Host, before: float) -> Served:
    """What those that an engine attends to are served, and what all wait before: those beyond its places wait for the
    host meanwhile."""
    if not found.solved:
        return found
    waited = (clients - found.letters["admitted"]) / found.values["rate"]
    place = waited - before if clients > places else 0.0
    values = dict(found.values)
    values["ttft_mean"] += waited
    for name, level in LEVELS.items():
        values[f"ttft_{name}"] += place + host.request + 2 * level * (waited - host.request - place)
    letters = {**found.letters, "concurrency": clients, "W_slot": place, "ttft": values["ttft_mean"]}
    load = {**found.load, "places": clients / places if math.isfinite(places) else 0.0}
    return replace(found, values=values, letters=letters, load=load)


def from_a_start(
    found: Served, engine: ServingEngine, host: Host, *, ranks: int, clients: float, budget: float, share: float
) -> Served:
    """The same of all requests of a benchmark, with the share of them that its clients send at once at the start, who
    wait for the prompts of each other, longer than the rest. Rates stay those of the loop that goes on."""
    letters = found.letters
    known = {**letters, "concurrency": clients, "budget": budget, "ranks": ranks}
    start = applied("start_ttft", {**known, "t_host": host.request, "share_1": share}, engine.time)
    if not start.solved:
        return refused(start)
    values = {**found.values, "ttft_mean": start.values["start_ttft"]}
    batch, batches = start.values["Y"], start.values["batches"]
    for name, level in LEVELS.items():
        beyond = 1 - (1 - level) / share
        if beyond > 0:
            slow = host.request + batch * (1 + beyond * (batches - 1))
            values[f"ttft_{name}"] = max(found.values[f"ttft_{name}"], slow)
    forms = {**found.forms, "start_ttft": start}
    letters = {**letters, "ttft": values["ttft_mean"], "W_start": values["ttft_mean"] - letters["ttft"]}
    return replace(found, values=values, letters=letters, forms=forms)
