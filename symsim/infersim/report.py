"""The reference's report of a compiled model, and `simulate`, which takes the reference's flags."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from symsim.algebra.shown import html_table, one_line
from symsim.errors import DeploymentError
from symsim.infersim.figures import ReportFigures, defaults_used, phase_figures, static_figures
from symsim.infersim.layout import SECTIONS, header, phase_lines, sections
from symsim.inputs.cost_model import INFERSIM, LATEST
from symsim.inputs.deployment import SM_RATIO, Deployment
from symsim.inputs.number_checks import positive_integer
from symsim.pipeline.compiled import Compiled
from symsim.pipeline.pipeline import compile_model


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What `symsim simulate` prints. Sections map labels to unrounded figures, in the reference's order.

    flags: kv_cache_too_large, tpot_over_target; warnings: every default that stood in for a measurement.
    """

    header: Mapping[str, str | int]
    model_weights: ReportFigures
    kv_cache: ReportFigures
    flops: ReportFigures
    prefilling: ReportFigures
    decoding: ReportFigures
    flags: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return one_line(self, ", ".join(f"{label} {value}" for label, value in self.header.items()))

    def _repr_html_(self) -> str:
        sections = (getattr(self, name) for name in SECTIONS)
        figures = {label: f"{value:.6g}" for section in sections for label, value in section.items()}
        return html_table(", ".join(f"{label} {value}" for label, value in self.header.items()), figures)

    def as_dict(self) -> dict[str, Any]:
        """The report as plain JSON types."""
        figures: dict[str, Any] = {name: dict(getattr(self, name)) for name in SECTIONS}
        return {**figures, "flags": list(self.flags), "warnings": list(self.warnings)}


def _format(fp8: bool) -> Literal["fp8", "bf16"]:
    return "fp8" if fp8 else "bf16"


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
        world_size, num_nodes, tp_size,
        gemm=_format(use_fp8_gemm), kv=_format(use_fp8_kv), sm_ratio=sm_ratio,
        comm="deepep" if enable_deepep else "allreduce", overlap="two-batch" if enable_tbo else "none",
    )  # fmt: skip
    workload = {
        "B": _batch(decode_bs, target_tgs, target_tpot),
        "S": positive_integer("target_isl", target_isl),
        "O": positive_integer("target_osl", target_osl),
        "T": positive_integer("max_prefill_tokens", max_prefill_tokens),
    }
    costs = compile_model(config, device_type, deployment, INFERSIM.name, tables, fallback=fallback)
    return report(costs, workload, target_tpot, prefill=not decode_only, decode=not prefill_only)


def _batch(stated: int | None, tgs: float, tpot: float) -> int:
    """The decode batch, which follows from tokens per GPU and second and from milliseconds where it is not stated."""
    for name, target in (("target_tgs", tgs), ("target_tpot", tpot)):
        if not target > 0:
            raise DeploymentError(f"{name} = {target!r} must be above zero")
    return positive_integer("decode_bs", math.ceil(tgs * tpot / 1000) if stated is None else stated)


def report(costs: Compiled, workload: Mapping[str, int], target: float, *, prefill: bool, decode: bool) -> Report:
    """The report of a compiled model at one workload point; target is the TPOT goal in milliseconds."""
    if not (prefill or decode):
        raise DeploymentError("--prefill-only and --decode-only exclude each other; give one of them")
    values = costs.form("tpot").point(**workload)
    static, raised = static_figures(costs.decode, values)
    prefilling = phase_figures(costs, costs.prefill, values) if prefill else {}
    decoding = phase_figures(costs, costs.decode, values) if decode else {}
    if decode and decoding[phase_lines("decode").time.label] > target:
        raised = (*raised, "decoding")
    phases = [phase for phase, wanted in ((costs.prefill, prefill), (costs.decode, decode)) if wanted]
    defaults = dict.fromkeys(sentence for phase in phases for sentence in defaults_used(costs, phase, values))
    return Report(
        header=_header(costs),
        **{**static, "prefilling": prefilling, "decoding": decoding},
        flags=tuple(flag.name for name, section in sections().items() if name in raised and (flag := section.flag)),
        warnings=(*costs.assumptions, *defaults),
        notes=costs.notes,
    )


def _header(costs: Compiled) -> dict[str, str | int]:
    read = {key for source in costs.sizes.sources.values() for key in source.keys}
    latent = any("latent" in key or "kv_lora" in key for key in read)
    facts = {
        "device": costs.device.key,
        "world_size": costs.deployment.world_size,
        "attention": "MLA" if latent else "MHA/GQA",
        "gemm": int(costs.deployment.gemm == "fp8"),
        "kv": int(costs.deployment.kv == "fp8"),
    }
    return {label: facts[name] for name, label in header().items()}
