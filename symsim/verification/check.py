"""Does a formula in LaTeX equal the derived one? If not: the exact terms that are missing, too many, or otherwise.

Each equation is compared with the derived step of its name.  Steps that its right side names stay as they are (they are
compared in their own equations), steps that it does not name are put in, and symbols that it does not use are taken as
the numbers behind them.  Both sides then take their normal form (`algebra.normal_form`), and are equal where every term
is; where they are not, the difference of both is reduced as a quotient of polynomials, which decides all other ways of
writing the same.  Formulas found equal are then evaluated at random points, tables included.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from sympy import Expr, Symbol

from symsim.algebra.shown import html_table, one_line
from symsim.algebra.symbols import step_symbol, substitute, symbol
from symsim.cost.derivation import Step
from symsim.errors import Span, SymsimError
from symsim.formula.closed_form import ClosedForm
from symsim.notation.layout import laid_out
from symsim.pipeline.compiled import Compiled
from symsim.verification.differences import Difference, Ground, inlined
from symsim.verification.latex_cases import RowRanges, whole_rows
from symsim.verification.read_text import ReadText, read_equations
from symsim.verification.row_check import ranges_of, wrong_rows
from symsim.verification.step_check import Judge
from symsim.verification.value_check import wrong_values


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a text's equations equal the derived ones.

    deviation: the largest relative difference of a number that its printed digits leave open, None where all numbers
    are exact; steps: those that were compared; taken:
    names of steps that the text uses but does not define; passed_over: symbols that are the reader's to choose (the
    workload) and are given a value; values: step that differs -> its number at the point as written, and as derived;
    counted: names that were taken as a number of the model -> which, in words.
    """

    metric: str
    subject: str
    at: Mapping[str, float]
    deviation: float | None
    steps: tuple[Step, ...]
    taken: tuple[str, ...]
    passed_over: tuple[str, ...]
    differences: tuple[Difference, ...]
    values: Mapping[str, tuple[float, float]]
    counted: Mapping[str, str] = field(default_factory=dict[str, str])

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
        fields = ("metric", "subject", "at", "rounded", "deviation", "taken", "passed_over", "counted")
        plain = {name: getattr(self, name) for name in fields}
        differences = [asdict(one) | {"sentence": one.sentence()} for one in self.differences]
        checked = [step.symbol.name for step in self.steps]
        plain["values"] = {step: {"yours": mine, "derived": own} for step, (mine, own) in self.values.items()}
        return {"equal": self.equal, **plain, "checked": checked, "differences": differences}


def verify_text(
    text: str,
    compiled: Compiled,
    metric: str,
    path: str = "formula",
    given: Collection[Step] = (),
    define: Mapping[str, str] = MappingProxyType({}),
    **at: float,
) -> Verdict:
    """Compare a formula in LaTeX (grammar/latex.lark says which) with the derived one.

    text: one formula, or equations in named steps; path: what to call it in errors; given: steps that were
    compared elsewhere; define: the text's own names -> what they stand for, in LaTeX; at: the workload point at which
    terms are given a value.
    Raises LatexSyntaxError or UndefinedName for what cannot be read, with its place.
    """
    try:
        form = _with_cache(compiled.with_one_peak(metric))
        _refuse_chunks(form, path, at)
        values = form.point(**{name: int(value) for name, value in at.items()})
        read = read_equations(text, path, compiled, form, define)
        return verdict_of(_weights_counted(form) if read.counted else form, read, values, at, given)
    except RecursionError:
        message = f"{path}: a formula here goes too deep to be compared; name parts of it in equations of their own"
        raise SymsimError(message) from None


def _with_cache(form: ClosedForm) -> ClosedForm:
    """A memory with the cache of all its sequences as a step of its own, which papers give alone."""
    one = next((step for step in form.derivation.steps if step.symbol.name == "cache_per_sequence"), None)
    if one is None or symbol("B") not in form.derivation.free():
        return form
    latex, meaning = "M_{\\mathrm{cache}}", "KV cache of all sequences"
    cache = Step(step_symbol("cache"), symbol("B") * one.symbol, one.unit, meaning, latex)
    *before, result = form.applied.steps
    whole = replace(result, expr=substitute(result.expr, {cache.expr: cache.symbol}))
    return form.keeping(form.applied.keeping((*before, cache, whole)))


