"""How a model is served: GPUs, parallelism, precisions, communication. And the workload it serves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from typing import Literal, get_args

from symsim.algebra.shown import html_table
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
    """world_size = pp * dp * cp * tp GPUs on num_nodes nodes (None: as few as the device's scale-up domain allows).

    tp GPUs share a layer's heads; cp such groups share the context of their sequences; pp stages share the layers; dp
    copies of the attention follow. The experts of a stage spread over ep ranks of tp GPUs each: over all of the stage
    unless ep is given; if it is smaller there are dp * cp / ep copies of them. Ranks are numbered tp innermost, then
    cp, dp, and pp outermost, so a group lies inside a node when it fits into one.

    gemm, kv: precision of weight GEMMs and of the KV cache; `checkpoint`: what its quantisation config says; None: as
    the cost model does, `checkpoint` where it reads formats, else bf16. comm: how tokens reach experts; overlap: one
    batch at a time or two; sm_ratio: share of SMs left to compute under two-batch overlap in prefill.
    Raises DeploymentError on values that cannot be.
    """

    world_size: int = 1
    num_nodes: int | None = None
    tp: int = 1
    gemm: Precision | None = None
    kv: Precision | None = None
    comm: Communication = "allreduce"
    overlap: Overlap = "none"
    sm_ratio: Fraction | float = SM_RATIO
    pp: int = 1
    cp: int = 1
    ep: int | None = None

    def _repr_html_(self) -> str:
        return html_table(self.text(), {field.name: getattr(self, field.name) for field in fields(self)})

    def __post_init__(self) -> None:
        stated = (name for name in ("num_nodes", "ep") if getattr(self, name) is not None)
        for name in ("world_size", "tp", "pp", "cp", *stated):
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
        if self.num_nodes is not None:
            _divides("num_nodes", self.num_nodes, "world_size", self.world_size)
        _divides("pp * tp", self.pp * self.tp, "world_size", self.world_size)
        _divides("pp * cp * tp", self.pp * self.cp * self.tp, "world_size", self.world_size)
        if self.ep is not None:
            _divides("ep", self.ep, "world_size / (pp * tp)", self.world_size // (self.pp * self.tp))
            if self.ep == 1 and self.comm == "deepep":
                raise DeploymentError("ep = 1 leaves DeepEP nothing to send; choose comm = allreduce, or a larger ep")
        if self.num_nodes is not None:
            self._check_nodes(self.num_nodes)

    def _check_nodes(self, nodes: int) -> None:
        """A group of GPUs lies inside a node, or fills nodes, so that one link is the slowest of all its members."""
        if self.pp > 1:
            _fits("pp", self.pp, "num_nodes", nodes)
        held = self.world_size // nodes
        if self.cp > 1:
            _fits("cp * tp", self.cp * self.tp, "GPUs of a node", held)
        if self.ep is not None:
            _fits("ep * tp", self.ep * self.tp, "GPUs of a node", held)

    def placed(self, per_node: int) -> Deployment:
        """The same on a stated number of nodes: as many as asked for, else as few as GPUs that share a domain allow.

        per_node: GPUs of one scale-up domain. Raises DeploymentError where the GPUs would not spread evenly.
        """
        if self.num_nodes is not None:
            return self
        nodes = -(-self.world_size // per_node)
        if self.world_size % nodes:
            raise DeploymentError(
                f"{self.world_size} GPUs do not spread evenly over {nodes} nodes of at most {per_node}; state num_nodes"
            )
        return replace(self, num_nodes=nodes)

    @property
    def dp(self) -> int:
        """Copies of the attention that serve batches of their own."""
        return remaining_degrees(self.world_size, tp=self.tp, pp=self.pp, cp=self.cp)["dp"]

    @property
    def experts_over(self) -> int:
        """Ranks that share the experts of a stage."""
        return remaining_degrees(self.world_size, tp=self.tp, pp=self.pp, cp=self.cp, ep=self.ep)["ep"]

    def in_words(self) -> str:
        """For a sentence: 128 GPUs on 16 nodes, fp8 GEMMs, ..."""
        gpus = "one GPU" if self.world_size == 1 else f"{self.world_size} GPUs"
        parts = [gpus if self.num_nodes in (None, 1) else f"{gpus} on {self.num_nodes} nodes"]
        degrees = (("tensor", self.tp), ("context", self.cp), ("pipeline", self.pp), ("expert", self.ep or 1))
        parts += [f"{name} parallel over {degree}" for name, degree in degrees if degree > 1]
        parts.append("weights as in the checkpoint" if self.gemm == CHECKPOINT else f"{self.gemm} GEMMs")
        parts.append("KV cache as in the checkpoint" if self.kv == CHECKPOINT else f"{self.kv} KV cache")
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
        usual = {"gemm": ("bf16", None), "kv": ("bf16", None), "num_nodes": (None, 1)}
        stated = [(f.name, getattr(self, f.name), usual.get(f.name, (f.default,))) for f in fields(self)]
        changed = [(name, value) for name, value, known in stated if value not in known]
        return ", ".join(f"{name} {value}" for name, value in changed) or "one GPU, bf16"


def remaining_degrees(world_size: int, *, tp: int, pp: int, cp: int, ep: int | None = None) -> Mapping[str, int]:
    """The degrees that follow from the others: dp, and ep where it is not given apart.

    >>> remaining_degrees(32, tp=2, pp=2, cp=2)
    {'dp': 4, 'ep': 8}
    """
    stage = world_size // (pp * tp)
    return {"dp": stage // cp, "ep": ep or stage}


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


def _fits(name: str, one: int, other_name: str, other: int) -> None:
    if one % other and other % one:
        raise DeploymentError(
            f"{name} = {one} and {other_name} = {other}: one must divide the other, or groups straddle nodes"
        )


def _divides(name: str, part: int, whole_name: str, whole: int) -> None:
    if whole % part:
        raise DeploymentError(f"{name} = {part} does not divide {whole_name} = {whole}; choose one that does")
