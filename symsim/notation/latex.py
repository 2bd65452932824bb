"""Sheet -> LaTeX that compiles in an amsmath article: aligned equations in named steps, and a table of symbols."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import sympy
from sympy import Add, Basic, Expr, Max, Mul, Pow, Symbol
from sympy.core.function import AppliedUndef
from sympy.printing.latex import LatexPrinter

from symsim.algebra.powers import terms_of_norm
from symsim.algebra.units import format_quantity
from symsim.notation.cut import cut_latex
from symsim.notation.escaping import escaped
from symsim.notation.layout import DIGITS, ROUNDED, Layout, as_quantity, decimal, fractional, ordered
from symsim.notation.line_width import FULL_LINE, NUMBER, SMALL_LINE, beside, width

_BRACKET = 3.0
"""Letters that a bracket over several lines takes of each, with its indent."""

END_MARK = "end of what symsim derived"
"""Closes what a comment with a command opens."""


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


def equations(layout: Layout, line: float = FULL_LINE) -> list[tuple[str, list[str]]]:
    """Left side and lines of the right side of every step, from the metric down."""
    room = beside([step.latex for step in layout.steps], line)
    return [(step.latex, Lines(layout, step.unit).of(step.expr, room)) for step in layout.steps]


@dataclass(frozen=True, slots=True)
class Lines:
    """Breaks an expression over lines where its sums and maxima have room to."""

    layout: Layout
    unit: str
    printer: Callable[[Layout, str], Math] = Math

    def of(self, expr: Expr, budget: float) -> list[str]:
        """The expression in lines of about the budget's letters; fixed-size brackets open and close across lines."""
        math = self.printer(self.layout, self.unit)
        whole = math.doprint(expr)
        if width(whole) <= budget:
            return [whole]
        number, rest = expr.as_coeff_Mul()
        below, above = sympy.denom(expr), sympy.numer(expr)
        match expr:
            case Add():
                terms = [self.of(term, budget) for term in ordered(expr, self.layout.derivation.steps)]
                return filled_lines(terms, budget, lambda term: term if term.startswith("-") else f"+ {term}")
            case Max():
                terms = [self.of(term, budget - _BRACKET - 3) for term in ordered(expr, self.layout.derivation.steps)]
                return _bracketed("\\max", [line for lines in _separated(terms) for line in lines])
            case AppliedUndef() if self._is_function(expr):
                arguments = [self.of(one, budget - _BRACKET - 3) for one in cast(tuple[Expr, ...], expr.args)]
                lines = filled_lines(_separated(arguments), budget - _BRACKET, str)
                return _bracketed(self.layout.functions[str(expr.func)], lines)
            case Mul() if isinstance(rest, Max) or terms_of_norm(rest):
                times = math.of_unit("").doprint(number)
                first, *more = self.of(rest, budget - width(times))
                return [f"{times} {first}", *more]
            case _ if isinstance(above, Add) and below != 1 and not math.unit:
                over = f"\\frac{{1}}{{{math.doprint(below)}}}"
                return _bracketed(over, self.of(above, budget - _BRACKET - width(over)))
            case Pow() if _breaks(expr):
                return self._power(math, expr, budget)
            case Mul() if applied := [one for one in expr.args if self._is_function(one)]:
                head = math.doprint(expr / applied[0])
                first, *more = self.of(applied[0], budget - width(head))
                return [f"{head}\\,{first}", *more]
            case Mul() if number == -1:
                first, *more = self.of(cast(Expr, -expr), budget)
                return [f"-{first}", *more]
            case Mul() if not math.unit:
                factors = [self._factor(math, factor, budget) for factor in _factors(above, below)]
                return filled_lines(factors, budget, lambda factor: f"\\cdot {factor}")
            case _:
                return [whole]

    def _is_function(self, expr: Basic) -> bool:
        return isinstance(expr, AppliedUndef) and str(expr.func) in self.layout.functions

    def _power(self, math: Math, expr: Pow, budget: float) -> list[str]:
        """A power of a sum or a product, its bracket open across lines."""
        fitted = fractional(expr)
        exponent = math.of_unit("").doprint(expr.exp) if fitted is None else fitted[1]
        *lines, last = _bracketed("", self.of(expr.base, budget - _BRACKET))
        return [*lines, f"{last}^{{{exponent}}}"]

    def _factor(self, math: Math, expr: Expr, budget: float) -> list[str]:
        printed = math.doprint(expr)
        if width(printed) > budget and isinstance(expr, Add):
            return _bracketed("", self.of(expr, budget - _BRACKET))
        if width(printed) > budget and isinstance(expr, Pow) and _breaks(expr):
            return self._power(math, expr, budget)
        return [f"\\left({printed}\\right)" if isinstance(expr, Add) else printed]


def _breaks(expr: Pow) -> bool:
    return isinstance(expr.base, Add | Mul) and not expr.exp.could_extract_minus_sign()


def _factors(above: Expr, below: Expr) -> list[Expr]:
    """A fraction as one of its plain factors, if any, then its factors above that are sums, powers or functions."""
    wide = [factor for factor in Mul.make_args(above) if factor.args and not factor.is_number]
    plain = Mul(*(factor for factor in Mul.make_args(above) if factor not in wide))
    return [plain / below, *wide] if plain != below else wide


