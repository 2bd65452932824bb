"""Prefill and decode on workers of their own: of all pairs of engines and numbers of each, those that serve most."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from symsim.search.candidates import DeploymentCandidate
from symsim.search.largest_load import Reached, most_requests
from symsim.search.sides import Side
from symsim.search.target import Target
from symsim.serving.aggregated import deployed
from symsim.serving.disaggregated import Disaggregated, at_rates, served_apart
from symsim.serving.engines import Served


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
        """Both asked alike: with the budget of the side that prefills, and the drafts of the side that decodes."""
        ask = replace(self.decode.of.ask, budget=self.prefill.of.ask.budget)
        first, second = (side.of if side.of.ask == ask else deployed(side.of.compiled, ask) for side in self.sides)
        return Disaggregated(x=self.x, y=self.y, prefill=first, decode=second)

    @property
    def sides(self) -> tuple[Side, Side]:
        return self.prefill, self.decode


def pairs_of(prefills: Sequence[Side], decodes: Sequence[Side], target: Target) -> Iterator[Pair]:
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


def pair_candidate(pair: Pair, target: Target, least: float) -> DeploymentCandidate | None:
    """The largest load of a pair within the limits, or the one that is asked for; None where that is not within, or
    where its score is not above the least."""
    of = pair.deployed()
    if min(of.prefill.places, of.decode.places) < 1:
        return None
    if target.load is not None:
        by = "rate" if target.rate is not None else "concurrency"
        of = with_load(of, by, target.load)
        found = served_apart(of)
        if target.limits.failing(_stalled(found)):
            return None
        most = Reached(load=target.load, found=found, stopped=())
        return DeploymentCandidate(of=of.decode, apart=of, replicas=1, load=target.load, found=found, most=most)
    at = _with_stall(at_rates(of), math.inf if target.limits.all_stated else of.servers + of.engines * of.decode.places)
    most = most_requests(at, target.limits, pair.bound, max(0.0, least) * pair.gpus)
    if most is None or (users := math.floor(most.found.values["users"] + 1e-9)) < 1:
        return None
    of = with_load(of, "concurrency", float(users))
    full = "prefill workers" if pair.x * pair.prefill.rate < pair.y * pair.decode.rate else "decode workers"
    most = replace(
        most, load=users, stopped=tuple(full if name == "load" else name for name in most.stopped or ("load",))
    )
    return DeploymentCandidate(of=of.decode, apart=of, replicas=1, load=users, found=most.found, most=most)


def _with_stall(at: Callable[[float], Served], places: float) -> Callable[[float], Served]:
    """places: for users of both sides; where no limit of time does, more of them would only wait for each other."""

    def within(rate: float) -> Served:
        found = _stalled(at(rate))
        waits = found.solved and found.values["users"] > places
        return Served(sentence="all places are taken") if waits else found

    return within


def _stalled(found: Served) -> Served:
    """The same, with the wait for a place to decode counted as time per output token, as clients see it."""
    if not found.solved:
        return found
    stall = found.letters["W_slot"] / max(1.0, found.letters["O"] - 1)
    return replace(found, values={**found.values, "tpot_mean": found.values["tpot_mean"] + stall})


def with_load(of: Disaggregated, by: str, load: float) -> Disaggregated:
    """The same workers, asked for another load; drafts are those that decode workers are asked for."""
    ask = replace(of.decode.ask, **{"rate": None, "concurrency": None, by: load})
    return replace(of, prefill=replace(of.prefill, ask=ask), decode=replace(of.decode, ask=ask))
