"""Regime map in two symbols -> text and LaTeX."""

from __future__ import annotations

from collections.abc import Mapping

import sympy
from sympy import Expr
from sympy.printing.latex import latex

from symsim.regime_map import Curve, Plane, Region
from symsim.render.latex import escaped, quantity
from symsim.symbols import KNOWN
from symsim.units import format_quantity


def binding_text(region: Region, every: tuple[Region, ...]) -> str:
    """What binds in a region, as far as regions differ in it; a longer stage is named after an arrow."""
    told = [step for step in region.binds if len({other.binds[step] for other in every}) > 1]
    return ", ".join(f"{_short(step)}: {_short(region.binds[step])}" for step in told) or "everywhere the same"


def _short(name: str) -> str:
    return name.replace("t_", "")


def polynomial_text(expr: Expr, unit: str) -> str:
    """A metric in two symbols with a unit on every coefficient, e.g. 5 ms + 760 µs * B."""
    return _joined([_term(term, unit, tex=False) for term in _terms(expr)])


def _terms(expr: Expr) -> list[Expr]:
    """Constants first, then by degree."""
    return sorted(sympy.Add.make_args(expr), key=lambda term: (len(term.free_symbols), str(term.as_coeff_Mul()[1])))


def _term(term: Expr, unit: str, *, tex: bool) -> str:
    number, rest = term.as_coeff_Mul()
    value = float(number)  # pyright: ignore[reportArgumentType]
    shown = quantity(value, unit) if tex else format_quantity(value, unit, 6)
    if rest == 1:
        return shown
    if tex:
        powers = latex(rest, mul_symbol="\\,")
        return f"{shown} \\cdot {powers}"
    return f"{shown} * {str(rest).replace('**', '^')}"


def _joined(terms: list[str]) -> str:
    return terms[0] + "".join(f" - {term[1:]}" if term.startswith("-") else f" + {term}" for term in terms[1:])


def curve_text(curve: Curve, found: Plane) -> str:
    """Where two arms meet: the formula, or that measured rows make them jump."""
    head = f"{curve.step}: {curve.was} on one side, {curve.now} on the other"
    where = ", ".join(f"{n} = {format_quantity(x, '1', 6)}" for n, x in zip(found.variables, curve.at, strict=True))
    if curve.closed_form is None:
        return f"{head}, where measured rows change, near {where}"
    return f"{head}, near {where}\n  {curve.variable}* = {curve.closed_form}"


def latex_plane(found: Plane) -> str:
    """One `cases` environment with a row a region, then every curve in closed form."""
    arguments = ", ".join(KNOWN[name].latex for name in found.variables)
    rows = [f"  {_latex(region, found.unit)} & {_where(region, found.regions)}" for region in found.regions]
    lines = [
        f"% {found.metric} of {found.subject}",
        "% each row holds around a point of its region, with the measured rows that answer there",
        f"\\begin{{equation*}}\n{found.latex}({arguments}) = \\begin{{cases}}",
        " \\\\\n".join(rows),
        "\\end{cases}\n\\end{equation*}",
    ]
    for curve in found.curves:
        if curve.latex is not None:
            lines.append(f"% {_short(curve.step)}: {_short(curve.was)} to {_short(curve.now)}")
            lines.append(f"\\begin{{equation*}}\n{KNOWN[curve.variable].latex}^* = {curve.latex}\n\\end{{equation*}}")
    return "\n".join(lines)


def _latex(region: Region, unit: str) -> str:
    return _joined([_term(term, unit, tex=True) for term in _terms(region.expression)])


def _where(region: Region, every: tuple[Region, ...]) -> str:
    words: Mapping[str, str] = {", ": "; ", " + ": " and "}
    text = binding_text(region, every).replace("_", " ")
    for old, new in words.items():
        text = text.replace(old, new)
    return f"\\text{{{escaped(text)}}}"
