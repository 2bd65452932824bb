"""A picture of predicted against measured figures, a panel a metric, with the intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from symsim.calibration.accuracy import Accuracy, RunRow
from symsim.notation.colours import colours
from symsim.render.style import COLUMN, CURVES, save, styled

MARKS = ("o", "s", "^")
"""Marks of devices; the next is taken where the colours are used up."""

_TITLES = {"tpot_s": "TPOT [s]", "ttft_s": "TTFT [s]", "output_tok_s_per_gpu": "output tokens/s a GPU"}


def save_accuracy(found: Accuracy, file: str | Path, style: str = "screen") -> None:
    """Write it; the ending chooses the format. Needs the `plot` extra."""
    metrics = [metric for metric in _TITLES if any(row.metric == metric for row in found.rows)]
    devices = sorted({row.run.device for row in found.rows})
    side = COLUMN / 1.5 if style == "paper" else 4.5
    with styled(style) as plt:
        figure, axes = plt.subplots(1, len(metrics), figsize=(side * len(metrics), side), squeeze=False)
        for metric, panel in zip(metrics, axes[0], strict=True):
            _panel(panel, [row for row in found.rows if row.metric == metric], _TITLES[metric], devices)
        figure.tight_layout()
        save(figure, file)


def _panel(panel: Any, rows: Sequence[RunRow], title: str, devices: Sequence[str]) -> None:
    """A device has one colour and mark on all panels."""
    for place, device in enumerate(devices):
        own = [row for row in rows if row.run.device == device]
        if not own:
            continue
        measured, predicted = [row.measured for row in own], [row.predicted for row in own]
        reach = [
            [max(0.0, row.predicted - (row.low or row.predicted)) for row in own],
            [max(0.0, (row.high or row.predicted) - row.predicted) for row in own],
        ]
        look = {"color": f"C{place % CURVES}", "fmt": MARKS[place // CURVES % len(MARKS)]}
        panel.errorbar(measured, predicted, yerr=reach, **look, markersize=3, linewidth=0.4, alpha=0.6, label=device)
    ends = min(row.measured for row in rows), max(row.measured for row in rows)
    panel.plot(ends, ends, color=colours()["ink"], linewidth=0.8)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlabel(f"measured {title}")
    panel.set_ylabel(f"predicted {title}")
    panel.legend(fontsize="x-small", handletextpad=0.1)
