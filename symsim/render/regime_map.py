"""Regime map in two symbols -> text and LaTeX."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from symsim.algebra.symbols import symbol_info
from symsim.algebra.units import format_quantity
from symsim.analysis.regime_map import Curve, RegimeMap, Region
from symsim.notation.escaping import escaped
from symsim.notation.latex import quantity
from symsim.notation.terms import terms_latex
from symsim.render.regimes import is_smooth

_LARGEST = 8
"""Regions that are told one by one; the others, and there may be many of fitted times, are summed up."""


def told_regions(found: RegimeMap) -> dict[int, Region]:
    """The largest regions, and the one of the point, by their place in the map's index."""
    return {i: region for i, region in enumerate(found.regions) if i < _LARGEST or i == found.here}


def others_text(found: RegimeMap) -> str:
    """How many regions are not told, and how much of the map they are; empty where all are."""
    told = told_regions(found)
    share = 1 - sum(region.share for region in told.values())
    return f"{len(found.regions) - len(told)} smaller ones, {share:.1%}" if len(told) < len(found.regions) else ""


def binding_text(region: Region, every: Iterable[Region]) -> str:
    """What binds in a region, as far as these regions differ in it: each kind with its steps, or the longer stage."""
    told = [step for step in region.binds if len({other.binds[step] for other in every}) > 1]
    kinds = dict.fromkeys(region.binds[step] for step in told)
    parts = [f"{_short(kind)}: {', '.join(_short(x) for x in told if region.binds[x] == kind)}" for kind in kinds]
    return "; ".join(parts) or "everywhere the same"


def _short(name: str) -> str:
    return name.replace("t_", "")


def point_text(point: Mapping[str, float]) -> str:
    """B = 64, hbm_bandwidth = 4 TB/s: numbers of symbols with their units."""
    shown = {name: format_quantity(value, symbol_info(name).unit, 6) for name, value in point.items()}
    return ", ".join(f"{name} = {text.removesuffix(' tokens')}" for name, text in shown.items())


def curve_text(curve: Curve, found: RegimeMap) -> str:
    """Near where two arms meet."""
    head = f"{curve.step}: {curve.was} on one side, {curve.now} on the other"
    where = point_text(dict(zip(found.variables, curve.at, strict=True)))
    if curve.formula is None:
        return f"{head}, without a closed form, near {where}"
    return f"{head}, near {where}"


def _region_latex(region: Region, found: RegimeMap) -> str:
    """The metric around the point of a region; its value there where fitted times make the formula long."""
    if not is_smooth(region.expression):
        return terms_latex(region.expression, found.unit)
    names = (symbol_info(name).latex for name in found.variables)
    at = ", ".join(f"{name} = {value:g}" for name, value in zip(names, region.at, strict=True))
    return f"{quantity(region.value, found.unit)} \\text{{ at }} {at}"


def latex_plane(found: RegimeMap) -> str:
    """One `cases` environment with a row a region, then every curve in closed form."""
    arguments = ", ".join(symbol_info(name).latex for name in found.variables)
    rows = [f"  {_region_latex(region, found)} & {_where(region, found.regions)}" for region in found.regions]
    lines = [
        f"% {found.metric} of {found.subject}",
        "% each row holds around a point of its region, with the measured rows that answer there",
        f"\\begin{{equation*}}\n{found.latex}({arguments}) = \\begin{{cases}}",
        " \\\\\n".join(rows),
        "\\end{cases}\n\\end{equation*}",
    ]
    for curve in found.curves:
        if curve.formula is not None:
            lines.append(f"% {_short(curve.step)}: {_short(curve.was)} to {_short(curve.now)}")
            formula = f"{symbol_info(curve.variable).latex}^* = {curve.formula.latex}"
            lines.append(f"\\begin{{equation*}}\n{formula}\n\\end{{equation*}}")
    return "\n".join(lines)


def _where(region: Region, every: tuple[Region, ...]) -> str:
    words: Mapping[str, str] = {", ": "; ", " + ": " and "}
    text = binding_text(region, every).replace("_", " ")
    for old, new in words.items():
        text = text.replace(old, new)
    return f"\\text{{{escaped(text)}}}"
