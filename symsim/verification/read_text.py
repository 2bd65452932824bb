"""The equations of a text in LaTeX as sides of a derivation's steps: whose names they are, what only the text names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any

import sympy
from sympy import Expr, Symbol

from symsim.algebra.symbols import architecture_symbol, step_symbol, substitute, symbol
from symsim.cost.derivation import Derivation, Step
from symsim.cost.metric_table import bare, metrics
from symsim.errors import LatexSyntaxError, Span, UndefinedName
from symsim.formula.closed_form import ClosedForm
from symsim.pipeline.compiled import Compiled
from symsim.pipeline.counts import params
from symsim.verification.latex_numbers import Literal, check_power
from symsim.verification.latex_passages import Passage, passages
from symsim.verification.latex_reader import Equation, Reader, normal_name
from symsim.verification.latex_tree import define_function, equation_in
from symsim.verification.spellings import Names, kinds_of_count, names_of
from symsim.verification.value_check import Stated

_PEAK = symbol("peak_w")


@dataclass(frozen=True, slots=True)
class ReadText:
    """Steps of the derivation with the sides that a text equates them to; stated: symbols that it gives a value;
    counted: names that stand for a number of the model -> which, in words."""

    path: str
    equations: tuple[tuple[Step, Equation], ...]
    stated: tuple[Stated, ...]
    literals: Mapping[Symbol, Literal]
    counted: Mapping[str, str]

    def widest(self, side: Expr) -> list[Fraction]:
        """The largest share by which a number of a side may be off, if any."""
        slacks = [one.slack for literal, one in self.literals.items() if literal in side.free_symbols]
        return [max(slacks)] if slacks else []


@dataclass
class _Vocabulary:
    """What a name of a text stands for: one of its own, one that was defined for it, the derivation's, a count."""

    names: Names
    compiled: Compiled | None
    derivation: Derivation
    own: dict[str, Symbol] = field(default_factory=dict[str, Symbol])
    defined: dict[str, Any] = field(default_factory=dict[str, Any])
    counted: dict[str, str] = field(default_factory=dict[str, str])

    def find(self, written: str) -> Any | None:
        """What a name stands for that the text does not define."""
        name = normal_name(written)
        return self.defined[name] if name in self.defined else self.names.find(written)

    def resolve(self, written: str, span: Span) -> Any:
        name = normal_name(written)
        if name in self.own:
            return self.own[name]
        if name in self.defined:
            return self.defined[name]
        if self.names.find(written) is None and name in kinds_of_count() and self.compiled is not None:
            return self._counted(written, kinds_of_count()[name], self.compiled)
        return self.names.resolve(written, span)

    def _counted(self, written: str, which: str, compiled: Compiled) -> Expr:
        number = getattr(params(compiled.family), which)
        words = {"total": "parameters of the model", "active": "parameters that a token uses"}
        self.counted[written] = f"{number:,} {words.get(which, 'parameters beside the embeddings')}"
        return sympy.Integer(number)

    def of_layers(self, letter: str) -> Expr | None:
        """t: the time of a layer in the mean over all of them; L: how many there are. None where it is not known."""
        if self.compiled is None:
            return None
        known = self.compiled.numbers.symbols()
        count = known.get(architecture_symbol("L"))
        if letter == "L" or count is None:
            return count
        every: dict[Symbol, Expr] = {}
        for step in self.derivation.steps:
            for part in sympy.Add.make_args(step.expr):
                times, rest = substitute(part, known).as_coeff_Mul()
                if isinstance(rest, Symbol) and str(rest).startswith(f"{letter}_"):
                    every[rest] = max(times, every.get(rest, times))  # pyright: ignore[reportArgumentType]
        ends = {s for s in every if str(s).partition("_")[2] in ("embedding", "logits")}
        shares = [every[s] * s for s in every if s not in ends and every[s] > 1]
        total = sympy.Add(*shares)
        held = sympy.Add(*(every[s] for s in every if s not in ends and every[s] > 1))
        return total / count if held == count else None


def read_equations(
    text: str, path: str, compiled: Compiled | None, form: ClosedForm, define: Mapping[str, str],
    names: Names | None = None,
) -> ReadText:  # fmt: skip
    """Every equation of a text, with the steps that only the text has put in. define: further names -> LaTeX; names:
    what names of the form may be written as, where it is of no compiled model.

    Raises LatexSyntaxError or UndefinedName for what cannot be read, with its place.
    """
    words = _Vocabulary(names or names_of(form, form.derivation), compiled, form.derivation)
    literals: dict[Symbol, Literal] = {}
    for name, meaning in define.items():
        words.defined[normal_name(name)] = _defined(name, meaning, words, literals)
    reader = Reader(path, text, words.resolve, words.of_layers, literals)
    every = [(passage, reader.left(passage)[0]) for passage in passages(text)]
    functions = [(passage, name) for passage, name in every if _is_function(name, passage, reader, words)]
    found = [one for one in every if one not in functions]
    for passage, name in found:
        if name is not None and _is_own(name, passage, words):
            words.own[normal_name(name)] = step_symbol(f"own_{normal_name(name)}")
    for passage, _ in functions:
        define_function(reader, passage)
    read = _sorted_out(reader, found, words)
    for passage, name in functions:
        if normal_name(name or "") not in reader.applied:
            raise UndefinedName(reader.place(passage), f"the function {name} is defined here, and nothing here uses it")
    return read


