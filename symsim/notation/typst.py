"""Sheet -> Typst: an aligned display of all steps, and tables of symbols and measurements."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

import sympy
from sympy import Expr, Max, Min, Rational, Symbol
from sympy.core.function import AppliedUndef

from symsim.algebra.symbols import terms_of_norm
from symsim.algebra.units import format_quantity
from symsim.notation.cut import cut_typst
from symsim.notation.latex import Math
from symsim.notation.layout import DIGITS, Layout, as_quantity, decimal, fractional, ordered
from symsim.notation.line_width import width

_BUDGET = 62.0
"""Letters that fit a line of an A4 page beside the left side; wider formulas break over lines."""


def typst_text(layout: Layout) -> str:
    """A heading, the equations, and the symbols as a table; it compiles by itself and inside any document."""
    names = _names(layout)
    rows = [
        f"  {name(step.latex)} &= " + " \\\n  & quad ".join(_Math(layout, step.unit, names).lines(step.expr, _BUDGET))
        for step in layout.steps
    ]
    symbols = [
        (
            f"${name(row.info.latex)}$",
            _quoted(row.info.meaning),
            _quoted(row.info.unit),
            "[]" if row.value is None else _quoted(format_quantity(row.value, row.info.unit, DIGITS)),
            _quoted(str(row.source)),
        )
        for row in layout.symbols
    ]
    cut = layout.cut
    tables = [(f"${name(t.latex)}$", *map(_quoted, (t.meaning, ", ".join(t.args), t.file))) for t in layout.tables]
    parts = [
        f"== {layout.derivation.meaning[0].upper()}{layout.derivation.meaning[1:]}",
        f"#{_quoted(layout.subject)}",
        "#[\n#show math.equation: set block(breakable: true)\n$ " + " \\\n".join(rows).lstrip() + " $\n]",
        *([] if cut is None else [cut_typst(cut, _Math(layout, "").text, name)]),
        _table(("symbol", "meaning", "unit", "value", "source"), (1, 3, 1, 2, 3), symbols),
    ]
    if tables:
        parts.append(_table(("table", "meaning", "arguments", "file"), (1, 3, 3, 2), tables))
    return "\n\n".join(parts)


def _table(head: Sequence[str], shares: Sequence[int], rows: Sequence[Sequence[str]]) -> str:
    columns = ", ".join(f"{share}fr" for share in shares)
    titles = ", ".join(f"[*{title}*]" for title in head)
    body = "\n".join(f"  {', '.join(row)}," for row in rows)
    style = "stroke: none, inset: (x: 3pt, y: 3pt), align: left"
    return f"#table(\n  columns: ({columns}), {style},\n  table.header({titles}), table.hline(),\n{body}\n)"


def _quoted(text: str) -> str:
    """Text as a Typst string, which no character of it can end."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def name(latex: str) -> str:
    r"""A symbol's LaTeX in Typst.

    >>> name(r"t_{\mathrm{qkv\,proj}}"), name(r"\mu_{\mathrm{gemm}}"), name(r"B_{\max}"), name("P_{w}")
    ('t_"qkv proj"', 'mu_"gemm"', 'B_"max"', 'P_w')
    """
    text = re.sub(r"\\mathrm\{([^{}]*)\}", lambda found: '"' + found.group(1).replace("\\,", " ") + '"', latex)
    text = re.sub(r"\\(max|min)", r'"\1"', text).replace("\\to", " -> ").replace("\\cdot", " dot ")
    text = re.sub(r"\{([^{}]*)\}", lambda found: _script(found.group(1)), text)
    return re.sub(r"\\([A-Za-z]+)", r"\1", text).strip()


def _script(inside: str) -> str:
    single = re.fullmatch(r'"[^"]*"|[A-Za-z0-9]', inside)
    return inside if single else f"({inside.strip()})"


