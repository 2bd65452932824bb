"""Engines that prefill and decode: what they serve, open or closed loop."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from symsim.pipeline.compiled import Compiled
from symsim.serving.ask import Ask
from symsim.serving.engines import Served, ServingEngine, exclusive_engine, mixed_engine
from symsim.serving.loops import clients_of, queued_for_places, rate_of_clients
from symsim.serving.memory_use import Room, room_of
from symsim.serving.model_step import EngineLayout, Host, ModelStep, Role, engine_of, step_of
from symsim.serving.workload import decoding

USUAL_BUDGET = 8192
"""Tokens of an iteration where neither an engine nor the user states them: `vllm serve` on GPUs of 70 GiB and more."""

_TANGENT = 256.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """One kind of engine, ready to be asked: its step, places and room."""

    compiled: Compiled
    ask: Ask
    layout: EngineLayout
    step: ModelStep
    room: Room
    budget: float
    places: float

    @property
    def engine(self) -> ServingEngine:
        """What steps together, and its letters; an iteration of both kinds is compiled when it is first asked for."""
        return self.as_engine("both")

    def as_engine(self, role: Role) -> ServingEngine:
        """The same where it only prefills, or only decodes."""
        batch = min(self.places, _TANGENT * self.layout.replicas)
        return engine_of(self.step, self.ask.work, budget=self.budget, batch=batch, role=role)

    @property
    def engines(self) -> int:
        """Of all copies of the deployment."""
        return self.layout.engines * self.ask.copies

    @property
    def known(self) -> bool:
        """Whether the engine states its own budget."""
        return bool(self.compiled.numbers.values.get("max_tokens"))


def deployed(compiled: Compiled, ask: Ask) -> Deployed:
    """A compiled model with the requests that it is to serve."""
    step, work = step_of(compiled, ask.work), ask.work
    layout, stated = step.layout, compiled.numbers.values
    budget = float(ask.budget or stated.get("max_tokens", 0) or USUAL_BUDGET)
    room = room_of(compiled, decoding(work), layout, ask.budget)
    limit = ask.max_running or float(stated.get("max_sequences", 0) or math.inf) * layout.replicas
    places = min(math.floor(room.sequences) if math.isfinite(room.sequences) else math.inf, limit)
    return Deployed(
        compiled=compiled,
        ask=ask,
        layout=layout,
        step=step,
        room=room,
        budget=budget * layout.replicas,
        places=places,
    )


def served(of: Deployed) -> Served:
    """What one engine of those deployed serves of the requests, times of its host included."""
    if of.places < 1:
        return Served(sentence=no_room(of))
    found = _without_host(of)
    return _after_host(found, of.step.host, of.layout.ranks) if found.solved else found


def _after_host(found: Served, host: Host, ranks: int) -> Served:
    """Before its first step a request waits for the host, and for a step at which the engine looks for requests: with
    those that came since it looked last, whose prompts are computed with its own.

    In a closed loop that time is one that a client does not decode in: the rate follows by Little's law. Forms of an
    open loop count the half step that is left on average of the one that a request arrives in.
    """
    values, closed = dict(found.values), "closed_tpot" in found.forms
    polls = host.steps(found.letters["concurrency"] if closed else values.get("rows", 0.0), ranks)
    polls = polls if closed else max(0.0, polls - 0.5)
    prompts = values.get("rate", found.letters["rate"]) * found.letters["alpha_1"]
    wait = host.request + polls * values.get("step_mean", 0.0) * (1 + 2 * prompts)
    if not wait or "ttft_mean" not in values:
        return found
    if "closed_tpot" in found.forms:
        wait = max(0.0, wait - found.letters.get("W_slot", 0.0))  # those who queue for a place do so meanwhile
        answered = values["ttft_mean"] + (found.letters["O"] - 1) * values["tpot_mean"]
        values["rate"] *= answered / (answered + wait)
    values |= {name: value + wait for name, value in values.items() if name.startswith("ttft")}
    letters = {**found.letters, "ttft": values["ttft_mean"], "rate": values.get("rate", found.letters["rate"])}
    return replace(found, values=values, letters=letters)


def _without_host(of: Deployed) -> Served:
    if of.ask.rate is not None:
        return at_rate(of, of.ask.rate / of.engines)
    clients = float(of.ask.concurrency or 1) / of.engines
    if not of.ask.exclusive_prefill:
        return clients_of(of.engine, clients, budget=of.budget, places=of.places)
    most = 1 / max(1e-12, of.engine.letters["alpha_1"])
    rate = rate_of_clients(lambda rate: at_rate(of, rate), min(clients, of.places), most, _users)
    found = at_rate(of, rate)
    return queued_for_places(found, clients, of.places) if found.solved else found


def no_room(of: Deployed) -> str:
    """That a sequence has no place, in bytes of a GPU."""
    room = of.room
    need, space = room.sequence, max(0.0, room.space)
    return (
        f"not one sequence fits: its cache needs {need / 1e9:.3g} GB of a GPU, and beside the weights "
        f"({room.weights / 1e9:.3g} of {room.capacity / 1e9:.3g} GB) {space / 1e9:.3g} GB are left"
    )


def at_rate(of: Deployed, rate: float) -> Served:
    """One engine at its own rate of requests."""
    if not of.ask.exclusive_prefill:
        return _mixed(of, rate)
    return _exclusive(of, rate)


def _exclusive(of: Deployed, rate: float) -> Served:
    """Prompts first; what runs at once is limited by places, of which those that wait for one are not counted."""
    found = exclusive_engine(of.engine, rate)
    for _ in range(3):  # the step is affine around the batch that runs
        if not found.solved:
            break
        running = min(max(2.0, 2 * found.values["rows"]), of.places)
        found = exclusive_engine(engine_of(of.step, of.ask.work, budget=of.budget, batch=running), rate)
    if not found.solved:
        return found
    rows = found.values["rows"]
    if rows > of.places:
        return Served(sentence=f"unstable: {rows:.4g} sequences would run at once, and there are {of.places:g} places")
    load = {**found.load, "places": rows / of.places} if math.isfinite(of.places) else found.load
    return _with_rate(replace(found, load=load), rate)


def _mixed(of: Deployed, rate: float) -> Served:
    """Chunks beside decodes; an engine whose places are all taken serves as fast as that many clients make it."""
    load = {}
    if math.isfinite(of.places):
        most = clients_of(of.engine, of.places, budget=of.budget, places=of.places)
        if most.solved:
            load = {"capacity": rate / most.values["rate"]}
            if rate >= most.values["rate"]:
                return Served(sentence=_too_much(of, rate, most))
    found = mixed_engine(of.engine, rate, budget=of.budget, places=of.places)
    return _with_rate(replace(found, load={**found.load, **load}), rate)


def _too_much(of: Deployed, rate: float, fullest: Served) -> str:
    """fullest: what is served while all places are taken."""
    most, budget = fullest.values["rate"], fullest.load["budget"] > _FULL_BUDGET
    full = f"with its token budget of {of.budget:g} full" if budget else f"with all of its {of.places:g} places taken"
    serves = f"an engine serves at most {most:.4g} requests/s, {full}"
    return f"unstable: {serves}, and {rate:.4g} arrive (load {rate / most:.3g})"


_FULL_BUDGET = 0.999


def _with_rate(found: Served, rate: float) -> Served:
    return replace(found, values={**found.values, "rate": rate}) if found.solved else found


def _users(found: Served) -> float:
    """Requests in the system, by Little's law."""
    values, letters = found.values, found.letters
    return letters["rate"] * (values["ttft_mean"] + (letters["O"] - 1) * values["tpot_mean"])
