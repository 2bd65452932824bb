"""A normal form of formulas: equal ones are seen to be equal term by term, rounded coefficients allowed.

A formula is a sum of terms, each an exact coefficient times powers of atoms.  Products are multiplied out; a maximum
(minimum) takes in the positive factors before it and maxima among its own arms, and gives out terms that all arms
share; a sum in a denominator is divided by what its terms share and by the coefficient of its first term.  What is
taken in is nonnegative, as all inputs of formulas are, so each of these rewritings keeps the value everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from random import Random
from typing import Any, Literal, cast

import sympy
from mpmath import fsum, mpf
from sympy import Expr, Rational, Symbol
from sympy.core.function import AppliedUndef

from symsim.algebra.sums import (
    collected,
    is_nonnegative,
    number_sum,
    product_of_sums,
    raised_sum,
    scaled_sum,
    single_atom,
    term_of,
)
from symsim.algebra.terms import Atom, Factors, Known, Sum, Term, place_of_sum


def normal(expr: Expr, known: Known | None = None) -> Sum:
    """The normal form of an expression. known: symbols that stand for rounded numbers."""
    return _Normal(known or {}).of(expr)


def times(form: Sum, by: Expr, known: Known | None = None) -> Sum:
    """The normal form of a product; what is rounded stays so."""
    return product_of_sums(form, normal(by, known))


@dataclass(frozen=True, slots=True)
class _Normal:
    known: Known

    def of(self, expr: Expr) -> Sum:
        match expr:
            case Rational():
                return number_sum(Fraction(int(expr.p), int(expr.q)))
            case Symbol():
                return self._symbol(expr)
            case sympy.Add():
                return collected(term for part in _args(expr) for term in self.of(part))
            case sympy.Mul():
                product = number_sum(Fraction(1))
                for part in _args(expr):
                    product = product_of_sums(product, self.of(part))
                return product
            case sympy.Pow():
                return self._power(*_args(expr))
            case sympy.Max() | sympy.Min():
                return self._extreme("max" if isinstance(expr, sympy.Max) else "min", _args(expr))
            case sympy.floor() | sympy.ceiling():
                return _rounded(self.of(_args(expr)[0]), up=isinstance(expr, sympy.ceiling))
            case sympy.exp() | sympy.log() if not expr.is_number:
                return single_atom(Atom("exp" if isinstance(expr, sympy.exp) else "log", (self.of(_args(expr)[0]),)))
            case AppliedUndef():
                return single_atom(Atom(str(expr.func), tuple(map(self.of, _args(expr)))))
            case _ if expr.is_number:
                return number_sum(Fraction(float(expr)))  # pyright: ignore[reportArgumentType]
            case _:
                raise NotImplementedError(f"{expr.func} has no normal form")

    def _symbol(self, symbol: Symbol) -> Sum:
        if symbol in self.known:
            number = self.known[symbol]
            return (Term(number.value, number.slack, ()),)
        return single_atom(Atom(symbol.name, (), symbol))

    def _power(self, base: Expr, exponent: Expr) -> Sum:
        inner = self.of(base)
        if isinstance(exponent, Rational):
            return raised_sum(inner, Fraction(int(exponent.p), int(exponent.q)))
        power, sign = self.of(exponent), Fraction(1)
        if power[0].coefficient < 0:
            power, sign = scaled_sum(power, Fraction(-1)), Fraction(-1)
        if not base.is_Rational:
            return (Term(Fraction(1), Fraction(0), ((Atom("power", (inner, power)), sign),)),)
        number = inner[0].coefficient
        parts = [(number.numerator, sign), (number.denominator, -sign)]
        factors = [(Atom("power", (number_sum(Fraction(n)), power)), s) for n, s in parts if n != 1]
        return (term_of(Fraction(1), Fraction(0), factors),)

    def _extreme(self, kind: Literal["max", "min"], args: Iterable[Expr]) -> Sum:
        arms: list[Sum] = []
        for form in map(self.of, args):
            nested = _only_extreme(form, kind)
            arms += nested if nested is not None else [form]
        distinct = _without_zero(_with_one_number(list(dict.fromkeys(arms)), kind), kind)
        if len(distinct) == 1:
            return distinct[0]
        common = [term for term in distinct[0] if term.slack == 0 and all(term in arm for arm in distinct)]
        parts = [tuple(term for term in arm if term not in common) for arm in distinct]
        return collected([*common, *single_atom(Atom(kind, tuple(sorted(parts, key=place_of_sum))))])


def _rounded(inner: Sum, *, up: bool) -> Sum:
    """A rounding of whole numbers over a whole number: what is whole stands outside, and of floor(x) and
    ceil(x) - 1 + 1/n that which has fewer terms inside, of halves always the floor; any other as it is.
    """
    below = _denominator(inner)
    if below is None:
        return single_atom(Atom("ceiling" if up else "floor", (inner,)))
    number, symbols = below
    step = term_of(Fraction(1, number), Fraction(0), symbols)
    one, minus = number_sum(Fraction(1)), scaled_sum((step,), Fraction(-1))
    floored = _split(collected((*inner, *one, *minus)) if up else inner, step)
    raised = _split(collected((*floored[1], step)), step)
    if len(raised[1]) < len(floored[1]):
        whole = collected((*floored[0], *raised[0], *scaled_sum(one, Fraction(-1))))
        if (number, symbols) == (2, ()):  # floor(x) + ceil(x) = 2 x
            down = _rounded(raised[1], up=False)
            return collected((*whole, *scaled_sum(raised[1], Fraction(2)), *scaled_sum(down, Fraction(-1))))
        return collected((*whole, *(single_atom(Atom("ceiling", (raised[1],))) if raised[1] else ())))
    return collected((*floored[0], *(single_atom(Atom("floor", (floored[1],))) if floored[1] else ())))


def _denominator(form: Sum) -> tuple[int, Factors] | None:
    """The least n and powers of symbols that make a sum of whole numbers of it; None where there are none."""
    powers: dict[Atom, Fraction] = {}
    for term in form:
        for atom, power in term.factors:
            if term.slack or atom.symbol is None or not atom.symbol.is_integer or power.denominator != 1:
                return None
            powers[atom] = min(powers.get(atom, Fraction(0)), power)
    number = math.lcm(*(term.coefficient.denominator for term in form))
    return number, tuple((atom, power) for atom, power in powers.items() if power)


def _split(form: Sum, step: Term) -> tuple[Sum, Sum]:
    """What of a sum is whole, and the rest in multiples of `step`, of which no remainder below a common one is kept."""
    whole: list[Term] = []
    rest: list[Term] = []
    for term in form:
        if all(power > 0 for _, power in term.factors):
            floor = Fraction(math.floor(term.coefficient))
            whole.append(Term(floor, Fraction(0), term.factors))
            rest.append(Term(term.coefficient - floor, Fraction(0), term.factors))
        else:
            rest.append(term)
    kept = collected(rest)
    counts = {term.factors: term.coefficient / step.coefficient for term in kept}
    if step.factors in counts:
        others = [int(count) for factors, count in counts.items() if factors != step.factors]
        common = math.gcd(int(1 / step.coefficient) if not step.factors else 0, *others) or 1
        less = int(counts[step.factors]) % common
        kept = collected((*kept, Term(-less * step.coefficient, Fraction(0), step.factors)))
    return collected(whole), kept


def _with_one_number(arms: list[Sum], kind: Literal["max", "min"]) -> list[Sum]:
    """The arms with the largest (smallest) of those that are exact numbers in place of all of them."""
    numbers = {arm: arm[0].coefficient if arm else Fraction(0) for arm in arms if _exact(arm)}
    if len(numbers) < 2:
        return arms
    kept = (max if kind == "max" else min)(numbers, key=lambda arm: numbers[arm])
    return [arm for arm in arms if arm == kept or arm not in numbers]


def _exact(form: Sum) -> bool:
    """Whether a sum is a number that is known exactly."""
    return not form or (len(form) == 1 and not form[0].factors and form[0].slack == 0)


def _without_zero(arms: list[Sum], kind: Literal["max", "min"]) -> list[Sum]:
    """The arms of a maximum without zero where another is never below it; of a minimum zero alone where none is."""
    if () not in arms or not any(map(is_nonnegative, filter(None, arms))):
        return arms
    if kind == "max":
        return [arm for arm in arms if arm]
    return [()] if all(map(is_nonnegative, arms)) else arms


def _args(expr: Expr) -> tuple[Expr, ...]:
    return cast(tuple[Expr, ...], expr.args)


def _only_extreme(form: Sum, kind: str) -> list[Sum] | None:
    """The arms, where a form is nothing but one maximum of this kind."""
    match form:
        case (Term(coefficient=c, factors=((Atom(head=head, parts=parts), power),)),) if head == kind:
            return list(parts) if c == 1 and power == 1 else None
        case _:
            return None


_EXPANDED = 8
"""Sums to greater powers are not multiplied out: they are only equal to themselves."""


def vanishes(terms: Iterable[Term]) -> bool:
    """Whether a sum is zero: exactly, as a quotient of polynomials in its atoms."""
    terms = tuple(terms)
    return not _is_a_number_off_zero(terms) and _is_zero(terms)


def _is_a_number_off_zero(terms: Sequence[Term]) -> bool:
    """Whether a sum is not zero where each atom is some number: then nothing needs to be multiplied out."""
    drawn = Random(0)
    atoms: dict[Atom, Any] = {}

    def number(term: Term) -> Any:
        found = mpf(term.coefficient.numerator) / term.coefficient.denominator
        for atom, power in term.factors:
            if atom.head == "sum":
                found *= fsum(map(number, atom.parts[0])) ** (mpf(power.numerator) / power.denominator)
            else:
                found *= atoms.setdefault(atom, mpf(drawn.uniform(1, 2))) ** (mpf(power.numerator) / power.denominator)
        return found

    try:
        numbers = [number(term) for term in terms]
    except ZeroDivisionError:
        return False
    return abs(fsum(numbers)) > _ZERO * max(map(abs, numbers), default=mpf(0))


_ZERO = 1e-9
"""Of the largest term: a sum that is zero comes far nearer in 15 digits."""


def _is_zero(terms: Iterable[Term]) -> bool:
    atoms: dict[Atom, Expr] = {}

    def letter(atom: Atom, power: Fraction) -> Expr:
        if atom.head == "sum" and abs(power) <= _EXPANDED:
            return sympy.Add(*map(plain, atom.parts[0]))
        return atoms.setdefault(atom, atom.symbol or sympy.Dummy(positive=True))

    def plain(term: Term) -> Expr:
        powers = [
            letter(atom, power) ** sympy.Rational(power.numerator, power.denominator) for atom, power in term.factors
        ]
        return sympy.Mul(sympy.Rational(term.coefficient.numerator, term.coefficient.denominator), *powers)

    return bool(sympy.expand(sympy.numer(sympy.together(sympy.Add(*map(plain, terms))))) == 0)
