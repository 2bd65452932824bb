"""What is otherwise between a formula and the derived one, term by term and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations
from typing import Any

import sympy
from sympy import Expr, Symbol

from symsim.algebra.normal_form import (
    Atom,
    Sum,
    Term,
    alike,
    expression_of,
    matched,
    normal,
    same_coefficient,
    same_factors,
    times,
)
from symsim.algebra.shown import one_line
from symsim.algebra.symbols import substitute
from symsim.algebra.units import format_quantity
from symsim.cost.derivation import Step
from symsim.errors import EmptyTable
from symsim.formula.breakdown import numbers
from symsim.formula.closed_form import ClosedForm
from symsim.notation.latex import expression_latex
from symsim.notation.layout import Layout
from symsim.notation.text import expression_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is otherwise. kind: missing term, extra term, missing arm, extra arm, missing rounding, wrong
    coefficient, wrong term, wrong row (of regimes), missing step, other value or wrong value (of a symbol, which then
    is `step`).

    yours, derived: text; latex: of what should stand there (or should not).
    value: of what stands in `derived` (of an extra term: in `yours`) at the workload point, in `unit`; source: its
    operator and graph line; line: where the equation stands.
    """

    kind: str
    step: str
    step_latex: str
    yours: str | None
    derived: str | None
    latex: str
    unit: str
    value: float | None
    source: str | None
    line: int | None

    def __repr__(self) -> str:
        return one_line(self, self.sentence())

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex}$"

    def sentence(self) -> str:
        """What to change, in words."""
        at = "" if self.value is None else f" ({format_quantity(self.value, self.unit, 6)} at the point)"
        where = f"{self.step}" + (f" (line {self.line})" if self.line else "")
        match self.kind:
            case "wrong value":
                where = f" (line {self.line})" if self.line else ""
                return f"wrong value of {self.step}: you have {self.yours}, derived {self.derived}{where}"
            case "missing step":
                return f"missing step: {self.step} = {self.derived}{at}"
            case "missing term" | "missing arm":
                return f"{self.kind} in {where}: {self.derived}{at}"
            case "extra term" | "extra arm":
                return f"{self.kind} in {where}: {self.yours}{at}"
            case _:
                return f"{self.kind} in {where}: you have {self.yours}, derived is {self.derived}{at}"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a derived term stands: part of the step's sum, which enters the compared step `outer` times."""

    step: Step
    part: Expr
    outer: Expr


@dataclass(frozen=True, slots=True)
class Derived:
    """A derived term with where it is from; several where equal terms were taken together. shares: what each origin
    adds to its coefficient."""

    term: Term
    origins: tuple[Origin, ...]
    shares: tuple[Fraction, ...]


@dataclass(frozen=True, slots=True)
class Ground:
    """What differences are told about: the derived form, the point (name -> number of every symbol), how it prints."""

    form: ClosedForm
    values: Mapping[str, Any]
    sheet: Layout

    def value(self, expr: Expr) -> float | None:
        """At the workload point, steps put in; None where a measured row cannot be used or a symbol has no number."""
        whole = inlined(expr, {step.symbol: step for step in self.form.derivation.steps})
        if any(str(s) not in self.values for s in whole.free_symbols):
            return None
        try:
            return numbers((whole,), self.values, self.form.context)[0]
        except (EmptyTable, ZeroDivisionError, OverflowError):
            return None


_WORDS = {"missing term": 2, "missing arm": 2, "wrong coefficient": 2, "wrong term": 3, "extra term": 4, "extra arm": 4}


def words_needed(found: Sequence[Difference]) -> int:
    """How much there is to say: what is missing is said more simply than what is missing and too many."""
    return sum(_WORDS.get(one.kind, 4) for one in found)


def effort(found: Sequence[Difference], step: Step) -> tuple[int, int, int]:
    """The same, then how many are told about a step within the compared one, then how long the formulas are."""
    inner = sum(one.step != step.symbol.name for one in found)
    return words_needed(found), inner, sum(len(f"{one.yours}{one.derived}") for one in found)


def inlined(expr: Expr, steps: Mapping[Symbol, Step]) -> Expr:
    while expr.free_symbols & set(steps):
        expr = substitute(expr, {s: step.expr for s, step in steps.items()})
    return expr


