"""Prefill and decode on workers of their own: of all pairs of engines and numbers of each, those that serve most."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from symsim.search.candidates import Candidate
from symsim.search.largest_load import Reached, most_requests
from symsim.search.target import Target
from symsim.serving.aggregated import Deployed
from symsim.serving.disaggregated import Disaggregated, at_rates, served_apart, service_seconds
from symsim.serving.engines import Served, decode_engine


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Workers of one kind. rate: requests per second that one of them serves at the most, whatever the other side is:
    prefill without a wait, decode within the limit of TPOT without the wait for a cache."""

    of: Deployed
    rate: float

    @property
    def size(self) -> int:
        return self.of.compiled.deployment.world_size


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """x and y workers, and the rate that they cannot exceed."""

    x: int
    y: int
    prefill: Side
    decode: Side

    @property
    def bound(self) -> float:
        return min(self.x * self.prefill.rate, self.y * self.decode.rate)

    @property
    def gpus(self) -> int:
        return self.x * self.prefill.size + self.y * self.decode.size

    def deployed(self) -> Disaggregated:
        return Disaggregated(x=self.x, y=self.y, prefill=self.prefill.of, decode=self.decode.of)


def apart(engines: Sequence[Deployed], target: Target, top: int) -> list[Candidate]:
    """The best pair of each engine that decodes, of as many as may be among the `top`: a pair is worked out only where
    its bound is above what was found already."""
    prefills = [side for of in engines if (side := _prefill(of, target)) is not None]
    decodes = [side for of in engines if (side := _decode(of, target)) is not None]
    pairs = sorted(_pairs(prefills, decodes, target), key=lambda pair: _order(pair, target))
    best: dict[int, Candidate] = {}
    leading: list[float] = []
    for pair in pairs:
        bound = -_order(pair, target)
        known = best.get(id(pair.decode))
        if len(leading) >= top and bound <= leading[0]:
            break
        if known is not None and bound <= _score(known, target):
            continue
        found = _candidate(pair, target)
        if found is not None and (known is None or _score(found, target) > _score(known, target)):
            best[id(pair.decode)] = found
            leading = heapq.nlargest(top, (_score(one, target) for one in best.values()))[::-1]
    return list(best.values())


def _order(pair: Pair, target: Target) -> float:
    """Less is better: GPUs for a load, else requests per second of a GPU, at the bound."""
    return float(pair.gpus) if target.load is not None else -pair.bound / pair.gpus


def _score(one: Candidate, target: Target) -> float:
    return -float(one.gpus) if target.load is not None else one.output_rate / one.gpus / one.of.ask.osl.mean


def _prefill(of: Deployed, target: Target) -> Side | None:
    """None where a prompt takes too long even without a wait."""
    service = service_seconds(of)
    if service + of.step.host.request > target.limits.ttft:
        return None
    return Side(of=of, rate=of.layout.engines * of.layout.replicas / service)


def _decode(of: Deployed, target: Target) -> Side | None:
    """None where one sequence alone is too slow."""
    letters = of.engine.letters
    alone = of.step(letters["Q"], letters["C"], 0.0)
    most = min(of.places, 2.0**16) / max(1e-12, letters["N"] * alone)

    def at(rate: float) -> Served:
        found = decode_engine(of.engine, rate, places=of.places)
        return replace(found, values={**found.values, "ttft_mean": 0.0}) if found.solved else found

    reached = most_requests(at, target.limits, most)
    return None if reached is None else Side(of=of, rate=reached.load * of.layout.engines)


def _pairs(prefills: Sequence[Side], decodes: Sequence[Side], target: Target) -> Iterator[Pair]:
    """Of each two engines the numbers of workers that are best matched."""
    for prefill in prefills:
        for decode in decodes:
            both = {"prefill": prefill, "decode": decode}
            counts = _needed(prefill, decode, target) if target.gpus is None else _filling(prefill, decode, target.gpus)
            found = [Pair(x=x, y=y, **both) for x, y in counts]
            if found:
                yield from heapq.nlargest(_MATCHES, found, key=lambda pair: pair.bound / pair.gpus)


_MATCHES = 2
"""Numbers of workers of one pair that are looked at: the best matched, and the next best."""


def _filling(prefill: Side, decode: Side, gpus: tuple[int, int]) -> list[tuple[int, int]]:
    """(x, y) that leave none of the GPUs idle."""
    every = ((x, (gpus[1] - x * prefill.size) // decode.size) for x in range(1, gpus[1] // prefill.size + 1))
    return [(x, y) for x, y in every if y >= 1 and x * prefill.size + y * decode.size >= gpus[0]]


def _needed(prefill: Side, decode: Side, target: Target) -> list[tuple[int, int]]:
    """(x, y) that a load needs at least, and a worker more of either or both."""
    rate = target.rate
    if rate is None:
        each = min(target.limits.ttft, 10.0) + (target.ask.osl.mean - 1) * min(target.limits.tpot, 1.0)
        rate = (target.users or 1.0) / each
    x, y = (max(1, math.ceil(rate / side.rate)) for side in (prefill, decode))
    return [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)]


def _candidate(pair: Pair, target: Target) -> Candidate | None:
    """The largest load of a pair within the limits, or the one that is asked for; None where that is not within."""
    of = pair.deployed()
    if target.load is not None:
        by = "rate" if target.rate is not None else "concurrency"
        of = with_load(of, by, target.load)
        found = served_apart(of)
        if target.limits.failing(found):
            return None
        most = Reached(load=target.load, found=found, stopped=())
        return Candidate(of=of.decode, apart=of, replicas=1, load=target.load, found=found, most=most)
    most = most_requests(at_rates(of), target.limits, pair.bound)
    if most is None or (users := math.floor(most.found.values["users"] + 1e-9)) < 1:
        return None
    of = with_load(of, "concurrency", float(users))
    stopped = most.stopped or ("prefill" if pair.x * pair.prefill.rate < pair.y * pair.decode.rate else "TPOT",)
    return Candidate(
        of=of.decode,
        apart=of,
        replicas=1,
        load=users,
        found=most.found,
        most=replace(most, load=users, stopped=stopped),
    )


def with_load(of: Disaggregated, by: str, load: float) -> Disaggregated:
    """The same workers, asked for another load."""
    ask = replace(of.prefill.ask, **{"rate": None, "concurrency": None, by: load})
    return replace(of, prefill=replace(of.prefill, ask=ask), decode=replace(of.decode, ask=ask))
