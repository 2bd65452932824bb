"""How much two terms of normal forms have in common, and by what they differ where it is a number or their arms."""

from __future__ import annotations

from fractions import Fraction

import sympy
from sympy import Expr

from symsim.algebra.terms import Atom, Sum, Term, alike, same_coefficient, same_factors

KIN = 0.5


def arms_of_term(term: Term) -> tuple[Sum, ...] | None:
    """The arms of a term that is one maximum or minimum."""
    match term.factors:
        case ((Atom(head="max" | "min", parts=parts), power),) if power == 1:
            return parts
        case _:
            return None


def arms_of_both(one: Term, other: Term) -> tuple[tuple[Sum, ...], tuple[Sum, ...]] | None:
    """The arms of two terms that are both one maximum, or both one minimum."""
    arms = arms_of_term(one), arms_of_term(other)
    if arms[0] is None or arms[1] is None or one.factors[0][0].head != other.factors[0][0].head:
        return None
    return arms[0], arms[1]


def ratio_of_terms(yours: Term, derived: Term) -> Expr | None:
    """The number by which two terms differ, if they differ by a number only."""
    if same_factors(yours.factors, derived.factors):
        if derived.coefficient == 0 or same_coefficient(yours, derived):
            return None
        return sympy.Rational(yours.coefficient / derived.coefficient)
    arms = arms_of_both(yours, derived)
    if arms is None or len(arms[0]) != len(arms[1]):
        return None
    one, other = arms
    for arm in one:
        for target in other:
            if len(arm) == len(target) and same_factors(arm[0].factors, target[0].factors) and target[0].coefficient:
                ratio = arm[0].coefficient / target[0].coefficient
                scaled = tuple(tuple(Term(t.coefficient * ratio, t.slack, t.factors) for t in s) for s in other)
                if ratio != 1 and _same_arms(one, scaled):
                    return sympy.Rational(ratio)
    return None


def are_multiples(yours: Sum, derived: Sum) -> bool:
    """Whether two sums differ by a number before the whole of them."""
    target = next((term for term in derived if same_factors(yours[0].factors, term.factors) and term.coefficient), None)
    if target is None:
        return False
    ratio = yours[0].coefficient / target.coefficient
    return alike(yours, tuple(Term(t.coefficient * ratio, t.slack, t.factors) for t in derived))


def _same_arms(one: tuple[Sum, ...], other: tuple[Sum, ...]) -> bool:
    rest = list(other)
    for arm in one:
        found = next((target for target in rest if alike(arm, target)), None)
        if found is None:
            return False
        rest.remove(found)
    return not rest


def kinship(one: Term, other: Term) -> float:
    """How much two terms have in common, from 0 to 1."""
    if same_factors(one.factors, other.factors):
        return 1.0 if _are_near(one, other) else 0.0
    arms = arms_of_term(one), arms_of_term(other)
    if arms[0] is not None and arms[1] is not None:
        scores = [max(kinship_of_sums(arm, target) for target in arms[1]) for arm in arms[0]]
        return max(scores)
    mine, theirs = ({(atom.head, power) for atom, power in _bare(term).factors} for term in (one, other))
    return len(mine & theirs) / max(len(mine | theirs), 1)


def _are_near(one: Term, other: Term) -> bool:
    """Whether two coefficients may be meant to be the same: a slip of a unit is, and of a mere number less."""
    far = _FAR if one.factors else _FAR_NUMBER
    return other.coefficient != 0 and Fraction(1, far) <= abs(one.coefficient / other.coefficient) <= far


_FAR, _FAR_NUMBER = 2**21, 12
"""By what factor a coefficient, and a number that stands alone, may be wrong and still be meant."""


def _bare(term: Term) -> Term:
    """What stands in a rounding down or up, where a term is nothing else."""
    match term.factors:
        case ((Atom(head="floor" | "ceiling", parts=((inner,),)), _),):
            return inner
        case _:
            return term


def kinship_of_sums(one: Sum, other: Sum) -> float:
    return max((kinship(a, b) for a in one for b in other), default=0.0)
