"""Expressions and quantities in LaTeX."""

from __future__ import annotations

from collections.abc import Mapping

from sympy import Add, Expr, Max, Mul, Pow, Symbol
from sympy.printing.latex import LatexPrinter

from symsim.algebra.powers import terms_of_norm
from symsim.algebra.units import format_quantity
from symsim.notation.layout import DIGITS, Layout, as_quantity, decimal, fractional, norm_factor, ordered


class Math(LatexPrinter):
    """sympy's LaTeX printer with our symbols, tables as mu(...), digit groups, and SI prefixes on coefficients."""

    def __init__(self, layout: Layout, unit: str, names: Mapping[str, str] | None = None) -> None:
        super().__init__({"mul_symbol": "\\,"})
        self.layout, self.unit = layout, unit if layout.level == "numeric" else ""
        self.names = _names(layout) if names is None else names

    def of_unit(self, unit: str) -> Math:
        """The same printer for values in another unit."""
        return Math(self.layout, unit, self.names)

    def _print_Symbol(self, expr: Symbol, style: str = "plain") -> str:
        return self.names.get(str(expr)) or super()._print_Symbol(expr)

    def _print_Function(self, expr: Expr, exp: str | None = None) -> str:
        arguments = ", ".join(map(self._plain, expr.args))  # pyright: ignore[reportArgumentType]
        call = f"{self.names.get(str(expr.func), str(expr.func))}({arguments})"
        return call if exp is None else f"{call}^{{{exp}}}"

    def _print_Add(self, expr: Expr, order: str | None = None) -> str:
        return _joined([self._print(term) for term in ordered(expr, self.layout.derivation.steps)])

    def _print_Max(self, expr: Expr, exp: str | None = None) -> str:
        terms = map(self._print, ordered(expr, self.layout.derivation.steps))
        return "\\max\\left(" + ",\\; ".join(terms) + "\\right)" + ("" if exp is None else f"^{{{exp}}}")

    def _print_Mul(self, expr: Expr) -> str:
        found = as_quantity(expr, self.unit, self.layout.derivation.steps)
        if found is not None and found[0] != 1:
            return f"{quantity(float(found[0]), self.unit)} \\cdot {self._plain(found[1])}"
        number, rest = expr.as_coeff_Mul()
        if (isinstance(rest, Max) or terms_of_norm(rest)) and number != 1:
            return f"{self._plain(number)} {self._print(rest)}"
        if self.unit and (carrier := norm_factor(rest)) is not None:
            one, others = carrier
            inner = f"\\left({self._print(one)}\\right)" if isinstance(one, Add) else self._print(one)
            factors = (self._plain(number) if number != 1 else "", inner, self._plain(others) if others != 1 else "")
            return " ".join(filter(None, factors))
        return self._plain(expr) if isinstance(expr, Mul) else super()._print_Mul(expr)  # sympy's own way with 1/x

    def _print_Pow(self, expr: Pow) -> str:
        found = fractional(expr)
        if found is None:
            return LatexPrinter._print_Pow(self.of_unit(""), expr)
        base = self._print(found[0])
        named = f"{{{base}}}" if "^" in base else base  # a letter may have a superscript of its own
        inner = named if isinstance(found[0], Symbol) else f"\\left({base}\\right)"
        return f"{inner}^{{{found[1]}}}"

    def _print_Rational(self, expr: Expr) -> str:
        if self.unit in ("s", "B"):
            return quantity(float(expr), self.unit)  # pyright: ignore[reportArgumentType]
        if (written := decimal(expr)) is not None:  # pyright: ignore[reportArgumentType]
            return written
        above, below = map(grouped, str(expr).split("/"))
        return f"\\frac{{{above}}}{{{below}}}" if not above.startswith("-") else f"- \\frac{{{above[1:]}}}{{{below}}}"

    def _print_Integer(self, expr: Expr) -> str:
        if self.unit in ("s", "B"):
            return quantity(float(expr), self.unit)  # pyright: ignore[reportArgumentType]
        return grouped(str(expr))

    def _plain(self, expr: Expr) -> str:
        """Without units: inside products, fractions and arguments."""
        plain = self.of_unit("")
        return LatexPrinter._print_Mul(plain, expr) if isinstance(expr, Mul) else plain._print(expr)


def expression_latex(expr: Expr, layout: Layout, unit: str = "") -> str:
    """One expression as it stands in a formula of the layout whose value is in `unit`."""
    return str(Math(layout, unit).doprint(expr))


def grouped(digits: str) -> str:
    """Thin spaces between groups of three digits, from five digits on.

    >>> grouped("22020096"), grouped("7168")
    ('22\\\\,020\\\\,096', '7168')
    """
    return f"{int(digits):,}".replace(",", "\\,") if len(digits.lstrip("-")) > 4 else digits


def _joined(terms: list[str]) -> str:
    return terms[0] + "".join(f" - {t[1:].lstrip()}" if t.startswith("-") else f" + {t}" for t in terms[1:])


def quantity(value: float, unit: str, digits: int = DIGITS) -> str:
    number, _, symbol = format_quantity(value, unit, digits).partition(" ")
    prefix, rest = ("\\mu", symbol[1:]) if symbol.startswith("µ") else ("", symbol)
    return f"{number}\\,{prefix}\\mathrm{{{rest}}}" if symbol else number


def _names(layout: Layout) -> Mapping[str, str]:
    steps = {step.symbol.name: step.latex for step in layout.derivation.steps}
    return {
        **{row.info.name: row.info.latex for row in layout.symbols},
        **{table.function: table.latex for table in layout.tables},
        **steps,
        **layout.functions,
    }
