"""Pictures of a metric along a symbol, over two, and of two deployments beside each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symsim.algebra.symbols import INPUTS
from symsim.analysis.regimes import Piece, Regimes
from symsim.api.formula import Formula
from symsim.cost.bound import BOUNDS
from symsim.notation.colours import colours
from symsim.render.regimes import is_smooth
from symsim.render.style import axis_name, prefixed, save, scale, set_title, size, styled, told_apart

_UNDER = 5.5
"""Letters' heights from a strip to the names of its colours: below the axis and its name."""

_SHADE = 0.15
"""How opaque a band is."""

MOST_STEPS = 8
"""Steps that the strip under a curve shows at the most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalBand:
    """Between which values a metric is expected at points, in SI units."""

    at: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def band_along(
    formula: Formula, variable: str, at: Mapping[str, float], ends: tuple[float, float]
) -> IntervalBand | None:
    """The interval along a workload symbol between two values, all others at a point; None where nothing is known."""
    point = {name: value for name, value in at.items() if name in formula.symbols}
    if variable not in INPUTS or formula.interval(**{**point, variable: int(ends[0])}) is None:
        return None
    values = [float(x) for x in np.unique(np.rint(np.geomspace(*ends, 96)))]
    found = [formula.interval(**{**point, variable: int(x)}) or (math.nan,) * 2 for x in values]
    return IntervalBand(at=values, low=[end[0] for end in found], high=[end[1] for end in found])


def save_regimes(
    found: Regimes,
    limit: float | None,
    fits: float | None,
    file: str | Path,
    note: str = "",
    style: str = "screen",
    band: IntervalBand | None = None,
) -> None:
    """The metric along the symbol, with the limit, the largest batch in memory and the band of its interval; under it a
    strip for each step whose limit changes, coloured by what limits it."""
    changing = _changing(found.pieces)
    steps = changing[:MOST_STEPS]
    with styled(style) as plt:
        heights = [6.0, max(0.32 * len(steps), 0.1)]
        width, height = size(style)
        figure, (axes, strip) = plt.subplots(
            2, 1, sharex=True, figsize=(width, height + 0.16 * len(steps)), height_ratios=heights
        )
        figure.subplots_adjust(hspace=0.06)
        unit = _curve(axes, found, band)
        _lines(axes, found, limit, fits, unit)
        _strip(strip, found.pieces, steps, len(changing) - len(steps))
        scale(axes, "x", [found.pieces[0].low, found.pieces[-1].high])
        axes.margins(x=0)
        strip.set_xlabel(axis_name(found.variable))
        axes.set_ylabel(f"${found.latex}$ [{unit[0]}]".removesuffix(" [1]"))
        set_title(axes, found.subject, note)
        save(figure, file, note)


def _curve(axes: Any, found: Regimes, band: IntervalBand | None) -> tuple[str, float]:
    unit, factor = prefixed(found.pieces[-1].value_high, found.unit)
    for run in [found.pieces] if is_smooth(found.pieces[0].expression) else [(piece,) for piece in found.pieces]:
        points = [at for piece in run for at in _points(piece)]
        values = [value / factor for piece in run for value in piece.values(_points(piece))]
        mark = {"marker": "."} if len(points) == 1 else {}
        axes.plot(points, values, color=colours()["ink"], markersize=3, **mark)
    _draw_band(axes, band, factor, colours()["memory"])
    _tell_band(axes, [band])
    axes.set_ylim(bottom=0)
    return unit, factor


def _draw_band(axes: Any, band: IntervalBand | None, factor: float, colour: str) -> None:
    if band is not None:
        ends = (np.asarray(side) / factor for side in (band.low, band.high))
        axes.fill_between(band.at, *ends, color=colour, alpha=_SHADE, linewidth=0)


def _tell_band(axes: Any, bands: Sequence[IntervalBand | None]) -> None:
    """What is shaded, in the legend."""
    if any(bands):
        axes.fill_between([], [], color=colours()["ink"], alpha=_SHADE, linewidth=0, label="in 90 % of cases")
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="upper left")


def _points(piece: Piece) -> list[float]:
    points = [float(x) for x in np.geomspace(piece.low, piece.high, 24)]
    return sorted({int(x) for x in points}) if isinstance(piece.low, int) else points


def _lines(axes: Any, found: Regimes, limit: float | None, fits: float | None, unit: tuple[str, float]) -> None:
    """The limit and the largest batch, each with its name beside it."""
    if limit is not None:
        at = limit / unit[1]
        axes.set_ylim(top=max(axes.get_ylim()[1], 1.12 * at))  # room for its name
        axes.axhline(at, color=colours()["limit"], linestyle="--", linewidth=0.9)
        words = {"ha": "left", "va": "bottom", "fontsize": "x-small", "color": colours()["limit"]}
        axes.text(0.01, at, f"limit: {at:g} {unit[0]}", transform=axes.get_yaxis_transform(), **words)
    if fits is not None and found.pieces[0].low <= fits <= found.pieces[-1].high:
        axes.axvline(fits, color=colours()["reserves"], linestyle=":", linewidth=0.9)
        words = {"ha": "right", "va": "top", "rotation": 90, "fontsize": "x-small", "color": colours()["reserves"]}
        beside = {"textcoords": "offset points", "xytext": (-2, 0), "xycoords": axes.get_xaxis_transform()}
        axes.annotate(f"memory holds {fits:.0f}", (fits, 0.97), **beside, **words)


def _changing(pieces: Sequence[Piece]) -> list[str]:
    """The steps that tell pieces apart, those that change first on top; all of them where none changes."""
    known = [step for step in pieces[0].binds if pieces[0].binds[step] in BOUNDS]
    changes = {step: len({piece.binds[step] for piece in pieces}) > 1 for step in known}
    chosen = [step for step in known if changes[step]] or known

    def first_change(step: str) -> int:
        return next((i for i, piece in enumerate(pieces) if piece.binds[step] != pieces[0].binds[step]), 0)

    return sorted(chosen, key=first_change)


def _strip(axes: Any, pieces: Sequence[Piece], steps: Sequence[str], left_out: int) -> None:
    """A row a step, coloured by what limits it, and how many steps found no room."""
    for row, step in enumerate(steps):
        for i, piece in enumerate(pieces):
            end = pieces[i + 1].low if i + 1 < len(pieces) else piece.high
            colour = colours().get(piece.binds[step], colours()["engine"])
            axes.barh(row, end - piece.low, left=piece.low, height=0.86, color=colour, linewidth=0)
    names = [step.removeprefix("t_").replace("_", " ") for step in steps]
    axes.set_yticks(range(len(steps)), names, fontsize="x-small")
    axes.tick_params(axis="y", length=0)
    axes.invert_yaxis()
    axes.spines[:].set_visible(False)
    met = [kind for kind in BOUNDS if any(kind in piece.binds.values() for piece in pieces)]
    handles = [axes.barh(0, 0, color=colours()[kind]) for kind in met]
    if left_out:
        handles += axes.plot([], [], linestyle="")
        met.append(f"and {left_out} more that change")
    words = {"ncols": max(len(met), 1), "fontsize": "x-small", "handlelength": 0.8, "columnspacing": 1.2}
    axes.legend(handles, met, loc="upper right", bbox_to_anchor=(1.0, 0.0), borderaxespad=_UNDER, **words)


def save_comparison(
    names: tuple[str, str],
    metrics: tuple[Callable[[NDArray[np.float64]], NDArray[np.float64]], ...],
    variable: str,
    ends: tuple[int, int],
    about: tuple[str, str],
    file: str | Path,
    style: str = "screen",
    bands: tuple[IntervalBand | None, ...] = (None, None),
) -> None:
    """Both metrics along a whole-number symbol with the bands of their intervals, and under them how many times the
    first's value is of the second's.

    about: the metric's LaTeX and unit.
    """
    points = np.unique(np.rint(np.geomspace(*ends, 160)))
    values = [metric(points) for metric in metrics]
    unit, factor = prefixed(float(max(np.nanmax(found) for found in values)), about[1])
    with styled(style) as plt:
        figure, (axes, below) = plt.subplots(2, 1, sharex=True, figsize=size(style, 0.8), height_ratios=[3, 1])
        shared, *own = told_apart(*names)
        for name, found, band in zip(own, values, bands, strict=True):
            (line,) = axes.plot(points, found / factor, label=name)
            _draw_band(axes, band, factor, line.get_color())
        below.plot(points, values[0] / values[1], color=colours()["ink"])
        below.axhline(1, color=colours()["reserves"], linewidth=0.6)
        scale(axes, "x", ends)
        axes.set_ylim(bottom=0)
        axes.margins(x=0)
        _tell_band(axes, bands)
        axes.set_ylabel(f"${about[0]}$ [{unit}]".removesuffix(" [1]"))
        below.set_ylabel("first / second")
        axes.set_title(shared, wrap=True, fontsize="medium")
        below.set_xlabel(axis_name(variable))
        save(figure, file)
