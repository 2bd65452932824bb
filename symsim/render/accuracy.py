"""A picture of predicted against measured figures, a panel a metric, with the intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symsim.calibration.accuracy import Accuracy, RunRow
from symsim.notation.colours import colours
from symsim.render.style import COLUMN, CURVES, save, styled

MARKS = ("o", "s", "^")
"""Marks of devices; the next is taken where the colours are used up."""

_TITLES = {"tpot_s": "TPOT [s]", "ttft_s": "TTFT [s]", "output_tok_s_per_gpu": "output tokens/s a GPU"}

_INNER, _MARGIN = 0.99, 3.0
"""Axes reach this factor beyond the inner share of the figures: one row far off does not press the others together."""

_BEYOND = {(-1, 0): "<", (1, 0): ">", (0, -1): "v", (0, 1): "^"}
"""Marks at the edge, by the side that a row is beyond."""

_LEGEND_ROW = 5
"""Devices in a row of the legend."""


def save_accuracy(found: Accuracy, file: str | Path, style: str = "screen") -> None:
    """Write it; the ending chooses the format. Needs the `plot` extra."""
    metrics = [metric for metric in _TITLES if any(row.metric == metric for row in found.rows)]
    devices = sorted({row.run.device for row in found.rows})
    side = COLUMN / 1.5 if style == "paper" else 4.5
    with styled(style) as plt:
        figure, axes = plt.subplots(
            1, len(metrics), figsize=(side * len(metrics), 1.15 * side), squeeze=False, layout="constrained"
        )
        for metric, panel in zip(metrics, axes[0], strict=True):
            _panel(panel, [row for row in found.rows if row.metric == metric], _TITLES[metric], devices)
        drawn = {name: mark for panel in axes[0] for mark, name in zip(*panel.get_legend_handles_labels(), strict=True)}
        figure.legend(
            [drawn[device] for device in devices],
            devices,
            loc="outside lower center",
            ncols=min(_LEGEND_ROW, len(devices)),
            handletextpad=0.1,
        )
        save(figure, file)


def axis_ends(rows: Sequence[RunRow]) -> tuple[float, float]:
    """Ends of both axes, in the unit of the metric: every figure is between them but those far from the others."""
    figures = [figure for row in rows for figure in (row.measured, row.predicted)]
    low, high = np.quantile(figures, [(1 - _INNER) / 2, (1 + _INNER) / 2])
    return max(low / _MARGIN, min(figures) / 1.3), min(high * _MARGIN, max(figures) * 1.3)


def _panel(panel: Any, rows: Sequence[RunRow], title: str, devices: Sequence[str]) -> None:
    """A device has one colour and mark on all panels."""
    ends = axis_ends(rows)
    for place, device in enumerate(devices):
        if own := [row for row in rows if row.run.device == device]:
            look = {"color": f"C{place % CURVES}", "markersize": 2.5, "alpha": 0.6}
            _draw(panel, own, look | {"fmt": MARKS[place // CURVES % len(MARKS)], "linewidth": 0.4, "label": device})
            _draw_beyond(panel, own, ends, look)
    panel.plot(ends, ends, color=colours()["ink"], linewidth=0.8)
    panel.set(xscale="log", yscale="log", xlim=ends, ylim=ends, box_aspect=1)
    panel.set_xlabel(f"measured {title}")
    panel.set_ylabel(f"predicted {title}")
    if beyond := sum(_side(row, ends) != (0, 0) for row in rows):
        told = f"{beyond:,} of {len(rows):,} beyond the axes"
        panel.text(0.03, 0.97, told, transform=panel.transAxes, va="top", fontsize="small", color=colours()["faint"])


def _draw(panel: Any, rows: Sequence[RunRow], look: dict[str, Any]) -> None:
    measured, predicted = [row.measured for row in rows], [row.predicted for row in rows]
    reach = [
        [max(0.0, row.predicted - (row.low or row.predicted)) for row in rows],
        [max(0.0, (row.high or row.predicted) - row.predicted) for row in rows],
    ]
    panel.errorbar(measured, predicted, yerr=reach, **look)


def _draw_beyond(panel: Any, rows: Sequence[RunRow], ends: tuple[float, float], look: dict[str, Any]) -> None:
    """Rows beyond the axes, at the edge on their side."""
    for row in rows:
        if (side := _side(row, ends)) != (0, 0):
            place = np.clip((row.measured, row.predicted), *ends)
            panel.plot(*place, _BEYOND[side], **look | {"markersize": 5}, clip_on=False)


def _side(row: RunRow, ends: tuple[float, float]) -> tuple[int, int]:
    """On which side a row is beyond the axes: to the left or right, else below or above; (0, 0): on them."""
    across, up = (int(figure > ends[1]) - int(figure < ends[0]) for figure in (row.measured, row.predicted))
    return (across, 0) if across else (0, up)
