"""Sheet -> plain text that reads top down and can be pasted into code."""

from __future__ import annotations

from collections.abc import Sequence

from sympy import Add, Expr, Function, Max, Mul, Symbol
from sympy.printing.str import StrPrinter

from symsim.algebra.powers import terms_of_norm
from symsim.algebra.units import format_quantity
from symsim.errors import printable
from symsim.notation.cut import cut_text
from symsim.notation.folded import folded_formula, folded_words
from symsim.notation.layout import (
    DIGITS,
    ROUNDED,
    Layout,
    SymbolRow,
    as_quantity,
    decimal,
    fractional,
    norm_factor,
    ordered,
)


class _Text(StrPrinter):
    """sympy's plain printer with lower-case max, terms in reading order, and SI prefixes on numeric coefficients."""

    def __init__(self, layout: Layout, unit: str) -> None:
        super().__init__({"order": "none"})
        self.layout, self.unit = layout, unit if layout.level == "numeric" else ""

    def _print_Add(self, expr: Expr, order: str | None = None) -> str:
        first, *rest = (self._print(term) for term in ordered(expr, self.layout.derivation.steps))
        return first + "".join(f" - {t[1:]}" if t.startswith("-") else f" + {t}" for t in rest)

    def _print_Max(self, expr: Expr) -> str:
        return f"max({', '.join(map(self._print, ordered(expr, self.layout.derivation.steps)))})"

    def _print_Min(self, expr: Expr) -> str:
        return f"min({', '.join(map(self._print, ordered(expr, self.layout.derivation.steps)))})"

    def _print_Function(self, expr: Function) -> str:
        return f"{expr.func}({', '.join(map(self._plain, expr.args))})"  # pyright: ignore[reportArgumentType]

    def _print_ceiling(self, expr: Expr) -> str:
        return f"ceil({self._plain(expr.args[0])})"  # pyright: ignore[reportArgumentType]

    def _print_floor(self, expr: Expr) -> str:
        return f"floor({self._plain(expr.args[0])})"  # pyright: ignore[reportArgumentType]

    def _print_Mul(self, expr: Expr) -> str:
        found = as_quantity(expr, self.unit, self.layout.derivation.steps)
        if found is not None and found[0] != 1:
            number = format_quantity(_fraction(found[0]), self.unit, DIGITS)
            return f"{number} * {self._plain(found[1])}"
        number, rest = expr.as_coeff_Mul()
        if (isinstance(rest, Max) or terms_of_norm(rest)) and number != 1:
            return f"{'-' if number == -1 else f'{self._plain(number)}*'}{self._print(rest)}"
        if self.unit and (carrier := norm_factor(rest)) is not None:
            one, others = carrier
            inner = f"({self._print(one)})" if isinstance(one, Add) else self._print(one)
            factors = (self._plain(number) if number != 1 else "", inner, self._plain(others) if others != 1 else "")
            return "*".join(filter(None, factors))
        return self._plain(expr)

    def _print_Pow(self, expr: Expr, rational: bool = False) -> str:
        found = fractional(expr)
        if found is None:
            return StrPrinter._print_Pow(_Text(self.layout, ""), expr, rational)
        base, exponent = self._print(found[0]), f"({found[1]})" if "/" in found[1] else found[1]
        return f"{base if isinstance(found[0], Symbol) else f'({base})'}**{exponent}"

    def _print_Rational(self, expr: Expr) -> str:
        if self.unit in ("s", "B"):
            return format_quantity(_fraction(expr), self.unit, DIGITS)
        return decimal(expr) or super()._print_Rational(expr)  # pyright: ignore[reportArgumentType]

    _print_Integer = _print_Rational
    _print_Half = _print_Rational

    def _plain(self, expr: Expr) -> str:
        """Without units: inside products, fractions and arguments."""
        plain = _Text(self.layout, "")
        return StrPrinter._print_Mul(plain, expr) if isinstance(expr, Mul) else plain._print(expr)


def _fraction(number: Expr) -> float:
    return float(number)  # pyright: ignore[reportArgumentType]


