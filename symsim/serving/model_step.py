"""The step time of a compiled model as a plain function of an engine's work, and the engine that it makes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from symsim.errors import DeploymentError
from symsim.pipeline.compiled import Compiled
from symsim.serving.engines import ServingEngine
from symsim.serving.outcome import applied
from symsim.serving.program import StepFunction
from symsim.serving.step_functions import decodes_over, drafts_of, iteration_of
from symsim.serving.workload import Letters, Workload, decoding, prompts, spread_of_contexts


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLayout:
    """How the GPUs of a deployment serve. engines: that step apart; replicas: attention replicas of an engine, stages
    and overlapped batches included; gpus: of an engine; held: replicas whose caches one GPU holds."""

    engines: int
    replicas: int
    gpus: int
    held: int

    @property
    def ranks(self) -> int:
        """Of attention-DP, that step together."""
        return self.replicas // self.held

    @classmethod
    def of(cls, compiled: Compiled) -> EngineLayout:
        """Attention replicas that share experts step together; those of a dense model by themselves."""
        deployed = compiled.deployment
        group = deployed.tp * deployed.cp
        has_experts = "E" in compiled.numbers.values or "ep" in compiled.form("tpot").symbols
        shared = max(1, deployed.experts_over * deployed.experts_split // group) if has_experts else 1
        engines = max(1, deployed.dp // shared)
        batches = 2 if compiled.decode.overlapped else 1
        lanes = deployed.dp // engines * deployed.pp * batches
        held = deployed.pp * batches
        return cls(engines=engines, replicas=lanes, gpus=deployed.world_size // engines, held=held)


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What a request waits for before its first step: seconds of the host, steps until the engine looks for it, and
    steps until ranks of attention-DP have prompts together."""

    request: float = 0.0
    polls: float = 0.0
    ranks: float = 0.0

    @classmethod
    def of(cls, numbers: Mapping[str, Any]) -> Host:
        """numbers: behind the symbols of an engine."""
        request, polls, ranks = (float(numbers.get(name, 0)) for name in HOST)
        return cls(request=request, polls=polls, ranks=ranks)

    def steps(self, running: float, ranks: int) -> float:
        """Steps before the first one, where so many run. An idle engine looks at once; one that does not look at
        every step looks at every tenth while few run and at every thirtieth from 16 on: recipes of SGLang on
        Blackwell."""
        often = min(1.0, self.polls) if running > 1 else 0.0
        seldom = self.polls * (_FEW if running < _MANY else 1.0) if running > 1 else 0.0
        return max(often, seldom) + (self.ranks if ranks > 1 else 0.0)


HOST = ("host_request", "poll_steps", "poll_ranks")
"""Symbols of what a request waits for before its first step."""

_FEW, _MANY = 1 / 3, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStep:
    """Time of an iteration of an engine: rows of Q tokens, and prompts of `prompt` new tokens after `past` cached ones.

    Prompts and sequences are spread evenly over the attention replicas of the engine. wait: by how much of a mean
    context, over the square root of its sequences, the replica with the longest contexts has more than the mean; the
    others wait for it. over: of decodes by themselves, drafts included, the time of many batches at once, where no
    figure of it is looked up in a table.
    """

    layout: EngineLayout
    ranks: int
    queries: int
    prompt: float
    past: float
    iteration: Callable[..., float]
    draft: Callable[..., float] | None = None
    over: Callable[..., NDArray[np.float64]] | None = None
    host: Host = field(default_factory=Host)
    wait: float = 0.0

    def __call__(self, rows: float, context: float, chunk: float, pairs: float = 0.0) -> float:
        """Seconds; pairs follow from the prompts."""
        sequences = rows / self.queries
        each = sequences / self.layout.replicas
        work = {"B": each, "Q": self.queries, "C": context / sequences if sequences else 1.0}
        work["C"] *= 1 + self.wait / math.sqrt(max(1.0, each))
        tokens = chunk / (self.layout.replicas * self.ranks)
        length = min(self.prompt, chunk) if chunk else self.prompt
        past = self.past + (self.prompt - length) / 2 if chunk else 0.0  # of a chunk: half of the others came before
        time = self.iteration(**work, T=tokens, S=length, past=past)
        return time + (self.draft(B=each, Q=1, C=work["C"]) if self.draft is not None and rows else 0.0)

    def each_of(self, sequences: NDArray[np.float64], context: float) -> NDArray[np.float64]:
        """Seconds of so many sequences that decode, of a mean context, at once."""
        each = sequences / self.layout.replicas
        contexts = context * (1 + self.wait / np.sqrt(np.maximum(1.0, each)))
        if self.over is not None:
            with suppress(DeploymentError):  # no iteration holds drafts
                return self.over(each, contexts, self.prompt)
        return np.array([self(self.queries * n, context * n, 0.0) for n in sequences.tolist()])


