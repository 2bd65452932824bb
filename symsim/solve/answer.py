"""Answer: what a question to a compiled model comes to, with its certificate and a sentence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from enum import Enum
from fractions import Fraction
from typing import Any

import sympy

from symsim.algebra.shown import html_table, one_line
from symsim.algebra.symbols import is_symbol, symbol_info
from symsim.algebra.units import format_quantity
from symsim.errors import DeploymentError, EmptyTable
from symsim.formula.closed_form import ClosedForm
from symsim.language.query import Query

Ranges = tuple[tuple[float, float | None], ...]
"""Feasible ranges, both ends included; an open end is None."""


class Status(Enum):
    """How a question ended; infeasible and unbounded are answers, not errors."""

    SOLVED = "solved"
    INFEASIBLE = "infeasible"
    UNBOUNDED = "unbounded"


@dataclass(frozen=True, slots=True)
class Certificate:
    """value_at, value_next: the binding metric at the answer and at the next value (SI); None without one.

    feasible_set: all ranges of values that meet every constraint; an open end is None.
    """

    value_at: float | None
    value_next: float | None
    feasible_set: Ranges


@dataclass(frozen=True, slots=True)
class Answer:
    """value: the solved variable in SI units (None without one); slack: constraint -> room left, in SI units.

    assumed: workload that the question left out; defaults: what stood in for measured rows at the answer;
    levers: input -> the factor by which it alone would have to change for the answer to gain 10 %; where nothing is
    feasible, for the constraints to hold at `nearest`, the value at which they fail least; sizes: of the deployment,
    the smallest above today's that would do the same.
    """

    status: Status
    variable: str
    value: float | None
    unit: str
    objective: str
    binding: tuple[str, ...]
    slack: Mapping[str, float]
    certificate: Certificate
    closed_form: str | None
    assumed: Mapping[str, float]
    sentence: str
    defaults: tuple[str, ...] = ()
    levers: Mapping[str, float] = field(default_factory=dict[str, float])
    nearest: float | None = None
    sizes: Mapping[str, int] = field(default_factory=dict[str, int])

    def __repr__(self) -> str:
        return one_line(self, self.sentence)

    def _repr_html_(self) -> str:
        return html_table(self.sentence, {name: f"{room:.6g}" for name, room in self.slack.items()})

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, every float at full precision."""
        return {**asdict(self), "status": self.status.value}


@dataclass(frozen=True, slots=True)
class Limit:
    """A constraint with its metric compiled: `room` is how far inside the bound a point is (negative: outside).

    bound_name: the symbol that the bound is, if it is one; resized: for a size of the deployment, the metric compiled
    for another value of it.
    """

    text: str
    form: ClosedForm
    bound: Fraction
    sense: int
    fixed: Mapping[str, float]
    bound_name: str | None = None
    resized: Callable[[int], ClosedForm] | None = None

    def at(self, variable: str, value: float, **others: float) -> float:
        """The metric where the variable has a value."""
        if self.resized is not None:
            return self.resized(int(value)).evaluate(**self.fixed)
        own = {variable: value} if variable in self.form.symbols else {}
        return self.form.evaluate(
            **{**self.fixed, **own, **{n: v for n, v in others.items() if n in self.form.symbols}}
        )

    def room(self, metric: float, bound: float | None = None) -> float:
        return ((float(self.bound) if bound is None else bound) - metric) * self.sense


def room_at(limit: Limit, variable: str, value: float, **others: float) -> float:
    """Room inside the limit at a point; one that tables cannot answer, or that cannot be deployed, is outside."""
    changed = {variable: value, **others}
    try:
        return limit.room(limit.at(variable, value, **others), changed.get(limit.bound_name or ""))
    except (EmptyTable, DeploymentError):
        return -math.inf


def symbol_of(limit: Limit, name: str) -> sympy.Symbol:
    return next(s for s in limit.form.derivation.free() if s.name == name)


def solved(
    query: Query,
    limits: list[Limit],
    value: float,
    beyond: float,
    ranges: Ranges,
    assumed: Mapping[str, float],
) -> Answer:
    name, unit = query.variable, _unit(query.variable)
    slack = {limit.text: room_at(limit, name, value) for limit in limits}
    binding = tuple(limit.text for limit in limits if beyond > 0 and room_at(limit, name, beyond) < 0)
    tight = next((limit for limit in limits if limit.text in binding), None)
    at = tight.at(name, value) if tight else None
    after = _value_or_none(tight, name, beyond) if tight else None
    sentence = _sentence(query, value, tight, at, after, beyond, ranges)
    certificate = Certificate(at, after, ranges)
    return Answer(
        Status.SOLVED,
        name,
        value,
        unit,
        _objective(query),
        binding,
        slack,
        certificate,
        None,
        assumed,
        sentence,
    )


