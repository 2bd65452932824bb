"""Config sizes, device, deployment and convention -> the number behind every symbol, with its source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from sympy import Expr, Rational, Symbol

from symsim.config import ModelConfig
from symsim.conventions import Convention
from symsim.deployment import CHECKPOINT, Deployment
from symsim.errors import DeploymentError
from symsim.formats import Format
from symsim.hardware import Device
from symsim.lower import Facts
from symsim.sizes import Sizes
from symsim.symbols import KNOWN, LINKS, PRECISIONS, architecture_symbol, symbol
from symsim.tables import Context
from symsim.units import format_quantity


@dataclass(frozen=True, slots=True)
class Bound:
    """name -> exact value in SI units, and where it is from."""

    values: Mapping[str, Fraction]
    sources: Mapping[str, str]

    def symbols(self) -> Mapping[Symbol, Expr]:
        """The same values keyed by Symbol, as exact Rationals."""
        return {
            (symbol(name) if name in KNOWN else architecture_symbol(name)): Rational(value.numerator, value.denominator)
            for name, value in self.values.items()
        }


def bind_model(
    config: ModelConfig, sizes: Sizes, deployment: Deployment, stored: Mapping[str, tuple[Format, str]] | None = None
) -> Bound:
    """What is known without a device: architecture and deployment. stored: symbol -> format of weights and cache that
    the checkpoint gives, and where from. Its deployment has every precision decided."""
    return _bound(_architecture(config, sizes) | _deployment(deployment) | _formats(stored or {}))


def bind_all(
    config: ModelConfig,
    sizes: Sizes,
    device: Device,
    deployment: Deployment,
    counting: Convention,
    stored: Mapping[str, tuple[Format, str]] | None = None,
) -> Bound:
    """Everything but the workload: architecture, hardware as the cost model counts it, deployment, constants."""
    rows = _architecture(config, sizes) | _hardware(device, counting) | _deployment(deployment) | _formats(stored or {})
    for name, value in counting.constants.items():
        rows[name] = value, counting.sources[name]
    if deployment.gemm == CHECKPOINT:
        return _bound(_converted(rows, device, counting))
    precision = f"peak_{deployment.gemm}"
    if precision not in rows:
        supported = ", ".join(device.precisions)
        raise DeploymentError(
            f"{device.name} has no {deployment.gemm} peak ({supported} only); choose another gemm precision, or state "
            f"{precision} in {device.path.name}"
        )
    rows["peak_w"] = rows[precision]
    return _bound(_converted(rows, device, counting))


def _converted(
    rows: dict[str, tuple[Fraction, str]], device: Device, counting: Convention
) -> dict[str, tuple[Fraction, str]]:
    """Where the cost model reads formats: what the device has no units for runs at its bf16 peak, converted first."""
    source = f"hardware/{device.path.name}: no such units, so converted first and multiplied in bf16"
    narrow = PRECISIONS[PRECISIONS.index("bf16") + 1 :] if counting.reads_checkpoint else ()
    return {f"peak_{name}": (rows["peak_bf16"][0], source) for name in narrow} | rows


def _formats(stored: Mapping[str, tuple[Format, str]]) -> dict[str, tuple[Fraction, str]]:
    return {
        name: (kind.bytes_per_weight, f"{origin}: {kind.element.source}") for name, (kind, origin) in stored.items()
    }


def _architecture(config: ModelConfig, sizes: Sizes) -> dict[str, tuple[Fraction, str]]:
    return {name: (Fraction(value), f"{config.path}: {sizes.keys[name]}") for name, value in sizes.values.items()}


def _bound(rows: Mapping[str, tuple[Fraction, str]]) -> Bound:
    return Bound({k: v for k, (v, _) in rows.items()}, {k: source for k, (_, source) in rows.items()})


def facts(bound: Bound, phase: str) -> Facts:
    """The integers that decide conditions of the graph text."""
    flags = {"prefill": Fraction(phase == "prefill"), "decode": Fraction(phase == "decode")}
    values = {**bound.values, **flags}
    whole = {name: value for name, value in values.items() if value.denominator == 1 and name not in _RATES}
    return Bound(whole, {}).symbols()


def context(
    device: Device, deployment: Deployment, counting: Convention, vintage: str, *, fallback: bool = False
) -> Context:
    """What binds table look-ups besides their arguments."""
    default = float(device.assume["mfu"])
    figures = tuple((name, float(value)) for name, value in device.figures.items()) if fallback else None
    return Context(device.key, vintage, str(deployment.kv), default, counting.name, counting.mfu_decimals, figures)


_WIDTHS = {"bf16": 2, "fp8": 1, "fp32": 4}
_RATES = frozenset(name for name, info in KNOWN.items() if info.kind in ("hardware", "convention"))


def _hardware(device: Device, counting: Convention) -> dict[str, tuple[Fraction, str]]:
    rows: dict[str, tuple[Fraction, str]] = {}
    for name, info in KNOWN.items():
        figure = device.figure(name, counting.name) if info.kind == "hardware" else None
        if figure is None:
            continue
        factor = counting.scale.get(info.unit, Fraction(1))
        counted = f", counted x {float(factor):.10g} ({counting.sources[info.unit]})" if factor != 1 else ""
        assumed = ", assumed" if name in device.assumed else ""
        rows[name] = (
            figure * factor,
            f"hardware/{device.path.name}: {format_quantity(figure, info.unit)}{assumed}{counted}",
        )
    for field in ("hbm_bandwidth", *(f"{link}_bandwidth" for link in LINKS), "clock"):
        share = device.achievable.get(field, Fraction(1))
        origin = "achievable, assumed" if f"{field} achievable" in device.assumed else "achievable"
        rows[f"{field.removesuffix('_bandwidth')}_efficiency"] = share, f"hardware/{device.path.name}: {origin}"
    rows["default_mfu"] = device.assume["mfu"], f"hardware/{device.path.name}: assume"
    return rows


def _deployment(deployment: Deployment) -> dict[str, tuple[Fraction, str]]:
    values = {
        "world_size": Fraction(deployment.world_size),
        "nodes": Fraction(deployment.num_nodes),
        **{degree: Fraction(getattr(deployment, degree)) for degree in ("tp", "cp", "dp", "pp")},
        "ep": Fraction(deployment.experts_over),
        "sm_ratio": Fraction(deployment.sm_ratio),
        "deepep": Fraction(deployment.comm == "deepep"),
        "two_batch": Fraction(deployment.overlap == "two-batch"),
        **{
            f"b_{name}": Fraction(_WIDTHS[held])
            for name, held in (("w", deployment.gemm), ("kv", deployment.kv))
            if held in _WIDTHS
        },
    }
    fixed = {f"b_{precision}": (Fraction(width), "definition") for precision, width in _WIDTHS.items()}
    return {**{name: (value, "deployment") for name, value in values.items()}, **fixed}
