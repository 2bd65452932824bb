r"""A section's regimes -> LaTeX: the pieces around the point, the runs on which the same arms bind, their borders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from symsim.algebra.symbols import symbol_info
from symsim.algebra.units import format_quantity
from symsim.analysis.regimes import Border, Regimes
from symsim.cost.bound import BOUNDS
from symsim.notation.latex import grouped, quantity
from symsim.notation.line_width import NARROW_LINE, width
from symsim.publication.section import Section
from symsim.render.latex_tables import breakable, table
from symsim.render.regimes import case_row

AROUND = 3
"""Pieces that are printed to each side of the point's."""

SPANS = 10
"""Rows of the table of regimes; of more, those around the point are printed."""

BORDERS = 6
"""Borders that are given in closed form, the nearest first."""

_LEFT = 12.0
"""Letters that the sign of a border takes."""


def regimes_latex(section: Section, found: Regimes) -> str:
    """How many pieces there are, those around the point, the runs on which the same arms bind, and their borders."""
    point = section.point
    pieces = found.pieces
    low, high = max(found.here - AROUND, 0), min(found.here + AROUND + 1, len(pieces))
    shown = pieces[low:high]
    name, variable = found.latex, symbol_info(found.variable).latex
    kind = "affine piece" if all(piece.affine is not None for piece in pieces) else "piece"
    cut = "" if len(shown) == len(pieces) else f", here the {len(shown)} around ${variable} = {point[found.variable]}$"
    lengths = " and ".join(f"${length} = {grouped(str(point[length]))}$" for length in ("S", "O"))
    opening = (
        f"\\section{{Regimes}}\\label{{sec:regimes}}\nAt {lengths}, ${name}$ as a function of ${variable}$ from"
        f" {_value(pieces[0].low)} to {_value(pieces[-1].high)} is made of {_many(len(pieces), kind)}{cut}."
        f" They fall into {_many(len(section.spans), 'run')} on which the same arms of the maxima bind"
        f" (Table~\\ref{{tab:regimes}}); within a run, pieces change where another measured row answers."
    )
    rows = " \\\\\n  ".join(case_row(piece, found) for piece in shown)
    cases = f"{name}({variable}) = \\begin{{cases}}\n  {rows}\n\\end{{cases}}"
    cases = f"\\begin{{equation}}\\label{{eq:regimes}}\n{cases}\n\\end{{equation}}"
    return "\n".join([opening, cases, _spans(section, found), _borders(section, found)])


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _spans(section: Section, found: Regimes) -> str:
    here = next((i for i, run in enumerate(section.spans) if found.pieces[found.here] in run), 0)
    first = max(0, min(here - SPANS // 2, len(section.spans) - SPANS))
    runs = section.spans[first : first + SPANS]
    latex = {step.symbol.name: step.latex for step in section.sheets["tpot"].steps}
    rows: list[str] = []
    before: Mapping[str, str] = {}
    for run in runs:
        binds = run[0].binds
        ends = _value(run[0].low) if run[0].low == run[-1].high else f"{_value(run[0].low)} to {_value(run[-1].high)}"
        first_last = (run[0].value_low, run[-1].value_high)
        values = " to ".join(dict.fromkeys(f"${quantity(value, found.unit)}$" for value in first_last))
        rows.append(f"{ends} & {_many(len(run), 'piece')} & {_binding(binds, before, latex)} & {values}")
        before = binds
    rest = len(section.spans) - len(runs)
    cut = f" The {rest} runs farther from the worked example are left out." if rest else ""
    variable = f"${symbol_info(found.variable).latex}$"
    caption = f"What binds as {variable} grows (in later rows: what changes), and ${found.latex}$ at both ends.{cut}"
    return table(
        caption,
        "tab:regimes",
        (0.13, 0.1, 0.45, 0.25),
        (f"${symbol_info(found.variable).latex}$", "pieces", "binds", f"${found.latex}$"),
        rows,
    )


def _binding(binds: Mapping[str, str], before: Mapping[str, str], latex: Mapping[str, str]) -> str:
    """What binds each step: all of them in a first row, then only what changes."""
    if before:
        changed = [(step, before.get(step, ""), now) for step, now in binds.items() if before.get(step) != now]
        return "; ".join(
            f"${latex.get(s, s)}$: {_arm(was, latex)} $\\to$ {_arm(now, latex)}" for s, was, now in changed
        )
    by = {kind: [f"${latex.get(step, step)}$" for step, what in binds.items() if what == kind] for kind in BOUNDS}
    kinds = [f"{kind}: {', '.join(steps)}" for kind, steps in by.items() if steps]
    others = [f"${latex.get(s, s)}$ by {_arm(what, latex)}" for s, what in binds.items() if what not in BOUNDS]
    return "; ".join((*kinds, *others))


def _arm(what: str, latex: Mapping[str, str]) -> str:
    """compute, memory or link; or the steps that are longer than the others, cut where they are many."""
    if what in BOUNDS:
        return what
    names = [f"${latex[name]}$" for name in what.removesuffix("...").split(" + ") if name in latex]
    return " + ".join([*names, *(["\\dots"] if what.endswith("...") else [])]) or breakable(what)


def _value(value: float) -> str:
    return f"${grouped(str(value))}$"


def _borders(section: Section, found: Regimes) -> str:
    """Borders of arms in closed form, the nearest to the point first; equal formulas once."""
    at = section.point[found.variable]
    every = [border for piece in found.pieces for border in piece.borders if border.formula is not None]
    every.sort(key=lambda border: abs(border.at - at))
    near: dict[str, Border] = {}
    for border in every:
        near.setdefault("" if border.formula is None else border.formula.latex, border)
    fitting = [(text, border) for text, border in near.items() if width(text) <= NARROW_LINE - _LEFT][:BORDERS]
    if not near:
        return "No border between arms has a closed form in this range."
    steps = {step.symbol.name: step.latex for step in section.sheets["tpot"].steps}
    variable = symbol_info(found.variable).latex
    lines = [
        f"  {variable}^*_{{{steps.get(border.step, '')}}} &= {text} \\\\\n"
        f"  &\\quad \\text{{({_arm(border.was, steps)} to {_arm(border.now, steps)}, at }}"
        f" {variable} = {format_quantity(border.at, '1', 6)}\\text{{)}}"
        for text, border in fitting
    ]
    printed = {id(border) for _, border in fitting}
    others = [border for border in near.values() if id(border) not in printed]
    parts: list[str] = []
    if lines:
        body = " \\\\\n".join(lines)
        parts.append(
            f"Where one arm takes over from another, in closed form:\n\\begin{{align*}}\n{body}\n\\end{{align*}}"
        )
    if others:
        what = "Borders whose closed forms are" if lines else "All borders have closed forms,"
        places = "; ".join(_places(others, steps, variable))
        parts.append(f"{what} too long to print here (\\texttt{{symsim regimes}} has them): {places}.")
    return "\n".join(parts)


def _places(borders: Sequence[Border], steps: Mapping[str, str], variable: str) -> list[str]:
    """Where borders lie, those at one place together."""
    at_once: dict[str, list[str]] = {}
    for border in borders:
        place = format_quantity(border.at, "1", 6)
        at_once.setdefault(place, []).append(f"${steps.get(border.step, border.step)}$")
    return [f"of {', '.join(names)} at ${variable} = {place}$" for place, names in at_once.items()]
