"""Queries -> Answers, exact for whole numbers and certified: which way a question is solved, and what is said beside.

Whole numbers: `solve.whole`; real symbols, which never enter a table: `solve.real`; sizes: `solve.size`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import cast

from sympy import Expr

from symsim.algebra.symbols import INPUTS, is_symbol, symbol, symbol_info
from symsim.algebra.units import format_quantity
from symsim.errors import QuerySyntaxError
from symsim.formula.breakdown import defaults_at
from symsim.formula.closed_form import ClosedForm
from symsim.formula.overrides import followers
from symsim.inputs.source import Source
from symsim.inputs.space import SIZES
from symsim.language.query import Query, check_stated
from symsim.language.query_text import parse_query
from symsim.solve.answer import Answer
from symsim.solve.goal import Reshape, solve_goal
from symsim.solve.levers import factors_at, fixed_time, less_at, levers_of, with_closed_form
from symsim.solve.limits import Forms, Limit, Resize, form_called, form_of, is_metric, limits_of, room_at
from symsim.solve.movement import direction_of
from symsim.solve.real import solve_real
from symsim.solve.size import Candidate, Ways, first_feasible, solve_size
from symsim.solve.whole import LOOKED_AT, solve_whole
from symsim.tables.table import signatures


def solve(
    text: str,
    forms: Forms,
    resize: Resize | None = None,
    candidates: Ways = ((), ()),
    reshape: Reshape | None = None,
) -> Answer:
    """Answer a question about the metrics in `forms` (name -> closed form).

    resize: compiles for another size of the deployment, for questions about one, and reshape for several; candidates:
    other deployments, and other formats, that may make feasible what is not, in the order in which they are named.
    Raises QuerySyntaxError for a question that does not parse or names what is not there.
    """
    query = parse_query(text)
    check_stated(query, {name for name in query.fixed if is_metric(name, forms)})
    asked = [form_of(constraint, forms) for constraint in query.constraints]
    query = query.spelled({*INPUTS, *SIZES}.union(*(form.symbols for form in asked)))
    query, left_out = _without_unused(query, asked, forms)
    answer = _answered(query, asked, forms, resize, candidates, reshape)
    return replace(answer, warnings=(*answer.warnings, *left_out))


def _without_unused(query: Query, asked: Sequence[ClosedForm], forms: Forms) -> tuple[Query, list[str]]:
    """The question without workload that none of its metrics depends on, and what is said of that."""
    goal = [query.variable] if is_metric(query.variable, forms) else []
    of = [*asked, *(form_called(name, query.span, forms) for name in goal)]
    known = {"C", query.variable, *query.over}.union(*(form.symbols for form in of))
    if not of:
        return query, []
    unused = [name for name in query.fixed if name in INPUTS and name not in known]
    metrics = list(dict.fromkeys((*goal, *(one.metric for one in query.constraints))))
    fixed = {name: value for name, value in query.fixed.items() if name not in unused}
    verb = "do" if len(metrics) > 1 else "does"
    return replace(query, fixed=fixed), [
        f"{' and '.join(metrics)} {verb} not depend on {name}: left out" for name in unused
    ]


def _answered(
    query: Query,
    asked: list[ClosedForm],
    forms: Forms,
    resize: Resize | None,
    candidates: Ways,
    reshape: Reshape | None,
) -> Answer:
    sizes = _sizes(query)
    if reshape is not None and sizes:
        query = replace(query, fixed={name: value for name, value in query.fixed.items() if name not in sizes})
        forms, resize, reshape = _reshaped(reshape, sizes)
        now = asked[0].bound.values if asked else {}
        candidates = ([one for one in candidates[0] if sizes.items() <= {**now, **one[0]}.items()], candidates[1])
    if query.goal != "solve" and is_metric(query.variable, forms):
        reshaped = None if reshape is None else lambda sizes, whole: _asked_in(reshape(sizes, whole), query)
        best = solve_goal(query, _asked_in(forms, query), reshaped)
        return best if isinstance(best, Answer) else _what_helps(best.answer, best.asked, best.limits, candidates)
    if query.over:
        message = f"{query.variable} is itself the unknown; `over` names those of a metric, e.g. max tgs over B, tp"
        raise QuerySyntaxError(query.span, message)
    forms = _asked_in(forms, query)
    candidates = (_asked_of(candidates[0], query), _asked_of(candidates[1], query))
    resized = None if resize is None else lambda size, value: _asked_in(resize(size, value), query)
    limits, assumed = limits_of(query, forms, resized)
    answer = _solved(query, limits, assumed)
    if answer.value is None:
        return _what_helps(answer, query, limits, candidates)
    return replace(
        with_closed_form(limits, answer),
        defaults=_defaults(limits, query.variable, answer.value),
        levers=levers_of(limits, answer, query.goal),
    )


def _sizes(query: Query) -> Mapping[str, int]:
    """Sizes of the deployment that a question states."""
    stated = {name: given for name, given in query.fixed.items() if name in SIZES and name != query.variable}
    values = {name: given.value(symbol_info(name).unit) for name, given in stated.items()}
    for name, value in values.items():
        if value.denominator != 1:
            raise QuerySyntaxError(query.fixed[name].span, f"{name} = {query.fixed[name]} must be a whole number")
    return {name: int(value) for name, value in values.items()}


def _reshaped(reshape: Reshape, sizes: Mapping[str, int]) -> tuple[Forms, Resize, Reshape]:
    """The metrics with sizes of the deployment as a question states them; and with one of them more, or several."""

    def further(more: Mapping[str, int], whole: bool = True) -> Forms:
        return reshape({**sizes, **more}, whole)

    return further({}), lambda size, value: further({size: value}), further


def _asked_of(candidates: Iterable[Candidate], query: Query) -> Iterator[Candidate]:
    for changes, made in candidates:
        yield changes, lambda whole, made=made: _asked_in(made(whole), query)


def _what_helps(answer: Answer, query: Query, limits: list[Limit], candidates: Ways) -> Answer:
    """An answer without a value, with what would make its question feasible."""
    if answer.nearest is None:
        return answer
    hopeless = fixed_time(limits, query.variable, answer.nearest)
    if hopeless is not None:
        limit, seconds = hopeless
        taken = (
            f"{format_quantity(seconds, 's', 4)} of {limit.metric} are launches and the host's, whatever the hardware"
        )
        return replace(answer, sentence=f"{answer.sentence.removesuffix('.')}; {taken}.")
    sizes, tried = first_feasible(query, limits, answer.nearest, candidates[0])
    formats, _ = first_feasible(query, limits, answer.nearest, candidates[1])
    levers = factors_at(limits, query.variable, answer.nearest)
    workload = less_at(limits, query.variable, answer.nearest, answer.assumed)
    whole = {name: int(value) for name, value in sizes.items()}
    return replace(answer, levers=levers, sizes=whole, formats=formats, tried=tried, workload=workload)


def _solved(query: Query, limits: list[Limit], assumed: dict[str, float]) -> Answer:
    if query.variable in SIZES:
        return solve_size(query, limits, assumed)
    if query.goal == "solve" and _falls(limits[0], query.variable):
        limits = [replace(limits[0], sense=-1)]
    info = symbol_info(query.variable) if is_symbol(query.variable) else None
    if query.variable in INPUTS or (info is not None and info.kind == "engine" and info.integer):
        return solve_whole(query, limits, assumed)
    if query.variable not in signatures() and (info is None or info.integer):
        message = f"{query.variable} is a size of the model; compile another model and compare"
        raise QuerySyntaxError(query.span, message)
    return solve_real(query, limits, assumed)


def _falls(limit: Limit, variable: str) -> bool:
    """Whether a metric falls with the variable; where nothing certifies it, from one value to a large one."""
    move = direction_of(limit, variable)
    return move == -1 if move is not None else room_at(limit, variable, 1) < room_at(limit, variable, LOOKED_AT)


def _asked_in(forms: Forms, query: Query) -> Forms:
    """The metrics of a question as it speaks of them.

    Every figure of the table, or every peak of the device, that it asks for is one unknown; the mean context stands in
    place of S and O where it gives or asks for C.
    """
    name, named = query.variable, {query.variable, *query.fixed}
    if "C" not in named and name not in signatures() and not name.startswith("peak_"):
        return forms
    of = [form_of(constraint, forms) for constraint in query.constraints]
    of += [form_called(name, query.span, forms)] if is_metric(name, forms) else []
    asked = [form.for_inputs(named) for form in of]
    if name in signatures():
        return {form.name: _with_symbol(form, name) for form in asked}
    return {form.name: _joined(form, name) if name.startswith("peak_") else form for form in asked}


def _joined(form: ClosedForm, name: str) -> ClosedForm:
    alike = {symbol(other): cast(Expr, symbol(name)) for other in followers(form.bound, (name,))}
    return form.changed(lambda derivation: derivation.substituted(alike)) if alike else form


def _with_symbol(form: ClosedForm, table: str) -> ClosedForm:
    """The metric of `for_inputs` with a number behind a table, to look from."""
    values = {**form.bound.values, table: Fraction(1, 2)}
    measured = Source(how="measured", note=signatures()[table].meaning)
    sources = {**form.bound.sources, table: measured}
    return replace(form, bound=replace(form.bound, values=values, sources=sources))


def _defaults(limits: list[Limit], variable: str, value: float) -> tuple[str, ...]:
    """What stands in for measured rows at the answer."""
    found: dict[str, None] = {}
    for form, fixed in {limit.form: limit.fixed for limit in limits if limit.resized is None}.items():
        point = {k: int(v) for k, v in {**fixed, variable: value}.items() if k in INPUTS}
        found |= dict.fromkeys(defaults_at(form, point))
    return tuple(found)
