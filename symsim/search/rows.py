"""A recommended deployment in figures and in words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from symsim.algebra.units import format_range
from symsim.inputs.deployment import Deployment
from symsim.inputs.model_names import checkpoint_id
from symsim.search.candidates import DeploymentCandidate, engine_words, of_ask, served_words
from symsim.search.launch import launch_lines
from symsim.search.one_more import one_more
from symsim.search.target import Target
from symsim.serving.disaggregated import Disaggregated
from symsim.serving.prediction import Figures, predicted, predicted_apart
from symsim.serving.workload import decoding
from symsim.tables.engine_times import architecture_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RecommendedRow:
    """A deployment that does. drafts: of a sequence and step; budget: tokens of an iteration of a replica, None for
    the engine's own; load: users or requests per second of all replicas; users: at once, of all; stopped: what
    one more would fail."""

    device: str
    deployment: Mapping[str, Any]
    words: str
    mode: str
    drafts: int
    budget: int | None
    replicas: int
    gpus: int
    load: float
    users: float
    stopped: tuple[str, ...]
    figures: Figures
    formula: str
    launch: Mapping[str, str]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, unrounded."""
        found = self.figures
        return {
            "device": self.device,
            "deployment": dict(self.deployment),
            "words": self.words,
            "mode": self.mode,
            "drafts": self.drafts,
            "budget": self.budget,
            "replicas": self.replicas,
            "gpus": self.gpus,
            "concurrency": self.users,
            "running": found.running,
            "request_per_s": found.request_rate,
            "ttft_s": found.ttft["mean"],
            "tpot_s": found.tpot,
            "output_tok_per_s_per_gpu": found.per_gpu,
            "tok_per_s_per_user": None if not found.tpot else 1 / found.tpot,
            "memory_free": found.memory["free"],
            "cost_per_million_output_tokens": found.cost,
            "binding": list(dict.fromkeys((*self.stopped, *found.binding))),
            "intervals": {name: list(ends) for name, ends in found.intervals.items()},
            "formula": self.formula,
            "launch": dict(self.launch),
        }


def row_of(one: DeploymentCandidate, target: Target) -> RecommendedRow:
    """The row of a candidate, its figures with intervals."""
    compiled, pair = one.of.compiled, one.apart
    figures = predicted(compiled, of_ask(one.of.ask, one, target)) if pair is None else predicted_apart(pair)
    users = one.load if target.rate is None else figures.users or 0.0
    return RecommendedRow(
        device=compiled.device.asked,
        deployment=_sizes(compiled.deployment) if pair is None else _of_pair(pair),
        words=words_of(one),
        mode="aggregated" if pair is None else "disaggregated",
        drafts=one.of.ask.drafts,
        budget=one.of.ask.budget,
        replicas=one.replicas,
        gpus=one.gpus,
        load=one.load,
        users=users,
        stopped=one.most.stopped,
        figures=figures,
        formula=f"symsim formula {compiled.origin} --metric {_metric_at(one)}",
        launch=_launch(one, users),
    )


def _metric_at(one: DeploymentCandidate) -> str:
    """The step of its decodes: with drafts one that verifies them, beside a prompt of one token."""
    ask = one.of.ask
    sequences = f"B={max(1, round(one.found.values.get('rows', 1.0) / one.of.layout.replicas))}"
    if not ask.drafts:
        return f"tpot --at {sequences},S={ask.isl.mean:g},O={ask.osl.mean:g}"
    return f"iteration --at {sequences},Q={ask.drafts + 1},C={round(decoding(ask.work)['C'])},T=1,S=1"


def words_of(one: DeploymentCandidate) -> str:
    """`tp 4`, or `3 x tp 2 + 1 x tp 8`: prefill, then decode."""
    pair = one.apart
    if pair is None:
        return served_words(one.of)
    sides = ((pair.x, engine_words(pair.prefill.compiled.deployment)), (pair.y, served_words(pair.decode)))
    return " + ".join(f"{count} x {words}" for count, words in sides)