@dataclass(frozen=True, slots=True)
class DifferenceReport:
    """Puts what is otherwise in one equation into words."""

    ground: Ground
    step: Step
    line: int | None

    def differences(self, more: list[Term], less: list[Derived]) -> list[Difference]:
        """Terms that correspond are compared further; the rest is too many, or missing."""
        found: list[Difference] = []
        more = list(more)
        for one in list(less):
            lost = self._lost_arms(more, one)
            best = max(more, key=lambda term, one=one: _kinship(term, one.term), default=None)
            if lost is not None:
                used, arms = lost
                more = [term for term in more if term not in used]
                found += [self.of("missing arm", one.origins[0].step, None, self.text(arm), arm) for arm in arms]
            elif best is not None and _kinship(best, one.term) >= _KIN:
                more.remove(best)
                found += self.pair(best, one)
            else:
                found.append(self.missing(one))
        found += [self.extra("extra term", expression_of(term)) for term in more]
        return list(dict.fromkeys(found))  # what multiplies out into several terms is named once

    def _lost_arms(self, more: list[Term], one: Derived) -> tuple[list[Term], list[Expr]] | None:
        """Where one arm stands in place of the whole maximum: the terms that are that arm, and the other arms."""
        arms = _arms(one.term)
        for arm in arms or ():
            same, _, unmatched = matched(tuple(more), arm)
            if not unmatched and len(same) == len(arm):
                outer = one.origins[0].outer if len(one.origins) == 1 else sympy.S.One
                others = [
                    expression_of(normal(expression_of(other) / outer)) for other in arms or () if other is not arm
                ]
                return [mine for mine, _ in same], others
        return None

    def pair(self, yours: Term, derived: Derived) -> list[Difference]:
        """Two terms that correspond: another coefficient, other arms of a maximum, or another factor."""
        if (lost := _lost_origins(yours, derived)) is not None:
            return [self.missing(Derived(derived.term, (origin,), ())) for origin in lost]
        origin = derived.origins[0]
        step = origin.step if len(derived.origins) == 1 else self.step
        part, outer = (
            (origin.part, origin.outer) if len(derived.origins) == 1 else (expression_of(derived.term), sympy.S.One)
        )
        mine, theirs = times((yours,), 1 / outer), times((derived.term,), 1 / outer)
        if (
            expression_of(mine).free_symbols - expression_of(yours).free_symbols
        ):  # what stands before the step is not in yours
            step, part, mine, theirs = self.step, expression_of(derived.term), (yours,), (derived.term,)
        if len(mine) == 1 and len(theirs) == 1:
            arms = _arms_of_both(mine[0], theirs[0])
            ratio = _ratio(mine[0], theirs[0])
            if ratio is None and arms is not None and mine[0].coefficient == theirs[0].coefficient:
                return self.arms(step, *arms)
            if ratio is not None:
                words = self.text(ratio * part), self.text(part)
                return [self.of("wrong coefficient", step, *words, part)]
        words = self.text(expression_of(mine)), self.text(part)
        return [self.of("wrong term", step, *words, part)]

    def arms(self, step: Step, yours: tuple[Sum, ...], derived: tuple[Sum, ...]) -> list[Difference]:
        """Arms of a maximum that differ."""
        rest = list(derived)
        more: list[Sum] = []
        for arm in yours:
            same = next((other for other in rest if alike(arm, other)), None)
            if same is None:
                more.append(arm)
            else:
                rest.remove(same)
        found: list[Difference] = []
        for arm in rest:
            target = expression_of(arm)
            best = max(more, key=lambda other, arm=arm: _kinship_of_sums(other, arm), default=None)
            if best is None or (len(rest) != len(more) and _kinship_of_sums(best, arm) < _KIN):
                found.append(self.of("missing arm", step, None, self.text(target), target))
                continue
            more.remove(best)
            found += self.inside(step, best, arm)
        found += [self.extra("extra arm", expression_of(arm)) for arm in more]
        return found

    def inside(self, step: Step, yours: Sum, derived: Sum) -> list[Difference]:
        """Two arms that correspond: a multiple as a whole, or terms within their sums."""
        if len(yours) > 1 and _are_multiples(yours, derived):
            whole = expression_of(derived)
            return [self.of("wrong coefficient", step, self.text(expression_of(yours)), self.text(whole), whole)]
        _, more, less = matched(yours, derived)
        here = DifferenceReport(self.ground, step, self.line)
        return here.differences(more, [Derived(t, (Origin(step, expression_of(t), sympy.S.One),), ()) for t in less])

    def missing(self, one: Derived) -> Difference:
        """A term that is not there, as it stands in its own step."""
        if len(one.origins) == 1:
            (origin,) = one.origins
            return self.of("missing term", origin.step, None, self.text(origin.part), origin.part)
        whole = expression_of(one.term)
        return self.of("missing term", self.step, None, self.text(whole), whole)

    def extra(self, kind: str, expr: Expr) -> Difference:
        return self.of(kind, self.step, self.text(expr), None, expr)

    def text(self, expr: Expr) -> str:
        return expression_text(expr, self.step.unit, self._sheet(expr))

    def _sheet(self, expr: Expr) -> Layout:
        """Coefficients carry the unit where no symbol does."""
        symbols = self.ground.form.symbols
        left = [s for s in expr.free_symbols if str(s) in symbols and symbols[str(s)].unit not in ("1", "tokens")]
        return (
            self.ground.sheet
            if left or not self.ground.form.bound.values
            else replace(self.ground.sheet, level="numeric")
        )

    def of(self, kind: str, step: Step, yours: str | None, derived: str | None, shown: Expr) -> Difference:
        source = None if step.op is None else f"{step.op} ({step.origin})"
        latex = expression_latex(shown, self._sheet(shown), self.step.unit)
        value = self.ground.value(shown)
        return Difference(
            kind=kind,
            step=step.symbol.name,
            step_latex=step.latex,
            yours=yours,
            derived=derived,
            latex=latex,
            unit=self.step.unit,
            value=value,
            source=source,
            line=self.line,
        )


