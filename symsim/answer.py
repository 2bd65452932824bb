"""Answer: what a question to a compiled model comes to, with its certificate and a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from fractions import Fraction
from typing import Any

import sympy
from sympy import Rational

from symsim.closed_form import ClosedForm
from symsim.errors import EmptyTable
from symsim.query import Query
from symsim.symbols import KNOWN, WORKLOAD
from symsim.units import format_quantity

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

    assumed: workload that the question left out; defaults: what stood in for measured rows at the answer.
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

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, every float at full precision."""
        return {**asdict(self), "status": self.status.value}


@dataclass(frozen=True, slots=True)
class Limit:
    """A constraint with its metric compiled: `room` is how far inside the bound a point is (negative: outside)."""

    text: str
    form: ClosedForm
    bound: Fraction
    sense: int
    fixed: Mapping[str, float]

    def at(self, variable: str, value: float) -> float:
        return self.form.evaluate(**{**self.fixed, variable: value})

    def room(self, metric: float) -> float:
        return (float(self.bound) - metric) * self.sense


def room_at(limit: Limit, variable: str, value: float) -> float:
    """Room inside the limit at a point; a point that the tables cannot answer is outside."""
    try:
        return limit.room(limit.at(variable, value) if variable in limit.form.symbols else constant_value(limit))
    except EmptyTable:
        return -math.inf


def constant_value(limit: Limit) -> float:
    return limit.form.evaluate(**limit.fixed)


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
    closed = _closed_form(tight, name) if (tight and len(limits) == 1) or _only_memory(binding, tight) else None
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
        closed,
        assumed,
        sentence,
    )


def _only_memory(binding: tuple[str, ...], tight: Limit | None) -> bool:
    return tight is not None and len(binding) == 1 and tight.form.name == "memory"


def _closed_form(limit: Limit | None, name: str) -> str | None:
    """LaTeX of the exact answer where the metric is affine in the variable, in the symbols that are left."""
    if limit is None:
        return None
    variable = symbol_of(limit, name)
    known = {s: v for s, v in limit.form.bound.symbols().items() if s != variable}
    expr = limit.form.derivation.substituted(known).inlined()
    if not expr.is_polynomial(variable):
        return None
    poly = sympy.Poly(expr, variable)
    if poly.degree() != 1:
        return None
    slope, start = poly.all_coeffs()
    answer = (Rational(limit.bound.numerator, limit.bound.denominator) - start) / slope
    return sympy.latex(sympy.Eq(variable, sympy.floor(answer) if name in WORKLOAD else answer))


def _value_or_none(limit: Limit, name: str, value: float) -> float | None:
    try:
        return limit.at(name, value)
    except EmptyTable:
        return None


def _unit(name: str) -> str:
    return KNOWN[name].unit if name in KNOWN else "1"


def _objective(query: Query) -> str:
    limits = ", ".join(map(str, query.constraints))
    return f"solve {limits} for {query.variable}" if query.goal == "solve" else f"{query.goal} {query.variable}"


def _metric(limit: Limit, value: float | None) -> str:
    return "no usable measurement" if value is None else format_quantity(value, limit.form.unit, digits=6)


def _shown(name: str, value: float) -> str:
    return f"{value:,}" if name in WORKLOAD else format_quantity(value, _unit(name), digits=6)


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
        return f"{text} is the smallest value there is; no constraint binds."
    metric = tight.text.split()[0]
    text += f", bound by {tight.text}: {metric} is {_metric(tight, at)}"
    if name in WORKLOAD:
        text += f", and {_metric(tight, after)} at {name} = {_shown(name, beyond)}"
    if len(ranges) > 1:
        parts = ", ".join(f"{low:,.0f} to {high:,.0f}" if high else f"{low:,.0f} and up" for low, high in ranges)
        text += f"; measured tables make {metric} jump, and {name} is feasible in {parts}"
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
    )


def unbounded(
    query: Query,
    limits: list[Limit],
    ranges: Ranges,
    assumed: Mapping[str, float],
) -> Answer:
    name = query.variable
    return Answer(
        Status.UNBOUNDED,
        name,
        None,
        _unit(name),
        _objective(query),
        (),
        {},
        Certificate(None, None, ranges),
        None,
        assumed,
        f"{query.goal} {name} has no bound: {', '.join(limit.text for limit in limits)} hold however far it goes.",
    )
