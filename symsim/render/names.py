"""Names beside points of a picture, each where it covers as little as it can."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symsim.notation.colours import colours

_SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1))
"""Where a name may stand of its point, the first of equals: right, left, above, below, and the corners."""

_DISTANCES = (3, 6, 10, 15, 21, 28, 36, 45, 60)
"""Points of type from a point to its name."""

_LED = 9
"""Distance from which on a line leads from a name to its point."""

_COVERS = {"words": 12.0, "mark": 4.0, "curve": 1.0}
"""How much worse a place is by each that a name would cover there; a distance of 12 points is as bad as 1."""

_STEP = 6.0
"""Pixels between places of a curve that names keep clear of."""


def label(axes: Any, points: Sequence[tuple[float, float, str, str]]) -> None:
    """Write names beside points, each once, in its colour, the first where there is most room. Draw all else before:
    ends of axes may not move afterwards.

    points: (x, y, name, colour).
    """
    figure = axes.figure
    figure.canvas.draw()  # what has no place yet cannot be kept clear of
    renderer, pixels = figure.canvas.get_renderer(), figure.dpi / 72
    halo = [importlib.import_module("matplotlib.patheffects").withStroke(linewidth=2.5, foreground=colours()["paper"])]
    words = {"fontsize": "x-small", "path_effects": halo, "zorder": 4, "ha": "center", "va": "center"}
    lead = {"arrowstyle": "-", "linewidth": 0.4, "color": colours()["faint"], "shrinkA": 0, "shrinkB": 0}
    taken = [*_taken(axes, renderer)]
    frame = np.asarray(axes.get_window_extent(renderer).extents)
    for x, y, name, colour in dict.fromkeys(points):
        measured = axes.text(x, y, name, **words)
        size = np.asarray(measured.get_window_extent(renderer).size)
        measured.remove()
        at = axes.transData.transform((x, y))
        box, distance = _best(at, size, frame, taken, pixels)
        beside = {"xytext": ((box[:2] + box[2:]) / 2 - at) / pixels, "textcoords": "offset points"}
        axes.annotate(name, (x, y), color=colour, arrowprops=lead if distance >= _LED else None, **beside, **words)
        taken.append((box, _COVERS["words"]))


Taken = tuple[NDArray[np.float64], float]
"""A box in pixels (left, bottom, right, top), and how bad it is to cover it."""


def _best(
    at: NDArray[np.float64],
    size: NDArray[np.float64],
    frame: NDArray[np.float64],
    taken: Sequence[Taken],
    pixels: float,
) -> tuple[NDArray[np.float64], float]:
    """The box of a name of a size (width, height) and its distance in points of type from where it belongs."""
    boxes, weights = np.array([box for box, _ in taken]).reshape(-1, 4), np.array([weight for _, weight in taken])

    def badness(place: tuple[NDArray[np.float64], float]) -> float:
        box, distance = place
        covered = np.all(boxes[:, :2] < box[2:], axis=1) & np.all(boxes[:, 2:] > box[:2], axis=1)
        return float(weights[covered].sum() + distance / 12)

    return min(_places(at, size, frame, pixels), key=badness)


def _places(
    at: NDArray[np.float64], size: NDArray[np.float64], frame: NDArray[np.float64], pixels: float
) -> Iterator[tuple[NDArray[np.float64], float]]:
    """Boxes beside a point, moved into the frame, with their distance in points of type."""
    for distance in _DISTANCES:
        for side in np.array(_SIDES):
            middle = at + side * (size / 2 + distance * pixels / math.hypot(*side))
            inside = np.maximum(np.minimum(middle, frame[2:] - size / 2), frame[:2] + size / 2)
            yield np.concatenate((inside - size / 2, inside + size / 2)), distance


def _taken(axes: Any, renderer: Any) -> Iterator[Taken]:
    """What is drawn: words and the legend, marks, and places along curves."""
    for words in (*axes.texts, *filter(None, [axes.get_legend()])):
        yield np.asarray(words.get_window_extent(renderer).extents), _COVERS["words"]
    for marks in axes.collections:
        middles = axes.transData.transform(marks.get_offsets())
        half = np.resize(np.sqrt(marks.get_sizes()), len(middles)) / 2 * axes.figure.dpi / 72
        for middle, side in zip(middles, half, strict=True):
            yield np.concatenate((middle - side, middle + side)), _COVERS["mark"]
    for line in axes.lines:
        for (x0, y0), (x1, y1) in pairwise(line.get_transform().transform(line.get_xydata())):
            steps = 1 + int(math.hypot(x1 - x0, y1 - y0) / _STEP)
            for x, y in zip(np.linspace(x0, x1, steps + 1), np.linspace(y0, y1, steps + 1), strict=True):
                yield np.array((x, y, x, y)), _COVERS["curve"]
