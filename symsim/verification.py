"""Does a formula in LaTeX equal the derived one? If not: the exact terms that are missing, too many, or otherwise.

Each equation is compared with the derived step of its name.  Steps that its right side names stay as they are (they are
compared in their own equations), steps that it does not name are put in, and symbols that it does not use are taken as
the numbers behind them.  Both sides then take their normal form (symsim.normal_form), and are equal where every term
is; where they are not, the difference of both is reduced as a quotient of polynomials, which decides all other ways of
writing the same.  Formulas found equal are then evaluated at random points, tables included.
"""

from __future__ import annotations

import math
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any

import sympy
from sympy import Expr, Symbol
from sympy.core.function import AppliedUndef

from symsim.api import METRICS, Costs
from symsim.closed_form import ClosedForm
from symsim.differences import Derived, Difference, Ground, Origin, Report, inlined, length, words
from symsim.errors import LatexSyntaxError, Span, SymsimError, UndefinedName
from symsim.latex_syntax import Equation, Literal, Reader, check_power, normal_name, passages
from symsim.metrics import Derivation, Step
from symsim.names import Names, names_of
from symsim.normal_form import (
    Atom,
    Digits,
    Sum,
    Term,
    alike,
    deviation,
    exact,
    expression,
    matched,
    normal,
    occurrences,
    times,
)
from symsim.sheet import sheet
from symsim.symbols import KNOWN, put_in, step_symbol, symbol
from symsim.units import format_quantity

POINTS = 8
"""Random points at which formulas that were found equal are evaluated."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a text's equations equal the derived ones.

    deviation: the largest relative difference of a number that its printed digits leave open, None where all numbers
    are exact; steps: those that were compared; taken:
    names of steps that the text uses but does not define; passed_over: symbols that are the reader's to choose (the
    workload) and are given a value.
    """

    metric: str
    subject: str
    at: Mapping[str, float]
    deviation: float | None
    steps: tuple[Step, ...]
    taken: tuple[str, ...]
    passed_over: tuple[str, ...]
    differences: tuple[Difference, ...]

    @property
    def equal(self) -> bool:
        return not self.differences

    @property
    def rounded(self) -> bool:
        """Whether numbers were compared to the digits that were printed."""
        return self.deviation is not None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        fields = ("metric", "subject", "at", "rounded", "deviation", "taken", "passed_over")
        plain = {name: getattr(self, name) for name in fields}
        differences = [asdict(one) | {"sentence": one.sentence()} for one in self.differences]
        checked = [step.symbol.name for step in self.steps]
        return {"equal": self.equal, **plain, "checked": checked, "differences": differences}


def verify(
    text: str, costs: Costs, metric: str = "tpot", path: str = "formula", given: Collection[Step] = (), **at: float
) -> Verdict:
    """Compare a formula in LaTeX (grammar/latex.lark says which) with the derived one.

    text: one formula, or equations in named steps; path: what to call it in errors; given: steps that were
    compared elsewhere; at: the workload point at which terms are given a value.
    Raises LatexSyntaxError or UndefinedName for what cannot be read, with its place.

    >>> from symsim.api import compile
    >>> costs = compile("qwen3-8b", "h20")
    >>> verify(r"\\mathrm{TPOT} = 36 t_{\\mathrm{layer}} + 5\\,\\mathrm{ms}", costs).equal
    True
    >>> verify(r"\\mathrm{TPOT} = 35 t_{layer} + 5\\,\\mathrm{ms}", costs).differences[0].sentence()[:62]
    'wrong coefficient in TPOT (line 1): you have 35*t_layer, deriv'
    """
    form = _with_one_peak(costs, metric)
    values = form.values({name: int(value) for name, value in at.items()})
    judge = Judge(Ground(form, values, sheet(form, "symbolic", "")))
    names = names_of(form, form.derivation)
    read = _read(text, path, names, form.derivation, costs.peak)
    differences: list[Difference] = []
    checked: list[Step] = []
    named: set[Symbol] = set()
    deviations: list[Fraction] = []
    for stated in read.stated:
        found, hidden = judge.wrong_values(stated, read.literals)
        differences += found
        deviations += hidden
    for step, equation in read.equations:
        checked.append(step)
        for side in equation.sides:
            named |= {s for s in side.free_symbols if isinstance(s, Symbol)}
            found, hidden = judge.compared(step, side, read.literals, equation.span.line)
            differences += found
            deviations += hidden
    if not checked:
        lefts = ", ".join(step.latex for step in form.derivation.steps[-1:-4:-1])
        raise SymsimError(f"{path}: no equation here defines {form.name} or one of its steps ({lefts}, ...)")
    steps = {step.symbol: step for step in form.derivation.steps}
    left = [step for s, step in steps.items() if s in named and step not in checked and step not in given]
    if len(dict.fromkeys(step.symbol for step in checked)) > 1:
        differences += [judge.missing_step(step) for step in left]
        left = []
    taken = tuple(step.symbol.name for step in left)
    parts = (form.name, costs.metric(metric).subject, dict(at), _worst(deviations), tuple(checked), taken)
    chosen = tuple(str(one.equation.name) for one in read.stated if one.symbol not in form.bound.symbols())
    return Verdict(*parts, chosen, tuple(differences))