def expression_text(expr: Expr, unit: str, layout: Layout) -> str:
    """One expression as it stands in a formula whose value is in `unit`."""
    return str(_Text(layout, unit).doprint(expr))


def plain_text(layout: Layout, width: int | None = None) -> str:
    """The metric, its named steps from the top down, then every symbol and table.

    width: columns of a screen that no line is to be wider than; None for lines as long as they are.
    """
    names = max(len(step.symbol.name) for step in layout.steps)
    lines = [f"{layout.derivation.result.symbol}: {layout.derivation.meaning}"]
    lines += [*folded_words(f"of {layout.subject}", width), ""]
    for step in layout.steps:
        formula = _Text(layout, step.unit).doprint(step.expr)
        lines += folded_formula(f"  {step.symbol.name:<{names}} = {formula}", width)
    if layout.level == "symbolic" and layout.conditions:
        lines += ["", *folded_words(f"holds for {', '.join(layout.conditions)}", width, _INDENT)]
    if layout.cut is not None:
        lines.append("")
        for line in cut_text(layout.cut, lambda expr: expression_text(expr, "", layout)):
            lines += folded_formula(line, width)
    if layout.level == "numeric":
        lines += ["", *folded_words(ROUNDED, width)]
    if layout.symbols:
        lines += ["", "symbols", *_symbols([_symbol_cells(row) for row in layout.symbols], width)]
    if layout.tables:
        tables = [(f"{t.function}({', '.join(t.args)})", t.meaning, t.file) for t in layout.tables]
        lines += ["", "tables", *_columns(tables, width)]
    if layout.stand_ins:
        lines += ["", "in place of tables"]
        lines += [line for told in layout.stand_ins for line in folded_words(f"  {told}", width, _INDENT)]
    return "\n".join(lines)


def _symbol_cells(row: SymbolRow) -> tuple[str, str, str, str]:
    value = "" if row.value is None else format_quantity(row.value, row.info.unit, 6)
    unit = "" if row.info.unit == "1" or value else f" [{row.info.unit}]"
    return row.info.name, f"{row.info.meaning}{unit}", value, printable(str(row.source))


def _symbols(rows: list[tuple[str, str, str, str]], width: int | None) -> list[str]:
    """Symbols with their sources; on a screen with too little room sources are numbered, each told once."""
    whole = _columns(rows, None)
    if width is None or max(map(len, whole)) <= width:
        return whole
    sources = list(dict.fromkeys(source for _, _, value, source in rows if value))
    cells = [
        (name, value, f"[{sources.index(source) + 1}]" if value else "", said) for name, said, value, source in rows
    ]
    sizes = [max(len(cell) for cell in column) for column in list(zip(*cells, strict=True))[:3]]
    indent = " " * (2 + sum(sizes) + 2 * len(sizes))
    lines: list[str] = []
    for row in cells:
        head = "  " + "".join(f"{cell:<{size}}  " for cell, size in zip(row, sizes, strict=False))
        lines += folded_words(f"{head}{row[3]}", width, indent if len(indent) < 2 * width // 3 else _INDENT)
    lines += ["", "sources"]
    numbered = [f"  {f'[{i}]':<4} {source}" for i, source in enumerate(sources, 1)]
    return [*lines, *(line for told in numbered for line in folded_words(told, width, _INDENT))]


def _columns(rows: Sequence[tuple[str, ...]], width: int | None) -> list[str]:
    """Aligned columns; on a screen with too little room the last stands below its row, and one before it."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    fitting = len(widths)
    while width is not None and fitting > 1 and 2 * fitting + sum(widths[:fitting]) > width:
        fitting -= 1
    lines: list[str] = []
    for row in rows:
        lines.append("  " + "  ".join(map(str.ljust, row[:fitting], widths)).rstrip())
        if below := "; ".join(filter(None, row[fitting:])):
            lines += folded_words(f"{_INDENT}{below}", width, _INDENT)
    return lines


_INDENT = " " * 6
