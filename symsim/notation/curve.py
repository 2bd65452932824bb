"""ClosedForm -> a picture of it along one symbol, drawn with matplotlib (the `plot` extra)."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symsim.algebra.shown import one_line
from symsim.algebra.symbols import DEFAULTS, is_symbol, symbol_info
from symsim.errors import SymsimError
from symsim.formula.closed_form import ClosedForm
from symsim.formula.ends import ENDS_OF, with_ends
from symsim.formula.extrapolation import stretch
from symsim.formula.interval import RUNNING, widened
from symsim.inputs.extras import load_extra
from symsim.notation.colours import colours
from symsim.paths import replacing

_POINTS = 200


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Picture:
    """A figure of matplotlib, which a notebook shows as SVG; title: what is drawn, in words."""

    figure: Any
    title: str

    def __repr__(self) -> str:
        return one_line(self, self.title)

    def _repr_svg_(self) -> str:
        text = io.StringIO()
        self.figure.savefig(text, format="svg", bbox_inches="tight")
        return text.getvalue()

    def save(self, file: str | Path) -> None:
        """Write it as PDF, SVG or PNG, by the ending. Raises SymsimError where that cannot be."""
        ending = Path(file).suffix.removeprefix(".").lower()
        if ending not in ("pdf", "svg", "png"):
            raise SymsimError(f"{file}: expected a name that ends in .pdf, .svg or .png")
        with replacing(file) as unfinished:
            self.figure.savefig(unfinished, format=ending, bbox_inches="tight")


def drawn_along(
    form: ClosedForm, variable: str, low: float | None, high: float | None, at: Mapping[str, float]
) -> Picture:
    """The metric along one symbol, with the band of its interval where it has one.

    low, high: as the symbol is usually looked at unless stated; at: the other symbols, over the usual workload.
    Raises SymsimError for a symbol that the metric does not have.
    """
    form = form.for_inputs((variable, *at))
    form.numbers.check_known(variable)
    usual = {n: value for n, value in DEFAULTS.items() if n in form.symbols and n != variable and n not in at}
    point = {**usual, **at}
    xs = _points(form, variable, low, high)
    moved = with_ends(form)
    names = (variable, *point, *([ENDS_OF] if ENDS_OF in moved.symbols else []))
    function = moved.function(names)
    wider = np.array([stretch({**point, variable: float(x)}) for x in xs])
    ends = (0 * wider, -wider, wider) if ENDS_OF in names else ()
    middle, *band = [function(xs, *point.values(), *([end] if ends else [])) for end in ends or (0 * wider,)]
    if band:
        low, high = form.ends.get(RUNNING, (1.0, 1.0))
        ordered = zip(middle, np.minimum(*band), np.maximum(*band), wider, strict=True)
        band = np.array([widened(value, (least, most), (low**by, high**by)) for value, least, most, by in ordered]).T
    figure = load_extra("matplotlib.figure", "plot", "pictures need").Figure(figsize=(5.5, 3.4), layout="constrained")
    axes = figure.subplots()
    factor, unit = _scale(form.unit, float(np.nanmax(middle)))
    axes.plot(xs, middle / factor, color=colours()["ink"], linewidth=1.5)
    if len(band):
        axes.fill_between(xs, band[0] / factor, band[1] / factor, color=colours()["memory"], alpha=0.2, linewidth=0)
    if xs[-1] / xs[0] > 50:
        axes.set_xscale("log")
    info = form.symbols[variable]
    axes.set_xlabel(f"{info.meaning}, {variable}" + ("" if info.unit == "1" else f" [{info.unit}]"))
    axes.set_ylabel(f"{form.applied.meaning} [{unit}]")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    stated = ", ".join(f"{name} = {value:g}" for name, value in point.items())
    axes.set_title(stated, fontsize=9, loc="left")
    return Picture(figure, f"{form.applied.meaning} along {variable} at {stated or 'no other symbol'}, {form.subject}")


def _points(form: ClosedForm, variable: str, low: float | None, high: float | None) -> NDArray[np.float64]:
    """Where it is drawn: evenly over a factor, whole numbers where the symbol is one."""
    known = form.bound.values.get(variable)
    ends = symbol_info(variable).range if is_symbol(variable) else None
    usual = ends or ((float(known) / 4, float(known) * 4) if known else (1.0, 1024.0))
    first, last = usual[0] if low is None else low, usual[1] if high is None else high
    if not 0 < first < last:
        raise SymsimError(f"{variable} from {first:g} to {last:g}: expected two numbers above zero, the smaller first")
    xs = np.geomspace(first, last, _POINTS)
    return np.unique(np.round(xs)) if form.symbols[variable].integer else xs


def _scale(unit: str, most: float) -> tuple[float, str]:
    """What values are divided by, and the unit that they then have."""
    if unit == "s":
        return (1.0, "s") if most >= 1 else (1e-3, "ms")
    if unit == "B":
        return 1e9, "GB"
    return 1.0, unit if unit != "1" else ""
