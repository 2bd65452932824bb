"""Does a formula in LaTeX equal a form of serving: of a request's times under load, of loads, of costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import cast

import sympy
from sympy import Expr, Symbol
from sympy.core.function import AppliedUndef

from symsim.algebra.symbols import substitute
from symsim.cost.derivation import Derivation, Step
from symsim.errors import LatexSyntaxError, SymsimError, UndefinedName, did_you_mean
from symsim.formula.binding import Numbers
from symsim.formula.closed_form import ClosedForm
from symsim.serving.forms import FormStep, ServingForm, all_forms, form, letter_infos, letters
from symsim.serving.functions import Mean, Quantile
from symsim.tables.table import TableContext
from symsim.verification.check import Verdict, verdict_of
from symsim.verification.differences import inlined
from symsim.verification.latex_passages import passages
from symsim.verification.latex_reader import Reader, normal_name
from symsim.verification.latex_sums import summed_up
from symsim.verification.random_points import agree
from symsim.verification.read_text import ReadText, read_equations
from symsim.verification.spellings import Names, synonyms

_NO_TABLES = TableContext(device="", vintage="", kv="", cost_model="")

_SAME = {"tpot": "TPOT", "ttft": "TTFT", "gpus": "world_size", "topk": "k"}
"""Letters of forms that are other names elsewhere, whose synonyms they have."""


def verify_form(
    text: str,
    asked: str | None = None,
    path: str = "formula",
    define: Mapping[str, str] = MappingProxyType({}),
    **at: float,
) -> Verdict:
    r"""Compare a formula in LaTeX with the forms of serving (`symsim list forms`) that have its left sides.

    asked: a quantity, or QUANTITY.FORM, else all are tried; the form that the text equals is told, or of the nearest
    what is otherwise. define: the text's own names -> what they stand for; at: letters of forms -> numbers at which
    terms are given a value.
    Raises SymsimError where no form has these left sides, LatexSyntaxError or UndefinedName for what cannot be read.

    >>> verify_form(r"W = \frac{\rho s}{2 (1 - \rho)}", "wait.m/d/1").equal
    True
    >>> verify_form(r"\mu = \frac{1 - a^{k+1}}{1 - a}").subject
    'form steps.renewal: each draft is accepted with the same chance, given that those before it were'
    """
    nearest: tuple[int, ClosedForm, ReadText] | None = None
    failures: list[SymsimError] = []
    for one in _candidates(text, asked, path):
        closed = closed_of(one)
        try:
            read = read_equations(text, path, None, closed, define, _names(closed))
        except (LatexSyntaxError, UndefinedName) as error:
            failures.append(error)
            continue
        unlike = _unlike(closed, read)
        if read.equations and (nearest is None or unlike < nearest[0]):
            nearest = unlike, closed, read
    if nearest is None:
        raise failures[0] if failures else SymsimError(f"{path}: no equation here is of {asked}")
    _, closed, read = nearest
    verdict = verdict_of(closed, read, dict(at), at)
    return replace(verdict, metric=", ".join(dict.fromkeys(step.symbol.name for step in verdict.steps)))


def _unlike(closed: ClosedForm, read: ReadText) -> int:
    """How much a text has that a form has not, and the other way round; less than none where all values agree."""
    steps = {step.symbol: step for step in closed.derivation.steps}
    apart, equal = 0, True
    for step, equation in read.equations:
        for side in equation.sides:
            inside = {s: one for s, one in steps.items() if s not in side.free_symbols or s == step.symbol}
            own = inlined(step.expr, {s: one for s, one in inside.items() if s != step.symbol})
            apart += len(own.free_symbols ^ (side.free_symbols - set(read.literals)))
            equal = equal and agree(side, own, read.literals, {})
    return -1 if equal else apart


def form_has(text: str, path: str = "formula") -> bool:
    """Whether an equation of a text is of what forms of serving are of. Raises LatexSyntaxError for a left side that
    is no name."""
    return bool(_lefts(text, path) & {name for one in all_forms() for name in _left_names(one)})


def _lefts(text: str, path: str) -> set[str]:
    reader = Reader(path, text, lambda written, span: None)
    return {normal_name(name) for passage in passages(text) if (name := reader.left(passage)[0]) is not None}


def _left_names(one: ServingForm) -> set[str]:
    return {name for step in _plain_steps(one) for name in _written(step.symbol.name)}


def _candidates(text: str, asked: str | None, path: str) -> list[ServingForm]:
    """Forms that may be meant, those with more of the left sides first. Raises SymsimError where there are none."""
    if asked is not None:
        quantity, _, name = asked.partition(".")
        default = form(quantity, name or None)
        return [one for one in all_forms() if one.quantity == quantity and name in ("", one.name)] or [default]
    lefts = _lefts(text, path)
    shared = {one: len(lefts & _left_names(one)) for one in all_forms()}
    fitting = sorted((one for one, count in shared.items() if count), key=lambda one: -shared[one])
    if not fitting:
        hint = did_you_mean(next(iter(lefts), ""), sorted({name for one in shared for name in _left_names(one)}))
        left = ", ".join(sorted(lefts)) or "no name"
        raise SymsimError(f"{path}: no form of serving has an equation of {left}; {hint}")
    return fitting


def _written(name: str) -> Iterator[str]:
    """A letter of the forms in normal form: as it is printed, as it is called, and as other papers write it."""
    elsewhere = _SAME.get(name, name)
    yield from map(normal_name, (letters()[name].latex, name, elsewhere, *synonyms().get(elsewhere, ())))


def _plain_steps(one: ServingForm) -> list[FormStep]:
    """The steps that are formulas: means over queues, roots of equations and times of steps of any batch are not."""
    steps = {step.symbol: step for step in one.steps if not step.solved and not step.within}  # the last of a name
    return [step for step in steps.values() if not step.expr.atoms(Mean, Quantile, AppliedUndef)]


def closed_of(one: ServingForm) -> ClosedForm:
    """The formulas of a form, its other steps as inputs."""
    steps = _plain_steps(one)
    used = {s for step in steps for s in (step.symbol, *step.expr.free_symbols) if isinstance(s, Symbol)}
    whole = {s for step in steps for series in step.expr.atoms(sympy.Sum) for s in _ends(series)}
    known = {s: Symbol(s.name, positive=True, integer=True if s in whole else None) for s in used}
    made = tuple(_step(step, known) for step in steps)
    subject = f"form {one.quantity}.{one.name}" + (f": {one.assumes}" if one.assumes else "")
    derivation = Derivation(one.result.symbol.name, one.meaning, made, ())
    return ClosedForm(derivation, Numbers({}, {}, infos=letter_infos()), _NO_TABLES, subject)


def _ends(series: sympy.Sum) -> set[Symbol]:
    """The letters from and up to which something is summed: whole numbers."""
    return {s for _, low, high in series.limits for s in (low + high).free_symbols if isinstance(s, Symbol)}


def _step(step: FormStep, known: Mapping[Symbol, Symbol]) -> Step:
    expr = cast(Expr, step.expr.xreplace(dict(known)))
    sums = {series: value for series in expr.atoms(sympy.Sum) if (value := summed_up(series)) is not None}
    of = letters()[step.symbol.name]
    return Step(known[step.symbol], substitute(expr, sums), of.unit, of.meaning, of.latex)


def _names(closed: ClosedForm) -> Names:
    """How the letters of a form may be written; c_s, where c_s^2 is the letter, is its root."""
    every = {s.name: s for s in (*(step.symbol for step in closed.derivation.steps), *closed.derivation.free())}
    printed = {name: letters()[name].latex for name in every}
    shown = {normal_name(latex): latex for latex in printed.values()}
    spellings: dict[str, Expr] = {normal_name(printed[name]): found for name, found in every.items()}
    for name, found in every.items():
        for other in _written(name):
            spellings.setdefault(other, found)
        if (squared := normal_name(printed[name])).endswith("^2"):
            spellings.setdefault(squared.removesuffix("^2"), sympy.sqrt(found))
    spellings.setdefault("e", sympy.E)
    return Names(spellings, shown, frozenset(spellings) - frozenset(shown))
