"""The front of tokens per GPU against tokens per user, a line a device, with its ends and its knee named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from symsim.render.names import label
from symsim.render.style import literal_text, save, set_title, size, styled
from symsim.search.pareto import FrontPoint


def save_front(fronts: Mapping[str, Sequence[FrontPoint]], title: str, file: str | Path, style: str = "screen") -> None:
    """fronts: device -> its front, by falling tokens per user."""
    told = _telling([point for front in fronts.values() for point in front])
    with styled(style) as plt:
        figure, axes = plt.subplots(figsize=size(style, 0.66))
        named: list[tuple[float, float, str, str]] = []
        for device, front in fronts.items():
            xs, ys = [p.per_user for p in front], [p.per_gpu for p in front]
            (line,) = axes.plot(*_stairs(xs, ys), label=literal_text(device))
            axes.scatter(xs, ys, s=8, color=line.get_color())
            notable = [(front[i], _words(front[i], told)) for i in _notable(xs, ys)]
            named += [(point.per_user, point.per_gpu, words, line.get_color()) for point, words in notable]
        axes.set_xlabel("tokens/s of a user (1/TPOT)")
        axes.set_ylabel("tokens/s of a GPU (TGS)")
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper right")  # fronts fall
        set_title(axes, title, "")
        label(axes, named)
        save(figure, file)


def _stairs(xs: Sequence[float], ys: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """A front as a line: what a point gives each GPU is also had at fewer tokens per user, up to the next point.

    >>> _stairs([3, 2], [1, 4])
    ([3, 2, 2], [1, 1, 4])
    """
    return [x for x in xs for _ in range(2)][1:], [y for y in ys for _ in range(2)][:-1]


def _telling(points: Sequence[FrontPoint]) -> list[str]:
    """The labels in which points of the fronts differ."""
    names = [name for name in points[0].labels if name != "device"] if points else []
    return [name for name in names if len({str(point.labels[name]) for point in points}) > 1]


def _words(point: FrontPoint, told: Sequence[str]) -> str:
    """Numbers with their names; words say what they are."""
    own = {name: point.labels[name] for name in told}
    return literal_text(", ".join(of if isinstance(of, str) else f"{name} {of}" for name, of in own.items()))


def _notable(xs: Sequence[float], ys: Sequence[float]) -> list[int]:
    """Both ends and the knee: the point farthest above the line between the ends, both axes as long."""
    if len(xs) < 3:
        return [*range(len(xs))]
    x, y = np.asarray(xs), np.asarray(ys)
    x, y = (x - x.min()) / np.ptp(x), (y - y.min()) / np.ptp(y)
    return sorted({0, int(np.argmax(x + y)), len(xs) - 1})
