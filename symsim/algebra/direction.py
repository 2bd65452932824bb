"""Which way an expression moves with a symbol, certified by composition (as convex programming rules are).

All symbols are positive; a table look-up counts as constant, which its caller must see to.
"""

from __future__ import annotations

from typing import Literal

import sympy
from sympy import Expr, Symbol
from sympy.core.function import AppliedUndef

from symsim.algebra.symbols import is_signed

Direction = Literal[-1, 0, 1]


def direction(expr: Expr, variable: Symbol) -> Direction | None:
    """1: never falls as the variable grows; -1: never rises; 0: does not depend on it; None: not certified.

    >>> b, w = sympy.symbols("b w", positive=True)
    >>> direction(sympy.Max(3 * b / w, 5 / w), b), direction(b / w, w), direction(b - 1 / b, b)
    (1, -1, 1)
    >>> direction((b + 2) / (b + 3), b), direction((sympy.floor(b / 2) + 3) / (2 * sympy.floor(b / 2) + 3), b)
    (1, -1)
    """
    if variable not in expr.free_symbols or isinstance(expr, AppliedUndef):
        return 0
    match expr:
        case Symbol():
            return 1
        case sympy.Max() | sympy.Min() | sympy.floor() | sympy.ceiling():
            return _agree([direction(part, variable) for part in expr.args])  # pyright: ignore
        case sympy.Add():
            found = _agree([direction(part, variable) for part in expr.args])  # pyright: ignore
            return _sum(expr, variable) if found is None else found
        case sympy.Mul():
            return _product(expr, variable)
        case sympy.Pow() if expr.args[0].is_number and expr.args[0].is_positive:
            power = direction(expr.args[1], variable)  # pyright: ignore
            return power if power is None or expr.args[0] > 1 else _turned(power)  # pyright: ignore
        case sympy.Pow() if expr.args[1].is_number:
            inner = direction(expr.args[0], variable)  # pyright: ignore
            if inner is None or not _nonnegative(expr.args[0]):
                return None
            return inner if expr.args[1].is_positive else _turned(inner)
        case _:
            return None


def _sum(expr: Expr, variable: Symbol) -> Direction | None:
    """max(a, b) + c moves as max(a + c, b + c), where c takes away what a adds."""
    inner = next((part for part in expr.args if isinstance(part, sympy.Max) and variable in part.free_symbols), None)
    if inner is None:
        return None
    rest = sympy.Add(*(part for part in expr.args if part is not inner))  # pyright: ignore[reportArgumentType]
    return _agree([direction(part + rest, variable) for part in inner.args])  # pyright: ignore


def _product(expr: Expr, variable: Symbol) -> Direction | None:
    """A product of factors that are nowhere negative moves as its factors do; a negative number turns it."""
    number, rest = expr.as_coeff_Mul()
    factors = sympy.Mul.make_args(rest)
    if not all(_nonnegative(factor) for factor in factors):
        return None
    moved = _agree([direction(factor, variable) for factor in factors])  # pyright: ignore
    if moved is None:
        moved = _spread(factors, variable)  # pyright: ignore[reportArgumentType]
    if moved is None:
        moved = _quotient(factors, variable)  # pyright: ignore[reportArgumentType]
    if moved is None:
        moved = _of_affine(factors, variable)  # pyright: ignore[reportArgumentType]
    return moved if moved is None or number.is_positive else _turned(moved)


def _spread(factors: tuple[Expr, ...], variable: Symbol) -> Direction | None:
    """x (1 + a / x) moves as x + a: the other factors go into each term of the one sum that moves against them."""
    for factor in factors:
        if isinstance(factor, sympy.Add) and variable in factor.free_symbols:
            rest = sympy.Mul(*(other for other in factors if other is not factor))
            return direction(sympy.Add(*(term * rest for term in factor.args)), variable)  # pyright: ignore
    return None


def _quotient(factors: tuple[Expr, ...], variable: Symbol) -> Direction | None:
    """x / (a + b x) moves as 1 / (a / x + b): the numerator goes into every term of the one sum below the line."""
    below = [factor for factor in factors if _is_inverse_sum(factor)]
    if len(below) != 1:
        return None
    above = sympy.Mul(*(factor for factor in factors if factor is not below[0]))
    whole = direction(_pushed(below[0].args[0], 1 / above), variable)  # pyright: ignore[reportArgumentType]
    return None if whole is None else _turned(whole)


