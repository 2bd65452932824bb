"""Engines that do both and pairs of workers: what serves most, and what serves a load with the fewest GPUs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
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
    refusal_of,
    seconds_of_request,
    too_slow,
)
from symsim.search.sides import Side, decode_side, pace_of, prefill_side
from symsim.search.target import Target
from symsim.serving.aggregated import Deployed
from symsim.serving.disaggregated import service_seconds
from symsim.serving.workload import decoding


def best_candidates(base: Compiled, target: Target, refused: RefusedCandidate, top: int) -> list[DeploymentCandidate]:
    """Those of a device that may be among the `top`, of engines of every size that the GPUs allow."""
    together: list[DeploymentCandidate] = []
    every, alone = list[_Sides](), list[Contender]()
    sizes = engine_sizes(*(target.gpus or (1, max(_LARGEST, base.device.gpus_per_node))))
    for size in sizes:
        if target.gpus is None and size > min((one.gpus for one in together), default=math.inf):
            break  # replicas of a smaller engine serve the load with fewer GPUs
        own = _sides(list(engines(base, target, size, refused)), target)
        every += own
        contending = [] if target.mode == "disaggregated" else list(_contending(own, target, refused))
        alone += contending
        if target.gpus is None:
            together += best_first(contending, partial(_score, target=target), top, together)
    pairs = list(_pairs(every, target, refused)) if target.mode != "aggregated" else []
    before = sum(refused.reasons.values())
    left = pairs if target.gpus is None else [*alone, *pairs]
    found = best_first(left, partial(_score, target=target), top, together)
    told = sum(refused.reasons.values()) - before
    refused.reasons[OUTDONE] += len(alone) + len(pairs) - len(together) - len(found) - told
    return [*together, *found]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sides:
    """An engine, and what it serves at most of either side."""

    of: Deployed
    prefill: Side | None
    decode: Side | None


def _sides(own: Sequence[Deployed], target: Target) -> list[_Sides]:
    """Of ways to take the requests, an engine prefills by that which cuts prompts the least."""
    groups: dict[int, list[Deployed]] = {}
    for of in own:
        groups.setdefault(id(of.compiled), []).append(of)
    firsts = {key: prefill_side(min(group, key=_prefills), target) for key, group in groups.items()}
    paces = {(id(of.compiled), of.ask.drafts): pace_of(of) for of in own}
    seconds = [decode_side(of, target, paces[id(of.compiled), of.ask.drafts]) for of in own]
    return [_Sides(of=of, prefill=firsts[id(of.compiled)], decode=d) for of, d in zip(own, seconds, strict=True)]


def _prefills(of: Deployed) -> tuple[int, int]:
    """Drafts, which prompts are not served by, and iterations of a prompt."""
    return of.ask.drafts, math.ceil(of.step.prompt * of.layout.replicas / of.budget)


def _contending(own: Sequence[_Sides], target: Target, refused: RefusedCandidate) -> Iterator[Contender]:
    """Engines that do both; those that cannot decode within the limit are refused."""
    for one in own:
        if one.decode is not None:
            yield _alone(one, one.decode, target, refused)
        else:
            refused.add(*refusal_of(one.of, target))


def _pairs(every: Sequence[_Sides], target: Target, refused: RefusedCandidate) -> Iterator[Contender]:
    """Workers of two kinds: a budget and drafts are of both."""
    first = {id(one.of.compiled): one.prefill for one in every if one.prefill is not None}
    second = [one.decode for one in every if one.decode and one.of.ask.budget == target.ask.budget]
    if target.mode == "disaggregated" and not (first and second):
        for one in every:
            refused.add(TOO_SLOW, _slow_worker(one.of, target))
    for pair in pairs_of([*first.values()], second, target):
        yield _apart(pair, target)


def _slow_worker(of: Deployed, target: Target) -> Miss:
    """How far a worker that does one thing only is over the limit that it fails by more."""
    limits, letters = target.limits, decoding(of.ask.work)
    prefill = service_seconds(of) + of.step.host.request
    decode = letters["N"] / max(1e-9, letters["O"] - 1) * of.step(letters["Q"], letters["C"], 0.0)
    times = (("prefill", "TTFT", prefill, limits.ttft), ("decode", "TPOT", decode, limits.tpot))
    side, name, value, limit = max(times, key=lambda one: one[2] / one[3])
    return too_slow(f"{engine_words(of.compiled.deployment)} for {side}: with one request alone", name, value, limit)


TOO_SLOW = "one prompt or one sequence alone is too slow for a worker"


_LARGEST = 64
"""GPUs of an engine, where nothing says how many there are."""


def _alone(one: _Sides, decode: Side, target: Target, refused: RefusedCandidate) -> Contender:
    """An engine that does both serves no more than it would of either by itself."""
    of = one.of
    gpus = of.compiled.deployment.world_size
    prompts = of.budget / of.step(0.0, 0.0, of.budget) / of.step.prompt
    most = _SLACK * min(max(prompts, 0.0 if one.prefill is None else one.prefill.rate), decode.rate)
    bound, guess = most / gpus, 1 / (1 / prompts + 1 / decode.rate) / gpus
    if target.load is not None:
        bound = guess = -gpus * max(1.0, target.load // _most_load(of, most, target))
    return Contender(
        bound=bound,
        guess=guess,
        kind=("alone", id(of.compiled)),
        candidate=partial(candidate, of, target, refused, decode.rows),
    )


def _most_load(of: Deployed, rate: float, target: Target) -> float:
    """Of one engine that serves no more than a rate: users are no more than its places, and than are there by Little's
    law while both limits hold."""
    if target.rate is not None:
        return rate
    return min(of.places, rate * (target.limits.ttft + (of.ask.osl.mean - 1) * target.limits.tpot))


_SLACK = 1.1
"""Fitted times of kernels need not rise with every token, and a step of both is one of larger kernels."""


def _apart(pair: Pair, target: Target) -> Contender:
    bound = -float(pair.gpus) if target.load is not None else pair.bound / pair.gpus
    return Contender(
        bound=bound,
        guess=bound,
        kind=("apart", id(pair.decode.of.compiled)),
        candidate=partial(pair_candidate, pair, target),
    )


def _score(one: DeploymentCandidate, target: Target) -> float:
    """More is better: for a load fewer GPUs, and of as many the sooner answer; else requests per second of a GPU."""
    if target.load is not None:
        return -float(one.gpus) - _SOONER * seconds_of_request(one.found)
    return one.output_rate / one.gpus / one.of.ask.osl.mean


_SOONER = 1e-6
"""GPUs that a second is worth: less than one, however long answers are."""
