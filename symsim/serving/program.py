"""Forms -> plain Python functions of floats. Floats enter here and nowhere else."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from string import Formatter
from typing import Any, cast

from sympy import Expr
from sympy.core.function import AppliedUndef

from symsim.algebra.code_printer import code
from symsim.serving.forms import Check, FormStep, ServingForm
from symsim.serving.functions import INDICES, NUMERIC, STEP_TIME, Mean

StepFunction = Callable[[float, float, float, float], float]
"""Seconds of a step of (rows of its decodes, context that they read, tokens of its prompts, causal pairs of those)."""


class OutsideValidity(Exception):
    """A check failed. values: what its sentence names."""

    def __init__(self, sentence: str, values: Mapping[str, float]) -> None:
        super().__init__(sentence)
        self.sentence, self.values = sentence, values


@cache
def compiled_form(form: ServingForm) -> Callable[..., dict[str, float]]:
    """The form as a function of its parameters by keyword: name -> value of every step. near: name -> where its root
    may be.

    Raises OutsideValidity, and NoEquilibrium where an equation has no root.
    """
    given = ", ".join(dict.fromkeys((*form.params, *([STEP_TIME] if STEP_TIME in form.params else []))))
    names = dict.fromkeys(step.symbol.name for step in form.steps if not step.within)
    answer = f"return {{{', '.join(f'{name!r}: {name}' for name in names)}}}"
    lines = [f"def run(*, near, {given}):", *_indented([*_statements(_body(form), set(form.params)), answer])]
    space: dict[str, Any] = {**NUMERIC, "cache": cache, "builtins": builtins, "OutsideValidity": OutsideValidity}
    exec(compile("\n".join(lines), f"<{form.quantity}.{form.name}>", "exec"), space)
    return space["run"]


def _body(form: ServingForm) -> list[FormStep | Check]:
    """The lines of a form, of those that a sum runs over the ratios of its means: functions that all of them share."""
    means = {mean for step in form.steps for mean in step.expr.atoms(Mean)}
    ratios = {cast(Any, mean.args[0]).expr: cast(Expr, mean.args[0]) for mean in means}
    named = {ratios[step.expr]: step.symbol for step in form.steps if step.within and step.expr in ratios}

    def shared(line: FormStep | Check) -> FormStep | Check:
        if isinstance(line, Check):
            return line
        return replace(line, expr=ratios[line.expr] if line.within else line.expr.xreplace(named))

    return [shared(line) for line in form.body if isinstance(line, Check) or not line.within or line.expr in ratios]


def _statements(body: Sequence[FormStep | Check], known: set[str], *, inner: bool = False) -> list[str]:
    """What speaks of a root before the line that solves for it is worked out within its equation, and again after."""
    waiting: list[FormStep | Check] = []
    lines: list[str] = []
    for place, line in enumerate(body):
        if isinstance(line, Check):
            if not inner and _names(line) <= known:
                lines.append(_check(line))
            elif not inner:
                waiting.append(line)
        elif line.solved and (needed := _equation(line, waiting, known)) is not None:
            lines += _solved(line, needed, known)
            rest = [*waiting, *body[place + 1 :]]
            return lines + _statements(rest, known | {line.symbol.name}, inner=inner)
        elif line.solved or not _names(line) <= known:
            waiting.append(line)
        else:
            value = code(line.expr, "python")
            lines.append(f"{line.symbol.name} = {f'cache({value})' if line.within else value}")
            known = known | {line.symbol.name}
    return lines


def _check(check: Check) -> str:
    told = {name for _, name, _, _ in Formatter().parse(check.sentence) if name}
    values = ", ".join(f"{name!r}: {name}" for name in sorted(told))
    condition = code(cast(Expr, check.condition), "python")
    return f"if not ({condition}): raise OutsideValidity({check.sentence!r}, {{{values}}})"


def _equation(step: FormStep, waiting: Sequence[FormStep | Check], known: set[str]) -> list[FormStep] | None:
    """The waiting lines that an equation needs; None while it rests on another root."""
    steps = [line for line in waiting if isinstance(line, FormStep)]
    names, needed = _names(step), list[FormStep]()
    while more := [line for line in steps if line.symbol.name in names and line not in needed]:
        needed += more
        names = names.union(*(_names(line) for line in more))
    own = {line.symbol.name for line in needed} | {step.symbol.name}
    return [line for line in steps if line in needed] if names <= known | own else None


def _solved(step: FormStep, needed: Sequence[FormStep], known: set[str]) -> list[str]:
    name = step.symbol.name
    within = _statements(needed, known | {name}, inner=True)
    body = _indented([*within, f"return {code(step.expr, 'python')}"])
    return [f"def of_{name}({name}):", *body, f"{name} = root(of_{name}, {name!r}, near.get({name!r}))"]


def _names(line: FormStep | Check) -> set[str]:
    expr = cast(Any, line.expr if isinstance(line, FormStep) else line.condition)
    free = {s.name for s in expr.free_symbols} - INDICES.keys()
    return free | ({STEP_TIME} if any(str(call.func) == STEP_TIME for call in expr.atoms(AppliedUndef)) else set())


def _indented(lines: Sequence[str]) -> Iterator[str]:
    return (f"    {line}" for line in lines)
