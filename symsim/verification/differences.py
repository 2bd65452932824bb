"""What is otherwise between a formula and the derived one, term by term and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations
from typing import Any

import sympy
from sympy import Expr, Symbol

from symsim.algebra.normal_form import normal, times
from symsim.algebra.shown import one_line
from symsim.algebra.symbols import substitute
from symsim.algebra.terms import Sum, Term, alike, expression_of, matched, paired, same_coefficient, same_factors
from symsim.algebra.units import format_quantity
from symsim.cost.derivation import Step
from symsim.errors import EmptyTable
from symsim.formula.breakdown import numbers
from symsim.formula.closed_form import ClosedForm
from symsim.notation.latex import expression_latex
from symsim.notation.layout import Layout
from symsim.notation.text import expression_text
from symsim.verification.kinship import (
    KIN,
    are_multiples,
    arms_of_both,
    arms_of_term,
    kinship,
    kinship_of_sums,
    ratio_of_terms,
)


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
            best = max(more, key=lambda term, one=one: kinship(term, one.term), default=None)
            if lost is not None:
                used, arms = lost
                more = [term for term in more if term not in used]
                found += [self.of("missing arm", one.origins[0].step, None, self.text(arm), arm) for arm in arms]
            elif best is not None and kinship(best, one.term) >= KIN:
                more.remove(best)
                found += self.pair(best, one)
            else:
                found.append(self.missing(one))
        found += [self.extra("extra term", expression_of(term)) for term in more]
        return list(dict.fromkeys(found))  # what multiplies out into several terms is named once

    def _lost_arms(self, more: list[Term], one: Derived) -> tuple[list[Term], list[Expr]] | None:
        """Where one arm stands in place of the whole maximum: the terms that are that arm, and the other arms."""
        arms = arms_of_term(one.term)
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
            arms = arms_of_both(mine[0], theirs[0])
            ratio = ratio_of_terms(mine[0], theirs[0])
            if ratio is None and arms is not None and mine[0].coefficient == theirs[0].coefficient:
                return self.arms(step, *arms)
            if ratio is not None:
                words = self.text(ratio * part), self.text(part)
                return [self.of("wrong coefficient", step, *words, part)]
        words = self.text(expression_of(mine)), self.text(part)
        return [self.of("wrong term", step, *words, part)]

    def arms(self, step: Step, yours: tuple[Sum, ...], derived: tuple[Sum, ...]) -> list[Difference]:
        """Arms of a maximum that differ."""
        _, more, rest = paired(yours, derived, alike)
        found: list[Difference] = []
        for arm in rest:
            target = expression_of(arm)
            best = max(more, key=lambda other, arm=arm: kinship_of_sums(other, arm), default=None)
            if best is None or (len(rest) != len(more) and kinship_of_sums(best, arm) < KIN):
                found.append(self.of("missing arm", step, None, self.text(target), target))
                continue
            more.remove(best)
            found += self.inside(step, best, arm)
        found += [self.extra("extra arm", expression_of(arm)) for arm in more]
        return found

    def inside(self, step: Step, yours: Sum, derived: Sum) -> list[Difference]:
        """Two arms that correspond: a multiple as a whole, or terms within their sums."""
        if len(yours) > 1 and are_multiples(yours, derived):
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
