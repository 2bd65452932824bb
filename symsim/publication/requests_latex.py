r"""Requests under load -> LaTeX: the forms of serving behind a prediction, what each assumes, and a worked example."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import sympy
from sympy import Expr, Symbol

from symsim.algebra.symbols import substitute
from symsim.algebra.units import format_quantity
from symsim.api.prediction import Prediction
from symsim.cost.derivation import Derivation
from symsim.formula.closed_form import ClosedForm
from symsim.notation.latex import Math, quantity
from symsim.notation.latex_lines import Lines
from symsim.notation.layout import Layout
from symsim.notation.line_width import NARROW_LINE, SMALL_LINE, beside
from symsim.render.latex_tables import breakable, setting, table
from symsim.serving.forms import Check, FormStep, Letter, ServingForm, letters
from symsim.serving.functions import INDICES, Mean
from symsim.serving.outcome import Outcome

_LAYOUT = Layout(level="symbolic", derivation=Derivation("", "", (), ()), steps=())

FUNCTIONS = {
    "normal": "\\Phi^{-1}",
    "loggamma": "\\ln\\Gamma",
    "lambert": "W_0",
    "poisson": "F^{-1}_{\\mathrm{Poisson}}",
    "t": "t",
}
"""Functions of the forms -> how they are printed."""

SOLVED = 14.0
"""Letters that are kept free at the end of a line for what an equation was solved for."""


def requests_section(found: Prediction, mark: str) -> str:
    """A section about a load: how its requests are served, each form with what it assumes and its error, the letters
    with their numbers, and the sums that give what `predict` prints."""
    forms = {name: outcome for name, outcome in found.figures.served.forms.items() if outcome.solved}
    parts = [f"% {mark}", "\\raggedbottom", "\\section{Requests under load}\\label{sec:requests}", _opening(found)]
    before, numbers = set[tuple[Symbol, Expr]](), dict[str, float]()
    for outcome in forms.values():
        parts.append(_form(outcome, before, numbers))
        before |= {(step.symbol, step.expr) for step in outcome.form.steps}
        numbers = {**outcome.values, **numbers}
    parts += [_letters(found, forms, numbers), _sums(found)]
    return "\n".join(parts) + "\n"


def _opening(found: Prediction) -> str:
    ask = found.ask
    arrive = (
        f"arrive at {ask.rate:g} requests per second"
        if ask.rate is not None
        else f"are sent by {ask.concurrency:g} clients that always wait for their answer"
    )
    sentences = "; ".join(map(breakable, found.figures.assumptions))
    return (
        f"Requests {arrive}. Each quantity below is a closed form of the time $t$ of a step, a function of its rows,"
        " their contexts, its tokens and its causal pairs, which is the one of the sections before; $E_n$ is a mean"
        " over $n = 0, 1, \\dots$ whose weights have the ratio that stands below it."
        f" Assumed: {sentences}."
    )


def _form(outcome: Outcome, before: set[tuple[Symbol, Expr]], numbers: Mapping[str, float]) -> str:
    """A form, without the steps that stand in one before. numbers: of letters in the forms before."""
    form = outcome.form
    steps = [step for step in form.steps if not step.within and (step.symbol, step.expr) not in before]
    named = {step.expr: step.symbol for step in form.steps if step.within}
    lines = [*_equations(_of_an_index(form, steps), named), *_ratios(steps, named), *_equations(steps, named)]
    body = " \\\\\n".join(f"  {line}" for line in lines)
    assumed = f"Assumes {breakable(form.assumes)}." if form.assumes else ""
    said = [assumed, _validity(form), _error(outcome), f"Source: {breakable(form.source)}."]
    title = breakable(f"{form.meaning[0].upper()}{form.meaning[1:]}")
    return (
        f"\\paragraph{{{title}.}} % form {form.quantity}.{form.name}\n"
        f"{' '.join(sentence for sentence in said if sentence)}\n"
        f"\\begingroup\\allowdisplaybreaks\\small\n\\begin{{align*}}\n{body}\n\\end{{align*}}\n\\endgroup"
        f"{_own_values(outcome, numbers)}"
    )


def _own_values(outcome: Outcome, numbers: Mapping[str, float]) -> str:
    """Letters that are another number here than in the forms before."""
    other = {name: v for name, v in outcome.values.items() if not math.isclose(numbers.get(name, v), v, rel_tol=1e-9)}
    said = [f"${letters()[name].latex}$ is {_number(value, letters()[name].unit)}" for name, value in other.items()]
    return f"\nIn this form {', '.join(said)}." if said else ""


def _validity(form: ServingForm) -> str:
    conditions = [_printer("1").doprint(line.condition) for line in form.body if isinstance(line, Check)]
    return f"Holds where {' and '.join(f'${condition}$' for condition in conditions)}." if conditions else ""


def _error(outcome: Outcome) -> str:
    measured = [(band.name, at, percent) for band in outcome.form.bands for at, percent in band.measured]
    known = [f"{percent:g}\\,\\% at ${letters()[name].latex} = {at:g}$" for name, at, percent in measured]
    if known:
        here = "" if outcome.error is None else f"; {outcome.error:.2g}\\,\\% at this load"
        return f"Error against simulation: {', '.join(known)}{here}."
    return f"Error against simulation: {breakable(outcome.form.note)}." if outcome.form.note else ""


def _of_an_index(form: ServingForm, steps: Sequence[FormStep]) -> list[FormStep]:
    """Steps that means of others run over: functions of an index, each with a line of its own, but for the ratios."""
    over = {cast(sympy.Lambda, of).expr for step in steps for mean in step.expr.atoms(Mean) for of in mean.args}
    parts = {part for expr in over for part in sympy.preorder_traversal(expr)} - _ratios_of(steps).keys()
    return [step for step in form.steps if step.within and step.expr in parts]


def _ratios_of(steps: Sequence[FormStep]) -> dict[Expr, list[str]]:
    """How much likelier n is than n - 1 in the means of steps -> the letters of those steps."""
    found = dict[Expr, list[str]]()
    for step in steps:
        for ratio in sorted({cast(sympy.Lambda, mean.args[0]).expr for mean in step.expr.atoms(Mean)}, key=str):
            found.setdefault(cast(Expr, ratio), []).append(letters()[step.symbol.name].latex)
    return found


def _ratios(steps: Sequence[FormStep], named: Mapping[Expr, Symbol]) -> Iterator[str]:
    ratios = _ratios_of(steps)
    for ratio, of in ratios.items():
        where = f"\\text{{ in }}{', '.join(of)}" if len(ratios) > 1 else ""
        shown = _printer("1").doprint(_shown(ratio, named))
        yield f"w_n/w_{{n-1}} &= {shown} \\quad\\text{{(weights of }}E_n{where}\\text{{)}}"


def _equations(steps: Sequence[FormStep], named: Mapping[Expr, Symbol]) -> Iterator[str]:
    """named: letters that stand for expressions of an index."""
    room = beside([letters()[step.symbol.name].latex for step in steps], SMALL_LINE) - SOLVED
    for step in steps:
        of = letters()[step.symbol.name]
        first, *more = Lines(_LAYOUT, of.unit, lambda _, unit: _printer(unit)).of(_shown(step.expr, named), room)
        solved = "\\quad\\text{(solved for }" + of.latex + "\\text{)}" if step.solved else ""
        lines = [f"{of.latex} &= {first}", *(f"&\\quad {line}" for line in more)]
        yield from [*lines[:-1], lines[-1] + solved]


_MEAN = sympy.Function("mean_of")


def _shown(expr: Expr, named: Mapping[Expr, Symbol]) -> Expr:
    """Means as functions of what they are of, and what has a name, but the whole, by it."""
    found = {mean: _MEAN(cast(sympy.Lambda, mean.args[1]).expr) for mean in expr.atoms(Mean)}
    shown = substitute(expr, found) if found else expr
    return cast(Expr, shown.xreplace({part: symbol for part, symbol in named.items() if part != shown}))


def _printer(unit: str) -> Math:
    """A printer of the letters of forms."""
    names = {name: of.latex for name, of in letters().items()}
    return Math(_LAYOUT, unit, {**names, **FUNCTIONS, "mean_of": "E_n", **{name: name for name in INDICES}})


def _letters(found: Prediction, forms: Mapping[str, Outcome], numbers: Mapping[str, float]) -> str:
    """Every letter of the forms with its number at this load."""
    used = {name for one in forms.values() for name in one.form.params}
    used |= {step.symbol.name for one in forms.values() for step in one.form.steps}
    known = {**found.figures.served.letters, **numbers}
    for formula in _formulas(found).values():
        known = {**{name: float(value) for name, value in formula.bound.values.items()}, **known}
        used |= set(formula.symbols)
    shown = [of for name, of in letters().items() if name in used and math.isfinite(known.get(name, math.nan))]
    rows = [f"${of.latex}$ & {breakable(of.meaning)} & {_number(known[of.name], of.unit)}" for of in shown]
    rows += [f"${of.latex}$ & {breakable(of.meaning)} & of $n$" for of in _indexed(forms)]
    head, caption = ("letter", "meaning", "value"), "Letters of the forms, with their values at this load."
    return table(caption, "tab:requests", (0.12, 0.58, 0.22), head, rows)


def _indexed(forms: Mapping[str, Outcome]) -> list[Letter]:
    """Letters of the forms that have a number for every index."""
    steps = [step for one in forms.values() for step in one.form.steps]
    found = [step for one in forms.values() for step in _of_an_index(one.form, steps)]
    return [letters()[name] for name in dict.fromkeys(step.symbol.name for step in found)]


_UNITS = {"1/s": "s$^{-1}$", "s^2": "s$^2$", "s^3": "s$^3$", "tokens^2": "tokens$^2$"}


def _number(value: float, unit: str) -> str:
    """A number with its unit; with units that have no prefixes as they are."""
    if unit in ("1", "tokens", "s", "B", "B/s", "W", "J"):
        return setting(value, unit)
    return f"{_plain(value)} {_UNITS.get(unit) or breakable(unit)}"


def _plain(value: float) -> str:
    text = format_quantity(value, "1", 6)
    mantissa, sign, exponent = text.partition("e")
    return f"${mantissa} \\times 10^{{{int(exponent)}}}$" if sign else f"${text}$"


def _sums(found: Prediction) -> str:
    """What requests see, as the table of `predict`: the form's value and what waits are beside it."""
    figures, lines = found.figures, list[str]()
    means = {"ttft": figures.ttft["mean"], "tpot": figures.tpot}
    for name, formula in _formulas(found).items():
        whole, mean = formula.derivation.result, means[name]
        parts = Lines(_LAYOUT, "s", lambda _, unit: _printer(unit)).of(whole.expr, NARROW_LINE - 12)
        lines.append(f"  {whole.latex} &= {parts[0]}")
        lines += [f"  &\\quad {part}" for part in parts[1:]]
        lines[-1] += f" = {quantity(mean or 0.0, 's')}"
    body = " \\\\\n".join(lines)
    per_gpu = figures.per_gpu
    served = "" if per_gpu is None else f" The deployment serves ${per_gpu:.6g}$ output tokens per second and GPU."
    opening = "\\paragraph{Worked example.} With the values of Table~\\ref{tab:requests}, a request sees on average"
    return f"{opening}\n\\begin{{align*}}\n{body}\n\\end{{align*}}\n{served}{_interval(found)}"


def _formulas(found: Prediction) -> dict[str, ClosedForm]:
    """The closed forms behind the mean times."""
    means = {"ttft": found.figures.ttft["mean"], "tpot": found.figures.tpot}
    return {name: found.formula(name).form for name, mean in means.items() if mean is not None}


def _interval(found: Prediction) -> str:
    ends = {name: found.figures.intervals.get(f"{name}_s.mean") for name in ("ttft", "tpot")}
    said = [f"{n.upper()} from {setting(at[0], 's')} to {setting(at[1], 's')}" for n, at in ends.items() if at]
    share = f"{100 * found.figures.level:g}\\,\\%"
    return f" In {share} of cases one expects {' and '.join(said)}." if said else ""