def step_of(compiled: Compiled, work: Workload, *, drafted: bool = True) -> ModelStep:
    """The time of an iteration of an engine that serves this workload."""
    past = work.found * work.hitting * work.input.mean
    layout = EngineLayout.of(compiled)
    return ModelStep(
        layout=layout,
        ranks=compiled.deployment.cp,
        queries=work.queries,
        prompt=max(1.0, work.input.mean - past),
        past=past,
        iteration=iteration_of(compiled),
        draft=drafts_of(compiled, work.drafts) if drafted and work.drafts else None,
        over=decodes_over(compiled, work.queries, work.drafts if drafted else 0),
        host=Host.of(compiled.numbers.values),
        wait=_wait(work, compiled.deployment.dp // layout.engines),
    )


@lru_cache(maxsize=1024)
def _wait(work: Workload, ranks: int) -> float:
    """What the form of the longest of so many data-parallel ranks adds to one sequence of a mean context of 1."""
    spread = spread_of_contexts(work)
    if ranks < 2 or not spread:
        return 0.0
    return (applied("longest_rank", {"B": 1.0, "C": 1.0, "cv_C": spread, "G": float(ranks)}).value or 1.0) - 1


Role = Literal["both", "prefill", "decode"]
"""What an engine does."""


@lru_cache(maxsize=256)
def engine_of(
    step: ModelStep, work: Workload, *, budget: float, batch: float = 256.0, role: Role = "both"
) -> ServingEngine:
    """The engine of a model. Its letters are differences of its exact step time: tau of a sequence from half a batch to
    a whole one, alpha of a prompt beside those that fill the token budget, and beside a decode where it has any."""
    answers = decoding(work)
    most = max(2.0, batch)
    half, full = (_decodes(step, answers, count) for count in (most / 2, most))
    tau = max(0.0, (full - half) / (most / 2))
    beside = (answers["Q"], answers["C"]) if role == "both" else (0.0, 0.0)
    alpha = {} if role == "decode" else prompts(work, _prompt_cost(step, beside, budget))
    letters = {**answers, **alpha, "tau": tau, "t_0": max(0.0, half - tau * most / 2)}
    time = lru_cache(maxsize=2**15)(step) if role != "decode" else _tabled(step, answers)
    return ServingEngine(time=time, letters=letters, work=work, affine=False)


_BLOCK = 128
"""Batches whose times are worked out at once."""


def _tabled(step: ModelStep, answers: Letters) -> StepFunction:
    """The time of a step, of whole numbers of sequences that only decode from a table that is filled as it is read."""
    exact, table = lru_cache(maxsize=2**15)(step), dict[int, list[float]]()
    queries, context = answers["Q"], answers["C"]

    def time(rows: float, contexts: float, chunk: float, pairs: float) -> float:
        count = round(rows / queries)
        if chunk or count < 1 or rows != queries * count or contexts != context * count:
            return exact(rows, contexts, chunk, pairs)
        block, place = divmod(count - 1, _BLOCK)
        if block not in table:
            first = block * _BLOCK + 1
            table[block] = step.each_of(np.arange(first, first + _BLOCK, dtype=float), context).tolist()
        return table[block][place]

    return time


def _decodes(step: ModelStep, answers: Letters, count: float) -> float:
    return step(answers["Q"] * count, answers["C"] * count, 0.0)


def _prompt_cost(step: ModelStep, beside: tuple[float, float], budget: float) -> tuple[float, float]:
    """Seconds of a new token and of a pair: of prompts of the mean length and of half of it, each beside others."""
    full, half = (_marginal(step, beside, step.prompt * share, budget) for share in (1.0, 0.5))
    s, past = step.prompt, step.past
    pairs = [n * past + n * (n + 1) / 2 for n in (s, s / 2)]
    determinant = s * pairs[1] - s / 2 * pairs[0]
    pair = (s * half - s / 2 * full) / determinant if determinant else 0.0
    pair = min(max(0.0, pair), full / pairs[0])
    return (full - pair * pairs[0]) / s, pair


def _marginal(step: ModelStep, beside: tuple[float, float], length: float, budget: float) -> float:
    """What one more prompt of a length adds to an iteration that others fill. beside: rows and context of decodes."""
    others = max(1.0, min(budget, 16 * length) // length - 1)
    shorter = replace(step, prompt=length)
    return max(0.0, shorter(*beside, length * (others + 1)) - shorter(*beside, length * others))
