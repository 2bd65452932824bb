"""symsim solve: a question and its answer."""

from __future__ import annotations

import sys
from typing import Any

from symsim.algebra.units import format_quantity
from symsim.command.flags import add_json, note_alike, write_answer
from symsim.command.subject import add_subject, compiled, note_assumed
from symsim.language.query_text import parse_query
from symsim.render.terminal import write_formula, write_words, written_or_told
from symsim.serving.points import shown, unit_of
from symsim.serving.question_words import is_about_load
from symsim.solve.answer import Answer, Status
from symsim.solve.levers import FARTHEST


def add(commands: Any) -> None:
    ask = commands.add_parser("solve", help="answer a question, e.g. 'max B subject to TPOT <= 50 ms'")
    add_subject(ask)
    ask.add_argument("query", metavar="QUERY", help="max B subject to TPOT <= 50 ms, memory <= capacity with S = 4096")
    add_json(ask)
    ask.set_defaults(command=_solve)


def _solve(*, query: str, json: bool, **subject: Any) -> int:
    costs = compiled(subject)
    answer, of_load = costs.solve(query), is_about_load(parse_query(query))
    if json:
        write_answer(answer.as_dict(), "" if answer.status is Status.SOLVED else answer.sentence)
    else:
        write_words(answer.sentence)
        if answer.batch:
            write_words(f"  {answer.batch}")
        if answer.spread is not None:
            low, high = (f"{end:.4g}" for end in answer.spread)
            far = "as far off as times are known to be (in 90 % of cases)"
            write_words(f"  {answer.variable} from {low} to {high}, {far}")
        for constraint, room in answer.slack.items():
            state = "fails by" if room < 0 else "binds, room" if constraint in answer.binding else "holds, room"
            unit = unit_of(constraint.split()[0]) if of_load else costs.metric(constraint.split()[0]).unit
            print(f"  {constraint}: {state} {format_quantity(abs(room), unit)}")
        for line in (*answer.warnings, *(relief_of(answer) if of_load else ways_of(answer))):
            write_words(f"  {line}")
        if answer.closed_form:
            name, equals, formula = answer.closed_form.partition(" = ")
            write_formula(f"  closed form around there: {name}{equals}{written_or_told(formula)}")
    if answer.assumed:
        stated = ", ".join(f"{name} = {value}" for name, value in answer.assumed.items())
        print(f"symsim: assumed {stated}; state others as `... with S = 8192`", file=sys.stderr)
    note_alike(answer.defaults, "other look-ups like it")
    if not of_load:
        note_assumed(*(costs.metric(constraint.split()[0]).form for constraint in answer.slack))
    return 0 if answer.status is Status.SOLVED else 1


def relief_of(answer: Answer) -> list[str]:
    """What would serve requests that are not served as asked."""
    if answer.status is not Status.INFEASIBLE or answer.objective.startswith("solve"):
        return []
    told = {name: f", where {value:g} was assumed" for name, value in answer.assumed.items()}
    ways = [f"feasible with {shown(name, value)}{told.get(name, '')}" for name, value in answer.relief.items()]
    return ways or ["no change of one symbol alone was found that makes it feasible"]


def ways_of(answer: Answer) -> list[str]:
    """What would help: 10 % more of an answer, or a way to have one."""
    nearest = list(answer.levers.items())[:3]
    if answer.status is not Status.INFEASIBLE:
        gained = "10 % more" if "max" in answer.objective else "10 % less"
        return [f"{gained} {answer.variable} needs {name} x {factor:.3g}" for name, factor in nearest]
    ways = [f"{name} = {value}, where {answer.assumed[name]:g} was assumed" for name, value in answer.workload.items()]
    ways += [f"{name} x {factor:.3g}" for name, factor in nearest]
    for changes in filter(None, (answer.formats, answer.sizes)):
        ways.append(", ".join(f"{name} = {value}" for name, value in changes.items()))
    if not ways:
        if not answer.tried:
            return [f"no hardware figure within a factor of {FARTHEST:g} makes it feasible"]
        others = f"none of {answer.tried} other deployments, no narrower format by itself, and "
        return [f"{others}no hardware figure within a factor of {FARTHEST:g}, makes it feasible"]
    return [f"feasible with {way}" for way in ways]
