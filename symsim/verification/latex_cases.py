r"""\begin{cases} as papers write regimes: rows that hold on ranges of one symbol, decided by numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import sympy
from sympy import Expr, Rational, Symbol
from sympy.core.function import AppliedUndef

from symsim.algebra.symbols import substitute
from symsim.errors import EmptyTable, LatexSyntaxError, Span
from symsim.tables.table import TableContext
from symsim.verification.latex_numbers import Literal

REGIMES = cast(type[Expr], sympy.Function("rows_on_ranges"))
"""Rows in a formula that is still read: value, then what is not negative where it holds, row after row."""

STRICT = Rational(1, 10**9)
"""What a strict border leaves: a row that is said to hold below 152 does not hold at 152."""

SAMPLES = 80
"""Places along the symbol at which rows are compared, from 1 to LAST."""

_LAST = 2**20

EXACT, PRINTED = 1e-9, 1e-3
"""How far rows may be off another at one place, with exact numbers, and with those that are known to their digits."""

CaseRow = tuple[Expr, tuple[tuple[Expr, str, Expr], ...]]
"""The value of a row, and its conditions: left, sign, right; none where it holds otherwise."""

_Values = Callable[[tuple[Expr, ...], Mapping[str, Any], TableContext], list[float]]


def regimes_of(rows: Sequence[CaseRow]) -> Expr:
    """Rows on ranges as one expression."""
    parts = [part for value, conditions in rows for part in (value, _margin(conditions))]
    return REGIMES(*parts)


def _margin(conditions: Sequence[tuple[Expr, str, Expr]]) -> Expr:
    margins: list[Expr] = []
    for left, sign, right in conditions:
        bare = sign.lstrip("\\")
        margin = left - right if bare.startswith(("g", ">")) else right - left
        margins.append(margin - STRICT if bare in ("<", ">", "lt", "gt") else margin)
    return cast(Expr, sympy.Min(*margins, evaluate=False)) if len(margins) > 1 else next(iter(margins), sympy.S.One)


@dataclass(frozen=True, slots=True)
class RowRanges:
    """Decides rows by numbers: of every symbol but the workload (known), of the workload (at), and of tables."""

    values: Mapping[str, Any]
    literals: Mapping[Symbol, Literal]
    context: TableContext
    numbers: _Values
    steps: Mapping[Symbol, Expr]

    def decided(self, side: Expr, span: Span) -> Expr:
        """A side with rows in it as maxima and minima. Raises LatexSyntaxError where rows are neither."""
        found: dict[Expr, Expr] = {}
        for call in _rows_in(side):
            kind = self._kind(call)
            if kind is None:
                message = "cases can be compared where each row is the larger (or the smaller) where it is said to hold"
                raise LatexSyntaxError(span, f"{message}, or where the rows are all of a right side")
            found[call] = cast(Expr, kind(*call.args[::2], evaluate=False))
        return substitute(side, found)

    def is_extreme(self, side: Expr) -> bool:
        """Whether all rows of a side are those of maxima and minima."""
        return all(self._kind(call) is not None for call in _rows_in(side))

    def _kind(self, call: Expr) -> Any:
        """Max or Min where every row is the larger, or the smaller, wherever it holds; None elsewhere."""
        variable = self.variable(call)
        if variable is None:
            return None
        larger = smaller = True
        seen: set[int] = set()
        off = PRINTED if any(literal in call.free_symbols for literal in self.literals) else EXACT
        for at in _places():
            rows, margins = self.at(call, variable, at)
            held = next((i for i, margin in enumerate(margins) if margin >= 0), None)
            if held is None or not rows:
                continue
            seen.add(held)
            larger = larger and rows[held] >= max(rows) * (1 - off)
            smaller = smaller and rows[held] <= min(rows) * (1 + off)
        if len(seen) < 2 or larger == smaller:
            return None
        return sympy.Max if larger else sympy.Min

    def variable(self, call: Expr) -> str | None:
        """The one symbol that decides which row holds."""
        names = {str(s) for margin in call.args[1::2] for s in self._whole(cast(Expr, margin)).free_symbols}
        names = {name for name in names if name in ("B", "S", "O", "T", "C")}
        return names.pop() if len(names) == 1 else None

    def absent(self, parts: Sequence[Expr], variable: str) -> list[str]:
        """Symbols of expressions that have no number at the point."""
        names = {str(s) for part in parts for s in self._whole(part).free_symbols}
        return sorted(names - {variable, *self.values})

    def at(self, call: Expr, variable: str, at: float) -> tuple[list[float], list[float]]:
        """The value of every row, and of what is not negative where it holds; nothing where no number answers."""
        parts = tuple(self._whole(cast(Expr, part)) for part in call.args)
        values = {**self.values, variable: at}
        try:
            found = self.numbers(parts, values, self.context)
        except (EmptyTable, ZeroDivisionError, OverflowError, KeyError):
            return [], []
        return found[::2], found[1::2]

    def _whole(self, expr: Expr) -> Expr:
        while expr.free_symbols & set(self.steps):
            expr = substitute(expr, self.steps)
        exact = {s: Rational(one.value.numerator, one.value.denominator) for s, one in self.literals.items()}
        return substitute(expr, exact)

    def slack(self, call: Expr, row: int, variable: str, at: float) -> float:
        """How far the value of a row may be off, as the digits of its numbers say."""
        value = cast(Expr, call.args[2 * row])
        off = 0.0
        for literal, one in self.literals.items():
            if literal in value.free_symbols:
                moved = one.value * (1 + one.slack)
                other = substitute(value, {literal: Rational(moved.numerator, moved.denominator)})
                here, there = self.numbers(
                    (self._whole(value), self._whole(other)), {**self.values, variable: at}, self.context
                )
                off += abs(here - there)
        return 1.001 * off

    def held(self, call: Expr, variable: str, step: Expr) -> Iterator[tuple[int, float, float, float]]:
        """Row, place, its value there and the step's, at some whole places of each row's range."""
        places: dict[int, list[float]] = {}
        for at in _places():
            margins = self.at(call, variable, at)[1]
            row = next((i for i, margin in enumerate(margins) if margin >= 0), None)
            if row is not None:
                places.setdefault(row, []).append(at)
        for row, found in places.items():
            for at in sorted({found[0], found[len(found) // 2], found[-1] if len(found) > 1 else found[0]}):
                values = {**self.values, variable: at}
                (theirs,) = self.numbers((self._whole(step),), values, self.context)
                yield row, at, self.at(call, variable, at)[0][row], theirs


def _rows_in(side: Expr) -> list[Expr]:
    found = [call for call in side.atoms(AppliedUndef) if isinstance(call, REGIMES)]
    return sorted(cast(list[Expr], found), key=str)


def _places() -> list[int]:
    """Whole places from 1 to LAST, all the small ones."""
    grown = {round(_LAST ** (i / SAMPLES)) for i in range(SAMPLES + 1)}
    return sorted(grown | set(range(1, 257)))


def whole_rows(side: Expr) -> Expr | None:
    """The rows where a side is nothing else."""
    return side if isinstance(side, REGIMES) else None
