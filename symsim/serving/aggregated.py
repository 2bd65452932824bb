"""Engines that prefill and decode: what they serve, open or closed loop."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

from symsim.pipeline.compiled import Compiled
from symsim.serving.ask import Ask
from symsim.serving.engines import Served, ServingEngine, closed_loop, exclusive_engine, mixed_engine
from symsim.serving.loops import queued_for_places, rate_of_clients, with_percentiles
from symsim.serving.memory_use import Room, room_of
from symsim.serving.model_step import EngineLayout, ModelStep, Role, engine_of, step_of
from symsim.serving.waits import admitted, after_turns, after_waits, from_a_start, on_one_rank
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
    host, ranks, share = of.step.host, of.layout.ranks, of.ask.first_share
    clients = float(of.ask.concurrency or 1) / of.engines
    if of.ask.rate is None and not of.ask.exclusive_prefill:
        found = _loop(of, clients)
    else:
        found = at_rate(of, of.ask.rate / of.engines) if of.ask.rate is not None else _exclusive_loop(of, clients)
        found = after_waits(found, host, ranks) if found.solved and "ttft_mean" in found.values else found
    if not share or not found.solved:
        return found
    clients, batches = min(clients, of.places), of.layout.replicas
    return from_a_start(found, of.engine, host, ranks=batches, clients=clients, budget=of.budget, share=share)


def _loop(of: Deployed, clients: float) -> Served:
    """Clients that always wait for their answer, each for the host, for a place and for a step with its prompt."""
    host, engine, budget = of.step.host, of.engine, of.budget
    loop = cache(lambda n: closed_loop(engine, n, budget=budget))

    def at(n: float) -> Served:
        return _on_one_rank(of, loop(n))

    count, before = admitted(at, clients, places=of.places, host=host, ranks=of.layout.ranks)
    found = _on_one_rank(of, with_percentiles(loop(count), engine))
    return after_turns(found, clients, places=of.places, host=host, before=before)


def _exclusive_loop(of: Deployed, clients: float) -> Served:
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
    return _on_one_rank(of, _exclusive(of, rate) if of.ask.exclusive_prefill else _mixed(of, rate))


def _on_one_rank(of: Deployed, found: Served) -> Served:
    return on_one_rank(found, of.engine, ranks=of.layout.replicas, budget=of.budget)


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
        most = closed_loop(of.engine, of.places, budget=of.budget)
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