def _weights_counted(form: ClosedForm) -> ClosedForm:
    """A memory with its weights as one number, as a text has them that counts the parameters."""
    steps = {step.symbol: step for step in form.applied.steps}
    numbers = form.bound.symbols()

    def counted(step: Step) -> Step:
        whole = substitute(inlined(step.expr, steps), numbers) if step.symbol.name == "weights" else step.expr
        return replace(step, expr=whole)

    return form.changed(lambda derivation: derivation.keeping(tuple(map(counted, derivation.steps))))


def _refuse_chunks(form: ClosedForm, path: str, at: Mapping[str, float]) -> None:
    if form.chunk_count(at) > 1:
        raise SymsimError(
            f"{path}: {form.name} is compared as it is of prompts that fit one iteration, and at {_stated(at)} "
            f"a prompt is cut into chunks; give a point with S <= T"
        )


def _compared_side(
    judge: Judge, read: ReadText, ranges: RowRanges, step: Step, side: Expr, span: Span
) -> tuple[list[Difference], list[Fraction], set[Symbol]]:
    """What is otherwise in one side of an equation, how far its numbers may be off, and the symbols that it names."""
    rows = whole_rows(side)
    if rows is not None and not ranges.is_extreme(rows):
        return wrong_rows(ranges, rows, step, judge.ground, span), read.widest(rows), set()
    decided = ranges.decided(side, span)
    wrong, hidden = judge.compared(step, decided, read.literals, span.line)
    return wrong, hidden, {s for s in decided.free_symbols if isinstance(s, Symbol)}


def verdict_of(
    form: ClosedForm,
    read: ReadText,
    values: Mapping[str, Any],
    at: Mapping[str, float],
    given: Collection[Step] = (),
) -> Verdict:
    """What a text that was read says of a form at a point. values: the number of every symbol there, as far as known;
    given: steps that were compared elsewhere.

    Raises SymsimError where no equation is of the form's steps.
    """
    judge = Judge(Ground(form, values, laid_out(form, "symbolic", "")))
    checked = [step for step, _ in read.equations]
    if not checked:
        lefts = ", ".join(step.latex for step in form.derivation.steps[-1:-4:-1])
        raise SymsimError(f"{read.path}: no equation here defines {form.name} or one of its steps ({lefts}, ...)")
    found = _Found()
    for stated in read.stated:
        found.add(*wrong_values(judge.form, stated, read.literals))
    _compare_equations(found, judge, read, ranges_of(form, values, read.literals))
    apart = (*checked, *given)
    left = [step for step in form.derivation.steps if step.symbol in found.named and step not in apart]
    if len(dict.fromkeys(step.symbol for step in checked)) > 1:
        found.add([judge.missing_step(step) for step in left], [])
        left = []
    chosen = (str(one.equation.name) for one in read.stated if one.symbol not in form.bound.symbols())
    return Verdict(
        metric=form.name,
        subject=form.subject,
        at=dict(at),
        deviation=float(max(found.deviations)) if found.deviations else None,
        steps=tuple(checked),
        taken=tuple(step.symbol.name for step in left),
        passed_over=tuple(chosen),
        differences=tuple(found.differences),
        values=found.numbers,
        counted=read.counted,
    )


@dataclass
class _Found:
    """What comparing equations has found so far."""

    differences: list[Difference] = field(default_factory=list[Difference])
    deviations: list[Fraction] = field(default_factory=list[Fraction])
    numbers: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    named: set[Symbol] = field(default_factory=set[Symbol])

    def add(self, wrong: list[Difference], hidden: list[Fraction]) -> None:
        self.differences += wrong
        self.deviations += hidden


def _compare_equations(found: _Found, judge: Judge, read: ReadText, ranges: RowRanges) -> None:
    for step, equation in read.equations:
        for side in equation.sides:
            wrong, hidden, symbols = _compared_side(judge, read, ranges, step, side, equation.span)
            found.add(wrong, hidden)
            found.named |= symbols
            if wrong and (pair := judge.both_values(step, side, read.literals)) is not None:
                found.numbers[step.symbol.name] = pair


def _stated(at: Mapping[str, float]) -> str:
    return ", ".join(f"{name} = {at[name]:g}" for name in ("S", "T"))
