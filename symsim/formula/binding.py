"""Config sizes, device, deployment and convention -> the number behind every symbol, with its source."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, cached_property, lru_cache
from pathlib import Path
from statistics import NormalDist

from sympy import Expr, Rational, Symbol

from symsim.algebra.symbols import KNOWN, LINKS, PRECISIONS, SymbolInfo, named_symbol
from symsim.algebra.units import format_quantity
from symsim.errors import DeploymentError
from symsim.inputs.cost_model import CostModel
from symsim.inputs.deployment import PLAIN, Deployment
from symsim.inputs.device import Device, bundled_devices, load_device
from symsim.inputs.engine import Engine
from symsim.inputs.source import Source
from symsim.model.architecture import Architecture
from symsim.model.pipeline_stages import fullest_stages
from symsim.model.scope import Facts
from symsim.quantization.formats import Format
from symsim.quantization.kv_cache import PARTS, kv_formats, kv_layout
from symsim.tables.table import Lenders, TableContext

Rows = dict[str, tuple[Fraction, Source]]
"""name -> its value, and where it is from."""


@dataclass(frozen=True)
class Numbers:
    """name -> exact value in SI units, and where it is from. same: name -> the one whose figure it is; infos: what
    names stand for that are in no table of symbols."""

    values: Mapping[str, Fraction]
    sources: Mapping[str, Source]
    same: Mapping[str, str] = dataclasses.field(default_factory=dict[str, str])
    infos: Mapping[str, SymbolInfo] = dataclasses.field(default_factory=dict[str, SymbolInfo])

    def with_rows(self, rows: Mapping[str, tuple[Fraction, Source]]) -> Numbers:
        """These and further numbers."""
        more = _bound(dict(rows))
        return replace(self, values={**self.values, **more.values}, sources={**self.sources, **more.sources})

    def symbols(self) -> Mapping[Symbol, Expr]:
        """The same values keyed by Symbol, as exact Rationals."""
        return {named_symbol(name): Rational(value.numerator, value.denominator) for name, value in self.values.items()}

    @cached_property
    def plain(self) -> Mapping[str, int | float]:
        """The same values as whole numbers and floats."""
        return {name: int(value) if value.denominator == 1 else float(value) for name, value in self.values.items()}

    @cached_property
    def deciding(self) -> Mapping[str, Fraction]:
        """The integers that decide conditions of the graph text."""
        whole = {name: value for name, value in self.values.items() if value.denominator == 1 and name not in _RATES}
        return {name: value for name, value in whole.items() if self.sources.get(name, _UNSTATED).how != "fitted"}


def bind_model(
    sizes: Architecture,
    deployment: Deployment,
    stored: Mapping[str, tuple[Format, str]] | None = None,
) -> Numbers:
    """What is known without a device: architecture and deployment. stored: symbol -> format of weights and cache that
    the checkpoint gives, and where from. Its deployment has every precision decided."""
    rows = _architecture(sizes) | _stages(sizes, deployment) | _deployment(deployment) | _formats(stored or {})
    return _bound(rows | _cache(rows, deployment))


def bind_all(
    sizes: Architecture,
    device: Device,
    deployment: Deployment,
    cost_model: CostModel,
    stored: Mapping[str, tuple[Format, str]] | None = None,
    engine: Engine | None = None,
) -> Numbers:
    """Everything but the workload: architecture, hardware as the cost model counts it, deployment, constants; engine:
    what plans the memory, where the cost model leaves it to one."""
    rows = (
        _architecture(sizes)
        | _stages(sizes, deployment)
        | _hardware(device, cost_model)
        | _deployment(deployment)
        | _formats(stored or {})
    )
    rows |= _cache(rows, deployment)
    for name, value in cost_model.constants.items():
        rows[name] = value, Source(how="constant", note=cost_model.sources[name])
    if engine is not None:
        share = None if deployment.memory_share is None else Fraction(str(deployment.memory_share))
        rows |= engine.numbers(device.path.stem, rows["hbm_capacity"][0], share)
    if deployment.gemm not in PLAIN:
        return _converted(rows, device, cost_model)
    precision = f"peak_{deployment.gemm}"
    if precision not in rows:
        supported = ", ".join(device.precisions)
        raise DeploymentError(
            f"{device.name} has no {deployment.gemm} peak ({supported} only); choose another gemm precision, or state "
            f"{precision} in {device.path.name}"
        )
    rows["peak_w"] = rows[precision]
    bound = _converted(rows, device, cost_model)
    return replace(bound, same={**bound.same, "peak_w": precision})


def _converted(rows: Rows, device: Device, cost_model: CostModel) -> Numbers:
    """Where the cost model reads formats: what the device has no units for runs at its bf16 peak, converted first."""
    note = "no such units, so converted first and multiplied in bf16"
    source = Source(how="converted", file=_file(device), note=note)
    narrow = PRECISIONS[PRECISIONS.index("bf16") + 1 :] if cost_model.reads_checkpoint else ()
    stand_ins = {f"peak_{name}": (rows["peak_bf16"][0], source) for name in narrow if f"peak_{name}" not in rows}
    return replace(_bound(stand_ins | rows), same=dict.fromkeys(stand_ins, "peak_bf16"))


def _cache(rows: Rows, deployment: Deployment) -> Rows:
    """Bytes of the parts of a row of the KV cache, as its layout has them."""
    layout = kv_layout(deployment.kv_layout, str(deployment.kv))
    if "b_kv" not in rows:
        return {}
    source = Source(how="deployment", file="quantization/kv_cache.toml", note=f"layout {layout.name}")
    own = {f"b_{part}": (value, source) for part, value in layout.parts.items()}
    return {f"b_{part}": own.get(f"b_{part}", rows["b_kv"]) for part in PARTS}


def _formats(stored: Mapping[str, tuple[Format, str]]) -> Rows:
    return {
        name: (kind.bytes_per_weight, Source(how="checkpoint", file=origin, note=kind.element.source))
        for name, (kind, origin) in stored.items()
    }


def _architecture(sizes: Architecture) -> Rows:
    return {name: (Fraction(value), sizes.sources[name]) for name, value in sizes.values.items()}


def _stages(sizes: Architecture, deployment: Deployment) -> Rows:
    """Layers of each kind in the pipeline stages that formulas tell apart."""
    rows: Rows = {}
    for stage in fullest_stages(sizes.kinds, deployment.pp, deployment.pp_layers):
        for kind, count in stage.counts.items():
            source = Source(how="deployment", note=f"{kind} layers of pipeline stage {stage.number}")
            rows[stage.symbol(kind)] = Fraction(count), source
    return rows


def _bound(rows: Rows) -> Numbers:
    return Numbers({k: v for k, (v, _) in rows.items()}, {k: source for k, (_, source) in rows.items()})


def deciding_numbers(bound: Numbers) -> Facts:
    """The integers that decide conditions of the graph text, by symbol."""
    return Numbers(bound.deciding, {}).symbols()


def table_context(
    device: Device,
    deployment: Deployment,
    cost_model: CostModel,
    vintage: str,
    *,
    fallback: bool = False,
    residuals: tuple[tuple[str, Path], ...] = (),
) -> TableContext:
    """What binds table look-ups besides their arguments: rows are by the cache's format, of one that is converted to
    bf16 before it is multiplied by that. residuals: the files behind corrections of fitted kernels, by function."""
    return TableContext(
        device=device.key,
        vintage=vintage,
        kv=str(deployment.kv) if deployment.kv in PLAIN else "bf16",
        cost_model=cost_model.name,
        mfu_decimals=cost_model.mfu_decimals,
        figures=tuple((name, float(value)) for name, value in device.figures.items()) if fallback else None,
        lenders=_lenders() if fallback else None,
        residuals=residuals,
    )


@cache
def _lenders() -> Lenders:
    """The datasheets of all bundled devices."""
    devices = {name: load_device(name).figures for name in bundled_devices()}
    return Lenders({name: {key: float(value) for key, value in found.items()} for name, found in devices.items()})


_UNSTATED = Source(how="definition")
WIDTHS = {"bf16": 2, "fp8": 1, "fp32": 4}
_RATES = frozenset(name for name, info in KNOWN.items() if info.kind in ("hardware", "convention", "engine"))


def _file(device: Device) -> str:
    return f"hardware/{device.path.name}"


@lru_cache(maxsize=64)
def _hardware(device: Device, cost_model: CostModel) -> Rows:
    rows: Rows = {}
    file = _file(device)
    for name, info in KNOWN.items():
        figure = device.figure(name, cost_model.name) if info.kind == "hardware" else None
        if figure is None:
            continue
        factor = cost_model.scale.get(info.unit, Fraction(1))
        counted = f", counted x {float(factor):.10g} ({cost_model.sources[info.unit]})" if factor != 1 else ""
        guessed = name in device.assumed
        told = device.reported.get(name) if name not in device.overrides.get(cost_model.name, {}) else None
        said = f", {told}" if told else ", assumed" if guessed else ""
        how = "reported" if told else "assumed" if guessed else "datasheet"
        note = f"{format_quantity(figure, info.unit)}{said}{counted}"
        rows[name] = figure * factor, Source(how=how, file=file, note=note)
    for field in ("hbm_bandwidth", *(f"{link}_bandwidth" for link in LINKS), "clock"):
        share = device.achievable.get(field, Fraction(1))
        guessed = f"{field} achievable" in device.assumed
        source = Source(how="achievable", file=file, note="achievable, assumed" if guessed else "achievable")
        rows[f"{field.removesuffix('_bandwidth')}_efficiency"] = share, source
    rows["default_mfu"] = device.assume["mfu"], Source(how="assumed", file=file, note="assume")
    return rows


def _fullest_score(ranks: int) -> Fraction:
    """How many standard deviations above the mean the largest of so many normal numbers is expected (Blom 1958)."""
    return Fraction(round(NormalDist().inv_cdf((ranks - 0.375) / (ranks + 0.25)), 9)).limit_denominator(10**9)


def _deployment(deployment: Deployment) -> Rows:
    values = {
        "world_size": Fraction(deployment.world_size),
        "nodes": Fraction(deployment.num_nodes or 1),
        **{degree: Fraction(getattr(deployment, degree)) for degree in ("tp", "cp", "dcp", "dp", "pp")},
        "ep": Fraction(deployment.experts_over),
        "moe_tp": Fraction(deployment.experts_split),
        "redundant_experts": Fraction(deployment.redundant_experts),
        "sm_ratio": Fraction(deployment.sm_ratio),
        "expert_imbalance": Fraction(str(deployment.expert_imbalance or 0)),
        "z_experts": _fullest_score(deployment.experts_over),
        "imbalance": Fraction(deployment.expert_imbalance is not None),
        "deepep": Fraction(deployment.comm == "deepep"),
        "two_batch": Fraction(deployment.overlap == "two-batch"),
        **({"b_w": Fraction(WIDTHS[deployment.gemm])} if deployment.gemm in WIDTHS else {}),
        **({"b_kv": kv_formats()[str(deployment.kv)]} if deployment.kv in kv_formats() else {}),
    }
    chosen, defined = Source(how="deployment"), Source(how="definition")
    fixed = {f"b_{precision}": (Fraction(width), defined) for precision, width in WIDTHS.items()}
    return {**{name: (value, chosen) for name, value in values.items()}, **fixed}
