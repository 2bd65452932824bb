"""Pictures of results, drawn with matplotlib (the `plot` extra)."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symsim.api import Costs
from symsim.errors import SymsimError
from symsim.explain import breakdown
from symsim.formula import Formula
from symsim.pareto import FrontPoint
from symsim.pieces import Regimes
from symsim.sensitivity import Sensitivity


def _pyplot() -> Any:
    """matplotlib without a display. Raises SymsimError when it is not installed."""
    try:
        importlib.import_module("matplotlib").use("Agg")
        return importlib.import_module("matplotlib.pyplot")
    except ImportError:
        raise SymsimError("pictures need matplotlib: pip install 'symsim-llm[plot]'") from None


def save(figure: Any, file: str | Path) -> None:
    """Write a figure; the ending chooses the format. Raises SymsimError for an ending that is no format."""
    known = figure.canvas.get_supported_filetypes()
    ending = Path(file).suffix.lstrip(".")
    if ending not in known:
        raise SymsimError(f"{file}: cannot draw a picture as {ending or 'a file without an ending'!r}; e.g. tpot.pdf")
    figure.savefig(file, bbox_inches="tight")
    _pyplot().close(figure)


def save_regimes(found: Regimes, limit: float | None, fits: float | None, file: str | Path) -> None:
    """The metric along the symbol, a band for each set of binding arms; the limit and the largest batch as lines."""
    plt = _pyplot()
    figure, axes = plt.subplots(figsize=(8, 4.5))
    kinds = {tuple(sorted(piece.binds.items())): None for piece in found.pieces}
    shades = dict(zip(kinds, plt.get_cmap("Pastel1")([i % 9 for i in range(len(kinds))]), strict=True))
    for piece in found.pieces:
        points = np.linspace(piece.low, piece.high, 24)
        whole = [int(x) for x in points] if isinstance(piece.low, int) else list(points)
        axes.plot(whole, [piece.value(x) for x in whole], color="black", linewidth=1.2)
        axes.axvspan(piece.low, piece.high, color=shades[tuple(sorted(piece.binds.items()))], linewidth=0)
    for binds, shade in shades.items():
        memory = [step.removeprefix("t_") for step, what in binds if what == "memory"]
        axes.plot([], [], color=shade, linewidth=8, label=f"memory-bound: {', '.join(memory) or 'nothing'}")
    if limit is not None:
        axes.axhline(limit, color="#b2432f", linestyle="--", label="limit")
    if fits is not None and fits <= found.pieces[-1].high:
        axes.axvline(fits, color="#2f6db2", linestyle=":", label=f"largest batch in memory: {fits:.0f}")
    axes.set_xlabel(f"{found.variable} [{found.variable_unit}]".removesuffix(" [1]"))
    axes.set_ylabel(f"{found.metric} [{found.unit}]")
    axes.set_title(found.subject, fontsize=7)
    axes.legend(fontsize=7)
    save(figure, file)


def save_roofline(costs: Costs, formula: Formula, point: Mapping[str, int], file: str | Path) -> None:
    """Every operator's FLOP/s over its arithmetic intensity, under the roofs of the device."""
    plt = _pyplot()
    phase = costs.prefill if formula.name in ("ttft", "tgs_prefill") else costs.decode
    lines = [line for line in breakdown(phase, formula.form, point) if line.flops and line.hbm_bytes]
    if not lines:
        raise SymsimError("no operator both computes and moves bytes here; try --cost-model roofline")
    values = formula.form.values({})
    bandwidth = values["hbm_bandwidth"] * values["hbm_efficiency"]
    peaks = {name: values[name] for name in ("peak_bf16", "peak_fp8") if name in values}
    figure, axes = plt.subplots(figsize=(7, 5))
    low = min(line.flops / line.hbm_bytes for line in lines) / 3
    high = max(line.flops / line.hbm_bytes for line in lines) * 3
    for name, peak in peaks.items():
        ridge = sorted({low, min(max(peak / bandwidth, low), high), high})
        axes.plot(ridge, [min(x * bandwidth, peak) for x in ridge], label=f"{name}, HBM at its achievable share")
    for line in lines:
        axes.scatter(line.flops / line.hbm_bytes, line.flops / line.seconds, s=14, color="black")
        label = line.name.rpartition(".")[2]
        axes.annotate(
            label,
            (line.flops / line.hbm_bytes, line.flops / line.seconds),
            fontsize=6,
            xytext=(3, 2),
            textcoords="offset points",
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("arithmetic intensity [FLOP/B]")
    axes.set_ylabel("FLOP/s")
    axes.set_title(f"{formula.subject}; {', '.join(f'{k} = {v}' for k, v in point.items())}", fontsize=7)
    axes.legend(fontsize=7)
    save(figure, file)


def save_tornado(found: Sequence[Sensitivity], formula: Formula, file: str | Path) -> None:
    """Bars of elasticity, the largest on top."""
    plt = _pyplot()
    shown = [one for one in found if any(one.elasticity)][:15][::-1]
    figure, axes = plt.subplots(figsize=(7, 0.35 * len(shown) + 1))
    widths = [one.elasticity[1] for one in shown]
    axes.barh([one.name for one in shown], widths, color=["#b2432f" if w > 0 else "#2f6db2" for w in widths])
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel(f"elasticity of {formula.name}: % for 1 % more")
    axes.set_title(formula.subject, fontsize=7)
    save(figure, file)


def save_front(front: Sequence[FrontPoint], title: str, file: str | Path) -> None:
    """Tokens per GPU over tokens per user; a point is marked by its device where several are compared."""
    plt = _pyplot()
    figure, axes = plt.subplots(figsize=(7, 4.5))
    axes.step([p.per_user for p in front], [p.per_gpu for p in front], where="post", color="black", linewidth=0.8)
    devices = dict.fromkeys(point.labels["device"] for point in front)
    for device in devices:
        own = [point for point in front if point.labels["device"] == device]
        axes.scatter([p.per_user for p in own], [p.per_gpu for p in own], s=14, label=device)
    axes.set_xlabel("tokens/s of a user (1/TPOT)")
    axes.set_ylabel("tokens/s of a GPU (TGS)")
    axes.set_title(title, fontsize=7)
    axes.legend(fontsize=7)
    save(figure, file)