def _of_affine(factors: tuple[Expr, ...], variable: Symbol) -> Direction | None:
    """(a + b x)/(c + d x) moves as b c - a d has its sign; with a rounded number for x, as that moves."""
    rounded = {part for factor in factors for part in factor.atoms(sympy.floor, sympy.ceiling) if part.has(variable)}
    if len(rounded) == 1:
        (whole,) = rounded
        x = sympy.Dummy(positive=True)
        swapped = tuple(factor.xreplace({whole: x}) for factor in factors)
        if any(factor.has(variable) for factor in swapped):
            return None
        moved, inner = _of_affine(swapped, x), direction(whole, variable)  # pyright: ignore
        return None if moved is None or inner is None else moved if inner == 1 else _turned(moved)
    moving = [factor for factor in factors if variable in factor.free_symbols]
    above = [factor for factor in moving if isinstance(factor, sympy.Add)]
    below = [factor.args[0] for factor in moving if isinstance(factor, sympy.Pow) and factor.args[1] == -1]
    if len(above) != 1 or len(below) != 1 or len(moving) != 2:
        return None
    (a, b), (c, d) = (_affine(sums, variable) for sums in (above[0], below[0]))  # pyright: ignore[reportArgumentType]
    turn = sympy.expand(b * c - a * d)
    return 1 if turn.is_nonnegative else -1 if turn.is_nonpositive else None


def _affine(expr: Expr, variable: Symbol) -> tuple[Expr, Expr]:
    """(a, b) of a + b x; not a number where it is no such sum."""
    b = sympy.diff(expr, variable)
    a = expr.xreplace({variable: sympy.S.Zero})
    return (a, b) if variable not in b.free_symbols else (sympy.nan, sympy.nan)  # pyright: ignore


def _is_inverse_sum(factor: Expr) -> bool:
    return isinstance(factor, sympy.Pow) and factor.args[1] == -1 and isinstance(factor.args[0], (sympy.Add, sympy.Max))


def _pushed(expr: Expr, factor: Expr) -> Expr:
    """The product with the positive factor moved into sums and maxima."""
    if isinstance(expr, sympy.Add):
        return sympy.Add(*(_pushed(part, factor) for part in expr.args))  # pyright: ignore[reportArgumentType]
    if isinstance(expr, sympy.Max):
        return sympy.Max(*(_pushed(part, factor) for part in expr.args), evaluate=False)  # pyright: ignore
    inner = next((part for part in sympy.Mul.make_args(expr) if isinstance(part, (sympy.Add, sympy.Max))), None)
    if inner is None or inner is expr:
        return expr * factor
    return _pushed(inner, factor * expr / inner)


def _nonnegative(expr: Expr) -> bool:
    """sympy's own answer; for Max and look-ups it is quicker to know."""
    if isinstance(expr, AppliedUndef):
        return True
    if isinstance(expr, sympy.Symbol):
        return not is_signed(expr)
    if isinstance(expr, sympy.Max):
        return any(_nonnegative(part) for part in expr.args)  # pyright: ignore
    if isinstance(expr, sympy.Add):
        least = sympy.Add(*(_least(term) for term in expr.args))  # pyright: ignore
        return all(_nonnegative(part) for part in sympy.Add.make_args(least))
    if isinstance(expr, (sympy.Mul, sympy.Min, sympy.floor, sympy.ceiling)):
        return all(_nonnegative(part) for part in expr.args)  # pyright: ignore
    if isinstance(expr, sympy.Pow):
        return _nonnegative(expr.args[0])  # pyright: ignore
    return bool(expr.is_nonnegative)


def _least(term: Expr) -> Expr:
    """A bound from below: -c * q**n is at least -c for a share q below one, as in 1 - q**n."""
    number, rest = term.as_coeff_Mul()
    share = rest.args[0] if isinstance(rest, sympy.Pow) else sympy.S.One
    small = share.is_number and share.is_positive and share <= 1  # pyright: ignore
    return number if number.is_negative and small and rest != 1 else term


def _agree(parts: list[Direction | None]) -> Direction | None:
    moves: set[Direction | None] = {part for part in parts if part != 0}
    if not moves:
        return 0
    return moves.pop() if len(moves) == 1 else None


def _turned(move: Direction) -> Direction:
    return {1: -1, 0: 0, -1: 1}[move]  # pyright: ignore
