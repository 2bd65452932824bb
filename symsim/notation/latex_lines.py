"""Expressions in LaTeX over several lines, broken where their sums and maxima have room to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import sympy
from sympy import Add, Basic, Expr, Max, Mul, Pow
from sympy.core.function import AppliedUndef

from symsim.algebra.powers import terms_of_norm
from symsim.notation.latex import Math
from symsim.notation.layout import Layout, fractional, ordered
from symsim.notation.line_width import width

BRACKET = 3.0
"""Letters that a bracket over several lines takes of each, with its indent."""


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
                terms = [self.of(term, budget - BRACKET - 3) for term in ordered(expr, self.layout.derivation.steps)]
                return _bracketed("\\max", [line for lines in _separated(terms) for line in lines])
            case AppliedUndef() if self._is_function(expr):
                arguments = [self.of(one, budget - BRACKET - 3) for one in cast(tuple[Expr, ...], expr.args)]
                lines = filled_lines(_separated(arguments), budget - BRACKET, str)
                return _bracketed(self.layout.functions[str(expr.func)], lines)
            case Mul() if isinstance(rest, Max) or terms_of_norm(rest):
                times = math.of_unit("").doprint(number)
                first, *more = self.of(rest, budget - width(times))
                return [f"{times} {first}", *more]
            case _ if isinstance(above, Add) and below != 1 and not math.unit:
                over = f"\\frac{{1}}{{{math.doprint(below)}}}"
                return _bracketed(over, self.of(above, budget - BRACKET - width(over)))
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
        *lines, last = _bracketed("", self.of(expr.base, budget - BRACKET))
        return [*lines, f"{last}^{{{exponent}}}"]

    def _factor(self, math: Math, expr: Expr, budget: float) -> list[str]:
        printed = math.doprint(expr)
        if width(printed) > budget and isinstance(expr, Add):
            return _bracketed("", self.of(expr, budget - BRACKET))
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
