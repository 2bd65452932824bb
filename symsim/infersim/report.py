"""The reference's report: its sections, labels, order and rounding, from our formulas.

Labels are InferSim's (Alimama AI Infra, Apache-2.0); every figure is a formula of the compiled model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

import sympy
from sympy import Expr
from sympy.core.function import AppliedUndef

from symsim.algebra.shown import html_table, one_line
from symsim.algebra.symbols import symbol
from symsim.cost.kernel_cost import Cost
from symsim.cost.memory import reported, reserved, resident, weights
from symsim.cost.metrics import PricedPhase
from symsim.cost.roofline import Time
from symsim.errors import DeploymentError
from symsim.formula.program import Program, positions, program
from symsim.inputs.cost_model import GIB, INFERSIM, LATEST
from symsim.inputs.deployment import SM_RATIO, Deployment, positive_integer
from symsim.pipeline.compiled import Compiled
from symsim.pipeline.pipeline import compile_model
from symsim.tables.lookup import bind

MIB = 2**20
Figures = dict[str, float | int]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a phase: its label, the operator of a layer it is about, and which figure of it."""

    label: str
    op: str
    figure: Literal["mfu", "compute", "memory", "link"]


def _lines(core: str, experts: str) -> tuple[Line, ...]:
    attention, routed = "attention.", "experts.routed_experts"
    return (
        Line("Attn core MFU", f"{attention}core", "mfu"),
        Line("Attn core latency (us)", f"{attention}core", "compute"),
        Line("KV loading latency (us)", f"{attention}core", "memory"),
        Line("QKV_proj latency (us)", f"{attention}qkv_proj", "compute"),
        Line("Q_down_proj latency (us)", f"{attention}q_down_proj", "compute"),
        Line("Q_up_proj latency (us)", f"{attention}q_up_proj", "compute"),
        Line("KV_down_proj latency (us)", f"{attention}kv_down_proj", "compute"),
        Line("bmm_q_wk latency (us)", f"{attention}bmm_q_wk", "compute"),
        Line("bmm_o_wv latency (us)", f"{attention}bmm_o_wv", "compute"),
        Line("O_proj latency (us)", f"{attention}o_proj", "compute"),
        Line("Indexer proj latency (us)", f"{attention}index_proj", "compute"),
        Line("Indexer logits latency (us)", f"{attention}index_logits", "compute"),
        Line("Indexer keys loading latency (us)", f"{attention}index_logits", "memory"),
        Line(f"Linear {core} core latency (us)", "linear_attention.core", "compute"),
        Line("States loading latency (us)", "linear_attention.core", "memory"),
        Line("qkvzba_proj latency (us)", "linear_attention.qkvzba_proj", "compute"),
        Line("O_proj latency (us) [linear attn]", "linear_attention.o_proj", "compute"),
        Line(f"{experts} MFU", routed, "mfu"),
        Line(f"{experts} latency (us)", routed, "compute"),
        Line("Experts loading latency (us)", routed, "memory"),
        Line("Shared expert latency (us)", "experts.shared", "compute"),
        Line("Comm before MoE/FFN (us)", "dispatch", "link"),
        Line("Comm after MoE/FFN (us)", "combine", "link"),
        Line("TP all_reduce (us)", "tp_reduce", "link"),
    )


LINES: Mapping[str, tuple[Line, ...]] = {
    "prefill": _lines("Attn", "Routed experts"),
    "decode": _lines("attn", "Routed experts/FFN"),
}
ALWAYS = ("Comm before MoE/FFN (us)", "Comm after MoE/FFN (us)")


