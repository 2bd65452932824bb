"""Compares equations as they are read with the steps of one derivation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import sympy
from sympy import Expr, Symbol

from symsim.algebra.normal_form import normal, times, vanishes
from symsim.algebra.powers import fractional_powers
from symsim.algebra.symbols import substitute
from symsim.algebra.terms import Digits, Sum, Term, alike, deviation, expression_of, is_exact, matched, occurrences
from symsim.cost.derivation import Step
from symsim.formula.closed_form import ClosedForm
from symsim.verification.differences import (
    Derived,
    Difference,
    DifferenceReport,
    Ground,
    Origin,
    effort,
    inlined,
    words_needed,
)
from symsim.verification.latex_numbers import Literal
from symsim.verification.random_points import agree

_READ = 50
"""Differences that are put in fewer words at the most."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Compares equations with the steps of one derivation."""

    ground: Ground

    @property
    def form(self) -> ClosedForm:
        return self.ground.form

    def compared(
        self, step: Step, side: Expr, literals: Mapping[Symbol, Literal], line: int, *, told: bool = True
    ) -> tuple[list[Difference], list[Fraction]]:
        """What is otherwise in one equation, and how far numbers are off that were compared to their printed digits.
        told: whether anybody will read the differences, which then are in the fewest words."""
        yours = normal(side, literals)
        named = frozenset(s for s in side.free_symbols if isinstance(s, Symbol))
        rounded = self._rounded_in_powers(side, literals)
        if rounded and not self._checked(step, side, literals, named, line):
            return [], [max(rounded)]
        found = self.differences(step, yours, named, line)
        if found and (of_rounding := self._of_rounding(step, side, literals, line)) is not None:
            return of_rounding
        if found and is_exact(yours) and _transcendental(side) and not self._checked(step, side, literals, named, line):
            return [], []
        if found and (full := self._in_full(step, side, literals, named)) is not None:
            found, side, named = [], *full
        if found and told:
            found = self._plainest(step, yours, named, found, line)
        if not found:
            found = self._checked(step, side, literals, named, line)
        return found, [] if is_exact(yours) else [self._deviation(step, yours, named)]

    def _of_rounding(
        self, step: Step, side: Expr, literals: Mapping[Symbol, Literal], line: int
    ) -> tuple[list[Difference], list[Fraction]] | None:
        """The derived roundings up and down as what is missing, where all else is then equal; None where it is not."""
        steps = {s.symbol: s for s in self.form.derivation.steps}
        left = set(steps) & side.free_symbols
        roundings = inlined(step.expr, {s: one for s, one in steps.items() if s not in left}).atoms(*_ROUNDINGS)
        if not roundings or side.atoms(*_ROUNDINGS):
            return None
        smooth = self.form.changed(lambda derivation: derivation.mapped(_smooth))
        whole = next(one for one in smooth.derivation.steps if one.symbol == step.symbol)
        found, hidden = Judge(replace(self.ground, form=smooth)).compared(whole, side, literals, line, told=False)
        if found:
            return None
        report = DifferenceReport(self.ground, step, line)
        pairs = [(one.args[0], one) for one in sorted(roundings, key=str)]
        missing = [report.of("missing rounding", step, report.text(a), report.text(b), b) for a, b in pairs]
        counted = step.unit in ("1", "tokens")  # else what is rounded is not in the step's unit
        return [one if counted else replace(one, value=None) for one in missing], hidden

    def both_values(self, step: Step, side: Expr, literals: Mapping[Symbol, Literal]) -> tuple[float, float] | None:
        """The number of a side and of the derived step, at the point; None where it does not say all of it."""
        printed = {s: sympy.Rational(one.value.numerator, one.value.denominator) for s, one in literals.items()}
        mine, theirs = self.ground.value(substitute(side, printed)), self.ground.value(step.symbol)
        return None if mine is None or theirs is None else (mine, theirs)

    @staticmethod
    def _rounded_in_powers(side: Expr, literals: Mapping[Symbol, Literal]) -> list[Fraction]:
        """By what shares numbers may be off that stand inside of fitted powers, which no normal form writes apart: such
        a side is compared by its values."""
        inside = {s for power in fractional_powers(side) for s in power.free_symbols}
        return [one.slack for s, one in literals.items() if s in inside]

    def _in_full(
        self, step: Step, side: Expr, literals: Mapping[Symbol, Literal], named: frozenset[Symbol]
    ) -> tuple[Expr, frozenset[Symbol]] | None:
        """The side with every step written out and what it names then, where it is equal so: one step may stand by
        name here and in full there."""
        others = {s.symbol: s for s in self.form.derivation.steps if s.symbol != step.symbol}
        if not named & set(others):
            return None
        whole = inlined(side, others)
        inner = frozenset(s for s in whole.free_symbols if isinstance(s, Symbol))
        for names in (named - set(others), inner):
            if not self.differences(step, normal(whole, literals), names, 0):
                return whole, names
        return None

    def _deviation(self, step: Step, yours: Sum, named: frozenset[Symbol]) -> Fraction:
        """How far the numbers are off that correspond, those that stand for symbols included."""
        derived = tuple(one.term for one in self.derived(step, named))
        found = deviation(yours, derived)
        _, more, less = matched(yours, derived)
        for term in more:
            mine = self._in_numbers(term)
            same = next((other for other in map(self._in_numbers, less) if alike(mine, other)), None)
            found = max(found, deviation(mine, same) if same is not None else found)
        return found

    def differences(self, step: Step, yours: Sum, named: frozenset[Symbol], line: int) -> list[Difference]:
        """What is otherwise, where the derived formula keeps the named symbols and steps."""
        derived = self.derived(step, named)
        _, more, less = matched(yours, tuple(one.term for one in derived))
        more, less = self._mixed(more, less)
        if (not more and not less) or (is_exact(yours) and vanishes((*more, *_negative(less)))):
            return []
        report = DifferenceReport(self.ground, step, line)
        found = report.differences(more, [one for one in derived if one.term in less])
        return found or [self._other_value(report, expression_of(yours))]

    def _plainest(
        self, step: Step, yours: Sum, named: frozenset[Symbol], found: list[Difference], line: int
    ) -> list[Difference]:
        """The same differences in the fewest words: in symbols where numbers need not be, in whole steps where one is
        missing. More of them than anyone reads stay as they are."""
        if len(found) > _READ:
            return found
        hardware = self._of_kinds("hardware", "convention", "engine")
        sizes = self._of_kinds("architecture", "deployment", "precision")
        for more in (hardware | sizes, hardware, sizes):
            other = self.differences(step, yours, named | more, line)
            if words_needed(other) <= words_needed(found):
                found, named = other, named | more
                break
        steps = {s.symbol: s for s in self.form.derivation.steps}
        candidates = [s for s in _below(step, steps) if s not in named]
        while candidates:
            tried = [(self.differences(step, yours, named | {s}, line), s) for s in candidates]
            other, kept = min(tried, key=lambda pair: effort(pair[0], step))
            if effort(other, step) >= effort(found, step):
                break
            found, named = other, named | {kept}
            candidates = [s for s in candidates if s != kept]
        return found

    def _of_kinds(self, *kinds: str) -> frozenset[Symbol]:
        return frozenset(s for s in self.form.derivation.free() if self.form.symbols[s.name].kind in kinds)

    def derived(self, step: Step, named: frozenset[Symbol]) -> list[Derived]:
        """The step's terms: steps and symbols that are named stay, the others are put in."""
        known = {s: v for s, v in self.form.bound.symbols().items() if s not in named}
        steps = {s.symbol: replace(s, expr=substitute(s.expr, known)) for s in self.form.derivation.steps}
        inside = {s: found for s, found in steps.items() if s not in named or s == step.symbol}
        found: dict[Any, Derived] = {}
        for origin in _unfolded(steps[step.symbol], sympy.S.One, inside):
            for term in normal(origin.outer * inlined(origin.part, inside)):
                before = found.get(term.factors)
                if before is not None:
                    total = before.term.coefficient + term.coefficient
                    whole, shares = Term(total, Fraction(0), term.factors), (*before.shares, term.coefficient)
                    found[term.factors] = Derived(whole, (*before.origins, origin), shares)
                else:
                    found[term.factors] = Derived(term, (origin,), (term.coefficient,))
        return [one for one in found.values() if one.term.coefficient]

    def _mixed(self, more: list[Term], less: list[Term]) -> tuple[list[Term], list[Term]]:
        """What is left without the terms that only have numbers in place of some of the derived ones' symbols.

        Those are equal once all numbers are put in, and hold no symbol more often than the derived term does: another
        symbol of the same value is not the same.
        """
        left = list(more)
        theirs = [(one, self._in_numbers(one)) for one in less] if more else []
        for term in more if less else ():
            mine = self._in_numbers(term)
            same = (pair for pair in theirs if alike(mine, pair[1]) and not occurrences(term) - occurrences(pair[0]))
            found = next(same, None)
            if found is not None:
                left.remove(term)
                theirs.remove(found)
        return left, [one for one, _ in theirs] if more else less

    def _in_numbers(self, term: Term) -> Sum:
        """A term with every symbol that has a number replaced; what is rounded stays so.

        One that is divided by a number that is zero here stays as it is, and equals no other.
        """
        known = self.form.bound.symbols()
        taken: dict[Symbol, Digits] = {}
        bare = expression_of(replace(term, coefficient=Fraction(1), slack=Fraction(0)), taken)
        filled = substitute(bare, known)
        if filled.has(sympy.zoo, sympy.nan):
            return (term,)
        return times((Term(term.coefficient, term.slack, ()),), filled, taken)

    def _checked(
        self, step: Step, side: Expr, literals: Mapping[Symbol, Literal], named: frozenset[Symbol], line: int
    ) -> list[Difference]:
        """Formulas found equal agree at random points, as far as their digits go, or the comparison went wrong.

        Compared is what was read with what was derived, not their normal forms. Where numbers stand for symbols that
        are also used, the symbols are numbers everywhere.
        """
        steps = {s.symbol: s for s in self.form.derivation.steps}
        inside = {s: found for s, found in steps.items() if s not in named or s == step.symbol}
        theirs = inlined(step.expr, {s: found for s, found in inside.items() if s != step.symbol})
        known = self.form.bound.symbols()
        for replaced in ({s: v for s, v in known.items() if s not in named}, known):
            if agree(side, substitute(theirs, replaced), literals, known):
                return []
            side = substitute(side, known)
        return [self._other_value(DifferenceReport(self.ground, step, line), expression_of(normal(side, literals)))]

    def _other_value(self, report: DifferenceReport, yours: Expr) -> Difference:
        derived = report.step.expr
        return report.of("other value", report.step, report.text(yours), report.text(derived), derived)

    def missing_step(self, step: Step) -> Difference:
        report = DifferenceReport(self.ground, step, None)
        return report.of("missing step", step, None, report.text(step.expr), step.expr)