_KIN = 0.5


def _arms(term: Term) -> tuple[Sum, ...] | None:
    """The arms of a term that is one maximum or minimum."""
    match term.factors:
        case ((Atom(head="max" | "min", parts=parts), power),) if power == 1:
            return parts
        case _:
            return None


def _lost_origins(yours: Term, derived: Derived) -> list[Origin] | None:
    """Of equal terms that were taken together, those without which the rest is what you have."""
    if not 1 < len(derived.origins) <= _MANY or not same_factors(yours.factors, derived.term.factors):
        return None
    shared = list(zip(derived.origins, derived.shares, strict=True))
    for count in range(1, len(shared)):
        for lost in combinations(shared, count):
            rest = derived.term.coefficient - sum(share for _, share in lost)
            if same_coefficient(yours, replace(derived.term, coefficient=rest)):
                return [origin for origin, _ in lost]
    return None


_MANY = 8
"""More equal terms are not looked at one by one."""


def _arms_of_both(one: Term, other: Term) -> tuple[tuple[Sum, ...], tuple[Sum, ...]] | None:
    """The arms of two terms that are both one maximum, or both one minimum."""
    arms = _arms(one), _arms(other)
    if arms[0] is None or arms[1] is None or one.factors[0][0].head != other.factors[0][0].head:
        return None
    return arms[0], arms[1]


def _ratio(yours: Term, derived: Term) -> Expr | None:
    """The number by which two terms differ, if they differ by a number only."""
    if same_factors(yours.factors, derived.factors):
        if derived.coefficient == 0 or same_coefficient(yours, derived):
            return None
        return _rational(yours.coefficient / derived.coefficient)
    arms = _arms_of_both(yours, derived)
    if arms is None or len(arms[0]) != len(arms[1]):
        return None
    one, other = arms
    for arm in one:
        for target in other:
            if len(arm) == len(target) and same_factors(arm[0].factors, target[0].factors) and target[0].coefficient:
                ratio = arm[0].coefficient / target[0].coefficient
                scaled = tuple(tuple(Term(t.coefficient * ratio, t.slack, t.factors) for t in s) for s in other)
                if ratio != 1 and _same_arms(one, scaled):
                    return _rational(ratio)
    return None


def _are_multiples(yours: Sum, derived: Sum) -> bool:
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


def _rational(value: Fraction) -> Expr:
    return sympy.Rational(value.numerator, value.denominator)


def _kinship(one: Term, other: Term) -> float:
    """How much two terms have in common, from 0 to 1."""
    if same_factors(one.factors, other.factors):
        return 1.0 if _are_near(one, other) else 0.0
    arms = _arms(one), _arms(other)
    if arms[0] is not None and arms[1] is not None:
        scores = [max(_kinship_of_sums(arm, target) for target in arms[1]) for arm in arms[0]]
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


def _kinship_of_sums(one: Sum, other: Sum) -> float:
    return max((_kinship(a, b) for a in one for b in other), default=0.0)
