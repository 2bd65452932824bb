"""How a model is served: GPUs, parallelism, precisions, communication. And the workload it serves."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Literal, get_args

from symsim.errors import DeploymentError, did_you_mean

Precision = Literal["bf16", "fp8", "checkpoint"]
Communication = Literal["allreduce", "deepep"]
Overlap = Literal["none", "two-batch"]

CHECKPOINT = "checkpoint"
"""As the checkpoint states it, weight by weight."""

SM_RATIO = Fraction(108, 132)
"""SMs left to compute while DeepEP's normal mode takes 24 of an H800's 132 (DeepSeek-V3 report, section 3.2.2)."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """world_size GPUs on num_nodes nodes; tp GPUs share a layer's heads, experts spread over world_size // tp.

    gemm, kv: precision of weight GEMMs and of the KV cache; `checkpoint`: what its quantisation config says; None: as
    the cost model does, `checkpoint` where it reads formats, else bf16. comm: how tokens reach experts; overlap: one
    batch at a time or two; sm_ratio: share of SMs left to compute under two-batch overlap in prefill.
    Raises DeploymentError on values that cannot be.
    """

    world_size: int = 1
    num_nodes: int = 1
    tp: int = 1
    gemm: Precision | None = None
    kv: Precision | None = None
    comm: Communication = "allreduce"
    overlap: Overlap = "none"
    sm_ratio: Fraction | float = SM_RATIO

    def __post_init__(self) -> None:
        for name in ("world_size", "num_nodes", "tp"):
            positive_integer(name, getattr(self, name))
        for name, choices in (
            ("gemm", Precision),
            ("kv", Precision),
            ("comm", Communication),
            ("overlap", Overlap),
        ):
            if getattr(self, name) is not None:
                _choice(name, getattr(self, name), get_args(choices))
        if not 0 < self.sm_ratio <= 1:
            raise DeploymentError(f"sm_ratio = {self.sm_ratio} must be above 0 and at most 1")
        _divides("tp", self.tp, "world_size", self.world_size)
        _divides("num_nodes", self.num_nodes, "world_size", self.world_size)

    def in_words(self) -> str:
        """For a sentence: 128 GPUs on 16 nodes, fp8 GEMMs, ..."""
        gpus = "one GPU" if self.world_size == 1 else f"{self.world_size} GPUs"
        parts = [gpus if self.num_nodes == 1 else f"{gpus} on {self.num_nodes} nodes"]
        parts += [f"tensor parallel over {self.tp}"] if self.tp > 1 else []
        parts += [f"{self.gemm} GEMMs", f"{self.kv} KV cache"]
        if self.world_size > 1:
            parts.append("experts reached through DeepEP" if self.comm == "deepep" else "all-reduce between layers")
        return ", ".join([*parts, *(["two batches overlapped"] if self.overlap == "two-batch" else [])])

    def flags(self) -> list[str]:
        """The command line's flags for what differs from one GPU in bf16."""
        changed = [(f.name, getattr(self, f.name)) for f in fields(self) if getattr(self, f.name) != f.default]
        words = [(name.replace("_", "-"), float(v) if isinstance(v, Fraction) else v) for name, v in changed]
        return [word for name, value in words for word in (f"--{name}", str(value))]

    def text(self) -> str:
        """What differs from one GPU in bf16, as keyword arguments."""
        usual = {"gemm": ("bf16", None), "kv": ("bf16", None)}
        stated = [(f.name, getattr(self, f.name), usual.get(f.name, (f.default,))) for f in fields(self)]
        changed = [(name, value) for name, value, known in stated if value not in known]
        return ", ".join(f"{name} {value}" for name, value in changed) or "one GPU, bf16"


def resized(old: Deployment, size: str, value: int, per_node: int) -> Deployment:
    """The deployment with another tp, nodes, world_size or ep; a node holds as many GPUs as now, or `per_node`.

    Raises DeploymentError where the GPUs do not fill their nodes.
    """
    if size in ("tp", "nodes"):
        return replace(old, **{"num_nodes" if size == "nodes" else size: value})
    gpus = value * old.tp if size == "ep" else value
    held = old.world_size // old.num_nodes if old.num_nodes > 1 else per_node
    if gpus > held and gpus % held:
        raise DeploymentError(f"{gpus} GPUs do not fill nodes of {held}")
    return replace(old, world_size=gpus, num_nodes=max(1, gpus // held))


def positive_integer(name: str, value: object) -> int:
    """The value, which must be a whole number of at least 1. Raises DeploymentError naming it."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise DeploymentError(f"{name} = {value!r} must be a whole number of at least 1")
    return value


def _choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise DeploymentError(
            f"{name} = {value!r} is not one of {', '.join(choices)}; {did_you_mean(str(value), choices)}"
        )


def _divides(name: str, part: int, whole_name: str, whole: int) -> None:
    if whole % part:
        raise DeploymentError(f"{name} = {part} does not divide {whole_name} = {whole}; choose one that does")
