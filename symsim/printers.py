"""One table of how each target language writes the few functions that formulas use; everything else is sympy's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from sympy import Expr
from sympy.printing.pycode import PythonCodePrinter


@dataclass(frozen=True, slots=True)
class Dialect:
    """Spelling of max, min (of two), floor and ceiling in one target."""

    name: str
    max: str
    min: str
    floor: str
    ceiling: str


DIALECTS: Mapping[str, Dialect] = {
    "python": Dialect("python", "max", "min", "floor", "ceil"),
    "numpy": Dialect("numpy", "maximum", "minimum", "floor", "ceil"),
}


class _Printer(PythonCodePrinter):
    """sympy's Python printer with the spellings of one dialect; table look-ups print as plain calls."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__({"fully_qualified_modules": False, "allow_unknown_functions": True})
        self.dialect = dialect

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
        return f"{self.dialect.floor}({self._print(expr.args[0])})"

    def _print_ceiling(self, expr: Expr) -> str:
        return f"{self.dialect.ceiling}({self._print(expr.args[0])})"


def _ordered(expr: Expr) -> tuple[Expr, ...]:
    """Max keeps its arguments as a set: sort them, so that printed code never changes from run to run."""
    return tuple(sorted(expr.args, key=str))  # pyright: ignore[reportReturnType, reportArgumentType]


@cache
def printer(dialect: str) -> _Printer:
    return _Printer(DIALECTS[dialect])


def code(expr: Expr, dialect: str) -> str:
    """The expression as source text of one dialect.

    >>> from symsim.symbols import symbol
    >>> code(symbol("B") / 3 + 1, "python")
    '(1/3)*B + 1'
    """
    return str(printer(dialect).doprint(expr))