def _with_one_peak(costs: Costs, metric: str) -> ClosedForm:
    """The peak of the weight GEMMs is the device's peak at their precision: either name may be used for it."""
    form = costs.metric(metric).form
    return ClosedForm(form.derivation.substituted({_PEAK: costs.peak}), form.bound, form.context)


_PEAK = symbol("peak_w")


@dataclass(frozen=True, slots=True)
class _Stated:
    """An equation that gives a symbol (or a table's name) its value."""

    symbol: Any
    equation: Equation


@dataclass(frozen=True, slots=True)
class _Read:
    """Steps of the derivation with the sides that a text equates them to; stated: symbols that it gives a value."""

    equations: tuple[tuple[Step, Equation], ...]
    stated: tuple[_Stated, ...]
    literals: Mapping[Symbol, Literal]


def _read(text: str, path: str, names: Names, derivation: Derivation, peak: Symbol) -> _Read:
    """Every equation of a text, with the steps that only the text has put in."""
    own: dict[str, Symbol] = {}
    reader = Reader(path, text, lambda written, span: own.get(normal_name(written)) or names.resolve(written, span))
    found = passages(text)
    lefts = [reader.left(passage)[0] for passage in found]
    for name in lefts:
        if name is not None and names.find(name) is None:
            own[normal_name(name)] = step_symbol(f"own_{normal_name(name)}")
    steps = {step.symbol: step for step in derivation.steps}
    equations: list[tuple[Step, Equation]] = []
    definitions: dict[Expr, Expr] = {}
    stated: list[_Stated] = []
    for passage, name in zip(found, lefts, strict=True):
        equation = reader.equation(passage)
        sides = tuple(put_in(side, {_PEAK: peak}) for side in equation.sides)
        equation = Equation(name, sides, equation.span)
        key = derivation.result.symbol if name is None else own.get(normal_name(name), names.find(name))
        if isinstance(key, Symbol) and key in steps:
            equations.append((steps[key], equation))
        elif name is not None and normal_name(name) in own:
            definitions[own[normal_name(name)]] = sides[0]
        else:
            stated.append(_Stated(peak if key == _PEAK else key, equation))
    used = {s for _, equation in equations for side in equation.sides for s in side.free_symbols}
    used |= {s for side in definitions.values() for s in side.free_symbols}
    used |= {s for one in stated for side in one.equation.sides for s in side.free_symbols}
    for passage, name in zip(found, lefts, strict=True):
        if name is not None and normal_name(name) in own and own[normal_name(name)] not in used:
            message = f"{name} is no step of the derived formula, and nothing here uses it; {_hint(name, names)}"
            raise UndefinedName(reader.place(passage), message)
    whole = tuple((step, _whole(equation, definitions, reader)) for step, equation in equations)
    for step, equation in whole:
        if any(step.symbol in side.free_symbols for side in equation.sides):
            raise LatexSyntaxError(equation.span, f"{equation.name or step.latex} is defined by itself")
    values = tuple(replace(one, equation=_whole(one.equation, definitions, reader)) for one in stated)
    return _Read(whole, values, reader.literals)


