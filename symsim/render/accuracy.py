"""A picture of predicted against measured figures, a panel a metric, with the intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from symsim.calibration.accuracy import Accuracy, RunRow
from symsim.notation.colours import colours
from symsim.render.style import COLUMN, save, styled

_TITLES = {"tpot_s": "TPOT [s]", "ttft_s": "TTFT [s]", "output_tok_s_per_gpu": "output tokens/s a GPU"}


def save_accuracy(found: Accuracy, file: str | Path, style: str = "screen") -> None:
    """Write it; the ending chooses the format. Needs the `plot` extra."""
    metrics = [metric for metric in _TITLES if any(row.metric == metric for row in found.rows)]
    side = COLUMN / 1.5 if style == "paper" else 4.5
    with styled(style) as plt:
        figure, axes = plt.subplots(1, len(metrics), figsize=(side * len(metrics), side), squeeze=False)
        looks = looks_of(found, plt.rcParams["axes.prop_cycle"].by_key()["color"])
        for metric, panel in zip(metrics, axes[0], strict=True):
            _panel(panel, [row for row in found.rows if row.metric == metric], _TITLES[metric], looks)
        figure.tight_layout()
        save(figure, file)


_MARKS = "osD^v"
"""Of devices with the same colour, each has its own."""


def looks_of(found: Accuracy, cycle: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    """Device -> how its points look, in every panel alike."""
    devices = enumerate(sorted({row.run.device for row in found.rows}))
    pairs = {device: (cycle[i % len(cycle)], _MARKS[i // len(cycle) % len(_MARKS)]) for i, device in devices}
    return {device: {"color": colour, "fmt": mark} for device, (colour, mark) in pairs.items()}


def _panel(panel: Any, rows: Sequence[RunRow], title: str, looks: Mapping[str, Mapping[str, str]]) -> None:
    for device in sorted({row.run.device for row in rows}):
        own = [row for row in rows if row.run.device == device]
        measured, predicted = [row.measured for row in own], [row.predicted for row in own]
        reach = [
            [max(0.0, row.predicted - (row.low or row.predicted)) for row in own],
            [max(0.0, (row.high or row.predicted) - row.predicted) for row in own],
        ]
        drawn = {**looks[device], "markersize": 3, "linewidth": 0.4, "alpha": 0.6}
        panel.errorbar(measured, predicted, yerr=reach, label=device, **drawn)
    ends = min(row.measured for row in rows), max(row.measured for row in rows)
    panel.plot(ends, ends, color=colours()["ink"], linewidth=0.8)
    panel.set_xscale("log")
    panel.set_yscale("log")
    panel.set_xlabel(f"measured {title}")
    panel.set_ylabel(f"predicted {title}")
    panel.legend(fontsize="x-small")