def filled_lines(parts: Sequence[Sequence[str]], budget: float, joined: Callable[[str], str]) -> list[str]:
    """Parts as many to a line as fit, each but the first as `joined`; of one in several lines, the first may join."""
    lines: list[str] = []
    for first, *more in parts:
        shown = joined(first) if lines else first
        if lines and width(lines[-1]) + width(shown) <= budget:
            lines[-1] += f" {shown}"
            lines += more
        else:
            lines += [shown, *more]
    return lines


def _separated(terms: list[list[str]]) -> list[list[str]]:
    """Arms of a maximum: a comma after each but the last."""
    return [[*lines[:-1], f"{lines[-1]},"] for lines in terms[:-1]] + terms[-1:]


def _bracketed(head: str, lines: list[str]) -> list[str]:
    first, *more = lines
    indented = [f"\\quad {line}" for line in more]
    opened = [f"{head}\\Bigl({first}", *indented]
    return [*opened[:-1], f"{opened[-1]}\\Bigr)"]


def latex_text(layout: Layout) -> str:
    """An `align*` of all steps and a `tabular` of symbols, for an article that loads amsmath."""
    return "\n".join(part for part in (derivation_latex(layout), longer_prompts(layout), _symbol_table(layout)) if part)


def longer_prompts(layout: Layout) -> str:
    """A paragraph on prompts that are longer than an iteration; empty where none is cut into chunks."""
    found = None if layout.cut is None else cut_latex(layout.cut, lambda expr: expression_latex(expr, layout))
    return "" if found is None else f"\\par{{\\sloppy\\noindent {found}\\par}}"


def numbered_latex(layout: Layout, label: str, below: Sequence[tuple[str, Expr]] = ()) -> str:
    """The equations in an `align` whose first line is numbered and labelled, with the same marks. below: left sides in
    LaTeX and what they are, in seconds, for a display of their own."""
    rows: list[str] = []
    for left, lines in equations(layout, SMALL_LINE - NUMBER):
        first, *more = lines
        tag = "\\notag" if rows else f"\\label{{{label}}}"
        rows += [f"  {left} &= {first} {tag}", *(f"  &\\quad {line} \\notag" for line in more)]
    body = " \\\\\n".join(rows)
    aligned = f"\\begin{{align}}\n{body}\n\\end{{align}}"
    whole = "\n".join([aligned, _defined(layout, below)] if below else [aligned])
    marked = f"% {layout.origin}\n{whole}\n% {END_MARK}" if layout.origin else whole
    return f"\\begingroup\\allowdisplaybreaks\\small\n{marked}\n\\endgroup"


def _defined(layout: Layout, below: Sequence[tuple[str, Expr]]) -> str:
    """Each left side on a line of its own: those of functions are wide."""
    rows = list[str]()
    for left, expr in below:
        first, *others = Lines(layout, "s").of(expr, SMALL_LINE - 2 * _BRACKET)
        rows += [f"  &{left} =", f"  &\\quad {first}", *(f"  &\\quad\\quad {line}" for line in others)]
    body = " \\\\\n".join(rows)
    return f"\\begin{{align*}}\n{body}\n\\end{{align*}}"


def derivation_latex(layout: Layout) -> str:
    """The `align*` alone, marked with the command that derives it, so that `symsim verify` can check it."""
    rows = [f"  {left} &= " + " \\\\\n  &\\quad ".join(lines) + " \\\\" for left, lines in equations(layout)]
    body = "\n".join(rows).removesuffix(" \\\\")
    head = f"% {layout.derivation.meaning} of {layout.subject}"
    head += f"\n% {ROUNDED}" if layout.level == "numeric" else ""
    aligned = f"\\begin{{align*}}\n{body}\n\\end{{align*}}"
    marked = f"% {layout.origin}\n{aligned}\n% {END_MARK}" if layout.origin else aligned
    return f"{head}\n\\begingroup\\allowdisplaybreaks\n{marked}\n\\endgroup"


def _symbol_table(layout: Layout) -> str:
    lines: list[str] = []
    for row in layout.symbols:
        value = "" if row.value is None else escaped(format_quantity(row.value, row.info.unit, 6))
        unit = f" [{row.info.unit}]" if not value and row.info.unit != "1" else ""
        lines.append(f"${row.info.latex}$ & {escaped(row.info.meaning)}{unit} & {value} \\\\")
    for table in layout.tables:
        arguments = escaped(", ".join(table.args).replace("_", " "))
        lines.append(f"${table.latex}$ & {escaped(table.meaning)}, of {arguments} & measured \\\\")
    tables = [_tabular(lines[start : start + _ROWS]) for start in range(0, len(lines), _ROWS)]
    return "\n\n".join(tables)


_ROWS = 36
"""Rows of a table that fit a page, some of them of two lines."""


def _tabular(rows: Sequence[str]) -> str:
    head = "\\begin{tabular}{@{}lp{0.55\\linewidth}l@{}}\nsymbol & meaning & value \\\\ \\hline"
    return "\n".join([head, *rows, "\\end{tabular}"])
