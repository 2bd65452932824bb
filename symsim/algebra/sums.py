"""Sums of terms in normal form: added, multiplied, raised, and whether they are seen to be at least zero."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from symsim.algebra.symbols import is_signed
from symsim.algebra.terms import Atom, Factors, Sum, Term, place_of_factors, place_of_sum

_MOST_POWER = 4
"""Sums are multiplied out up to this power."""


def is_nonnegative(form: Sum) -> bool:
    """Whether a sum is at least zero wherever it is defined, seen from its signs alone."""
    return all(term.coefficient >= 0 and all(map(_atom_nonnegative, dict(term.factors))) for term in form)


def _atom_nonnegative(atom: Atom) -> bool:
    match atom.head:
        case "max":
            return any(map(is_nonnegative, atom.parts))
        case "min" | "floor" | "ceiling" | "sum" | "power":
            return all(map(is_nonnegative, atom.parts))
        case _:
            return atom.symbol is None or not is_signed(atom.symbol)


def number_sum(value: Fraction) -> Sum:
    return (Term(value, Fraction(0), ()),) if value else ()


def single_atom(atom: Atom) -> Sum:
    return (Term(Fraction(1), Fraction(0), ((atom, Fraction(1)),)),)


def collected(terms: Iterable[Term]) -> Sum:
    found: dict[Factors, Term] = {}
    for term in terms:
        before = found.get(term.factors)
        found[term.factors] = term if before is None else _added(before, term)
    return tuple(
        sorted((t for t in found.values() if t.coefficient or t.slack), key=lambda t: place_of_factors(t.factors))
    )


def _added(one: Term, other: Term) -> Term:
    total = one.coefficient + other.coefficient
    spread = abs(one.coefficient) * one.slack + abs(other.coefficient) * other.slack
    return Term(total, spread / abs(total) if total else spread, one.factors)


def product_of_sums(one: Sum, other: Sum) -> Sum:
    return collected(
        term_of(a.coefficient * b.coefficient, a.slack + b.slack, (*a.factors, *b.factors)) for a in one for b in other
    )


def term_of(coefficient: Fraction, slack: Fraction, factors: Iterable[tuple[Atom, Fraction]]) -> Term:
    """A term with equal atoms taken together, and its positive factors moved into its maximum if it has one."""
    powers: dict[Atom, Fraction] = {}
    for atom, power in factors:
        powers[atom] = powers.get(atom, Fraction(0)) + power
    kept = tuple(sorted(((a, p) for a, p in powers.items() if p), key=lambda factor: place_of_factors((factor,))))
    extremes = [(a, p) for a, p in kept if a.head in ("max", "min")]
    if len(extremes) != 1 or extremes[0][1] != 1:
        return Term(coefficient, slack, kept)
    ((extreme, _),) = extremes
    others = tuple((a, p) for a, p in kept if a is not extreme)
    bare = not others and abs(coefficient) == 1 and slack == 0
    if bare or not all(_atom_nonnegative(atom) for atom, _ in others):
        return Term(coefficient, slack, kept)
    by: Sum = (Term(abs(coefficient), slack, others),)
    arms = tuple(sorted((product_of_sums(by, arm) for arm in extreme.parts), key=place_of_sum))
    sign = Fraction(1 if coefficient >= 0 else -1)
    return Term(sign, Fraction(0), ((Atom(extreme.head, arms), Fraction(1)),))


def scaled_sum(form: Sum, by: Fraction) -> Sum:
    return tuple(Term(t.coefficient * by, t.slack, t.factors) for t in form)


def raised_sum(form: Sum, power: Fraction) -> Sum:
    if not form:
        return ()
    if len(form) == 1 and form[0].coefficient > 0:
        return (_monomial(form[0], power),)
    if power.denominator == 1 and 0 < power <= _MOST_POWER:
        product = form
        for _ in range(int(power) - 1):
            product = product_of_sums(product, form)
        return product
    shared = _shared(form)
    reduced = product_of_sums(form, (Term(Fraction(1), Fraction(0), tuple((a, -p) for a, p in shared)),))
    first = reduced[0]
    if len(reduced) == 1 or (first.coefficient < 0 and power.denominator != 1):
        whole = Atom("sum", (form,))
        return (Term(Fraction(1), Fraction(0), ((whole, power),)),)
    inner = tuple(Term(t.coefficient / first.coefficient, t.slack + first.slack, t.factors) for t in reduced)
    unit = Term(inner[0].coefficient, Fraction(0), inner[0].factors)  # the first coefficient is 1 by construction
    whole = Atom("sum", ((unit, *inner[1:]),))
    outside = _monomial(Term(first.coefficient, first.slack, tuple(shared)), power)
    return (term_of(outside.coefficient, outside.slack, (*outside.factors, (whole, power))),)


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
        return term_of(number, term.slack * abs(power), [(a, p * power) for a, p in term.factors])
    factors = [(a, p * power) for a, p in term.factors]
    if term.coefficient != 1:
        factors.append((Atom("sum", ((Term(term.coefficient, term.slack, ()),),)), power))
    return term_of(Fraction(1), Fraction(0), factors)
