"""A normal form of formulas: equal ones are seen to be equal term by term, rounded coefficients allowed.

A formula is a sum of terms, each an exact coefficient times powers of atoms.  Products are multiplied out; a maximum
(minimum) takes in the positive factors before it and maxima among its own arms, and gives out terms that all arms
share; a sum in a denominator is divided by what its terms share and by the coefficient of its first term.  What is
taken in is nonnegative, as all inputs of formulas are, so each of these rewritings keeps the value everywhere.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, Protocol, cast

import sympy
from sympy import Expr, Rational, Symbol
from sympy.core.function import AppliedUndef

from symsim.algebra.symbols import is_signed

_MOST_POWER = 4
"""Sums are multiplied out up to this power."""


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


def normal(expr: Expr, known: Known | None = None) -> Sum:
    """The normal form of an expression. known: symbols that stand for rounded numbers."""
    return _Normal(known or {}).of(expr)


def times(form: Sum, by: Expr, known: Known | None = None) -> Sum:
    """The normal form of a product; what is rounded stays so."""
    return _times(form, normal(by, known))


def alike(one: Sum, other: Sum) -> bool:
    """Whether two normal forms are the same, coefficients within their slack."""
    return len(one) == len(other) and matched(one, other)[1:] == ([], [])


def matched(one: Sum, other: Sum) -> tuple[list[tuple[Term, Term]], list[Term], list[Term]]:
    """Pairs of terms that are the same, and what is left of each sum."""
    pairs: list[tuple[Term, Term]] = []
    rest = list(other)
    left: list[Term] = []
    for term in one:
        found = next((candidate for candidate in rest if same_term(term, candidate)), None)
        if found is None:
            left.append(term)
        else:
            rest.remove(found)
            pairs.append((term, found))
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
    powers = [_atom_expression(atom, taken) ** Rational(p.numerator, p.denominator) for atom, p in form.factors]
    return sympy.Mul(number, *powers)


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


@dataclass(frozen=True, slots=True)
class _Normal:
    known: Known

    def of(self, expr: Expr) -> Sum:
        match expr:
            case Rational():
                return _number(Fraction(int(expr.p), int(expr.q)))
            case Symbol():
                return self._symbol(expr)
            case sympy.Add():
                return _collected(term for part in _args(expr) for term in self.of(part))
            case sympy.Mul():
                product = _number(Fraction(1))
                for part in _args(expr):
                    product = _times(product, self.of(part))
                return product
            case sympy.Pow():
                return self._power(*_args(expr))
            case sympy.Max() | sympy.Min():
                return self._extreme("max" if isinstance(expr, sympy.Max) else "min", _args(expr))
            case sympy.floor() | sympy.ceiling():
                return _rounded(self.of(_args(expr)[0]), up=isinstance(expr, sympy.ceiling))
            case sympy.exp() | sympy.log() if not expr.is_number:
                return _single(Atom("exp" if isinstance(expr, sympy.exp) else "log", (self.of(_args(expr)[0]),)))
            case AppliedUndef():
                return _single(Atom(str(expr.func), tuple(map(self.of, _args(expr)))))
            case _ if expr.is_number:
                return _number(Fraction(float(expr)))  # pyright: ignore[reportArgumentType]
            case _:
                raise NotImplementedError(f"{expr.func} has no normal form")

    def _symbol(self, symbol: Symbol) -> Sum:
        if symbol in self.known:
            number = self.known[symbol]
            return (Term(number.value, number.slack, ()),)
        return _single(Atom(symbol.name, (), symbol))

    def _power(self, base: Expr, exponent: Expr) -> Sum:
        inner = self.of(base)
        if isinstance(exponent, Rational):
            return _raised(inner, Fraction(int(exponent.p), int(exponent.q)))
        power, sign = self.of(exponent), Fraction(1)
        if power[0].coefficient < 0:
            power, sign = _scaled(power, Fraction(-1)), Fraction(-1)
        if not base.is_Rational:
            return (Term(Fraction(1), Fraction(0), ((Atom("power", (inner, power)), sign),)),)
        number = inner[0].coefficient
        parts = [(number.numerator, sign), (number.denominator, -sign)]
        factors = [(Atom("power", (_number(Fraction(n)), power)), s) for n, s in parts if n != 1]
        return (_term(Fraction(1), Fraction(0), factors),)

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
        return _collected([*common, *_single(Atom(kind, tuple(sorted(parts, key=repr))))])


def _rounded(inner: Sum, *, up: bool) -> Sum:
    """A rounding of whole numbers over a whole number: what is whole stands outside, and of floor(x) and
    ceil(x) - 1 + 1/n that which has fewer terms inside, of halves always the floor; any other as it is.
    """
    below = _denominator(inner)
    if below is None:
        return _single(Atom("ceiling" if up else "floor", (inner,)))
    number, symbols = below
    step = _term(Fraction(1, number), Fraction(0), symbols)
    one, minus = _number(Fraction(1)), _scaled((step,), Fraction(-1))
    floored = _split(_collected((*inner, *one, *minus)) if up else inner, step)
    raised = _split(_collected((*floored[1], step)), step)
    if len(raised[1]) < len(floored[1]):
        whole = _collected((*floored[0], *raised[0], *_scaled(one, Fraction(-1))))
        if (number, symbols) == (2, ()):  # floor(x) + ceil(x) = 2 x
            down = _rounded(raised[1], up=False)
            return _collected((*whole, *_scaled(raised[1], Fraction(2)), *_scaled(down, Fraction(-1))))
        return _collected((*whole, *(_single(Atom("ceiling", (raised[1],))) if raised[1] else ())))
    return _collected((*floored[0], *(_single(Atom("floor", (floored[1],))) if floored[1] else ())))


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
    kept = _collected(rest)
    counts = {term.factors: term.coefficient / step.coefficient for term in kept}
    if step.factors in counts:
        others = [int(count) for factors, count in counts.items() if factors != step.factors]
        common = math.gcd(int(1 / step.coefficient) if not step.factors else 0, *others) or 1
        less = int(counts[step.factors]) % common
        kept = _collected((*kept, Term(-less * step.coefficient, Fraction(0), step.factors)))
    return _collected(whole), kept


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
    if () not in arms or not any(map(_nonnegative, filter(None, arms))):
        return arms
    if kind == "max":
        return [arm for arm in arms if arm]
    return [()] if all(map(_nonnegative, arms)) else arms


def _nonnegative(form: Sum) -> bool:
    """Whether a sum is at least zero wherever it is defined, seen from its signs alone."""
    return all(term.coefficient >= 0 and all(map(_atom_nonnegative, dict(term.factors))) for term in form)


def _atom_nonnegative(atom: Atom) -> bool:
    match atom.head:
        case "max":
            return any(map(_nonnegative, atom.parts))
        case "min" | "floor" | "ceiling" | "sum" | "power":
            return all(map(_nonnegative, atom.parts))
        case _:
            return atom.symbol is None or not is_signed(atom.symbol)


def _args(expr: Expr) -> tuple[Expr, ...]:
    return cast(tuple[Expr, ...], expr.args)


def _number(value: Fraction) -> Sum:
    return (Term(value, Fraction(0), ()),) if value else ()


def _single(atom: Atom) -> Sum:
    return (Term(Fraction(1), Fraction(0), ((atom, Fraction(1)),)),)


def _only_extreme(form: Sum, kind: str) -> list[Sum] | None:
    """The arms, where a form is nothing but one maximum of this kind."""
    match form:
        case (Term(coefficient=c, factors=((Atom(head=head, parts=parts), power),)),) if head == kind:
            return list(parts) if c == 1 and power == 1 else None
        case _:
            return None


def _collected(terms: Iterable[Term]) -> Sum:
    found: dict[Factors, Term] = {}
    for term in terms:
        before = found.get(term.factors)
        found[term.factors] = term if before is None else _added(before, term)
    return tuple(sorted((t for t in found.values() if t.coefficient or t.slack), key=lambda t: repr(t.factors)))


def _added(one: Term, other: Term) -> Term:
    total = one.coefficient + other.coefficient
    spread = abs(one.coefficient) * one.slack + abs(other.coefficient) * other.slack
    return Term(total, spread / abs(total) if total else spread, one.factors)


def _times(one: Sum, other: Sum) -> Sum:
    return _collected(
        _term(a.coefficient * b.coefficient, a.slack + b.slack, (*a.factors, *b.factors)) for a in one for b in other
    )


def _term(coefficient: Fraction, slack: Fraction, factors: Iterable[tuple[Atom, Fraction]]) -> Term:
    """A term with equal atoms taken together, and its positive factors moved into its maximum if it has one."""
    powers: dict[Atom, Fraction] = {}
    for atom, power in factors:
        powers[atom] = powers.get(atom, Fraction(0)) + power
    kept = tuple(sorted(((a, p) for a, p in powers.items() if p), key=repr))
    extremes = [(a, p) for a, p in kept if a.head in ("max", "min")]
    if len(extremes) != 1 or extremes[0][1] != 1:
        return Term(coefficient, slack, kept)
    ((extreme, _),) = extremes
    others = tuple((a, p) for a, p in kept if a is not extreme)
    bare = not others and abs(coefficient) == 1 and slack == 0
    if bare or not all(_atom_nonnegative(atom) for atom, _ in others):
        return Term(coefficient, slack, kept)
    by: Sum = (Term(abs(coefficient), slack, others),)
    arms = tuple(sorted((_times(by, arm) for arm in extreme.parts), key=repr))
    sign = Fraction(1 if coefficient >= 0 else -1)
    return Term(sign, Fraction(0), ((Atom(extreme.head, arms), Fraction(1)),))


def _scaled(form: Sum, by: Fraction) -> Sum:
    return tuple(Term(t.coefficient * by, t.slack, t.factors) for t in form)


def _raised(form: Sum, power: Fraction) -> Sum:
    if not form:
        return ()
    if len(form) == 1 and form[0].coefficient > 0:
        return (_monomial(form[0], power),)
    if power.denominator == 1 and 0 < power <= _MOST_POWER:
        product = form
        for _ in range(int(power) - 1):
            product = _times(product, form)
        return product
    shared = _shared(form)
    reduced = _times(form, (Term(Fraction(1), Fraction(0), tuple((a, -p) for a, p in shared)),))
    first = reduced[0]
    if len(reduced) == 1 or (first.coefficient < 0 and power.denominator != 1):
        whole = Atom("sum", (form,))
        return (Term(Fraction(1), Fraction(0), ((whole, power),)),)
    inner = tuple(Term(t.coefficient / first.coefficient, t.slack + first.slack, t.factors) for t in reduced)
    unit = Term(inner[0].coefficient, Fraction(0), inner[0].factors)  # the first coefficient is 1 by construction
    whole = Atom("sum", ((unit, *inner[1:]),))
    outside = _monomial(Term(first.coefficient, first.slack, tuple(shared)), power)
    return (_term(outside.coefficient, outside.slack, (*outside.factors, (whole, power))),)


def _shared(form: Sum) -> list[tuple[Atom, Fraction]]:
    """Atoms that stand in every term, to the least power."""
    first, *others = (dict(term.factors) for term in form)
    return [
        (atom, min([power, *(other[atom] for other in others)]))
        for atom, power in first.items()
        if all(atom in other for other in others)
    ]


def _monomial(term: Term, power: Fraction) -> Term:
    if power.denominator == 1:
        number = term.coefficient ** int(power)
        return _term(number, term.slack * abs(power), [(a, p * power) for a, p in term.factors])
    factors = [(a, p * power) for a, p in term.factors]
    if term.coefficient != 1:
        factors.append((Atom("sum", ((Term(term.coefficient, term.slack, ()),),)), power))
    return _term(Fraction(1), Fraction(0), factors)


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
