"""The front of tokens per GPU against tokens per user, a line a device, with its ends and its knee named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from symsim.render.style import label, literal_text, save, set_title, size, styled
from symsim.search.pareto import FrontPoint


def save_front(fronts: Mapping[str, Sequence[FrontPoint]], title: str, file: str | Path, style: str = "screen") -> None:
    """fronts: device -> its front, by falling tokens per user."""
    told = _telling([point for front in fronts.values() for point in front])
    with styled(style) as plt:
        figure, axes = plt.subplots(figsize=size(style, 0.66))
        named: list[tuple[float, float, str]] = []
        for device, front in fronts.items():
            xs, ys = [p.per_user for p in front], [p.per_gpu for p in front]
            (line,) = axes.step(xs, ys, where="post", marker=".", markersize=4, label=literal_text(device))
            axes.scatter(xs, ys, s=8, color=line.get_color())
            named += [(front[i].per_user, front[i].per_gpu, _words(front[i], told)) for i in _notable(xs, ys)]
        axes.set_xlabel("tokens/s of a user (1/TPOT)")
        axes.set_ylabel("tokens/s of a GPU (TGS)")
        axes.set_ylim(bottom=0)
        axes.legend()
        set_title(axes, title, "")
        label(axes, named)
        save(figure, file)


def _telling(points: Sequence[FrontPoint]) -> list[str]:
    """The labels in which points of the fronts differ."""
    names = [name for name in points[0].labels if name != "device"] if points else []
    return [name for name in names if len({str(point.labels[name]) for point in points}) > 1]


def _words(point: FrontPoint, told: Sequence[str]) -> str:
    return literal_text(", ".join(f"{name} {point.labels[name]}" for name in told))


def _notable(xs: Sequence[float], ys: Sequence[float]) -> list[int]:
    """Both ends and the knee: the point farthest above the line between the ends, both axes as long."""
    if len(xs) < 3:
        return [*range(len(xs))]
    x, y = np.asarray(xs), np.asarray(ys)
    x, y = (x - x.min()) / np.ptp(x), (y - y.min()) / np.ptp(y)
    return sorted({0, int(np.argmax(x + y)), len(xs) - 1})
