"""A picture of a metric over two symbols: where what binds, and lines of equal value."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from symsim.algebra.units import format_quantity
from symsim.analysis.regime_map import RegimeMap, Region
from symsim.notation.colours import colours
from symsim.render.regime_map import binding_text, others_text, told_regions
from symsim.render.style import axis_name, literal_text, save, scale, size, styled, title_of

_UNDER = 5.0
"""Letters' heights from a map to what its colours mean: below the axis and its name."""

_LEAST = 0.03
"""Share of the map up to which a region has only its colour."""

_FOLD = {"screen": 100, "paper": 64}
"""Letters of a line of what a colour means."""


def save_plane(found: RegimeMap, limit: float | None, file: str | Path, style: str = "screen") -> None:
    """Regions over both symbols by colour, the metric as lines of equal value, the limit and the point."""
    with styled(style) as plt:
        figure, axes = plt.subplots(figsize=size(style, 0.7))
        told = told_regions(found)
        shades = np.ones((len(found.regions), 3))  # white, but for the regions that are told
        for i, shade in _shades(told).items():
            shades[i] = shade
        axes.pcolormesh(found.xs, found.ys, shades[found.index], shading="nearest")
        named = {i: region for i, region in told.items() if region.share > _LEAST or i == found.here}
        for i, region in named.items():
            words = f"{binding_text(region, named.values())} ({region.share:.0%})"
            folded = textwrap.fill(words.replace("_", " "), _FOLD[style])
            axes.plot([], [], color=shades[i], linewidth=8, label=literal_text(folded))
        if len(named) < len(told):
            axes.plot([], [], linestyle="", label=f"in between {len(told) - len(named)} more")
        if others := others_text(found):
            axes.plot([], [], color=colours()["paper"], linewidth=8, label=f"white: {others}")
        levels = _levels(float(np.nanmin(found.values)), float(np.nanmax(found.values)))
        lines = axes.contour(found.xs, found.ys, found.values, levels=levels, colors=colours()["ink"], linewidths=0.6)
        for words in axes.clabel(lines, fontsize="x-small", fmt=lambda value: format_quantity(value, found.unit, 3)):
            words.set_clip_on(False)  # at the frame half of it would be lost
        if limit is not None:
            axes.contour(found.xs, found.ys, found.values, levels=[limit], colors=colours()["limit"], linestyles="--")
            named = f"limit: {format_quantity(limit, found.unit)}"
            axes.plot([], [], color=colours()["limit"], linestyle="--", label=named)
        at = [found.at[name] for name in found.variables]
        axes.plot(*at, marker="x", color=colours()["ink"], linestyle="", label="the point")
        for letter, name, along in zip("xy", found.variables, (found.xs, found.ys), strict=True):
            ends = float(min(along)), float(max(along))
            scale(axes, letter, ends)
            getattr(axes, f"set_{letter}lim")(*ends)
            getattr(axes, f"set_{letter}label")(axis_name(name))
        axes.set_title(f"${found.latex}$: {title_of(found.subject)}", wrap=True, fontsize="medium")
        axes.legend(fontsize="x-small", loc="upper center", bbox_to_anchor=(0.5, 0.0), borderaxespad=_UNDER)
        save(figure, file)


def _shades(told: Mapping[int, Region]) -> Mapping[int, NDArray[np.float64]]:
    """A light mixture of the colours of what binds in a region; a second one of the same mixture is darker."""
    shades: dict[int, NDArray[np.float64]] = {}
    met: list[tuple[float, ...]] = []
    for i, region in told.items():
        differing = [s for s in region.binds if len({other.binds[s] for other in told.values()}) > 1] or [*region.binds]
        mixed = np.mean([_rgb(colours().get(region.binds[s], colours()["engine"])) for s in differing], axis=0)
        met.append(tuple(mixed))
        shades[i] = 1 - (1 - mixed) * min(0.25 + 0.15 * met.count(tuple(mixed)), 1.0)
    return shades


def _rgb(colour: str) -> list[float]:
    return [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]


def _levels(low: float, high: float) -> list[float]:
    """Values at which a line of equal value runs: 1, 2, 5, 10, ... of a power of ten, between the ends."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [first * 10.0**power for power in decades for first in (1, 2, 5) if low < first * 10.0**power < high]