class _Math:
    """Expressions of one step. unit: of the step's value, which numeric coefficients then carry."""

    def __init__(self, layout: Layout, unit: str, names: Mapping[str, str] | None = None) -> None:
        self.layout, self.unit = layout, unit if layout.level == "numeric" else ""
        self.names = _names(layout) if names is None else names

    def lines(self, expr: Expr, budget: float) -> list[str]:
        """The expression in lines of about the budget's letters; brackets that span lines are plain characters."""
        math = Math(self.layout, self.unit)
        steps = self.layout.derivation.steps
        number, rest = expr.as_coeff_Mul()
        above, below = sympy.fraction(expr)
        if width(math.doprint(expr)) <= budget:
            return [self.text(expr)]
        match expr:
            case sympy.Add():
                return self._sum(ordered(expr, steps), budget)
            case Max():
                arms = [self.lines(arm, budget - 6) for arm in ordered(expr, steps)]
                commas = [[*arm[:-1], f"{arm[-1]},"] for arm in arms[:-1]] + arms[-1:]
                return _bracketed("max", [line for arm in commas for line in arm])
            case _ if isinstance(rest, Max):
                first, *more = self.lines(rest, budget - 6)
                return [f"{self._plain(number)} {first}", *more]
            case _ if isinstance(above, sympy.Add) and below != 1 and not self.unit:
                return _bracketed(f"frac(1, {self._plain(below)})", self.lines(above, budget - 12))
            case _:
                return [self.text(expr)]

    def _sum(self, terms: Sequence[Expr], budget: float) -> list[str]:
        """Terms as many to a line as fit; a term that is too wide breaks over lines of its own."""
        math = Math(self.layout, self.unit)
        lines: list[str] = []
        used = 0.0
        for term in terms:
            first, *more = self.lines(term, budget)
            signed = first if first.startswith("-") or not lines else f"+ {first}"
            wide = width(math.doprint(term)) + 2
            if lines and not more and used + wide <= budget:
                lines[-1] += f" {signed}"
                used += wide
            else:
                lines += [signed, *more]
                used = budget if more else wide
        return lines

    def text(self, expr: Expr) -> str:
        found = as_quantity(expr, self.unit, self.layout.derivation.steps)
        if found is not None and not isinstance(expr, sympy.Add) and found[0] != 1:
            number, rest = found
            shown = _quantity(float(number), self.unit)
            return shown if rest == 1 else f"{shown} dot {self._plain(rest)}"
        match expr:
            case sympy.Add():
                return _joined([self.text(term) for term in ordered(expr, self.layout.derivation.steps)])
            case Max() | Min():
                head = "max" if isinstance(expr, Max) else "min"
                return f"{head}({', '.join(map(self.text, ordered(expr, self.layout.derivation.steps)))})"
            case sympy.Mul():
                return self._product(expr)
            case sympy.Pow():
                return self._power(expr)
            case _:
                return self._leaf(expr)

    def _leaf(self, expr: Expr) -> str:
        match expr:
            case Symbol():
                return self.names.get(expr.name, expr.name)
            case sympy.Integer():
                return _grouped(str(expr))
            case Rational():
                return decimal(expr) or f"frac({_grouped(str(expr.p))}, {_grouped(str(expr.q))})"
            case sympy.floor() | sympy.ceiling():
                head = "floor" if isinstance(expr, sympy.floor) else "ceil"
                return f"{head}({self._plain(expr.args[0])})"
            case AppliedUndef():
                arguments = ", ".join(self._plain(cast(Expr, argument)) for argument in expr.args)
                return f"{self.names.get(str(expr.func), str(expr.func))} ({arguments})"
            case _:
                raise NotImplementedError(f"{expr.func} is not printed")

    def _product(self, expr: Expr) -> str:
        number, rest = expr.as_coeff_Mul()
        if number.is_negative:
            return f"-{self.text(-expr)}"
        if isinstance(rest, Max | Min) or terms_of_norm(rest):
            return f"{self._plain(number)} {self.text(rest)}"
        above, below = sympy.fraction(expr)
        if below != 1:
            return f"frac({self._plain(above)}, {self._plain(below)})"
        return " ".join(self._factor(factor) for factor in expr.as_ordered_factors())

    def _factor(self, factor: Any) -> str:
        text = self._plain(factor)
        return f"({text})" if isinstance(factor, sympy.Add) else text

    def _power(self, expr: Expr) -> str:
        base, exponent = cast(tuple[Expr, Expr], expr.args)
        if (fitted := fractional(expr)) is not None:
            inner = self.text(base)
            return f"{inner if isinstance(base, Symbol) else f'({inner})'}^({fitted[1]})"
        if exponent.is_negative:
            return f"frac(1, {self._plain(1 / expr)})"
        below = self._plain(base)
        return f"{below if isinstance(base, Symbol) else f'({below})'}^({self._plain(exponent)})"

    def _plain(self, expr: Expr) -> str:
        return _Math(self.layout, "", self.names).text(expr)


def _bracketed(head: str, lines: list[str]) -> list[str]:
    first, *more = lines
    opened = [f"{head} \\( {first}", *(f"quad {line}" for line in more)]
    return [*opened[:-1], f"{opened[-1]} \\)"]


def _joined(terms: list[str]) -> str:
    return terms[0] + "".join(f" - {t[1:]}" if t.startswith("-") else f" + {t}" for t in terms[1:])


def _grouped(digits: str) -> str:
    """Thin spaces between groups of three digits, from five digits on."""
    return f"{int(digits):,}".replace(",", " thin ") if len(digits.lstrip("-")) > 4 else digits


def _quantity(value: float, unit: str) -> str:
    number, _, symbol = format_quantity(value, unit, DIGITS).partition(" ")
    return f'{number} thin "{symbol}"' if symbol else number


def _names(layout: Layout) -> Mapping[str, str]:
    return {
        **{row.info.name: name(row.info.latex) for row in layout.symbols},
        **{table.function: name(table.latex) for table in layout.tables},
        **{step.symbol.name: name(step.latex) for step in layout.derivation.steps},
    }