def _value_or_none(limit: Limit, name: str, value: float) -> float | None:
    try:
        return limit.at(name, value)
    except (EmptyTable, DeploymentError):
        return None


def _unit(name: str) -> str:
    return symbol_info(name).unit if is_symbol(name) else "1"


def _objective(query: Query) -> str:
    limits = ", ".join(map(str, query.constraints))
    return f"solve {limits} for {query.variable}" if query.goal == "solve" else f"{query.goal} {query.variable}"


def _metric(limit: Limit, value: float | None, digits: int = 6) -> str:
    return "no usable measurement" if value is None else format_quantity(value, limit.form.unit, digits=digits)


def _shown(name: str, value: float) -> str:
    return f"{value:,}" if _whole(name) else format_quantity(value, _unit(name), digits=6)


def _whole(name: str) -> bool:
    return is_symbol(name) and symbol_info(name).integer


def _sentence(
    query: Query,
    value: float,
    tight: Limit | None,
    at: float | None,
    after: float | None,
    beyond: float,
    ranges: Ranges,
) -> str:
    name = query.variable
    text = f"{name} = {_shown(name, value)}"
    if tight is None:
        end = "smallest value there is" if query.goal == "min" else "largest value tried"
        return f"{text} is the {end}; no constraint binds."
    metric = tight.text.split()[0]
    told_apart = (n for n in (6, 9, 12) if _metric(tight, at, n) != _metric(tight, after, n))
    digits = next(told_apart, 12) if _whole(name) else 6
    text += f", bound by {tight.text}: {metric} is {_metric(tight, at, digits)}"
    if _whole(name):
        text += f", and {_metric(tight, after, digits)} at {name} = {_shown(name, beyond)}"
    if query.goal == "solve" and _whole(name) and at != float(tight.bound):
        text += f"; no whole {name} gives exactly {tight.text.partition('= ')[2]}, this is the last at or below it"
    if len(ranges) > 1:
        parts = ", ".join(f"{low:,.0f} to {high:,.0f}" if high else f"{low:,.0f} and up" for low, high in ranges)
        holds = "on this side of it" if query.goal == "solve" else "feasible"
        text += f"; measured tables make {metric} jump, and {name} is {holds} in {parts}"
    return f"{text}."


def infeasible(query: Query, limits: list[Limit], best: float, where: str, assumed: Mapping[str, float]) -> Answer:
    name = query.variable
    rooms = {limit.text: room_at(limit, name, best) for limit in limits}
    failing = [limit for limit in limits if rooms[limit.text] < 0] or limits
    parts: list[str] = []
    for limit in failing:
        got, short = _metric(limit, _value_or_none(limit, name, best)), -rooms[limit.text]
        by = f", {format_quantity(short, limit.form.unit, digits=4)} too much" if math.isfinite(short) else ""
        parts.append(f"{limit.text} fails: even {where} it is {got}{by}")
    binding = tuple(limit.text for limit in failing)
    return Answer(
        Status.INFEASIBLE,
        name,
        None,
        _unit(name),
        _objective(query),
        binding,
        rooms,
        Certificate(None, None, ()),
        None,
        assumed,
        f"no {name} is feasible; {'; '.join(parts)}.",
        nearest=best,
    )


def unbounded(
    query: Query,
    limits: list[Limit],
    ranges: Ranges,
    assumed: Mapping[str, float],
) -> Answer:
    name = query.variable
    stated = ", ".join(limit.text for limit in limits)
    status, sentence = (
        Status.UNBOUNDED,
        f"{query.goal} {name} has no bound that was found: {stated} still met far beyond use.",
    )
    if query.goal == "solve":
        status, sentence = Status.INFEASIBLE, f"{stated} for no {name}: it stays on one side however far {name} goes."
    return Answer(
        status,
        name,
        None,
        _unit(name),
        _objective(query),
        (),
        {},
        Certificate(None, None, ranges),
        None,
        assumed,
        sentence,
    )
