"""What a request waits for besides the steps of its engine: one rank, the host, polls, others that start with it."""

from __future__ import annotations

from dataclasses import replace

from symsim.serving.engines import Served, ServingEngine, refused
from symsim.serving.model_step import Host
from symsim.serving.outcome import applied
from symsim.serving.quantiles import LEVELS
from symsim.serving.workload import Letters


def on_one_rank(found: Served, engine: ServingEngine, *, ranks: int, budget: float) -> Served:
    """One rank of data-parallel attention computes a prompt, which forms of an iteration spread over all of them."""
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
    """Before its first step a request waits for the host, and for a step at which the engine looks for requests: with
    those that came since it looked last, whose prompts are computed with its own.

    It comes at any time between two looks: the longest waits are twice the mean. In a closed loop that time is one that
    a client does not decode in: the rate follows by Little's law. Forms of an open loop count the half step that is
    left on average of the one that a request arrives in.
    """
    values, closed = dict(found.values), "closed_tpot" in found.forms
    polls = host.steps(found.letters["concurrency"] if closed else values.get("rows", 0.0), ranks)
    polls = polls if closed else max(0.0, polls - 0.5)
    prompts = values.get("rate", found.letters["rate"]) * found.letters["alpha_1"]
    fixed, late = host.request, polls * values.get("step_mean", 0.0) * (1 + 2 * prompts)
    if closed:
        fixed -= min(late + fixed, found.letters.get("W_slot", 0.0))  # those who queue for a place do so meanwhile
    values |= _rate_after(found, late + fixed)
    values["ttft_mean"] += late + fixed
    for name, level in LEVELS.items():
        values[f"ttft_{name}"] += fixed + 2 * level * late
    letters = {**found.letters, "ttft": values["ttft_mean"], "rate": values.get("rate", found.letters["rate"])}
    return replace(found, values=values, letters=letters)


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
