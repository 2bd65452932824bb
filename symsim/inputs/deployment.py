"""How a model is served: GPUs, parallelism, precisions, communication. And the workload it serves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal, cast, get_args

from symsim.algebra.shown import html_table
from symsim.errors import DeploymentError
from symsim.inputs.engine import DEFAULT_ENGINE
from symsim.inputs.number_checks import check_choice, check_divides, check_fits, positive_integer

Precision = Literal["bf16", "fp8", "checkpoint"]
KvPrecision = Literal["bf16", "fp8", "int8", "int4", "fp4", "q8_0", "q4_0", "checkpoint"]
Communication = Literal["allreduce", "deepep"]
Overlap = Literal["none", "two-batch"]

CHECKPOINT = "checkpoint"
"""As the checkpoint states it, weight by weight."""

PLAIN = ("bf16", "fp8")
"""Precisions that all weights may have at once; others are formats, each layer with its own."""

_FORMATS = re.compile(r"[a-z]+\d*[a-z]*\d*( x [a-z]+\d*[a-z]*\d*)?")

SM_RATIO = Fraction(108, 132)
"""SMs left to compute while DeepEP's normal mode takes 24 of an H800's 132 (DeepSeek-V3 report, section 3.2.2)."""


@dataclass(frozen=True, slots=True)
class Deployment:
    """world_size = pp * dp * cp * tp GPUs on num_nodes nodes (None: as few as the device's scale-up domain allows).

    tp GPUs share a layer's heads, and dcp of them the KV cache that they would hold alike; cp such groups share the
    context of their sequences; pp stages share the layers, pp_layers each or as evenly as can be; dp copies of the
    attention follow. ep * moe_tp of a stage's tp * cp * dp GPUs hold one copy of the experts: ep ranks
    hold whole experts, or moe_tp GPUs share each, of one tensor parallel group or of several, which then gather their
    tokens; further GPUs hold further copies. ep is dp * cp unless given, or a stage's GPUs / moe_tp where moe_tp is
    above tp; moe_tp as many GPUs of a tensor parallel group as ep leaves; redundant_experts further copies of single
    experts spread over the ep ranks. Ranks are numbered tp innermost, then cp, dp, and pp outermost, so a group lies
    inside a node when it fits into one. dp follows from world_size where that is given, else from the experts;
    world_size from the degrees.

    gemm, kv: precision of weight GEMMs (bf16, fp8, or formats as `fp4`, `int8`, `mxfp4 x mxfp8`) and of the KV cache;
    `checkpoint`: what its quantisation config says; None: as the cost model does, `checkpoint` where it reads formats,
    else bf16. comm: how tokens reach experts; overlap: one batch at a time or two; sm_ratio: share of SMs left to
    compute under two-batch overlap in prefill; expert_imbalance: coefficient of variation of the popularity of experts,
    0 for the chance of the draw alone, None for balanced ranks.
    engine: which serving engine plans the memory, a name or a TOML file; memory_share: as its flag for it counts, in
    place of its default; kv_layout: how rows of the cache are stored that have parts (quantization/kv_cache.toml).
    Raises DeploymentError on values that cannot be.
    """

    world_size: int = None  # pyright: ignore[reportAssignmentType]  # a number as soon as it is there
    num_nodes: int | None = None
    tp: int = 1
    pp: int = 1
    cp: int = 1
    dp: int = None  # pyright: ignore[reportAssignmentType]
    ep: int | None = None
    moe_tp: int | None = None
    dcp: int = 1
    redundant_experts: int = 0
    pp_layers: tuple[int, ...] | None = None
    gemm: str | None = None
    kv: KvPrecision | None = None
    comm: Communication = "allreduce"
    overlap: Overlap = "none"
    sm_ratio: Fraction | float = SM_RATIO
    expert_imbalance: float | None = None
    engine: str | Path = DEFAULT_ENGINE
    memory_share: Fraction | float | None = None
    kv_layout: str | None = None
    given: frozenset[str] = field(init=False, repr=False, compare=False, default=frozenset())
    """Which of world_size and dp were stated; the others follow."""

    def _repr_html_(self) -> str:
        return html_table(self.text(), {name: getattr(self, name) for name in field_names()})

    def __post_init__(self) -> None:
        optional = ("world_size", "num_nodes", "dp", "ep", "moe_tp")
        stated = (name for name in optional if getattr(self, name) is not None)
        self._check_layers()
        for name in ("tp", "pp", "cp", "dcp", *stated):
            positive_integer(name, getattr(self, name))
        if isinstance(self.redundant_experts, bool) or not isinstance(self.redundant_experts, int):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise DeploymentError(f"redundant_experts = {self.redundant_experts!r} must be a whole number")
        if self.redundant_experts < 0:
            raise DeploymentError(f"redundant_experts = {self.redundant_experts} must be zero or more")
        self._check_words()
        check_divides("dcp", self.dcp, "tp", self.tp)
        object.__setattr__(self, "given", frozenset(n for n in ("world_size", "dp") if getattr(self, n) is not None))
        self._derive()
        if self.num_nodes is not None:
            check_divides("num_nodes", self.num_nodes, "world_size", self.world_size)
        self._check_experts()
        if self.num_nodes is not None:
            self._check_nodes(self.num_nodes)

    def _check_layers(self) -> None:
        """Layers of every stage; stated alone they say how many stages there are."""
        if self.pp_layers is None:
            return
        layers = tuple(positive_integer("pp_layers", layers) for layers in self.pp_layers)
        object.__setattr__(self, "pp_layers", layers)
        if self.pp == 1:
            object.__setattr__(self, "pp", len(layers))
        if len(layers) != self.pp:
            raise DeploymentError(
                f"pp_layers = {','.join(map(str, layers))} are {len(layers)} stages, and pp = {self.pp}"
            )

    def _check_words(self) -> None:
        if self.gemm is not None and not _FORMATS.fullmatch(str(self.gemm)):
            check_choice("gemm", self.gemm, (*get_args(Precision), "fp4", "int8", "mxfp4 x mxfp8"))
        for name, choices in (("kv", KvPrecision), ("comm", Communication), ("overlap", Overlap)):
            if getattr(self, name) is not None:
                check_choice(name, getattr(self, name), get_args(choices))
        if self.expert_imbalance is not None and not self.expert_imbalance >= 0:
            raise DeploymentError(f"expert_imbalance = {self.expert_imbalance} must be zero or more")
        if not 0 < self.sm_ratio <= 1:
            raise DeploymentError(f"sm_ratio = {self.sm_ratio} must be above 0 and at most 1")
        if self.memory_share is not None and not 0 < self.memory_share <= 1:
            raise DeploymentError(f"memory_share = {self.memory_share} must be above 0 and at most 1")

    def _derive(self) -> None:
        """dp and world_size, each from the other, or both from the experts."""
        group = self.pp * self.cp * self.tp
        gpus, dp = (cast("int | None", stated) for stated in (self.world_size, self.dp))
        if gpus is not None:
            check_divides("tp", self.tp, "world_size", gpus)
            check_divides("pp * tp", self.pp * self.tp, "world_size", gpus)
            check_divides("pp * cp * tp", group, "world_size", gpus)
            if dp not in (None, gpus // group):
                hint = "leave one of world_size and dp out"
                raise DeploymentError(f"dp = {dp} is not world_size / (pp * tp * cp) = {gpus // group}; {hint}")
            dp = gpus // group
        elif dp is None:
            shared, held = (self.ep or 1) * (self.moe_tp or 1), self.tp * self.cp
            if shared > held:
                check_divides("tp * cp", held, "ep * moe_tp" if self.moe_tp else "ep", shared)
            dp = max(1, shared // held)
        object.__setattr__(self, "world_size", group * dp)
        object.__setattr__(self, "dp", dp)

    def _check_experts(self) -> None:
        """One copy of the experts after another fills a stage."""
        stage = self.world_size // self.pp
        if self.ep is not None:
            check_divides("ep", self.ep, "world_size / pp", stage)
        if self.moe_tp is not None:
            check_divides("ep * moe_tp", self.experts_over * self.moe_tp, "world_size / pp", stage)
        if self.ep == 1 and self.comm == "deepep":
            raise DeploymentError("ep = 1 leaves DeepEP nothing to send; choose comm = allreduce, or a larger ep")
        shared = self.experts_over * self.experts_split
        check_divides("ep * moe_tp", shared, "world_size / pp", stage)
        if shared % self.tp and self.tp % shared:
            raise DeploymentError(
                f"ep * moe_tp = {shared} and tp = {self.tp}: one must divide the other, or copies of the experts "
                "straddle tensor parallel groups"
            )
        if self.experts_split % self.tp and self.tp % self.experts_split:
            raise DeploymentError(
                f"moe_tp = {self.experts_split} and tp = {self.tp}: one must divide the other, or GPUs that share an "
                "expert straddle tensor parallel groups"
            )
        if self.experts_split > self.tp and self.comm == "deepep":
            raise DeploymentError(
                f"moe_tp = {self.experts_split} is over several tensor parallel groups (tp = {self.tp}), and DeepEP "
                "sends a token to one GPU of an expert; choose comm = allreduce, or moe_tp up to tp"
            )

    def _check_nodes(self, nodes: int) -> None:
        """A group of GPUs lies inside a node, or fills nodes, so that one link is the slowest of all its members."""
        if self.pp > 1:
            check_fits("pp", self.pp, "num_nodes", nodes)
        held = self.world_size // nodes
        if self.cp > 1:
            check_fits("cp * tp", self.cp * self.tp, "GPUs of a node", held)
        if self.ep is not None:
            shared = self.ep * self.experts_split
            check_fits("ep * tp" if self.experts_split == self.tp else "ep * moe_tp", shared, "GPUs of a node", held)

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
    def experts_over(self) -> int:
        """Ranks that share the experts of a stage."""
        return self._remaining["ep"]

    @property
    def experts_split(self) -> int:
        """GPUs that share one expert."""
        return self._remaining["moe_tp"]

    def sharing(self, *, experts: bool) -> int:
        """The most GPUs that share a tensor, or a copy of the experts where a model has them."""
        return max(self.tp, self.experts_over * self.experts_split if experts else 1)

    @property
    def _remaining(self) -> Mapping[str, int]:
        sizes = {"tp": self.tp, "pp": self.pp, "cp": self.cp}
        return remaining_degrees(self.world_size, **sizes, ep=self.ep, moe_tp=self.moe_tp)

    def in_words(self) -> str:
        """For a sentence: 128 GPUs on 16 nodes, fp8 GEMMs, ..."""
        gpus = "one GPU" if self.world_size == 1 else f"{self.world_size} GPUs"
        parts = [gpus if self.num_nodes in (None, 1) else f"{gpus} on {self.num_nodes} nodes"]
        degrees = (
            *(("tensor", self.tp), ("context", self.cp), ("decode context", self.dcp)),
            *(("pipeline", self.pp), ("expert", self.ep or 1)),
        )
        parts += [f"{name} parallel over {degree}" for name, degree in degrees if degree > 1]
        if self.experts_split != self.tp:
            split = self.experts_split
            parts.append("whole experts" if split == 1 else f"experts tensor parallel over {split}")
        if self.redundant_experts:
            parts.append(f"{self.redundant_experts} redundant experts")
        if self.expert_imbalance is not None:
            parts.append(f"popularity of experts varying by {self.expert_imbalance:g}")
        parts.append("weights as in the checkpoint" if self.gemm == CHECKPOINT else f"{self.gemm} GEMMs")
        parts.append("KV cache as in the checkpoint" if self.kv == CHECKPOINT else f"{self.kv} KV cache")
        if self.world_size > 1:
            parts.append("experts reached through DeepEP" if self.comm == "deepep" else "all-reduce between layers")
        return ", ".join([*parts, *(["two batches overlapped"] if self.overlap == "two-batch" else [])])

    def flags(self) -> list[str]:
        """The command line's flags for what differs from one GPU in bf16."""
        changed = [(name, value) for name, value, usual in self._stated() if value != usual]
        words = [(name.replace("_", "-"), float(v) if isinstance(v, Fraction) else v) for name, v in changed]
        return [word for name, value in words for word in (f"--{name}", _word(value))]

    def text(self) -> str:
        """What differs from one GPU in bf16, as keyword arguments."""
        usual = {"gemm": ("bf16", None), "kv": ("bf16", None), "num_nodes": (None, 1)}
        stated = [(name, value, usual.get(name, (default,))) for name, value, default in self._stated()]
        changed = [(name, value) for name, value, known in stated if value not in known]
        return ", ".join(f"{name} {_word(value)}" for name, value in changed) or "one GPU, bf16"

    def _stated(self) -> list[tuple[str, object, object]]:
        """Field, its value and the usual one, those of every deployment first; dp follows from world_size."""
        usual = {part.name: part.default for part in fields(self) if part.init and part.name != "dp"}
        usual["world_size"] = 1
        first = ("world_size", "num_nodes", "tp", "gemm", "kv", "comm", "overlap", "sm_ratio")
        return [(name, getattr(self, name), usual[name]) for name in dict.fromkeys((*first, *usual))]


def field_names() -> tuple[str, ...]:
    """What a deployment is stated by, in order."""
    return tuple(part.name for part in fields(Deployment) if part.init)


def remaining_degrees(
    world_size: int, *, tp: int, pp: int, cp: int, ep: int | None = None, moe_tp: int | None = None
) -> Mapping[str, int]:
    """The degrees that follow from the others: dp; ep and moe_tp where they are not given apart.

    >>> remaining_degrees(32, tp=2, pp=2, cp=2)
    {'dp': 4, 'ep': 8, 'moe_tp': 2}
    >>> remaining_degrees(8, tp=8, pp=1, cp=1, ep=8)
    {'dp': 1, 'ep': 8, 'moe_tp': 1}
    >>> remaining_degrees(8, tp=1, pp=1, cp=1, moe_tp=8)
    {'dp': 8, 'ep': 1, 'moe_tp': 8}
    """
    stage = world_size // pp
    experts = ep or max(1, stage // max(tp, moe_tp or 1))
    return {"dp": stage // (tp * cp), "ep": experts, "moe_tp": moe_tp or min(tp, stage // experts)}


def _word(value: object) -> str:
    """A value as the command line takes it."""
    return ",".join(map(str, cast("tuple[int, ...]", value))) if isinstance(value, tuple) else str(value)