def _sizes(deployment: Deployment) -> dict[str, Any]:
    sizes = {field.name: getattr(deployment, field.name) for field in fields(Deployment) if field.name in _SHOWN}
    return {name: str(value) if isinstance(value, Path) else value for name, value in sizes.items()}


_SHOWN = (
    *("world_size", "num_nodes", "tp", "pp", "dp", "ep", "moe_tp", "dcp", "redundant_experts"),
    *("gemm", "kv", "comm", "engine"),
)


def _of_pair(pair: Disaggregated) -> dict[str, Any]:
    """workers, and the deployment of each, of both sides."""
    return {
        "prefill": {"workers": pair.x, **_sizes(pair.prefill.compiled.deployment)},
        "decode": {"workers": pair.y, **_sizes(pair.decode.compiled.deployment)},
    }


def _launch(one: DeploymentCandidate, users: float) -> dict[str, str]:
    """Lines of a replica; of a worker of each kind, one below the other, where they are apart."""
    of, pair, ask = one.of, one.apart, one.of.ask
    config, device = of.compiled.config, of.compiled.device
    model = str(config.path) if config.name is None else checkpoint_id(config.name)
    how: dict[str, Any] = {
        "budget": ask.budget or 0,
        "drafts": ask.drafts,
        "experts": int(of.compiled.sizes.values.get("E", 0)),
        "quantised": int("quantization_config" in config.keys),
        "scaled": int(any(layer.weight.inputs for layer in of.compiled.served.every)),
        "architecture": architecture_of(device.path.stem),
        "kernels": {op.kernel for op in of.compiled.decode.graph.ops},
        "per_host": device.gpus_per_host,
    }
    many = one.replicas if pair is None else pair.y
    decode = {"sequences": math.ceil(users / many / of.compiled.deployment.dp), **how}
    if pair is None:
        return launch_lines(model, of.compiled.deployment, **decode)
    first = launch_lines(model, pair.prefill.compiled.deployment, sequences=1, worker="prefill", **how)
    second = launch_lines(model, pair.decode.compiled.deployment, worker="decode", **decode)
    return {name: f"{line}\n{second[name]}" for name, line in first.items()}


def verdict(one: DeploymentCandidate, target: Target, figures: Figures) -> str:
    """What is best, in one sentence."""
    unit = "requests/s" if target.rate is not None else "users"
    each = f"{one.load / one.replicas:.4g} {unit}"
    replicas = f"{_count(one.replicas, 'replica')}, {each} each" if one.replicas > 1 else each
    speed = ", ".join(
        (
            f"{figures.per_gpu:,.0f} tokens/s a GPU{_between(figures, 'output_tok_per_s_per_gpu')}",
            f"TTFT {_time(figures.ttft['mean'])}{_between(figures, 'ttft_s.mean')}",
            f"TPOT {_time(figures.tpot)}{_between(figures, 'tpot_s.mean')}, in {100 * figures.level:g} % of cases",
        )
    )
    limit = " and ".join(one.most.stopped)
    tail = filter(None, (f"{limit} binds" if limit else "", one_more(one, target)))
    where = f"{_count(one.gpus, 'GPU')} of {one.of.compiled.device.name}"
    apart = " for prefill and decode" if one.apart is not None else ""
    return "; ".join([f"{words_of(one)}{apart}, {replicas}, on {where}: {speed}", *tail]) + "."


_WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


def _count(number: int, noun: str) -> str:
    """`two replicas`."""
    return f"{_WORDS[number] if number < len(_WORDS) else number} {noun}{'s' * (number != 1)}"


def _between(figures: Figures, name: str) -> str:
    """Between which values a figure is expected; empty where that is one, or nothing is known of it."""
    low, high = figures.intervals.get(name, (0.0, 0.0))
    if low == high:
        return ""
    if name.endswith("per_gpu"):
        return f" ({low:,.0f} to {high:,.0f})"
    return f" ({format_range(low, high, 's')})"


def _time(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g} s" if value >= 1 else f"{1000 * value:.3g} ms"
