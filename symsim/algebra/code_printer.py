"""One table of how each target language writes the few functions that formulas use; everything else is sympy's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from sympy import Basic, Expr, Integer, Lambda, Mul, Pow, Rational, Symbol
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.pycode import PythonCodePrinter


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one target writes what formulas use.

    max, min (of two), floor, ceiling: function names; whole: how an integer is written; power: `{}` raised to `{}`, in
    parentheses where a minus before it is refused (JavaScript) or taken into the power (Excel); suffix:
    what names end in, where the target takes plain letters for something else.
    """

    name: str
    max: str
    min: str
    floor: str
    ceiling: str
    whole: str = "{}"
    power: str = "({})**({})"
    suffix: str = ""


DIALECTS: Mapping[str, Dialect] = {
    dialect.name: dialect
    for dialect in (
        Dialect("python", "max", "min", "floor", "ceil"),
        Dialect("numpy", "maximum", "minimum", "floor", "ceil"),
        Dialect("c", "larger", "smaller", "floor", "ceil", whole="{}.0", power="pow({}, {})"),
        Dialect("javascript", "Math.max", "Math.min", "Math.floor", "Math.ceil", power="(({})**({}))"),
        Dialect("excel", "MAX", "MIN", "INT", "-INT(-{})", power="(({})^({}))", suffix="_"),
    )
}

Inline = Mapping[str, Callable[..., str]]
"""Table function -> how a call of it is written, given its arguments as text."""


class _Printer(PythonCodePrinter):
    """sympy's Python printer with the spellings of one dialect; table look-ups print as plain calls."""

    def __init__(self, dialect: Dialect, inline: Inline) -> None:
        super().__init__({"fully_qualified_modules": False, "allow_unknown_functions": True})
        self.dialect, self.inline = dialect, inline

    def _print_Symbol(self, expr: Symbol) -> str:
        return f"{expr.name}{self.dialect.suffix}"

    def _print_Integer(self, expr: Integer) -> str:
        return self.dialect.whole.format(int(expr))

    def _print_Rational(self, expr: Rational) -> str:
        upper, lower = (self.dialect.whole.format(int(part)) for part in (expr.p, expr.q))
        return f"{upper}/{lower}"

    _print_Half = _print_Rational

    def _print_Pow(self, expr: Pow, rational: bool = False) -> str:
        base, exponent = expr.args
        if exponent == -1:
            return f"(1/{self.parenthesize(base, PRECEDENCE['Pow'])})"
        return self.dialect.power.format(self._print(base), self._print(exponent))

    def _print_Add(self, expr: Expr, order: str | None = None) -> str:
        """Sums of fractional powers are not put in sympy's order: it would take the roots of their numbers."""
        if not any(map(_is_root, expr.args)):
            return super()._print_Add(expr, order)
        first, *rest = sorted(self._print(term) for term in expr.args)
        return first + "".join(f" - {term[1:]}" if term.startswith("-") else f" + {term}" for term in rest)

    def _print_Mul(self, expr: Mul) -> str:
        """Products that hold fractional powers, also inside their sums, are not either."""
        if not any(map(_is_root, expr.atoms(Pow))):
            return super()._print_Mul(expr)
        usual, self._settings["order"] = self._settings["order"], "none"
        try:
            return super()._print_Mul(expr)
        finally:
            self._settings["order"] = usual

    def _print_Function(self, expr: Expr) -> str:
        arguments = [self._print(argument) for argument in expr.args]
        name = str(expr.func)
        return self.inline[name](*arguments) if name in self.inline else f"{name}({', '.join(arguments)})"

    def _print_Lambda(self, obj: Lambda) -> str:
        return f"(lambda {', '.join(map(str, obj.variables))}: {self._print(obj.expr)})"

    def _nested(self, name: str, args: tuple[Expr, ...]) -> str:
        first, *rest = (self._print(argument) for argument in args)
        for other in rest:
            first = f"{name}({first}, {other})"
        return first

    def _print_Max(self, expr: Expr) -> str:
        return self._nested(self.dialect.max, _ordered(expr))

    def _print_Min(self, expr: Expr) -> str:
        return self._nested(self.dialect.min, _ordered(expr))

    def _print_floor(self, expr: Expr) -> str:
        return _call(self.dialect.floor, self._print(expr.args[0]))

    def _print_ceiling(self, expr: Expr) -> str:
        return _call(self.dialect.ceiling, self._print(expr.args[0]))


def _is_root(term: Basic) -> bool:
    """Whether it is a fractional power, or a product that holds one."""
    factors = term.args if isinstance(term, Mul) else (term,)
    return any(isinstance(factor, Pow) and not factor.args[1].is_Integer for factor in factors)


def _call(function: str, argument: str) -> str:
    """A function's name, or a pattern for what the target has no function for."""
    return function.format(f"({argument})") if "{}" in function else f"{function}({argument})"


def _ordered(expr: Expr) -> tuple[Expr, ...]:
    """Max keeps its arguments as a set: sort them, so that printed code never changes from run to run."""
    return tuple(sorted(expr.args, key=str))  # pyright: ignore[reportReturnType, reportArgumentType]


@cache
def _printer(dialect: str) -> _Printer:
    return _Printer(DIALECTS[dialect], {})


def code(expr: Expr, dialect: str, inline: Inline | None = None) -> str:
    """The expression as source text of one dialect. inline: tables that are written in place of their calls.

    >>> from sympy import ceiling
    >>> from symsim.algebra.symbols import symbol
    >>> code(symbol("B") / 3 + 1, "python"), code(symbol("B") / 3, "c"), code(ceiling(symbol("T") / 2), "excel")
    ('(1/3)*B + 1', '(1.0/3.0)*B', '-INT(-((1/2)*T_))')
    >>> code(1 - symbol("B") ** symbol("T"), "javascript"), code(1 - symbol("B") ** symbol("T"), "excel")
    ('-((B)**(T)) + 1', '-((B_)^(T_)) + 1')
    """
    return str(_Printer(DIALECTS[dialect], inline).doprint(expr)) if inline else _plain(expr, dialect)


@lru_cache(maxsize=4096)
def _plain(expr: Expr, dialect: str) -> str:
    """Cached: deployments of a model have most of their steps in common."""
    return str(_printer(dialect).doprint(expr))
