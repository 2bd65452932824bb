"""Engines of a model on a device, each with the largest load that it serves within limits; refused ones by reason."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from symsim.errors import DeploymentError
from symsim.inputs.deployment import Deployment
from symsim.inputs.space import engines_of
from symsim.pipeline.compiled import Compiled
from symsim.pipeline.pipeline import compiled_as
from symsim.search.largest_load import Reached, at_load, most_requests, most_users
from symsim.search.launch import refusal
from symsim.search.target import Target
from symsim.search.variants import asks_tried
from symsim.serving.aggregated import Deployed, deployed
from symsim.serving.ask import Ask
from symsim.serving.disaggregated import Disaggregated
from symsim.serving.engines import Served
from symsim.serving.memory_use import memory_of_stages


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentCandidate:
    """Replicas of one engine. load: users or requests per second of all of them; found: what one of them serves then;
    most: the largest load of one of them. apart: workers for prefill and decode, where they are: then `of` decodes, and
    all are one replica."""

    of: Deployed
    apart: Disaggregated | None = None
    replicas: int
    load: float
    found: Served
    most: Reached

    @property
    def gpus(self) -> int:
        if self.apart is not None:
            return self.apart.gpus
        return self.replicas * self.of.compiled.deployment.world_size

    @property
    def output_rate(self) -> float:
        """Output tokens per second of all replicas."""
        return self.replicas * self.found.values["rate"] * self.of.ask.osl.mean


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """An engine that cannot: how many times as much as the limit it needs, of memory or else of time or load, and a
    sentence. What has no room is farther off than what is too slow."""

    no_room: bool = False
    ratio: float
    sentence: str

    @property
    def far(self) -> tuple[bool, float]:
        return self.no_room, self.ratio


@dataclass(slots=True, kw_only=True)
class RefusedCandidate:
    """Reason -> how many deployments; nearest: the one that misses by the least."""

    reasons: Counter[str] = field(default_factory=Counter[str])
    nearest: Miss | None = None

    def add(self, reason: str, miss: Miss | None = None, count: int = 1) -> None:
        self.reasons[reason] += count
        if miss is not None and (self.nearest is None or miss.far < self.nearest.far):
            self.nearest = miss


def engines(base: Compiled, target: Target, size: int, refused: RefusedCandidate) -> Iterator[Deployed]:
    """Every engine of so many GPUs, once for each way to take requests, that holds a sequence beside the weights.
    base: the model on one GPU; where its weights do not even fit when all GPUs share them evenly, nothing is compiled.
    """
    known, per_node, asks = base.sizes.values, base.device.gpus_per_node, asks_tried(base, target)
    heads = {"experts": int(known.get("E", 0)), "kv_heads": int(known.get("G", 1))}
    crowded = _crowded(base, size)
    for deployment in engines_of(base.asked, size, **heads, per_node=per_node):
        if crowded is not None:
            refused.add(NO_ROOM, crowded, len(asks))
            continue
        able = [ask for ask in asks if not _refused(base, deployment, ask, refused)]
        try:
            compiled = compiled_as(base, deployment) if able else None
        except DeploymentError as error:
            refused.add(_kind(str(error)), count=len(able))
            continue
        for of in (deployed(compiled, ask) for ask in able if compiled is not None):
            if of.places >= 1:
                yield of
            else:
                refused.add(NO_ROOM, _too_large(of))


def _refused(base: Compiled, deployment: Deployment, ask: Ask, refused: RefusedCandidate) -> bool:
    """Whether the engine says that it cannot, which is counted."""
    why = "" if base.engine is None else refusal(base.engine, deployment, drafts=ask.drafts)
    if why:
        refused.add(why)
    return bool(why)


OUTDONE = "others do better"
NO_ROOM = "not one sequence fits beside the weights"


def _crowded(base: Compiled, size: int) -> Miss | None:
    """That weights alone are more than the memory of so many GPUs."""
    weights, capacity = memory_of_stages(base, 2.0)[0]["weights"], float(base.numbers.values["hbm_capacity"])
    if weights <= size * capacity:
        return None
    need = f"the weights ({weights / 1e9:.4g} GB) are more than the {size * capacity / 1e9:.4g} GB of {size} GPUs"
    return Miss(no_room=True, ratio=weights / size / capacity, sentence=need.replace(" 1 GPUs", " one GPU"))


def largest(of: Deployed, target: Target, least: float = 0.0, near: int = 1) -> Reached | None:
    """The largest load of one engine within the limits; None where the least load already fails one, or where the rate
    of requests is not above the least that is of use. near: users to begin with."""
    if target.rate is None:
        return most_users(of, target.limits, least, near)
    return most_requests(lambda rate: at_load(of, rate), target.limits, target.rate)


def candidate(
    of: Deployed, target: Target, refused: RefusedCandidate, near: int = 1, least: float = -math.inf
) -> DeploymentCandidate | None:
    """As many replicas as there is room for, or as the load needs; None, counted, where that cannot be, and None where
    the score is not above the least: requests per second of a GPU, or GPUs below zero for a load. near: users of an
    engine to begin with."""
    size, load = of.compiled.deployment.world_size, target.load
    if load is not None and math.isfinite(least) and not _within(of, target, -least // size):
        return None
    most = largest(of, target, max(0.0, least) * size if load is None else 0.0, near)
    if most is None:
        if least <= 0:
            refused.add(*refusal_of(of, target))
        return None
    room = math.inf if target.gpus is None else target.gpus[1] // size
    if load is None:
        replicas = int(room)
        return DeploymentCandidate(of=of, replicas=replicas, load=most.load * replicas, found=most.found, most=most)
    replicas = max(math.ceil(load / most.load - 1e-9), 1 if target.gpus is None else math.ceil(target.gpus[0] / size))
    if replicas > room:
        served = f"{most.load * room:.4g} {_unit(target)}"
        miss = Miss(ratio=replicas / room, sentence=f"{room} x {engine_words(of.compiled.deployment)} serve {served}")
        refused.add(f"{_unit(target)} are more than its replicas serve", miss)
        return None
    found = most.found if load == most.load * replicas else at_load(of, load / replicas)
    return DeploymentCandidate(of=of, replicas=replicas, load=load, found=found, most=most)


def _within(of: Deployed, target: Target, replicas: float) -> bool:
    """Whether so many replicas serve the load that is asked for within the limits."""
    return replicas >= 1 and not target.limits.failing(at_load(of, (target.load or 0.0) / replicas))


def _lightest(of: Deployed, target: Target) -> Served:
    """What is served of one user, or of hardly any requests."""
    return at_load(of, 1.0 if target.rate is None else target.rate * 2.0**-16)


def seconds_of_request(found: Served) -> float:
    """From a request to its last token, in the mean."""
    values = found.values
    return values["ttft_mean"] + (found.letters["O"] - 1) * values.get("tpot_mean", 0.0)


def _unit(target: Target) -> str:
    return "users" if target.rate is None else "requests/s"


def refusal_of(of: Deployed, target: Target) -> tuple[str, Miss | None]:
    """The limit that fails at the least load, and by how much."""
    found = _lightest(of, target)
    failed = target.limits.failing(found)
    if not found.solved:
        return "nothing is served", None
    name, value, limit = max(target.limits.compared(found), key=lambda one: one[1] / one[2])
    alone = "one user alone" if target.rate is None else "hardly any load"
    start = f"{engine_words(of.compiled.deployment)}: with {alone}"
    return f"{' and '.join(failed)} fails with {alone}", too_slow(start, name, value, limit)


def too_slow(start: str, name: str, value: float, limit: float) -> Miss:
    """By how much a time, in seconds, is over its limit. start: of the sentence, what it is the time of."""
    over = f"{name} is {1000 * value:.3g} ms, {value / limit - 1:.1%} over {1000 * limit:.4g} ms"
    return Miss(ratio=value / limit, sentence=f"{start} {over}")


def _too_large(of: Deployed) -> Miss:
    """How much memory one sequence would need beside the weights, as a share of what there is."""
    room = of.room
    short = room.sequence * of.layout.held - room.space
    over = f"one sequence and the weights need {short / 1e9:.3g} GB more than the {room.capacity / 1e9:.4g} GB of a GPU"
    return Miss(
        no_room=True, ratio=1 + short / room.capacity, sentence=f"{engine_words(of.compiled.deployment)}: {over}"
    )


def engine_words(deployment: Deployment) -> str:
    """`tp 4, pp 2`: what an engine is besides one GPU."""
    sizes = [(name, getattr(deployment, name)) for name in ("tp", "pp", "dcp", "dp", "ep", "moe_tp")]
    parts = [f"{name} {size}" for name, size in sizes if size not in (None, 1)]
    parts += [f"{deployment.redundant_experts} redundant experts"] * bool(deployment.redundant_experts)
    parts += [deployment.comm] * (deployment.comm != "allreduce")
    return ", ".join(parts) or "one GPU"


def served_words(of: Deployed) -> str:
    """The engine, and how it serves: `tp 4, 2 drafts, chunks of 2048`."""
    ask, parts = of.ask, [engine_words(of.compiled.deployment)]
    parts += [f"{ask.drafts} draft{'s' * (ask.drafts > 1)}"] * bool(ask.drafts)
    parts += [f"chunks of {ask.budget}"] if ask.budget else []
    return ", ".join(parts)


def _kind(sentence: str) -> str:
    """A sentence without its numbers, so that those of one kind are counted together."""
    first = re.split(r", as graphs/|; ", sentence)[0]
    return re.sub(r" = [\w.]+|\s*\([^)]*\)", "", first)


def of_ask(ask: Ask, one: DeploymentCandidate, target: Target) -> Ask:
    """What a prediction of a candidate is asked."""
    load = {"rate": one.load} if target.rate is not None else {"concurrency": one.load}
    return replace(ask, **{"rate": None, "concurrency": None, **load, "copies": one.replicas})