def metric_in(text: str, compiled: Compiled, path: str) -> str:
    """The first metric whose steps a text's left sides are; time per output token where it names none."""
    reader = Reader(path, text, lambda written, span: None)
    lefts = [name for passage in passages(text) if (name := reader.left(passage)[0]) is not None]
    for metric in ("tpot", *(name for name, row in metrics().items() if row.asked and name != "tpot")):
        if metrics()[metric].step not in compiled.phases:
            continue
        form = compiled.form(metric)
        steps = {step.symbol for step in form.derivation.steps}
        if not lefts or any(names_of(form, form.derivation).find(name) in steps for name in lefts):
            return metric
    return "tpot"


def _defined(name: str, meaning: str, words: _Vocabulary, literals: dict[Symbol, Literal]) -> Any:
    """What a name is defined as: a symbol, a table, or an expression."""
    reader = Reader(f"--define {name}", meaning, words.resolve, words.of_layers, literals)
    known = words.names.find(meaning)
    if known is not None and not isinstance(known, Expr):
        return known
    if meaning.isidentifier() and (known is not None or meaning in kinds_of_count()):  # a word, no product of letters
        return words.resolve(meaning, Span(f"--define {name}", 1, 1, meaning))
    return equation_in(reader, Passage(meaning, 0)).sides[0]


def _is_function(name: str | None, passage: Passage, reader: Reader, words: _Vocabulary) -> bool:
    """Whether an equation defines a function: an unknown name of what is unknown itself."""
    if name is None or words.find(name) is not None:
        return False
    return any(words.find(one) is None for one in reader.parameters(passage))


def _is_own(name: str, passage: Passage, words: _Vocabulary) -> bool:
    """Whether a text defines a name itself: one that is the derivation's is compared, and so is a synonym of a step,
    or of a symbol where it is given a number."""
    known = words.find(name)
    if known is None:
        return True
    if known in {step.symbol for step in words.derivation.steps}:
        return False
    if normal_name(name) not in words.names.other:
        return False
    return any(letter.isalpha() for letter in _without_units(passage.text.partition("=")[2]))


def _without_units(text: str) -> str:
    for shown in (r"\\(?:times|cdot|approx|,|;|!|:|quad|mu)", r"\\(?:mathrm|text)\s*\{[^{}]*\}", r"\d[.\d]*e-?\d"):
        text = re.sub(shown, " ", text)
    return text


def _sorted_out(reader: Reader, found: list[tuple[Passage, str | None]], words: _Vocabulary) -> ReadText:
    """Equations by what their left sides are: a step, a name of the text's own, or a symbol that gets a value."""
    derivation, own = words.derivation, words.own
    steps = {step.symbol: step for step in derivation.steps}
    equations: list[tuple[Step, Equation]] = []
    definitions: dict[Expr, Expr] = {}
    stated: list[Stated] = []
    for passage, name in found:
        equation = equation_in(reader, passage)
        peak = _PEAK if words.compiled is None else words.compiled.peak
        sides = tuple(substitute(side, {_PEAK: peak}) for side in equation.sides)
        equation = Equation(name, sides, equation.span)
        key = derivation.result.symbol if name is None else own.get(normal_name(name), words.find(name))
        if isinstance(key, Symbol) and key in steps:
            equations.append((steps[key], equation))
        elif name is not None and normal_name(name) in own:
            definitions[own[normal_name(name)]] = sides[0]
        else:
            stated.append(Stated(peak if key == _PEAK else key, equation))
    _check_used(reader, found, words, [*(one for _, one in equations), *(one.equation for one in stated)], definitions)
    whole = tuple((step, _whole(equation, definitions, reader)) for step, equation in equations)
    for step, equation in whole:
        if any(step.symbol in side.free_symbols for side in equation.sides):
            raise LatexSyntaxError(equation.span, f"{equation.name or step.latex} is defined by itself")
    values = tuple(replace(one, equation=_whole(one.equation, definitions, reader)) for one in stated)
    return ReadText(reader.path, whole, values, reader.literals, words.counted)


def _check_used(
    reader: Reader,
    found: list[tuple[Passage, str | None]],
    words: _Vocabulary,
    equations: list[Equation],
    definitions: Mapping[Expr, Expr],
) -> None:
    """Raise UndefinedName for a name of the text's own that nothing uses: it is one of the derivation's, misspelled."""
    used = {s for equation in equations for side in equation.sides for s in side.free_symbols}
    used |= {s for side in definitions.values() for s in side.free_symbols}
    for passage, name in found:
        if name is not None and normal_name(name) in words.own and words.own[normal_name(name)] not in used:
            message = f"{name} is no step of the derived formula, and nothing here uses it; {_hint(name, words.names)}"
            raise UndefinedName(reader.place(passage), message)


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
