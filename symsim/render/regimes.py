"""Regimes -> text and LaTeX cases."""

from __future__ import annotations

from sympy import Expr

from symsim.algebra.powers import fractional_powers
from symsim.algebra.symbols import symbol_info
from symsim.algebra.units import format_quantity
from symsim.analysis.regimes import Piece, Regimes
from symsim.notation.latex import quantity
from symsim.notation.terms import terms_latex, terms_text

_ROWS = 25
"""Pieces in one block of cases; more would not fit a page."""


SMOOTH = "times of fitted kernels are smooth: these are the ranges in which the same terms of them are the largest"


def is_smooth(expr: Expr) -> bool:
    """Whether fitted times are part of it, of whose terms each counts everywhere."""
    return bool(fractional_powers(expr))


def piece_text(piece: Piece, found: Regimes) -> str:
    """The metric on one piece, with units: the formula, or both ends where fitted times make it long."""
    return _written(piece, found, tex=False)


def range_text(piece: Piece, found: Regimes) -> str:
    """From where to where."""
    low, high = (format_quantity(x, found.variable_unit, 6).removesuffix(" tokens") for x in (piece.low, piece.high))
    return low if low == high else f"{low} to {high}"


def latex_cases(found: Regimes) -> str:
    """One `cases` environment (several when there are many pieces), then each border in closed form."""
    name, variable = found.latex, symbol_info(found.variable).latex
    blocks = [found.pieces[i : i + _ROWS] for i in range(0, len(found.pieces), _ROWS)]
    lines = [f"% {found.metric} of {found.subject}"]
    for block in blocks:
        rows = [f"  {case_row(piece, found)}" for piece in block]
        cases = " \\\\\n".join(rows)
        lines.append(
            f"\\begin{{equation*}}\n{name}({variable}) = \\begin{{cases}}\n{cases}\n\\end{{cases}}\n\\end{{equation*}}"
        )
    for piece in found.pieces:
        for border in piece.borders:
            if border.formula is not None:
                words = f"{border.step}: {border.was} to {border.now} binds".replace("t_", "").replace("_", " ")
                formula = f"{variable}^* = {border.formula.latex}"
                lines.append(f"% {words}\n\\begin{{equation*}}\n{formula}\n\\end{{equation*}}")
    return "\n".join(lines)


def case_row(piece: Piece, found: Regimes) -> str:
    """One row of a `cases` environment."""
    return f"{_written(piece, found, tex=True)} & {_condition(piece, found, symbol_info(found.variable).latex)}"


def _condition(piece: Piece, found: Regimes, variable: str) -> str:
    low, high = (_number(x, found.variable_unit) for x in (piece.low, piece.high))
    return f"{variable} = {low}" if low == high else f"{low} \\le {variable} \\le {high}"


def _number(value: float, unit: str) -> str:
    return format_quantity(value, "1", 6) if unit in ("1", "tokens") else quantity(value, unit)


def _written(piece: Piece, found: Regimes, *, tex: bool) -> str:
    if is_smooth(piece.expression):
        ends = (piece.value_low, piece.value_high)
        low, high = (_number(x, found.unit) if tex else format_quantity(x, found.unit) for x in ends)
        return f"{low} \\text{{ to }} {high}" if tex else f"{low} to {high}"
    if piece.affine is None:
        write = terms_latex if tex else terms_text
        return write(piece.expression, found.unit)
    constant, slope = piece.affine
    terms = [(constant, ""), (slope, found.variable)]
    texts: list[str] = []
    for value, factor in terms:
        if value or (not texts and factor):
            shown = _number(value, found.unit) if tex else format_quantity(value, found.unit, 6)
            by = f" \\cdot {symbol_info(factor).latex}" if tex and factor else f" * {factor}" if factor else ""
            texts.append(f"{shown}{by}")
    return " + ".join(texts)
