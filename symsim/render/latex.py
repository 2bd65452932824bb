"""Sheet -> LaTeX that compiles in an amsmath article: aligned equations in named steps, and a table of symbols."""

from __future__ import annotations

from collections.abc import Mapping

from sympy import Add, Expr, Max, Mul, Symbol
from sympy.printing.latex import LatexPrinter

from symsim.sheet import DIGITS, ROUNDED, Sheet, as_quantity, ordered
from symsim.units import format_quantity

TERMS_PER_LINE = 4
"""A sum with more terms than this breaks over lines, as it would not fit a page; of maxima, two fit."""


class Math(LatexPrinter):
    """sympy's LaTeX printer with our symbols, tables as mu(...), digit groups, and SI prefixes on coefficients."""

    def __init__(self, sheet: Sheet, unit: str) -> None:
        super().__init__({"mul_symbol": "\\,"})
        self.sheet, self.unit = sheet, unit if sheet.level == "numeric" else ""
        self.names = _names(sheet)

    def _print_Symbol(self, expr: Symbol, style: str = "plain") -> str:
        return self.names.get(str(expr), super()._print_Symbol(expr))

    def _print_Function(self, expr: Expr, exp: str | None = None) -> str:
        arguments = ", ".join(map(self._plain, expr.args))  # pyright: ignore[reportArgumentType]
        call = f"{self.names.get(str(expr.func), str(expr.func))}({arguments})"
        return call if exp is None else f"{call}^{{{exp}}}"

    def _print_Add(self, expr: Expr, order: str | None = None) -> str:
        return _joined([self._print(term) for term in ordered(expr, self.sheet.derivation.steps)])

    def _print_Max(self, expr: Expr, exp: str | None = None) -> str:
        terms = map(self._print, ordered(expr, self.sheet.derivation.steps))
        return "\\max\\left(" + ",\\; ".join(terms) + "\\right)"

    def _print_Mul(self, expr: Expr) -> str:
        found = as_quantity(expr, self.unit, self.sheet.derivation.steps)
        if found is not None and found[0] != 1:
            return f"{_quantity(float(found[0]), self.unit)} \\cdot {self._plain(found[1])}"
        number, rest = expr.as_coeff_Mul()
        if isinstance(rest, Max) and number != 1:
            return f"{self._plain(number)} {self._print(rest)}"
        return self._plain(expr)

    def _print_Rational(self, expr: Expr) -> str:
        return _quantity(float(expr), self.unit) if self.unit in ("s", "B") else super()._print_Rational(expr)  # pyright: ignore

    def _print_Integer(self, expr: Expr) -> str:
        if self.unit in ("s", "B"):
            return _quantity(float(expr), self.unit)  # pyright: ignore[reportArgumentType]
        return grouped(str(expr))

    def _plain(self, expr: Expr) -> str:
        """Without units: inside products, fractions and arguments."""
        plain = Math(self.sheet, "")
        return LatexPrinter._print_Mul(plain, expr) if isinstance(expr, Mul) else plain._print(expr)


def grouped(digits: str) -> str:
    """Thin spaces between groups of three digits, from five digits on.

    >>> grouped("22020096"), grouped("7168")
    ('22\\\\,020\\\\,096', '7168')
    """
    return f"{int(digits):,}".replace(",", "\\,") if len(digits.lstrip("-")) > 4 else digits


def _joined(terms: list[str]) -> str:
    return terms[0] + "".join(f" - {t[1:].lstrip()}" if t.startswith("-") else f" + {t}" for t in terms[1:])


def _quantity(value: float, unit: str) -> str:
    number, _, symbol = format_quantity(value, unit, DIGITS).partition(" ")
    prefix, rest = ("\\mu", symbol[1:]) if symbol.startswith("µ") else ("", symbol)
    return f"{number}\\,{prefix}\\mathrm{{{rest}}}"


def _names(sheet: Sheet) -> Mapping[str, str]:
    steps = {step.symbol.name: step.latex for step in sheet.derivation.steps}
    return {
        **{row.info.name: row.info.latex for row in sheet.symbols},
        **{table.function: table.latex for table in sheet.tables},
        **steps,
    }


def equations(sheet: Sheet) -> list[tuple[str, list[str]]]:
    """Left side and lines of the right side of every step, from the metric down."""
    found: list[tuple[str, list[str]]] = []
    for step in sheet.steps:
        math = Math(sheet, step.unit)
        per_line = 2 if step.expr.atoms(Max) else TERMS_PER_LINE
        if isinstance(step.expr, Add) and len(step.expr.args) > per_line:
            terms = [math.doprint(term) for term in ordered(step.expr, sheet.derivation.steps)]
            chunks = [terms[i : i + per_line] for i in range(0, len(terms), per_line)]
            lines = [_joined(chunks[0]), *(f"+ {_joined(chunk)}" for chunk in chunks[1:])]
        else:
            lines = [math.doprint(step.expr)]
        found.append((step.latex, lines))
    return found


def latex_text(sheet: Sheet) -> str:
    """An `align*` of all steps and a `tabular` of symbols, for an article that loads amsmath."""
    rows = [f"  {left} &= " + " \\\\\n  &\\quad ".join(lines) + " \\\\" for left, lines in equations(sheet)]
    body = "\n".join(rows).removesuffix(" \\\\")
    head = f"% {sheet.derivation.meaning} of {sheet.subject}"
    if sheet.level == "numeric":
        head += f"\n% {ROUNDED}"
    return f"{head}\n\\begin{{align*}}\n{body}\n\\end{{align*}}\n{_symbol_table(sheet)}"


def _symbol_table(sheet: Sheet) -> str:
    columns = "@{}lp{0.55\\linewidth}l@{}"
    lines = [f"\\begin{{tabular}}{{{columns}}}", "symbol & meaning & value \\\\ \\hline"]
    for row in sheet.symbols:
        value = "" if row.value is None else escaped(format_quantity(row.value, row.info.unit, 6))
        unit = f" [{row.info.unit}]" if not value and row.info.unit != "1" else ""
        lines.append(f"${row.info.latex}$ & {escaped(row.info.meaning)}{unit} & {value} \\\\")
    for table in sheet.tables:
        arguments = escaped(", ".join(table.args).replace("_", " "))
        lines.append(f"${table.latex}$ & {escaped(table.meaning)}, of {arguments} & measured \\\\")
    return "\n".join([*lines, "\\end{tabular}"])


def escaped(text: str) -> str:
    """Plain text with LaTeX's special characters escaped."""
    for character in ("&", "%", "#", "_"):
        text = text.replace(character, f"\\{character}")
    return text.replace("µ", "$\\mu$")
