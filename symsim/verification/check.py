"""Does a formula in LaTeX equal the derived one? If not: the exact terms that are missing, too many, or otherwise.

Each equation is compared with the derived step of its name.  Steps that its right side names stay as they are (they are
compared in their own equations), steps that it does not name are put in, and symbols that it does not use are taken as
the numbers behind them.  Both sides then take their normal form (`algebra.normal_form`), and are equal where every term
is; where they are not, the difference of both is reduced as a quotient of polynomials, which decides all other ways of
writing the same.  Formulas found equal are then evaluated at random points, tables included.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from typing import Any

import sympy
from sympy import Expr, Symbol

from symsim.algebra.shown import html_table, one_line
from symsim.algebra.symbols import step_symbol, substitute, symbol
from symsim.cost.derivation import Derivation, Step
from symsim.cost.metric_table import bare, metrics
from symsim.errors import LatexSyntaxError, Span, SymsimError, UndefinedName
from symsim.notation.layout import laid_out
from symsim.pipeline.compiled import Compiled
from symsim.verification.differences import Difference, Ground
from symsim.verification.latex_numbers import Literal, check_power
from symsim.verification.latex_passages import passages
from symsim.verification.latex_reader import Equation, Reader, normal_name
from symsim.verification.spellings import Names, names_of
from symsim.verification.step_check import Judge, Stated


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

    def __repr__(self) -> str:
        found = "equal" if self.equal else self.differences[0].sentence()
        return one_line(self, f"{self.metric}: {found}, of {self.subject}")

    def _repr_html_(self) -> str:
        wrong = {f"{one.kind}, {one.step}": one.sentence() for one in self.differences}
        return html_table(f"{self.metric} of {self.subject}: {'equal' if self.equal else 'differs'}", wrong)

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


def verify_text(
    text: str, compiled: Compiled, metric: str, path: str = "formula", given: Collection[Step] = (), **at: float
) -> Verdict:
    """Compare a formula in LaTeX (grammar/latex.lark says which) with the derived one.

    text: one formula, or equations in named steps; path: what to call it in errors; given: steps that were
    compared elsewhere; at: the workload point at which terms are given a value.
    Raises LatexSyntaxError or UndefinedName for what cannot be read, with its place.
    """
    try:
        return _verdict(text, compiled, metric, path, given, at)
    except RecursionError:
        message = f"{path}: a formula here goes too deep to be compared; name parts of it in equations of their own"
        raise SymsimError(message) from None


def _verdict(
    text: str, compiled: Compiled, metric: str, path: str, given: Collection[Step], at: Mapping[str, float]
) -> Verdict:
    form = compiled.with_one_peak(metric)
    if form.chunk_count(at) > 1:
        raise SymsimError(
            f"{path}: {form.name} is compared as it is of prompts that fit one iteration, and at {_stated(at)} "
            f"a prompt is cut into chunks; give a point with S <= T"
        )
    values = form.values({name: int(value) for name, value in at.items()})
    judge = Judge(Ground(form, values, laid_out(form, "symbolic", "")))
    names = names_of(form, form.derivation)
    read = _read(text, path, names, form.derivation, compiled.peak)
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
    parts = (form.name, compiled.subject, dict(at), _worst(deviations), tuple(checked), taken)
    chosen = tuple(str(one.equation.name) for one in read.stated if one.symbol not in form.bound.symbols())
    return Verdict(*parts, chosen, tuple(differences))


def _stated(at: Mapping[str, float]) -> str:
    return ", ".join(f"{name} = {at[name]:g}" for name in ("S", "T"))


_PEAK = symbol("peak_w")


@dataclass(frozen=True, slots=True)
class _Read:
    """Steps of the derivation with the sides that a text equates them to; stated: symbols that it gives a value."""

    equations: tuple[tuple[Step, Equation], ...]
    stated: tuple[Stated, ...]
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
    stated: list[Stated] = []
    for passage, name in zip(found, lefts, strict=True):
        equation = reader.equation(passage)
        sides = tuple(substitute(side, {_PEAK: peak}) for side in equation.sides)
        equation = Equation(name, sides, equation.span)
        key = derivation.result.symbol if name is None else own.get(normal_name(name), names.find(name))
        if isinstance(key, Symbol) and key in steps:
            equations.append((steps[key], equation))
        elif name is not None and normal_name(name) in own:
            definitions[own[normal_name(name)]] = sides[0]
        else:
            stated.append(Stated(peak if key == _PEAK else key, equation))
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
    asked = bare(normal_name(name))
    found = [one.flag for one in metrics().values() if asked in (bare(one.name), bare(one.result.symbol))]
    if found:
        return f"for another metric say {' or '.join('--metric ' + flag for flag in found)}"
    return names.near(name)


def _whole(equation: Equation, definitions: Mapping[Expr, Expr], reader: Reader) -> Equation:
    """An equation with the steps that only the text has put in."""
    exact = {name: reader.exact(side) for name, side in definitions.items()}
    sides = tuple(_with_own(side, definitions, exact, equation) for side in equation.sides)
    return replace(equation, sides=sides)


def _with_own(side: Expr, definitions: Mapping[Expr, Expr], exact: Mapping[Expr, Expr], equation: Equation) -> Expr:
    for _ in range(len(definitions) + 1):
        if not side.free_symbols & set(definitions):
            return side
        _check_powers(side, exact, equation.span)
        side = substitute(side, definitions)
    raise LatexSyntaxError(equation.span, "a name here is defined by itself")


def _check_powers(side: Expr, definitions: Mapping[Expr, Expr], span: Span) -> Expr:
    """What a side becomes with names put in, where no power is too large."""
    if side in definitions or not side.args:
        return definitions.get(side, side)
    args = [_check_powers(part, definitions, span) for part in side.args]  # pyright: ignore[reportArgumentType]
    if isinstance(side, sympy.Pow):
        check_power(args[0], args[1], span)
    return substitute(side, definitions)


def _worst(deviations: Sequence[Fraction]) -> float | None:
    return float(max(deviations)) if deviations else None
