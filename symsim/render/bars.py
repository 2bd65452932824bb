"""Pictures made of bars: what moves a metric, where the time of a step goes, what fills the memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from symsim.algebra.symbols import is_symbol, subscripted, symbol_info
from symsim.algebra.units import format_quantity
from symsim.analysis.sensitivity import Sensitivity
from symsim.analysis.step_report import StepReport
from symsim.api.formula import Formula
from symsim.cost.bound import BOUNDS, rate_bound
from symsim.notation.colours import colours
from symsim.render.style import COLUMN, literal_text, prefixed, save, set_title, size, styled, title_of
from symsim.tables.table import signatures

LEAST = 0.005
"""Share of the longest bar below which a bar is not drawn: nothing of it is seen."""

_LINE = 0.075
"""Share of a stack that a line of text is high."""

_PARTS = ("weights", "cache", "unfilled_pages", "activations", "reserves", "free")
"""What fills the memory of a GPU, from below."""

_BESIDE: dict[str, Any] = {"textcoords": "offset points", "fontsize": "x-small"}


def save_tornado(
    found: Sequence[Sensitivity], formula: Formula, file: str | Path, note: str = "", style: str = "screen"
) -> None:
    """Bars of elasticity, the largest on top, coloured where an input is a rate of compute, memory or a link."""
    most = max((abs(side) for one in found for side in one.elasticity), default=0.0)
    moving = [one for one in found if max(map(abs, one.elasticity)) > LEAST * most]
    shown = moving[:15][::-1]
    with styled(style) as plt:
        width = COLUMN if style == "paper" else 7.0
        figure, axes = plt.subplots(figsize=(width, (0.2 if style == "paper" else 0.32) * len(shown) + 0.7))
        widths = [one.elasticity[1] for one in shown]
        bars = [colours()[rate_bound(one.name) or "faint"] for one in shown]
        axes.barh([_input_name(one.name, words=style == "screen") for one in shown], widths, color=bars)
        axes.axvline(0, color=colours()["ink"], linewidth=0.8)
        axes.set_xlabel(f"elasticity of ${formula.form.derivation.result.latex}$: % for 1 % more")
        set_title(axes, formula.subject, note)
        save(figure, file, note)


def _input_name(name: str, *, words: bool) -> str:
    """A symbol or a table's function, as it stands in formulas; in words what it is, where it stands without a text."""
    if not is_symbol(name):
        return f"${signatures()[name].latex if name in signatures() else subscripted(name)}$"
    info = symbol_info(name)
    said = info.meaning.partition(" (")[0].partition(", ")[0]
    return f"{literal_text(said)} ${info.latex}$" if words else f"${info.latex}$"


def save_step(told: StepReport, file: str | Path, style: str = "screen") -> None:
    """A waterfall of the time of a decode step and of prefill, by what limits operators, and the memory as a stack."""
    with styled(style) as plt:
        width, height = size(style, 0.62)
        figure, panels = plt.subplots(1, 3, figsize=(width * (1.6 if style == "screen" else 2.1), height * 1.2))
        for axes, time, title in zip(panels, ("tpot", "ttft"), ("a decode step", "prefill"), strict=False):
            _waterfall(axes, told.bound[time], title, told.intervals.get(time))
        _stack(panels[2], told)
        figure.suptitle(_title(told), x=0.01, ha="left", fontsize="medium")
        figure.tight_layout()
        save(figure, file)


def _title(told: StepReport) -> str:
    at = ", ".join(f"{name} = {value:g}" for name, value in told.at.items())
    whiskers = f"; whiskers: in {100 * told.level:g} % of cases" if told.intervals else ""
    return f"{title_of(told.subject)}; {at}{whiskers}"


def _waterfall(axes: Any, parts: Mapping[str, float], title: str, ends: tuple[float, float] | None) -> None:
    """Parts in one order, each from where the one before ends; lines lead from one to the next. On the whole its value
    and interval."""
    unit, factor = prefixed(sum(parts.values()), "s")
    start, kinds = 0.0, [*(kind for kind in BOUNDS if kind in parts), *(kind for kind in parts if kind not in BOUNDS)]
    for place, kind in enumerate(kinds):
        colour = colours().get(kind, colours()["engine"])
        axes.bar(place, parts[kind] / factor, bottom=start / factor, color=colour, width=0.7)
        start += parts[kind]
        axes.plot([place - 0.35, place + 1.35], [start / factor] * 2, color=colours()["faint"], linewidth=0.5)
    reach = {"yerr": [[abs(start - end) / factor] for end in ends], "ecolor": colours()["faint"]} if ends else {}
    axes.bar(len(kinds), start / factor, color=colours()["ink"], width=0.7, capsize=3, **reach)
    top = max((start, *(ends or ()))) / factor
    axes.annotate(format_quantity(start, "s"), (len(kinds), top), (0, 3), ha="center", **_BESIDE)
    axes.set_xticks(range(len(kinds) + 1), [kind.replace(" ", "\n") for kind in (*kinds, "all")], fontsize="x-small")
    axes.set_ylabel(f"time [{unit}]")
    axes.set_title(title, fontsize="medium")


def _stack(axes: Any, told: StepReport) -> None:
    """Every part with its name beside it, at least a line of text above the one before."""
    memory = told.memory.as_dict()
    parts = {name: memory[name] for name in _PARTS if memory[name] > 0}
    start, line, free = 0.0, _LINE * sum(parts.values()), 0.0
    for name, amount in parts.items():
        colour = colours().get(name, colours()["engine"])
        axes.bar(0, amount / 1e9, bottom=start / 1e9, color=colour, width=0.6)
        at = max(start + amount / 2, free)
        axes.text(
            0.35, at / 1e9, f"{name.replace('_', ' ')} {format_quantity(amount, 'B', 3)}", va="center", fontsize="small"
        )
        start, free = start + amount, at + line
    axes.set_xlim(-0.4, 1.4)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.set_ylabel("memory of a GPU [GB]")
    axes.set_title("memory", fontsize="medium")
