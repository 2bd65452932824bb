"""Engines that do both and pairs of workers: what serves most, and what serves a load with the fewest GPUs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from symsim.inputs.space import engine_sizes
from symsim.pipeline.compiled import Compiled
from symsim.search.apart import Pair, pair_candidate, pairs_of
from symsim.search.best_first import Contender, best_first
from symsim.search.candidates import (
    OUTDONE,
    DeploymentCandidate,
    Miss,
    RefusedCandidate,
    candidate,
    engine_words,
    engines,
    seconds_of_request,
    too_slow,
)
from symsim.search.sides import Side, decode_side, prefill_side
from symsim.search.target import Target
from symsim.search.variants import chunked, drafting, other_ways
from symsim.serving.aggregated import Deployed
from symsim.serving.disaggregated import service_seconds
from symsim.serving.workload import decoding


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ways:
    """What an engine may be a part of. of: as it was asked for; prefill: as a worker that only prefills; decode: as one
    that only decodes, with as many drafts as it serves most with; None where it is too slow alone."""

    of: Deployed
    prefill: Side | None
    decode: Side | None

    @classmethod
    def found(cls, of: Deployed, target: Target) -> _Ways:
        decodes = filter(None, (decode_side(one, target) for one in drafting(of, target)))
        decode = max(decodes, key=lambda side: side.rate, default=None)
        return cls(of=of, prefill=prefill_side(of, target), decode=decode)


def best_candidates(base: Compiled, target: Target, refused: RefusedCandidate, top: int) -> list[DeploymentCandidate]:
    """Those of a device that may be among the `top`, of engines of every size that the GPUs allow."""
    if target.gpus is None:
        every, together = _smallest(base, target, refused)
    else:
        every = [of for size in engine_sizes(*target.gpus) for of in engines(base, target, size, refused)]
        together = list(_together(every, target, refused)) if target.load is not None else []
    ways = [_Ways.found(of, target) for of in every]
    alone: list[Contender] = []
    if target.load is None and target.mode != "disaggregated":
        alone = [one for way in ways for one in _alone(way, target, refused)]
        slow = [way.of for way in ways if way.prefill is None or way.decode is None]
        together = list(_together(slow, target, refused))
    pairs: list[Contender] = []
    if target.mode != "aggregated":
        first = [way.prefill for way in ways if way.prefill is not None]
        second = [way.decode for way in ways if way.decode is not None]
        pairs = [_apart(pair, target) for pair in pairs_of(first, second, target)]
        if target.mode == "disaggregated" and not (first and second):
            for of in every:
                refused.add(TOO_SLOW, _slow_worker(of, target))
    before = sum(refused.reasons.values())
    found = best_first([*alone, *pairs], partial(_score, target=target), top, together)
    refused.reasons[OUTDONE] += len(alone) + len(pairs) - len(found) - (sum(refused.reasons.values()) - before)
    return [*together, *(_in_chunks(one, target) for one in found)]


def _in_chunks(one: DeploymentCandidate, target: Target) -> DeploymentCandidate:
    """With chunks of the size that it serves most with, where they stand beside decodes."""
    if one.apart is not None:
        return one
    others = (candidate(of, target, RefusedCandidate()) for of in chunked(one.of))
    return max(filter(None, (one, *others)), key=partial(_score, target=target))


def _slow_worker(of: Deployed, target: Target) -> Miss:
    """How far a worker that does one thing only is over the limit that it fails by more."""
    limits, letters = target.limits, decoding(of.ask.work)
    prefill = service_seconds(of) + of.step.host.request
    decode = letters["N"] / max(1e-9, letters["O"] - 1) * of.step(letters["Q"], letters["C"], 0.0)
    times = (("prefill", "TTFT", prefill, limits.ttft), ("decode", "TPOT", decode, limits.tpot))
    side, name, value, limit = max(times, key=lambda one: one[2] / one[3])
    return too_slow(f"{engine_words(of.compiled.deployment)} for {side}: with one request alone", name, value, limit)


TOO_SLOW = "one prompt or one sequence alone is too slow for a worker"


def _smallest(
    base: Compiled, target: Target, refused: RefusedCandidate
) -> tuple[list[Deployed], list[DeploymentCandidate]]:
    """Engines, and those that serve a load, of sizes that go up until one alone has more GPUs than replicas of a
    smaller one need."""
    every, together = list[Deployed](), list[DeploymentCandidate]()
    for size in engine_sizes(1, max(_LARGEST, base.device.gpus_per_node)):
        if size > min((one.gpus for one in together), default=math.inf):
            break
        own = list(engines(base, target, size, refused))
        every += own
        together += _together(own, target, refused)
    return every, together


_LARGEST = 64
"""GPUs of an engine, where nothing says how many there are."""


def _together(every: Iterable[Deployed], target: Target, refused: RefusedCandidate) -> Iterator[DeploymentCandidate]:
    """What engines that do both serve, of those that are asked for, each in the way that serves best."""
    if target.mode != "disaggregated":
        yield from filter(None, (_best_way(of, target, refused) for of in every))


def _best_way(of: Deployed, target: Target, refused: RefusedCandidate) -> DeploymentCandidate | None:
    first = candidate(of, target, refused)
    others = (candidate(one, target, RefusedCandidate()) for one in other_ways(of, target))
    found = filter(None, (first, *others))
    return min(found, key=lambda one: (one.gpus, seconds_of_request(one.found)), default=None)


def _alone(ways: _Ways, target: Target, refused: RefusedCandidate) -> Iterator[Contender]:
    """An engine that does both serves no more than it would of either by itself."""
    if ways.prefill is None or ways.decode is None:
        return
    of, gpus = ways.decode.of, ways.of.compiled.deployment.world_size
    prompts = of.budget / of.step(0.0, 0.0, of.budget) / of.step.prompt
    yield Contender(
        bound=_SLACK * min(max(prompts, ways.prefill.rate), ways.decode.rate) / gpus,
        guess=1 / (1 / prompts + 1 / ways.decode.rate) / gpus,
        kind=("alone", id(ways.of)),
        candidate=lambda least: candidate(of, target, refused),
    )


_SLACK = 1.1
"""Fitted times of kernels need not rise with every token, and a step of both is one of larger kernels."""


def _apart(pair: Pair, target: Target) -> Contender:
    bound = -float(pair.gpus) if target.load is not None else pair.bound / pair.gpus
    return Contender(
        bound=bound,
        guess=bound,
        kind=("apart", id(pair.decode)),
        candidate=partial(pair_candidate, pair, target),
    )


def _score(one: DeploymentCandidate, target: Target) -> float:
    """More is better: fewer GPUs for a load, else requests per second of a GPU."""
    return -float(one.gpus) if target.load is not None else one.output_rate / one.gpus / one.of.ask.osl.mean
