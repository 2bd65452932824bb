"""Pictures of results, drawn with matplotlib (the `plot` extra)."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from symsim.algebra.symbols import is_symbol, subscripted, symbol_info
from symsim.algebra.units import format_quantity
from symsim.analysis.regime_map import RegimeMap
from symsim.analysis.regimes import Piece, Regimes
from symsim.analysis.sensitivity import Sensitivity
from symsim.api.costs import Costs
from symsim.api.formula import Formula
from symsim.errors import SymsimError
from symsim.formula.breakdown import breakdown
from symsim.inputs.extras import load_extra
from symsim.paths import replacing
from symsim.render.regime_map import binding_text
from symsim.search.pareto import FrontPoint
from symsim.tables.table import signatures


def _pyplot() -> Any:
    """matplotlib without a display. Raises SymsimError when it is not installed."""
    load_extra("matplotlib", "plot", "pictures need").use("Agg")
    return importlib.import_module("matplotlib.pyplot")


def new_figure(panels: int) -> tuple[Any, Sequence[Any]]:
    """A figure with so many square panels beside each other."""
    figure, axes = _pyplot().subplots(1, panels, figsize=(5 * panels, 4.5), squeeze=False)
    return figure, list(axes[0])


def save(figure: Any, file: str | Path, note: str = "symsim") -> None:
    """Write a figure whole, in a PDF with a note of who made it; the ending chooses the format.

    Raises SymsimError for an ending that is no format.
    """
    check_ending(file)
    ending = Path(file).suffix.lstrip(".")
    about = {"Creator": note, "CreationDate": None} if ending == "pdf" else None
    try:
        with replacing(file) as unfinished:
            figure.savefig(unfinished, format=ending, bbox_inches="tight", metadata=about)
    finally:
        _pyplot().close(figure)


def check_ending(file: str | Path) -> None:
    """Raise SymsimError unless pictures can be drawn as the file's ending says, and its folder is there."""
    _pyplot()
    ending = Path(file).suffix.lstrip(".")
    if ending not in importlib.import_module("matplotlib.backend_bases").FigureCanvasBase.get_supported_filetypes():
        raise SymsimError(f"{file}: cannot draw a picture as {ending or 'a file without an ending'!r}; e.g. tpot.pdf")
    if not Path(file).absolute().parent.is_dir():
        raise SymsimError(f"{file}: there is no folder {Path(file).parent}")


def save_regimes(found: Regimes, limit: float | None, fits: float | None, file: str | Path, note: str = "") -> None:
    """The metric along the symbol, a band for each set of binding arms; the limit and the largest batch as lines."""
    plt = _pyplot()
    figure, axes = plt.subplots(figsize=(8, 4.5))
    kinds = dict.fromkeys(map(_bound, found.pieces))
    shades = dict(zip(kinds, plt.get_cmap("Pastel1")([i % 9 for i in range(len(kinds))]), strict=True))
    unit, factor = _unit(found.pieces[-1].value_high, found.unit)
    for piece in found.pieces:
        points = np.linspace(piece.low, piece.high, 24)
        whole = [int(x) for x in points] if isinstance(piece.low, int) else list(points)
        style = {"marker": "."} if piece.low == piece.high else {}
        axes.plot(whole, [piece.value(x) / factor for x in whole], color="black", linewidth=1.2, markersize=3, **style)
    whole_steps = isinstance(found.pieces[0].low, int)
    for kind, run in groupby(found.pieces, key=_bound):
        pieces = list(run)
        low, high = (pieces[0].low - 0.5, pieces[-1].high + 0.5) if whole_steps else (pieces[0].low, pieces[-1].high)
        axes.axvspan(low, high, color=shades[kind], linewidth=0)
    for kind, shade in shades.items():
        axes.plot([], [], color=shade, linewidth=8, label=kind)
    if limit is not None:
        axes.axhline(limit / factor, color="#b2432f", linestyle="--", label=f"limit: {limit / factor:g} {unit}")
    if fits is not None and fits <= found.pieces[-1].high:
        axes.axvline(fits, color="#2f6db2", linestyle=":", label=f"largest batch in memory: {fits:.0f}")
    axes.set_xlabel(f"{found.variable} [{found.variable_unit}]".removesuffix(" [1]"))
    axes.set_ylabel(f"${found.latex}$ [{unit}]".removesuffix(" [1]"))
    axes.margins(x=0)
    axes.set_ylim(bottom=0)
    if not note:
        axes.set_title(_unset(found.subject), fontsize=7)
    axes.legend(fontsize=8)
    save(figure, file, note)


def _bound(piece: Piece) -> str:
    """What is bound by memory on a piece, for a legend; long lists are cut."""
    steps = [step.removeprefix("t_") for step, what in piece.binds.items() if what == "memory"]
    if not steps:
        return "no step is memory-bound"
    return f"memory-bound: {', '.join(steps[:3])}{f' and {len(steps) - 3} more' if len(steps) > 3 else ''}"


def _unit(value: float, unit: str) -> tuple[str, float]:
    """A unit with a prefix that fits a value, and its factor."""
    number, _, prefixed = format_quantity(value, unit, 12).partition(" ")
    return prefixed or unit, value / float(number)