def _hint(name: str, names: Names) -> str:
    """Another metric is asked for by its name; everything else may be misspelled."""
    bare = normal_name(name).lower().replace("_", "")
    metrics = [metric for metric in METRICS if metric.replace("_", "") == bare or metric.partition("_")[0] == bare]
    if metrics:
        return f"for another metric say {' or '.join('--metric ' + metric.replace('_', '-') for metric in metrics)}"
    return names.near(name)


def _whole(equation: Equation, definitions: Mapping[Expr, Expr], reader: Reader) -> Equation:
    """An equation with the steps that only the text has put in."""
    exact = {name: reader.exact(side) for name, side in definitions.items()}
    sides = tuple(_put_in_own(side, definitions, exact, equation) for side in equation.sides)
    return replace(equation, sides=sides)


def _put_in_own(side: Expr, definitions: Mapping[Expr, Expr], exact: Mapping[Expr, Expr], equation: Equation) -> Expr:
    for _ in range(len(definitions) + 1):
        if not side.free_symbols & set(definitions):
            return side
        _check_powers(side, exact, equation.span)
        side = put_in(side, definitions)
    raise LatexSyntaxError(equation.span, "a name here is defined by itself")


def _check_powers(side: Expr, definitions: Mapping[Expr, Expr], span: Span) -> Expr:
    """What a side becomes with names put in, where no power is too large."""
    if side in definitions or not side.args:
        return definitions.get(side, side)
    args = [_check_powers(part, definitions, span) for part in side.args]  # pyright: ignore[reportArgumentType]
    if isinstance(side, sympy.Pow):
        check_power(args[0], args[1], span)
    return put_in(side, definitions)


