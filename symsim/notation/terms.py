"""An expression in one symbol or two, as a sum of terms with a unit on every coefficient."""

from __future__ import annotations

import sympy
from sympy import Expr, Symbol
from sympy.printing.latex import latex

from symsim.algebra.powers import plain, term_order
from symsim.algebra.symbols import is_symbol, symbol_info
from symsim.algebra.units import DIMENSIONS, format_quantity
from symsim.notation.latex import quantity


def terms_text(expr: Expr, unit: str) -> str:
    """E.g. 5 ms + 760 µs * B, or 5 ms + 74 GB * 1/hbm_bandwidth. unit: of the whole."""
    return _joined([_term(term, unit, tex=False) for term in _sorted(expr)])


def terms_latex(expr: Expr, unit: str) -> str:
    """The same in LaTeX, with the symbols of printed formulas."""
    return _joined([_term(term, unit, tex=True) for term in _sorted(expr)])


def _sorted(expr: Expr) -> list[Expr]:
    """Constants first, then by how much there is to a term; what is taken off last."""

    def key(term: Expr) -> tuple[bool, int, int, str]:
        number, rest = term.as_coeff_Mul()
        return bool(number.is_negative), len(rest.free_symbols), int(rest.count_ops()), plain(rest)

    return sorted(sympy.Add.make_args(expr), key=key)


def _term(term: Expr, unit: str, *, tex: bool) -> str:
    number, rest = term.as_coeff_Mul()
    value, own = float(number), _unit(unit, rest)  # pyright: ignore[reportArgumentType]
    shown = quantity(value, own) if tex and own not in ("1", "tokens") else format_quantity(value, own, 6)
    if rest == 1:
        return shown
    if not tex:
        return f"{shown} * {plain(rest).replace('**', '^')}"
    names = {s: symbol_info(s.name).latex for s in rest.free_symbols if isinstance(s, Symbol) and is_symbol(s.name)}
    return f"{shown} \\cdot {latex(rest, mul_symbol=chr(92) + ',', symbol_names=names, order=term_order(rest))}"


def _unit(unit: str, rest: Expr) -> str:
    """The unit of a coefficient: seconds times the unit of what it is divided by are bytes or FLOP."""
    for s, power in rest.as_powers_dict().items():
        rate = symbol_info(s.name).unit if isinstance(s, Symbol) and is_symbol(s.name) else "1"
        amount = rate.removesuffix("/s")
        if unit == "s" and power == -1 and rate != amount and amount in DIMENSIONS:
            unit = amount
    return unit


def _joined(terms: list[str]) -> str:
    return terms[0] + "".join(f" - {term[1:]}" if term.startswith("-") else f" + {term}" for term in terms[1:])
