"""x prefill workers, the transfer of caches, and y decode workers, each worker a deployment of its own."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from symsim.serving.aggregated import Deployed, no_room
from symsim.serving.engines import Served, decode_engine
from symsim.serving.loops import rate_of_clients
from symsim.serving.memory_use import memory_of_stages
from symsim.serving.outcome import Outcome, applied
from symsim.serving.pool import Pool, moments, queued


@dataclass(frozen=True, slots=True, kw_only=True)
class Disaggregated:
    """x workers like `prefill` and y like `decode`; a worker of several attention replicas takes as many prompts."""

    x: int
    y: int
    prefill: Deployed
    decode: Deployed

    @property
    def sides(self) -> tuple[tuple[int, Deployed], tuple[int, Deployed]]:
        """GPUs of each side, and what they run."""
        first, second = (side.compiled.deployment.world_size for side in (self.prefill, self.decode))
        return (self.x * first, self.prefill), (self.y * second, self.decode)

    @property
    def gpus(self) -> int:
        return sum(count for count, _ in self.sides)

    @property
    def servers(self) -> int:
        """Prompts that prefill workers take at once."""
        return self.x * self.prefill.layout.engines * self.prefill.layout.replicas

    @property
    def engines(self) -> int:
        return self.y * self.decode.layout.engines


def transfer_seconds(of: Disaggregated) -> float:
    """Time that the cache of a prompt takes over the links of the GPUs that hold it, of the side that has fewer."""
    compiled = of.prefill.compiled
    prompt = max(2.0, of.prefill.ask.isl.mean)
    held = max(stage["cache_per_sequence"] for stage in memory_of_stages(compiled, prompt))
    groups = (compiled.deployment.tp, of.decode.compiled.deployment.tp)
    volume = held * groups[0] * compiled.deployment.pp
    near = of.gpus <= compiled.device.gpus_per_node
    link = "nvlink" if near else "rdma"
    numbers = compiled.numbers.values
    width = float(numbers[f"{link}_bandwidth"]) * float(numbers.get(f"{link}_efficiency", 1))
    known = {"latency": 0.0, "volume": volume, "links": min(groups), "link": width}
    return applied("transfer", known).values["t_kv"]


def service_seconds(side: Deployed) -> float:
    """An iteration of a prefill worker, each of its attention replicas with one prompt: in chunks of its budget."""
    budget, prompt, start = side.budget / side.layout.replicas, side.step.prompt, side.step.past
    full = max(0, math.ceil(prompt / budget) - 1)
    rest = prompt - full * budget

    def chunk(tokens: float, past: float) -> float:
        return side.step.iteration(B=0.0, Q=1, C=1.0, T=tokens / side.step.ranks, S=tokens, past=past)

    last = chunk(rest, start + full * budget)
    if full <= _MOST_CHUNKS:
        return last + sum(chunk(budget, start + i * budget) for i in range(full))
    ends = [chunk(budget, start + i / _MOST_CHUNKS * (full - 1) * budget) for i in range(_MOST_CHUNKS + 1)]
    return last + full * (sum(ends) - (ends[0] + ends[-1]) / 2) / _MOST_CHUNKS


_MOST_CHUNKS = 256
"""Chunks of a prompt that are looked at one by one; of more, so many, as their time hardly bends along the prompt."""


def served_apart(of: Disaggregated) -> Served:
    """What the pools serve, at the rate or the concurrency that is asked for."""
    ask = of.prefill.ask
    for kind, side in (("prefill", of.prefill), ("decode", of.decode)):
        if side.places < 1:
            return Served(sentence=f"{kind} workers: {no_room(side)}")
    at = at_rates(of)
    if ask.rate is not None:
        return at(ask.rate)
    clients = float(ask.concurrency or 1)
    most = 1.05 * of.servers / service_seconds(of.prefill)
    return at(rate_of_clients(at, clients, most, lambda found: found.values["users"]))


def at_rates(of: Disaggregated) -> Callable[[float], Served]:
    """What the pools serve at a rate of requests."""
    service, t_kv = service_seconds(of.prefill), transfer_seconds(of)
    return lambda rate: _pools(of, rate, service, t_kv)


def _served_rate(of: Disaggregated, service: float) -> Outcome:
    """What both sides serve at most; by the conventions of aic where its queue is asked for."""
    letters, places = of.decode.as_engine("decode").letters, min(of.decode.places, _ENDLESS)
    known = {**letters, "x": of.servers, "s": service, "y": of.engines, "B_max": places}
    full = of.decode.step(letters["Q"] * places, letters["C"] * places, 0.0)
    name = "aic" if of.prefill.ask.queue == "aic" else "stable"
    return applied("served_rate", {**known, "t_B": full}, name=name)


_ENDLESS = 1e6


def _pools(of: Disaggregated, rate: float, service: float, t_kv: float) -> Served:
    if rate <= 0:
        return Served(sentence="no rate is as low as these clients ask for")
    side, work = of.prefill, of.prefill.ask.work
    alpha = side.as_engine("prefill").letters
    start = max(0.0, service - alpha["alpha_1"])
    letters = moments(start, {name: alpha[name] for name in alpha})
    letters = {**letters, "s": service, "s_min": service if not letters["cs"] else start}
    pool = queued(Pool(rate=rate, workers=of.servers), letters, work, queue=side.ask.queue)
    decode = decode_engine(of.decode.as_engine("decode"), rate / of.engines, places=of.decode.places)
    spaced = t_kv <= letters["s_min"]
    link = applied("link_wait", {"rate": rate, "x": of.x, "t_kv": t_kv}, name="spaced" if spaced else "poisson")
    if bad := next(
        (found.sentence for found in (pool, decode) if not found.solved), "" if link.solved else link.sentence
    ):
        return Served(sentence=bad)
    most = _served_rate(of, service)
    if most.form.name == "aic" and rate > most.values["rate_max"]:
        least = f"the conventions of aic serve {most.values['rate_max']:.4g} requests/s at most"
        return Served(sentence=f"{least}, and {rate:.4g} arrive")
    known = {
        **of.decode.as_engine("decode").letters,
        **decode.letters,
        **link.values,
        "t_kv": t_kv,
        "ttft": pool.letters["ttft"],
    }
    handed, shown = applied("handed_tpot", known), applied("pool_ttft", pool.letters)
    tpot = handed.value or 0.0
    second = applied("second_ttft", known).value or 0.0
    host = side.step.host.request
    values = {name: value + host for name, value in pool.values.items() if name.startswith("ttft")}
    values |= {"rate": rate, "tpot_mean": tpot, "ttft_second": second, "step_mean": decode.values["step_mean"]}
    values |= {"itl_p50": decode.letters["step"], "itl_p99": decode.letters["step"], "rows": decode.values["rows"]}
    values["users"] = rate * (values["ttft_mean"] + (known["O"] - 1) * tpot + known["W_slot"])
    load = {"prefill": pool.load["rho_p"], "decode": decode.load["rho_d"], "transfer": link.values["rho"]}
    load["places"] = decode.letters["B"] / of.decode.places if math.isfinite(of.decode.places) else 0.0
    own = {"link_wait": link, "handed_tpot": handed, "pool_ttft": shown, "served_rate": most}
    forms = {**pool.forms, **decode.forms, **own}
    return Served(values=values, letters={**known, **pool.letters, "tpot": tpot}, load=load, forms=forms)
