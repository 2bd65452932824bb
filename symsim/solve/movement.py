"""How a metric moves with one symbol: from where on no table changes any more, and certified which way it goes."""

from __future__ import annotations

import math
from typing import cast

import sympy
from sympy import Expr, Rational, Symbol
from sympy.core.function import AppliedUndef

from symsim.algebra.direction import direction
from symsim.algebra.symbols import substitute, symbol
from symsim.errors import SymsimError
from symsim.formula.program import positions, program
from symsim.solve.bisection import gallop
from symsim.solve.limits import Limit
from symsim.tables.bind import bind
from symsim.tables.table import scaling


def with_numbers(limit: Limit, variable: str) -> Expr:
    """The metric with every symbol but the variable put in, tables left as they are."""
    numbers = {s: v for s, v in limit.form.bound.symbols().items() if s.name != variable and s.name not in limit.fixed}
    for name, value in limit.fixed.items():
        numbers[limit.symbol(name)] = Rational(str(value)) if isinstance(value, float) else Rational(value)
    return limit.form.derivation.substituted(numbers).inlined()


def settled(expr: Expr, limit: Limit, variable: str) -> int:
    """A whole number from which on no table changes with the variable."""
    wall = 1.0
    for call in expr.atoms(AppliedUndef):
        shape, axes = positions(str(call.func))
        sizes = tuple(float(cast(Expr, call.args[i])) for i in shape)
        lookup = bind(str(call.func), sizes, limit.form.context)
        for axis, position in enumerate(axes):
            size = cast(Expr, call.args[position])
            unknown = _unknown(size, variable)
            if unknown is not None:
                wall = max(wall, _reaching(size, unknown, lookup.same_row_beyond(axis)))
    return math.ceil(wall) + 1


def _reaching(size: Expr, unknown: Symbol, edge: float) -> float:
    """A number of the unknown from which on a size is beyond the last edge of a table; the edge itself where the size
    is not known to grow."""
    if size == unknown or direction(size, unknown) != 1 or size.free_symbols != {unknown} or size.has(AppliedUndef):
        return edge
    compiled = program((("size", size),), ("size",), "python")
    return gallop(lambda number: compiled.run({unknown.name: number}, {})[0] < edge, 1, _FARTHEST)


_FARTHEST = 2**40
"""Whole numbers beyond which no size is followed."""


def counted(expr: Expr, variable: str) -> int:
    """The tokens that inputs of S tokens share, T of ceil(T / S): the rounding is over from there on; 1 for none.

    Raises SymsimError for a rounding of another form.
    """
    tokens, unknown = 1, _unknown(expr, variable)
    if variable != "S" or unknown is None:
        return tokens
    for part in _counts(expr, unknown):
        product = cast(Expr, part.args[0]) * unknown
        if not product.is_Integer:
            raise SymsimError(f"cannot follow {part} with {variable}; ask for another variable")
        tokens = max(tokens, int(product))
    return tokens


def _counts(expr: Expr, unknown: Symbol) -> list[Expr]:
    """Roundings that move with a symbol otherwise than upwards, as those of whole pages do."""
    found = (cast(Expr, part) for part in expr.atoms(sympy.ceiling) if unknown in part.free_symbols)
    return [part for part in found if direction(part, unknown) != 1]


def moves(expr: Expr, limit: Limit, variable: str) -> int | None:
    """Certified direction of metric - bound in the variable, tables and the count of inputs held; None without one.

    Where prompts are cut into chunks, along S: whether it stays above the bound from a length on (`lengths`).
    """
    if limit.form.cut is not None and variable == "S":
        return 1
    if variable == limit.bound_name:
        expr = expr - symbol(variable)
    unknown = _unknown(expr, variable)
    if variable == "S" and unknown is not None:
        expr = substitute(expr, {part: Rational(1) for part in _counts(expr, unknown)})
    expr = substitute(expr, {call: grown for call in expr.atoms(AppliedUndef) if (grown := _scaled(call)) is not None})
    unknown = _unknown(expr, variable)
    return 0 if unknown is None else direction(expr, unknown)


def _unknown(expr: Expr, variable: str) -> Symbol | None:
    """The symbol of a name in an expression."""
    return next((s for s in expr.free_symbols if isinstance(s, Symbol) and s.name == variable), None)


def _scaled(call: AppliedUndef) -> Expr | None:
    """The argument that a measured time grows with in proportion, or None for a look-up that does not scale."""
    argument = scaling(str(call.func))
    return None if argument is None else cast(Expr, call.args[argument])


def direction_of(limit: Limit, variable: str) -> int | None:
    """The certified direction of a limit's metric, None without one; 0 where it does not depend on the variable."""
    if variable not in limit.form.symbols and variable != limit.bound_name:
        return 0
    return moves(with_numbers(limit, variable), limit, variable)
