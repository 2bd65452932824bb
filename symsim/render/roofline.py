"""A roofline: operators of prefill and decode under the roofs of a device."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from symsim.algebra.units import format_quantity
from symsim.api.costs import Costs
from symsim.api.formula import Formula
from symsim.errors import SymsimError
from symsim.formula.breakdown import OpLine, breakdown
from symsim.notation.colours import colours
from symsim.render.names import label
from symsim.render.style import save, set_title, size, styled, told_apart

MARKERS = {"tpot": ("o", "decode"), "ttft": ("s", "prefill")}
"""Metric -> the mark of its operators, and the step that they are of."""


AREA = {"screen": 260.0, "paper": 100.0}
"""Square points of the mark of an operator that takes all of its step."""


def save_roofline(
    drawn: Sequence[Costs],
    metrics: Sequence[str],
    point: Mapping[str, int],
    file: str | Path,
    note: str = "",
    style: str = "screen",
) -> None:
    """Every operator's FLOP/s over its arithmetic intensity, as large as its share of the step, coloured by what limits
    it; the roofs as printed by the vendor, and dashed as far as kernels reach them. Two are drawn side by
    side on the same axes. Raises SymsimError where no operator both computes and moves bytes."""
    steps = [{name: _lines(costs, costs.metric(name), point) for name in metrics} for costs in drawn]
    if not all(any(own.values()) for own in steps):
        raise SymsimError("no operator both computes and moves bytes here; try --cost-model roofline")
    with styled(style) as plt:
        width, height = size(style, 0.72)
        shape: Any = {"figsize": (width * len(drawn), height), "sharex": True, "sharey": True, "squeeze": False}
        figure, panels = plt.subplots(1, len(drawn), **shape)
        for axes in panels[0]:
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xlabel("arithmetic intensity [FLOP/B]")
        panels[0][0].set_ylabel("FLOP/s")
        for axes, costs, own in zip(panels[0], drawn, steps, strict=True):
            _roofs(axes, costs.metric(metrics[0]).form.point(), [x.flops / x.hbm_bytes for x in chain(*own.values())])
            for name, lines in own.items():
                _dots(axes, lines, MARKERS.get(name, ("o", name))[0], AREA[style])
        _titles(figure, panels[0], [costs.compiled.subject for costs in drawn], note)
        _legend(panels[0][-1], steps)
        for axes, own in zip(
            panels[0], steps, strict=True
        ):  # last, since panels share what the others need of the axes
            label(axes, [at for lines in own.values() for at in _names(lines)])
        save(figure, file, note)


def _titles(figure: Any, panels: Sequence[Any], subjects: Sequence[str], note: str) -> None:
    """What two share above both, and what each has of its own above it."""
    if len(subjects) == 1 or note:
        set_title(panels[0], subjects[0], note)
        return
    shared, *own = told_apart(subjects[0], subjects[1])
    figure.suptitle(shared, fontsize="medium", y=1.0, va="bottom")
    for axes, words in zip(panels, own, strict=True):
        axes.set_title(words, fontsize="medium")


def _lines(costs: Costs, formula: Formula, point: Mapping[str, int]) -> list[OpLine]:
    own = {name: value for name, value in point.items() if name in formula.symbols}
    count = formula.form.chunk_count(own)
    every = breakdown(costs.compiled.phase_at(formula.name, count), formula.form, own, cut=count > 1)
    return [line for line in every if line.flops and line.hbm_bytes]


def _roofs(axes: Any, values: Mapping[str, Any], intensities: Sequence[float]) -> None:
    """The bandwidth and every peak, their ridges always in sight."""
    bandwidth = float(values["hbm_bandwidth"])
    rates = {float(values[name]): name for name in ("peak_fp4", "peak_fp8", "peak_bf16") if name in values}
    peaks = {name: peak for peak, name in rates.items()}  # formats at one rate are one roof, of the widest
    ridges = [peak / bandwidth for peak in peaks.values()]
    low, high = min(*intensities, *ridges) / 3, max(*intensities, *ridges) * 4
    reached = dict(_reached(values))
    for name, peak in peaks.items():
        for times, dashed in ((1.0, False), (reached.get("compute", 1.0), True)):
            roof = times * peak
            slope = bandwidth * (reached.get("memory", 1.0) if dashed else 1.0)
            axes.plot([low, roof / slope, high], [low * slope, roof, roof], **_roof(dashed=dashed))
        words = f"{name.removeprefix('peak_')} {format_quantity(peak, 'FLOP/s', 3)} "
        axes.text(peak / bandwidth / 1.3, peak, words, ha="right", va="center", fontsize="x-small")


def _roof(*, dashed: bool) -> dict[str, Any]:
    return {"linestyle": "--" if dashed else "-", "linewidth": 0.7 if dashed else 1.0, "color": colours()["ink"]}


def _reached(values: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """What kernels reach of the peak and of the bandwidth: fitted shares of GEMMs, else what the device states."""
    for kind, names in (("compute", ("ec_gemm",)), ("memory", ("em_gemm", "hbm_efficiency"))):
        found = [float(values[name]) for name in names if name in values]
        if found:
            yield kind, found[0]


def _dots(axes: Any, lines: Sequence[OpLine], marker: str, area: float) -> None:
    whole = sum(line.seconds * line.times for line in lines)
    for line in lines:
        dot = area * (0.05 + line.seconds * line.times / whole)
        at = (line.flops / line.hbm_bytes, line.flops / line.seconds)
        axes.scatter(
            *at, s=dot, marker=marker, color=colours().get(line.bound, colours()["engine"]), alpha=0.75, linewidth=0
        )


def _legend(axes: Any, steps: Sequence[Mapping[str, Sequence[OpLine]]]) -> None:
    """The mark of each step, and the colour of what limits operators."""
    lines = [line for own in steps for every in own.values() for line in every]
    marks = {name: MARKERS.get(name, ("o", name)) for own in steps for name in own}
    for marker, step in marks.values():
        axes.scatter([], [], s=26, marker=marker, color=colours()["faint"], label=step)
    for kind in dict.fromkeys(line.bound for line in lines):
        axes.scatter([], [], s=26, marker="D", color=colours().get(kind, colours()["engine"]), label=f"limit: {kind}")
    axes.plot([], [], **_roof(dashed=True), label="reached by kernels")
    title = "area: share of the step's time"
    axes.legend(loc="lower right", fontsize="x-small", title=title, title_fontsize="x-small", handletextpad=0.4)


def _names(lines: Sequence[OpLine]) -> list[tuple[float, float, str, str]]:
    """Where the names of operators stand, those of the shortest left out."""
    whole = sum(line.seconds * line.times for line in lines)
    long = [line for line in lines if line.seconds * line.times > 0.02 * whole]
    ink = colours()["ink"]
    return [
        (x.flops / x.hbm_bytes, x.flops / x.seconds, x.name.rpartition(".")[2].replace("_", " "), ink) for x in long
    ]