@dataclass(frozen=True, slots=True)
class Judge:
    """Compares equations with the steps of one derivation."""

    ground: Ground

    @property
    def form(self) -> ClosedForm:
        return self.ground.form

    def compared(
        self, step: Step, side: Expr, literals: Mapping[Symbol, Literal], line: int
    ) -> tuple[list[Difference], list[Fraction]]:
        """What is otherwise in one equation, and how far numbers are off that were compared to their printed digits."""
        yours = normal(side, literals)
        named = frozenset(s for s in side.free_symbols if isinstance(s, Symbol))
        found = self.differences(step, yours, named, line)
        if found:
            found = self._plainest(step, yours, named, found, line)
        if not found:
            found = self._checked(step, side, literals, named, line)
        return found, [] if exact(yours) else [self._deviation(step, yours, named)]

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
        if (not more and not less) or (exact(yours) and _vanishes((*more, *_negative(less)))):
            return []
        report = Report(self.ground, step, line)
        found = report.differences(more, [one for one in derived if one.term in less])
        return found or [self._other_value(report, expression(yours))]

    def _plainest(
        self, step: Step, yours: Sum, named: frozenset[Symbol], found: list[Difference], line: int
    ) -> list[Difference]:
        """The same differences in the fewest words: in symbols where numbers need not be, in whole steps where one is
        missing."""
        hardware = self._of_kinds("hardware", "convention")
        sizes = self._of_kinds("architecture", "deployment", "precision")
        for more in (hardware | sizes, hardware, sizes):
            other = self.differences(step, yours, named | more, line)
            if words(other) <= words(found):
                found, named = other, named | more
                break
        steps = {s.symbol: s for s in self.form.derivation.steps}
        candidates = [s for s in _below(step, steps) if s not in named]
        while candidates:
            tried = [(self.differences(step, yours, named | {s}, line), s) for s in candidates]
            other, kept = min(tried, key=lambda pair: length(pair[0], step))
            if length(other, step) >= length(found, step):
                break
            found, named = other, named | {kept}
            candidates = [s for s in candidates if s != kept]
        return found

    def _of_kinds(self, *kinds: str) -> frozenset[Symbol]:
        return frozenset(s for s in self.form.derivation.free() if self.form.symbols[s.name].kind in kinds)

    def derived(self, step: Step, named: frozenset[Symbol]) -> list[Derived]:
        """The step's terms: steps and symbols that are named stay, the others are put in."""
        known = {s: v for s, v in self.form.bound.symbols().items() if s not in named}
        steps = {s.symbol: replace(s, expr=put_in(s.expr, known)) for s in self.form.derivation.steps}
        inside = {s: found for s, found in steps.items() if s not in named or s == step.symbol}
        found: dict[Any, Derived] = {}
        for origin in _unfolded(steps[step.symbol], sympy.S.One, inside):
            for term in normal(origin.outer * inlined(origin.part, inside)):
                before = found.get(term.factors)
                if before is not None:
                    total = before.term.coefficient + term.coefficient
                    found[term.factors] = Derived(Term(total, Fraction(0), term.factors), (*before.origins, origin))
                else:
                    found[term.factors] = Derived(term, (origin,))
        return [one for one in found.values() if one.term.coefficient]

    def _mixed(self, more: list[Term], less: list[Term]) -> tuple[list[Term], list[Term]]:
        """What is left without the terms that only have numbers in place of some of the derived ones' symbols.

        Those are equal once all numbers are put in, and hold no symbol more often than the derived term does: another
        symbol of the same value is not the same.
        """
        left = list(more)
        for term in more if less else ():
            mine = self._in_numbers(term)
            same = (
                one for one in less if alike(mine, self._in_numbers(one)) and not occurrences(term) - occurrences(one)
            )
            found = next(same, None)
            if found is not None:
                left.remove(term)
                less = [one for one in less if one is not found]
        return left, less

    def _in_numbers(self, term: Term) -> Sum:
        """A term with every symbol that has a number replaced; what is rounded stays so."""
        known = self.form.bound.symbols()
        taken: dict[Symbol, Digits] = {}
        bare = expression(replace(term, coefficient=Fraction(1), slack=Fraction(0)), taken)
        return times((Term(term.coefficient, term.slack, ()),), put_in(bare, known), taken)

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
            if _agree(side, put_in(theirs, replaced), literals, known):
                return []
            side = put_in(side, known)
        return [self._other_value(Report(self.ground, step, line), expression(normal(side, literals)))]

    def _other_value(self, report: Report, yours: Expr) -> Difference:
        derived = report.step.expr
        return report.of("other value", report.step, report.text(yours), report.text(derived), derived)

    def wrong_values(
        self, stated: _Stated, literals: Mapping[Symbol, Literal]
    ) -> tuple[list[Difference], list[Fraction]]:
        """Where a symbol that has a number is said to be another one, in the digits that are printed; how far those
        that are not are off."""
        known = self.form.bound.symbols()
        if stated.symbol not in known:
            return [], []
        right = known[stated.symbol]
        sides = [normal(put_in(side, known), literals) for side in stated.equation.sides]
        wrong = [side for side in sides if not alike(side, normal(right))]
        hidden = [deviation(side, normal(right)) for side in sides if side not in wrong and not exact(side)]
        return [self._wrong_value(stated, expression(side), right) for side in wrong], hidden

    def _wrong_value(self, stated: _Stated, yours: Expr, derived: Expr) -> Difference:
        name = stated.symbol.name
        unit, said = KNOWN[name].unit if name in KNOWN else "1", str(stated.equation.name)
        mine, theirs = (_number(value, unit, 6) for value in (yours, derived))
        if mine == theirs:
            mine, theirs = (_number(value, unit, 15) for value in (yours, derived))
        source = self.form.bound.sources.get(name)
        return Difference("wrong value", said, said, mine, theirs, said, unit, None, source, stated.equation.span.line)

    def missing_step(self, step: Step) -> Difference:
        report = Report(self.ground, step, None)
        return report.of("missing step", step, None, report.text(step.expr), step.expr)


