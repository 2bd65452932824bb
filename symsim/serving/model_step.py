"""The step time of a compiled model as a plain function of an engine's work, and the engine that it makes."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Literal

from symsim.errors import DeploymentError
from symsim.formula.closed_form import ClosedForm
from symsim.formula.program import program, scalar_tables
from symsim.pipeline.compiled import Compiled
from symsim.serving.engines import ServingEngine
from symsim.serving.outcome import applied
from symsim.serving.workload import Letters, Workload, decoding, prompts, spread_of_contexts


def function_of(form: ClosedForm) -> Callable[..., float]:
    """A closed form as a function of its workload symbols by keyword; sizes need not be whole, and may be zero."""
    steps = tuple((step.symbol.name, step.expr) for step in form.derivation.steps)
    compiled = program(steps, (steps[-1][0],), "python")
    fixed: dict[str, Any] = {name: float(value) for name, value in form.bound.values.items()}
    known = {name: fixed.get(name, 0.0) for name in compiled.inputs}
    tables = scalar_tables(compiled.tables, form.context, fixed)

    def at(**work: float) -> float:
        return float(compiled.run({**known, **work}, tables)[0])

    return at


def step_values(form: ClosedForm, at: Mapping[str, float], names: Sequence[str]) -> dict[str, float]:
    """Those of these named steps that a closed form has, at a point."""
    own = {step.symbol.name for step in form.derivation.steps}
    steps = tuple((step.symbol.name, step.expr) for step in form.derivation.steps)
    wanted = tuple(name for name in names if name in own)
    compiled = program(steps, wanted, "python")
    values: dict[str, Any] = {**{name: float(value) for name, value in form.bound.values.items()}, **at}
    return dict(zip(wanted, map(float, compiled.at(values, form.context)), strict=True))


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
        """Steps before the first one, where so many run. An engine that is idle looks at once; one that few keep busy
        looks at every tenth step where it looks at every thirtieth from 16 on: recipes of SGLang on Blackwell."""
        share = 0.0 if running <= 1 else _FEW if running < _MANY else 1.0
        return share * self.polls + (self.ranks if ranks > 1 else 0.0)


HOST = ("host_request", "poll_steps", "poll_ranks")
"""Symbols of what a request waits for before its first step."""

_FEW, _MANY = 1 / 3, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelStep:
    """Time of an iteration of an engine: rows of Q tokens, and prompts of `prompt` new tokens after `past` cached ones.

    Prompts and sequences are spread evenly over the attention replicas of the engine. wait: by how much of a mean
    context, over the square root of its sequences, the replica with the longest contexts has more than the mean; the
    others wait for it.
    """

    layout: EngineLayout
    ranks: int
    queries: int
    prompt: float
    past: float
    iteration: Callable[..., float]
    draft: Callable[..., float] | None = None
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
        time = self.iteration(**work, T=tokens, S=length, past=self.past if chunk else 0.0)
        return time + (self.draft(B=each, Q=1, C=work["C"]) if self.draft is not None and rows else 0.0)


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
        iteration=_iteration(compiled),
        draft=_draft(compiled, work.drafts) if drafted and work.drafts else None,
        host=Host.of(compiled.numbers.values),
        wait=_wait(work, compiled.deployment.dp // layout.engines),
    )


def _wait(work: Workload, ranks: int) -> float:
    """What the form of the longest of so many data-parallel ranks adds to one sequence of a mean context of 1."""
    spread = spread_of_contexts(work)
    if ranks < 2 or not spread:
        return 0.0
    return (applied("longest_rank", {"B": 1.0, "C": 1.0, "cv_C": spread, "G": float(ranks)}).value or 1.0) - 1


@lru_cache(maxsize=64)
def _iteration(compiled: Compiled) -> Callable[..., float]:
    """Of decodes and prompts together, of either alone by its own step; where two batches overlap, of both in turn."""
    decode, prefill = function_of(in_context(compiled)), function_of(compiled.form("ttft"))

    def at(**work: float) -> float:
        work["C"] = max(work["C"], work["Q"])  # a sequence holds the tokens that it computes
        if not work["T"] and work["Q"] == 1:
            return decode(**work)
        if not work["B"] and not work["past"]:
            return prefill(**work)
        if (mixed := _mixed(compiled)) is not None:
            return mixed(**{**work, "T": max(work["T"], _NOTHING), "B": max(work["B"], _NOTHING)})
        rows = decode(**{**work, "B": work["B"] * work["Q"]}) if work["B"] else 0.0
        return rows + (prefill(**work) if work["T"] else 0.0)

    return at


_NOTHING = 1e-6
"""Tokens in place of none: kernels of some cost models are not told for nothing."""


@lru_cache(maxsize=64)
def _mixed(compiled: Compiled) -> Callable[..., float] | None:
    """None where no iteration holds both; compiled when it is first asked for."""
    try:
        return function_of(compiled.form("iteration"))
    except DeploymentError:
        return None


def in_context(compiled: Compiled) -> ClosedForm:
    """The decode step in its mean context C."""
    form = compiled.form("tpot")
    return form.without(("C",)) if any(step.symbol.name == "C" for step in form.applied.steps) else form


def _draft(compiled: Compiled, drafts: int) -> Callable[..., float]:
    """One more layer and the LM head for each draft, as an MTP module of the model has them."""
    module = _module(compiled)
    return lambda **work: drafts * module(**work)


@lru_cache(maxsize=64)
def _module(compiled: Compiled) -> Callable[..., float]:
    form = in_context(compiled)
    layers = max(1.0, float(compiled.numbers.values.get("L", 1)))
    total, outside = function_of(form), _outside(form)
    return lambda **work: (total(**work) - outside(**work)) / layers + outside(**work)


def _outside(form: ClosedForm) -> Callable[..., float]:
    """Time of what stands outside of the layers: the embedding and the LM head."""
    names = {step.symbol.name for step in form.derivation.steps}
    steps = tuple((step.symbol.name, step.expr) for step in form.derivation.steps)
    wanted = tuple(name for name in ("t_logits", "t_embedding") if name in names)
    if not wanted:
        return lambda **work: 0.0
    compiled = program(steps, wanted, "python")
    fixed: dict[str, Any] = {name: float(value) for name, value in form.bound.values.items()}
    known = {name: fixed.get(name, 0.0) for name in compiled.inputs}
    tables = scalar_tables(compiled.tables, form.context, fixed)
    return lambda **work: float(sum(compiled.run({**known, **work}, tables)))


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
    return ServingEngine(time=lru_cache(maxsize=2**15)(step), letters=letters, work=work, affine=False)


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