def save_plane(found: RegimeMap, limit: float | None, file: str | Path) -> None:
    """Regions over both symbols by colour, the metric as lines of equal value, the limit and the point."""
    plt = _pyplot()
    figure, axes = plt.subplots(figsize=(8, 5))
    shades = plt.get_cmap("Pastel1")([i % 9 for i in range(len(found.regions))])
    axes.pcolormesh(found.xs, found.ys, shades[found.index], shading="nearest")
    for region, shade in zip(found.regions, shades, strict=True):
        axes.plot([], [], color=shade, linewidth=8, label=f"{binding_text(region, found.regions)} ({region.share:.0%})")
    lines = axes.contour(found.xs, found.ys, found.values, levels=8, colors="black", linewidths=0.6)
    axes.clabel(lines, fontsize=6, fmt=lambda value: format_quantity(value, found.unit, 3))
    if limit is not None:
        axes.contour(found.xs, found.ys, found.values, levels=[limit], colors="#b2432f", linestyles="--")
        axes.plot([], [], color="#b2432f", linestyle="--", label=f"limit: {format_quantity(limit, found.unit)}")
    axes.plot(*(found.at[name] for name in found.variables), marker="x", color="black", linestyle="", label="the point")
    axes.set_xscale("log")
    axes.set_yscale("log")
    for name, set_label in zip(found.variables, (axes.set_xlabel, axes.set_ylabel), strict=True):
        set_label(f"{name} [{symbol_info(name).unit}]".removesuffix(" [1]"))
    axes.set_title(_unset(f"{found.metric}: {found.subject}"), fontsize=7, wrap=True)
    axes.legend(fontsize=6, loc="upper center", bbox_to_anchor=(0.5, -0.12))
    save(figure, file)


def save_roofline(costs: Costs, formula: Formula, point: Mapping[str, int], file: str | Path, note: str = "") -> None:
    """Every operator's FLOP/s over its arithmetic intensity, under the roofs of the device."""
    plt = _pyplot()
    count = formula.form.chunk_count(point)
    every = breakdown(costs.compiled.phase_at(formula.name, count), formula.form, point, cut=count > 1)
    lines = [line for line in every if line.flops and line.hbm_bytes]
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
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("arithmetic intensity [FLOP/B]")
    axes.set_ylabel("FLOP/s")
    _label(
        axes, [(line.flops / line.hbm_bytes, line.flops / line.seconds, line.name.rpartition(".")[2]) for line in lines]
    )
    if not note:
        at = ", ".join(f"{name} = {value}" for name, value in point.items())
        axes.set_title(_unset(f"{formula.subject}; {at}"), fontsize=7)
    axes.legend(fontsize=8)
    save(figure, file, note)


def _label(axes: Any, points: Sequence[tuple[float, float, str]]) -> None:
    """Write names beside points, each once, where they do not cover each other; a line leads to one that is moved."""
    taken: list[tuple[float, float, float, float]] = []
    for x, y, label in sorted(dict.fromkeys(points), key=lambda point: (-point[1], point[0])):
        left, low = axes.transData.transform((x, y)) * 72 / axes.figure.dpi
        wide, high = 4.2 * len(label), 8.0
        for dx, dy in _OFFSETS:
            start = left + dx - (wide if dx < 0 else 0)
            box = (start, low + dy, start + wide, low + dy + high)
            if not any(_overlap(box, other) for other in taken):
                break
        else:
            continue
        taken.append(box)
        arrow = {"arrowstyle": "-", "linewidth": 0.4, "shrinkB": 2} if abs(dy) > 12 else None
        side = "right" if dx < 0 else "left"
        style = {"fontsize": 7, "textcoords": "offset points", "ha": side, "arrowprops": arrow}
        axes.annotate(label, (x, y), xytext=(dx, dy), **style)


def _overlap(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """Of two boxes: left, low, right, high."""
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


_OFFSETS = [(dx, dy) for far in range(0, 72, 8) for dy in (-3 - far, -3 + far) for dx in (5, -5)]
"""Where a label may stand beside its point, in points, the nearest first."""


def save_tornado(found: Sequence[Sensitivity], formula: Formula, file: str | Path, note: str = "") -> None:
    """Bars of elasticity, the largest on top."""
    plt = _pyplot()
    shown = [one for one in found if any(one.elasticity)][:15][::-1]
    figure, axes = plt.subplots(figsize=(7, 0.35 * len(shown) + 1))
    widths = [one.elasticity[1] for one in shown]
    axes.barh(
        [f"${_latex(one.name)}$" for one in shown], widths, color=["#b2432f" if w > 0 else "#2f6db2" for w in widths]
    )
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel(f"elasticity of ${formula.form.derivation.result.latex}$: % for 1 % more")
    if not note:
        axes.set_title(_unset(formula.subject), fontsize=7)
    save(figure, file, note)


def _unset(text: str) -> str:
    """Text of a file in a picture: a dollar sign in it begins no formula, and a label it begins is not hidden."""
    return f" {text}".replace("$", "\\$") if text.startswith("_") else text.replace("$", "\\$")


def _latex(name: str) -> str:
    """A symbol or a table's function, as it stands in formulas."""
    if is_symbol(name):
        return symbol_info(name).latex
    return signatures()[name].latex if name in signatures() else subscripted(name)


def save_front(front: Sequence[FrontPoint], title: str, file: str | Path) -> None:
    """Tokens per GPU over tokens per user; a point is marked by its device where several are compared."""
    plt = _pyplot()
    figure, axes = plt.subplots(figsize=(7, 4.5))
    axes.step([p.per_user for p in front], [p.per_gpu for p in front], where="post", color="black", linewidth=0.8)
    devices = dict.fromkeys(point.labels["device"] for point in front)
    for device in devices:
        own = [point for point in front if point.labels["device"] == device]
        axes.scatter([p.per_user for p in own], [p.per_gpu for p in own], s=14, label=_unset(device))
    axes.set_xlabel("tokens/s of a user (1/TPOT)")
    axes.set_ylabel("tokens/s of a GPU (TGS)")
    axes.set_title(_unset(title), fontsize=7)
    axes.legend(fontsize=7)
    save(figure, file)