def _worst(deviations: Sequence[Fraction]) -> float | None:
    return float(max(deviations)) if deviations else None


def _number(value: Expr, unit: str, digits: int) -> str:
    return format_quantity(float(value), unit, digits) if value.is_number else str(value)


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


def _negative(terms: Sequence[Term]) -> list[Term]:
    return [Term(-term.coefficient, term.slack, term.factors) for term in terms]


_EXPANDED = 8
"""Sums to greater powers are not multiplied out: they are only equal to themselves."""


def _vanishes(terms: Sequence[Term]) -> bool:
    """Whether a sum is zero: exactly, as a quotient of polynomials in its atoms."""
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


def _agree(one: Expr, other: Expr, literals: Mapping[Symbol, Literal], known: Mapping[Symbol, Expr]) -> bool:
    """Whether two expressions have equal values at random points, with random but consistent tables.

    one may hold literals: it may be off by what their digits leave open. At every other point the symbols that have a
    number are that number, so that maxima and shares are met where they are used.
    """
    draw = random.Random(0)
    symbols = sorted({s for s in one.free_symbols | other.free_symbols if isinstance(s, Symbol)}, key=str)
    rounded = [s for s in symbols if s in literals]
    met = 0
    for seed in range(POINTS):
        values = {s: _drawn(s, draw) for s in symbols}
        if seed % 2:
            values |= {s: Fraction(int(known[s].p), int(known[s].q)) for s in symbols if s in known}  # pyright: ignore
        values |= {s: literals[s].value for s in rounded}
        try:
            mine, theirs = _at(one, values, seed), _at(other, values, seed)
            allowed = 1e-8 * max(abs(mine), abs(theirs))
            for s in rounded:
                off = literals[s].value * literals[s].slack
                ends = (_at(one, {**values, s: values[s] + by}, seed) for by in (off, -off))
                allowed += 1.001 * max(abs(end - mine) for end in ends)
            if abs(mine - theirs) > allowed:
                return False
        except (OverflowError, ZeroDivisionError, TypeError):  # a complex share of experts has no order
            continue
        met += 1
    return met > 0


def _drawn(s: Symbol, draw: random.Random) -> Fraction:
    return Fraction(draw.randint(1, 4096) if s.is_integer else 10 ** draw.uniform(-3, 3))


_EXACT_POWER = 64
"""Greater powers are taken in floats."""


def _at(expr: Expr, values: Mapping[Symbol, Fraction], seed: int) -> Any:
    """The value of an expression at a point: exact where it can be, so that rounding down is where it should be.

    A look-up answers with a random figure that its arguments decide.
    """
    if isinstance(expr, sympy.Rational):
        return Fraction(int(expr.p), int(expr.q))
    if isinstance(expr, Symbol):
        return values[expr]
    args = [_at(part, values, seed) for part in expr.args]  # pyright: ignore[reportArgumentType]
    match expr:
        case sympy.Add():
            return sum(args)
        case sympy.Mul():
            return math.prod(args)
        case sympy.Pow():
            small = args[1] == int(args[1]) and abs(args[1]) <= _EXACT_POWER
            return args[0] ** int(args[1]) if small else float(args[0]) ** float(args[1])
        case sympy.Max():
            return max(args)
        case sympy.Min():
            return min(args)
        case sympy.floor():
            return math.floor(args[0])
        case sympy.ceiling():
            return math.ceil(args[0])
        case AppliedUndef():
            shown = [f"{float(arg):.9g}" for arg in args]
            return Fraction(random.Random(f"{expr.func}{seed}{shown}").uniform(0.05, 1))
        case _:
            return Fraction(float(expr))
