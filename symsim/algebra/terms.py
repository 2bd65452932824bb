"""Terms of normal forms: which are the same, how far their numbers are off, and as sympy again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol, TypeVar, cast

import sympy
from sympy import Expr, Rational, Symbol

from symsim.algebra import powers


class Rounded(Protocol):
    """A number known to some digits: its value within a relative slack."""

    @property
    def value(self) -> Fraction: ...
    @property
    def slack(self) -> Fraction: ...


@dataclass(frozen=True, slots=True)
class Atom:
    """A symbol (no parts), or an operation on sums: max, min, floor, ceiling, exp, log, power, sum, or a table's
    function."""

    head: str
    parts: tuple[Sum, ...] = ()
    symbol: Symbol | None = None


Factors = tuple[tuple[Atom, Fraction], ...]


@dataclass(frozen=True, slots=True)
class Term:
    """coefficient x atoms to powers; the coefficient is known within a relative slack (0: exactly)."""

    coefficient: Fraction
    slack: Fraction
    factors: Factors


@dataclass(frozen=True, slots=True)
class Digits:
    """A rounded number taken out of a normal form."""

    value: Fraction
    slack: Fraction


Sum = tuple[Term, ...]


Known = Mapping[Symbol, Rounded]


def place_of_sum(form: Sum) -> tuple[Any, ...]:
    """By what sums are put in order: one order for all of them, of no meaning. Numbers of thousands of digits, as of
    fitted powers, are compared as numbers: they have no text."""
    return tuple((place_of_factors(term.factors), term.coefficient, term.slack) for term in form)


def place_of_factors(factors: Factors) -> tuple[Any, ...]:
    """The same for products; plain numbers come last, so that O - 1 does not become -(1 - O)."""
    return not factors, tuple((atom.head, tuple(map(place_of_sum, atom.parts)), power) for atom, power in factors)


def alike(one: Sum, other: Sum) -> bool:
    """Whether two normal forms are the same, coefficients within their slack."""
    return len(one) == len(other) and matched(one, other)[1:] == ([], [])


def matched(one: Sum, other: Sum) -> tuple[list[tuple[Term, Term]], list[Term], list[Term]]:
    """Pairs of terms that are the same, and what is left of each sum."""
    return paired(one, other, same_term)


_Item = TypeVar("_Item")


def paired(
    one: Iterable[_Item], other: Iterable[_Item], same: Callable[[_Item, _Item], bool]
) -> tuple[list[tuple[_Item, _Item]], list[_Item], list[_Item]]:
    """Pairs that are the same, each used once, and what is left of each side."""
    pairs: list[tuple[_Item, _Item]] = []
    rest = list(other)
    left: list[_Item] = []
    for item in one:
        found = next((candidate for candidate in rest if same(item, candidate)), None)
        if found is None:
            left.append(item)
        else:
            rest.remove(found)
            pairs.append((item, found))
    return pairs, left, rest


def same_term(one: Term, other: Term) -> bool:
    return same_coefficient(one, other) and same_factors(one.factors, other.factors)


def same_coefficient(one: Term, other: Term) -> bool:
    allowed = abs(one.coefficient) * one.slack + abs(other.coefficient) * other.slack
    return abs(one.coefficient - other.coefficient) <= allowed


def same_factors(one: Factors, other: Factors) -> bool:
    rest = list(other)
    for atom, power in one:
        found = next((pair for pair in rest if pair[1] == power and same_atom(pair[0], atom)), None)
        if found is None:
            return False
        rest.remove(found)
    return not rest


def same_atom(one: Atom, other: Atom) -> bool:
    if one.head != other.head or len(one.parts) != len(other.parts):
        return False
    if one.head not in ("max", "min"):
        return all(alike(a, b) for a, b in zip(one.parts, other.parts, strict=True))
    rest = list(other.parts)
    for part in one.parts:
        found = next((candidate for candidate in rest if alike(part, candidate)), None)
        if found is None:
            return False
        rest.remove(found)
    return True


def deviation(one: Sum, other: Sum) -> Fraction:
    """The largest relative difference between the numbers of two forms that are alike."""
    found = Fraction(0)
    for mine, theirs in matched(one, other)[0]:
        if theirs.coefficient:
            found = max(found, abs(mine.coefficient / theirs.coefficient - 1))
        for atom, power in mine.factors:
            same = next(a for a, p in theirs.factors if p == power and same_atom(atom, a))
            found = max(found, _deviation_of_parts(atom, same))
    return found


def _deviation_of_parts(one: Atom, other: Atom) -> Fraction:
    found, rest = Fraction(0), list(other.parts)
    for part in one.parts:
        same = next(candidate for candidate in rest if alike(part, candidate))
        rest.remove(same)
        found = max(found, deviation(part, same))
    return found


def is_exact(form: Sum) -> bool:
    """Whether no rounded number is in it."""
    return all(
        term.slack == 0 and all(is_exact(part) for atom, _ in term.factors for part in atom.parts) for term in form
    )


def expression_of(form: Sum | Term, taken: dict[Symbol, Digits] | None = None) -> Expr:
    """The normal form as sympy, rounded numbers as they were printed; or as symbols, which are then put in `taken`."""
    if isinstance(form, tuple):
        return sympy.Add(*(expression_of(term, taken) for term in form))
    number: Expr = Rational(form.coefficient.numerator, form.coefficient.denominator)
    if taken is not None and form.slack:
        digits = Symbol(f"digits_{len(taken)}", positive=True)
        taken[digits] = Digits(form.coefficient, form.slack)
        number = digits
    return sympy.Mul(number, *(_powered(_atom_expression(atom, taken), p) for atom, p in form.factors))


def _powered(base: Expr, exponent: Fraction) -> Expr:
    """A fractional power of a number is worked out: exactly it would be a root of thousands of digits."""
    if base.is_Rational and exponent.denominator != 1:
        return Rational(repr(float(base) ** float(exponent)))
    return powers.power(base, Rational(exponent.numerator, exponent.denominator))


def _atom_expression(atom: Atom, taken: dict[Symbol, Digits] | None) -> Expr:
    if atom.symbol is not None:
        return atom.symbol
    parts = [expression_of(part, taken) for part in atom.parts]
    match atom.head:
        case "max":
            return cast(Expr, sympy.Max(*parts, evaluate=False))
        case "min":
            return cast(Expr, sympy.Min(*parts, evaluate=False))
        case "floor":
            return sympy.floor(parts[0])
        case "ceiling":
            return sympy.ceiling(parts[0])
        case "power":
            return parts[0] ** parts[1]
        case "exp" | "log":
            return sympy.exp(parts[0]) if atom.head == "exp" else sympy.log(parts[0])
        case "sum":
            return parts[0]
        case table:
            return sympy.Function(table, positive=True)(*parts)


def occurrences(term: Term) -> Counter[Symbol]:
    """How often each symbol stands in a term, by its powers, in the parts of its operations too."""
    found: Counter[Symbol] = Counter()
    for atom, power in term.factors:
        if atom.symbol is not None:
            found[atom.symbol] += abs(power)  # pyright: ignore[reportArgumentType]
        for part in atom.parts:
            for inner in part:
                found.update(occurrences(inner))
    return found