@dataclass(frozen=True, slots=True)
class Report:
    """What `symsim simulate` prints. Sections map labels to unrounded figures, in the reference's order.

    flags: kv_cache_too_large, tpot_over_target; warnings: every default that stood in for a measurement.
    """

    header: Mapping[str, str | int]
    model_weights: Figures
    kv_cache: Figures
    flops: Figures
    prefilling: Figures
    decoding: Figures
    flags: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return one_line(self, ", ".join(f"{label} {value}" for label, value in self.header.items()))

    def _repr_html_(self) -> str:
        sections = (self.model_weights, self.kv_cache, self.flops, self.prefilling, self.decoding)
        figures = {label: f"{value:.6g}" for section in sections for label, value in section.items()}
        return html_table(", ".join(f"{label} {value}" for label, value in self.header.items()), figures)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain JSON types."""
        sections = ("model_weights", "kv_cache", "flops", "prefilling", "decoding")
        figures: dict[str, Any] = {name: dict(getattr(self, name)) for name in sections}
        return {**figures, "flags": list(self.flags), "warnings": list(self.warnings)}


def simulate(
    config: str | Path,
    *,
    device_type: str | Path = "H20",
    world_size: int = 1,
    num_nodes: int = 1,
    tp_size: int = 1,
    max_prefill_tokens: int = 4096,
    decode_bs: int | None = None,
    target_tgs: float = 2560,
    target_tpot: float = 50,
    target_isl: int = 4096,
    target_osl: int = 2048,
    use_fp8_gemm: bool = False,
    use_fp8_kv: bool = False,
    enable_deepep: bool = False,
    enable_tbo: bool = False,
    sm_ratio: float | Fraction = SM_RATIO,
    prefill_only: bool = False,
    decode_only: bool = False,
    tables: str = LATEST,
    fallback: bool = False,
) -> Report:
    """The reference's simulation; parameters are its flags. target_tpot is in ms; fallback as `symsim.compile` has it.

    Raises SymsimError with one clear sentence.

    >>> report = simulate("qwen3-8b", world_size=1, decode_bs=64, use_fp8_gemm=True, tables="2025-10")
    >>> round(report.decoding["Throughput (TGS)"])
    2581
    """
    deployment = Deployment(
        world_size,
        num_nodes,
        tp_size,
        "fp8" if use_fp8_gemm else "bf16",
        "fp8" if use_fp8_kv else "bf16",
        "deepep" if enable_deepep else "allreduce",
        "two-batch" if enable_tbo else "none",
        sm_ratio,
    )
    for name, target in (("target_tgs", target_tgs), ("target_tpot", target_tpot)):
        if not target > 0:
            raise DeploymentError(f"{name} = {target!r} must be above zero")
    batch = math.ceil(target_tgs * target_tpot / 1000) if decode_bs is None else decode_bs
    workload = {
        "B": positive_integer("decode_bs", batch),
        "S": positive_integer("target_isl", target_isl),
        "O": positive_integer("target_osl", target_osl),
        "T": positive_integer("max_prefill_tokens", max_prefill_tokens),
    }
    if prefill_only and decode_only:
        raise DeploymentError("--prefill-only and --decode-only exclude each other; give one of them")
    costs = compile_model(config, device_type, deployment, INFERSIM.name, tables, fallback=fallback)
    return report(costs, workload, target_tpot / 1000, prefill=not decode_only, decode=not prefill_only)


def report(costs: Compiled, workload: Mapping[str, int], target: float, *, prefill: bool, decode: bool) -> Report:
    """The report of a compiled model at one workload point; target is the TPOT goal in seconds."""
    values = costs.form("tpot").values(workload)
    static = _static(costs.decode, values)
    kv_cache, too_large = _kv_cache(static, values, workload)
    prefilling = _phase(costs, costs.prefill, values) if prefill else {}
    decoding = _phase(costs, costs.decode, values) if decode else {}
    over = decode and decoding["TPOT (ms)"] > target * 1000
    flags = [name for name, raised in (("kv_cache_too_large", too_large), ("tpot_over_target", over)) if raised]
    phases = [phase for phase, wanted in ((costs.prefill, prefill), (costs.decode, decode)) if wanted]
    defaults = dict.fromkeys(w for phase in phases for w in defaults_used(costs, phase, values))
    warnings = (*costs.assumptions, *defaults)
    weights, flops = _weights(static), _flops(static, costs.sizes.values["L"])
    header = _header(costs)
    return Report(header, weights, kv_cache, flops, prefilling, decoding, tuple(flags), warnings, costs.notes)


def _header(costs: Compiled) -> dict[str, str | int]:
    read = {key for source in costs.sizes.sources.values() for key in source.keys}
    latent = any("latent" in key or "kv_lora" in key for key in read)
    return {
        "Device type": costs.device.key,
        "World size": costs.deployment.world_size,
        "Attn type": "MLA" if latent else "MHA/GQA",
        "Use FP8 GEMM": int(costs.deployment.gemm == "fp8"),
        "Use FP8 KV": int(costs.deployment.kv == "fp8"),
    }


@cache
def _static_terms(phase: PricedPhase) -> tuple[tuple[str, Expr], ...]:
    graph = phase.graph
    held = ("weight", weights(graph, phase.costs))
    kinds = [(kind, resident(graph, kind)) for kind in ("cache", "state")]
    keys = ("attention_weight", "linear_weight", "expert_weight", "core_flops", "ffn_flops", "others_flops")
    figures = [(key, reported(graph, key)) for key in keys]
    full = [("core_layers", _layers_of(phase))]
    return (held, *kinds, *figures, *full, ("reserved", reserved(graph)))


def _layers_of(phase: PricedPhase) -> Expr:
    """Layers whose attention keeps a KV cache."""
    return sympy.Add(*{item.repeat for item in phase.graph.residents if item.kind == "cache"})


def _static(phase: PricedPhase, values: Mapping[str, Any]) -> Mapping[str, float]:
    """Weights, cache and FLOPs figures, which do not depend on tables."""
    terms = _static_terms(phase)
    compiled = program(terms, tuple(name for name, _ in terms), "python")
    return dict(zip(compiled.outputs, compiled.run(values, {}), strict=True))


def _weights(static: Mapping[str, float]) -> Figures:
    hybrid = static["linear_weight"] > 0
    attention = {"One full attn params size (MB)" if hybrid else "One attn params size (MB)": "attention_weight"}
    linear = {"One linear attn params size (MB)": "linear_weight"} if hybrid else {}
    rows = {**attention, **linear, "One expert params size (MB)": "expert_weight"}
    figures: Figures = {label: static[name] / MIB for label, name in rows.items()}
    return {**figures, "Per GPU params size (GB)": static["weight"] / GIB}


def _kv_cache(
    static: Mapping[str, float], values: Mapping[str, Any], workload: Mapping[str, int]
) -> tuple[Figures, bool]:
    space = values["hbm_capacity"] - static["weight"] - static["reserved"]
    context = workload["S"] + workload["O"]
    figures: Figures = {
        "KV cache space (GB)": space / GIB,
        "Input seq len": workload["S"],
        "Output seq len": workload["O"],
        "Target decode batchsize": workload["B"],
    }
    if static["state"]:
        target, cache = space / workload["B"], static["cache"] * context
        current = cache + static["state"]
        figures["Target per-req KV cache size (MB)"] = target / MIB
        figures["Current per-req full attn KV cache size (MB)"] = cache / MIB
        figures["Current per-req states size (MB)"] = static["state"] / MIB
        figures["Current per-req cache size (MB)"] = current / MIB
    else:
        target, current = space / workload["B"] / context, static["cache"]
        figures["Target per-token KV cache size (KB)"] = target / 1024
        figures["Current per-token KV cache size (KB)"] = current / 1024
    return figures, current > target


def _flops(static: Mapping[str, float], layers: int) -> Figures:
    core, ffn, others = (static[f"{name}_flops"] / 1e9 for name in ("core", "ffn", "others"))
    kind = "full attn core" if static["linear_weight"] else "attn core"
    return {
        "Num hidden layers": layers,
        f"Per-token per-layer {kind} (GFLOPs)": core,
        "Per-token per-layer MoE/FFN (GFLOPs)": ffn,
        "Per-token per-layer others (GFLOPs)": others,
        f"Per-token {kind} (GFLOPs)": core * static["core_layers"],
        "Per-token MoE (GFLOPs)": ffn * layers,
        "Per-token others (GFLOPs)": others * layers,
        "Per-token total (GFLOPs)": (core + ffn + others) * layers,
    }


@cache
def _phase_terms(phase: PricedPhase) -> tuple[tuple[str, Expr], ...]:
    """Every printed figure of a phase as an expression, by label. Operators with the same line add up."""
    times = phase.times()
    found: list[tuple[str, Expr]] = []
    for line in LINES[phase.graph.step.name]:
        ops = [op for op in phase.graph.ops if op.name.partition(".")[2].startswith(line.op)]
        parts = [_figure(line, phase.costs[op.name], times[op.name]) for op in ops]
        if ops or line.label in ALWAYS:
            found.append((line.label, sympy.Add(*parts)))
    return tuple(found)


def _figure(line: Line, cost: Cost, time: Time) -> Expr:
    match line.figure:
        case "mfu":
            return cost.mfu or symbol("default_mfu")
        case "compute":
            return time.compute * 10**6
        case "memory":
            return time.memory * 10**6
        case "link":
            return time.link * 10**6


def _phase(costs: Compiled, phase: PricedPhase, values: Mapping[str, Any]) -> Figures:
    prefill = phase.graph.step.name == "prefill"
    lines = _phase_terms(phase)
    rate = costs.form("tgs_prefill" if prefill else "tgs_decode")
    steps = tuple((step.symbol.name, step.expr) for step in rate.derivation.steps)
    metric = "TTFT" if prefill else "TPOT"
    terms = (*steps, *((f"line_{i}", expr) for i, (_, expr) in enumerate(lines)))
    compiled = program(terms, (*(f"line_{i}" for i in range(len(lines))), metric, "TGS"), "python")
    *figures, time, tokens = compiled.at(values, costs.context)
    head: Figures = {"Max prefill tokens": values["T"]} if prefill else {}
    body = dict(zip((label for label, _ in lines), map(float, figures), strict=True))
    return {**head, **body, f"{metric} (ms)": time * 1000, "Throughput (TGS)": tokens}


@cache
def _look_ups(phase: PricedPhase) -> tuple[tuple[AppliedUndef, ...], Program]:
    """The look-ups of a phase, operator by operator, and the program of all their arguments."""
    parts = [(t.compute, t.memory, t.link, t.latency) for t in phase.times().values()]
    calls = [sorted({call for part in each for call in part.atoms(AppliedUndef)}, key=str) for each in parts]
    distinct = tuple(dict.fromkeys(call for each in calls for call in each))
    terms = tuple((f"at_{i}_{j}", cast(Expr, x)) for i, call in enumerate(distinct) for j, x in enumerate(call.args))
    return distinct, program(terms, tuple(name for name, _ in terms), "python")


def defaults_used(costs: Compiled, phase: PricedPhase, values: Mapping[str, Any]) -> list[str]:
    """A sentence for every look-up of the phase that no measured row answers."""
    calls, compiled = _look_ups(phase)
    arguments = iter(compiled.at(values, costs.context))
    found: list[str] = []
    for call in calls:
        name, args = str(call.func), [float(next(arguments)) for _ in call.args]
        shape, axes = positions(name)
        lookup = bind(name, tuple(args[i] for i in shape), costs.context)
        point = tuple(args[i] for i in axes)
        if not lookup.answers_itself(*point):
            sentence = lookup.explain(*point, default=values["default_mfu"]).default
            found += [] if sentence is None else [sentence]
    return found