def _below(step: Step, steps: Mapping[Symbol, Step]) -> list[Symbol]:
    """The steps that a step is derived from, nearest first."""
    found = [s for s in steps if s in step.expr.free_symbols]
    for inner in found:
        found += [s for s in steps if s in steps[inner].expr.free_symbols and s not in found]
    return found


def _unfolded(step: Step, outer: Expr, inside: Mapping[Symbol, Step]) -> list[Origin]:
    """The terms of a step; one that is a multiple of another step unfolds into that step's terms."""
    found: list[Origin] = []
    for part in sympy.Add.make_args(step.expr):
        inner = [s for s in part.free_symbols if s in inside and s != step.symbol]
        factor = part / inner[0] if len(inner) == 1 else None
        if factor is not None and inner[0] not in factor.free_symbols:
            found += _unfolded(inside[inner[0]], outer * factor, inside)  # pyright: ignore[reportArgumentType]
        else:
            found.append(Origin(step, part, outer))
    return found


def _transcendental(side: Expr) -> bool:
    """Whether no normal form decides what a side is equal to: exponentials, roots, powers to symbols."""
    powers = any(not power.exp.is_Integer for power in side.atoms(sympy.Pow))
    return powers or bool(side.atoms(sympy.exp, sympy.log))


_ROUNDINGS = (sympy.floor, sympy.ceiling)


def _smooth(expr: Expr) -> Expr:
    """Without roundings."""
    found = {node: _smooth(node.args[0]) for node in expr.atoms(*_ROUNDINGS)}
    return substitute(expr, found) if found else expr


def _negative(terms: Sequence[Term]) -> list[Term]:
    return [Term(-term.coefficient, term.slack, term.factors) for term in terms]
