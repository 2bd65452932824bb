"""Answer: what a question to a compiled model comes to, with its certificate and a sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from typing import Any

from symsim.algebra.shown import html_table, one_line
from symsim.algebra.symbols import is_symbol, symbol_info
from symsim.algebra.units import format_quantity
from symsim.errors import DeploymentError, EmptyTable
from symsim.language.query import Query
from symsim.solve.limits import Limit, room_at

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """value: the solved variable in SI units (None without one); slack: constraint -> room left, in SI units.

    assumed: workload that the question left out; defaults: what stood in for measured rows at the answer;
    levers: input -> the factor by which it alone would have to change for the answer to gain 10 %; where nothing is
    feasible, for the constraints to hold at `nearest`, the value at which they fail least; sizes: those of the
    smallest deployment that would do the same, as far as they differ from today's; formats: those of weights and caches
    that would; tried: deployments looked at; workload: the most of each symbol that the question left out that would;
    closed_form, latex: the answer as a formula, as text and as LaTeX; batch: what a B that was solved for is, where
    GPUs decode more than that; at: where the goal is a metric, the unknowns at which it is best; of requests that are
    not served as asked, where they nearly are; relief: what alone would serve them, symbol -> value; warnings: what the
    question did not ask for, and the answer does not meet; spread: from where to where the value may be, as far as
    the times behind it are known to be off.
    """

    status: Status
    variable: str
    value: float | None = None
    unit: str
    objective: str
    binding: tuple[str, ...] = ()
    slack: Mapping[str, float] = field(default_factory=dict[str, float])
    certificate: Certificate = Certificate(None, None, ())
    closed_form: str | None = None
    latex: str | None = None
    assumed: Mapping[str, float]
    sentence: str
    defaults: tuple[str, ...] = ()
    levers: Mapping[str, float] = field(default_factory=dict[str, float])
    nearest: float | None = None
    sizes: Mapping[str, int] = field(default_factory=dict[str, int])
    formats: Mapping[str, str] = field(default_factory=dict[str, str])
    tried: int = 0
    workload: Mapping[str, int] = field(default_factory=dict[str, int])
    batch: str | None = None
    at: Mapping[str, float] = field(default_factory=dict[str, float])
    relief: Mapping[str, float] = field(default_factory=dict[str, float])
    warnings: tuple[str, ...] = ()
    spread: tuple[float, float] | None = None

    def __repr__(self) -> str:
        return one_line(self, self.sentence)

    def _repr_html_(self) -> str:
        return html_table(self.sentence, {name: f"{room:.6g}" for name, room in self.slack.items()})

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, every float at full precision."""
        return {**asdict(self), "status": self.status.value}


def solved(
    query: Query,
    limits: list[Limit],
    value: float,
    beyond: float,
    ranges: Ranges,
    assumed: Mapping[str, float],
) -> Answer:
    name = query.variable
    slack = {limit.text: _rounded(room_at(limit, name, value), limit) for limit in limits}
    binding = tuple(limit.text for limit in limits if beyond > 0 and room_at(limit, name, beyond) < 0)
    tight = next((limit for limit in limits if limit.text in binding), None)
    at = tight.at(name, value) if tight else None
    after = _value_or_none(tight, name, beyond) if tight else None
    border = _Border(tight, at, after, beyond)
    return replace(
        _answer(query, Status.SOLVED, _sentence(query, value, border, ranges), assumed),
        value=value,
        binding=binding,
        slack=slack,
        certificate=Certificate(at, after, ranges),
    )


def _rounded(room: float, limit: Limit) -> float:
    """Room without what is left of it by rounding where a bound is met exactly."""
    return 0.0 if abs(room) < 1e-12 * abs(float(limit.bound)) else room


def _answer(query: Query, status: Status, sentence: str, assumed: Mapping[str, float]) -> Answer:
    return Answer(
        status=status,
        variable=query.variable,
        unit=_unit(query.variable),
        objective=_objective(query),
        assumed=assumed,
        sentence=sentence,
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


@dataclass(frozen=True, slots=True)
class _Border:
    """The limit that binds, and its metric at the answer and at the next value."""

    tight: Limit | None
    at: float | None
    after: float | None
    beyond: float


def _sentence(query: Query, value: float, border: _Border, ranges: Ranges) -> str:
    name, tight = query.variable, border.tight
    text = f"{name} = {_shown(name, value)}"
    if tight is None:
        end = "smallest value there is" if query.goal == "min" else "largest value tried"
        return f"{text} is the {end}; no constraint binds."
    told_apart = (n for n in (6, 9, 12) if _metric(tight, border.at, n) != _metric(tight, border.after, n))
    digits = next(told_apart, 12) if _whole(name) else 6
    text += f", bound by {tight.text}: {tight.metric} is {_metric(tight, border.at, digits)}"
    if _whole(name):
        text += f", and {_metric(tight, border.after, digits)} at {name} = {_shown(name, border.beyond)}"
    if query.goal == "solve" and _whole(name) and border.at != float(tight.bound):
        text += f"; no whole {name} gives exactly {tight.text.partition('= ')[2]}, this is the last at or below it"
    if len(ranges) > 1:
        holds = "on this side of it" if query.goal == "solve" else "feasible"
        text += f"; measured tables make {tight.metric} jump, and {name} is {holds} in {_in_words(ranges)}"
    return f"{text}."


RANGES = 12
"""Feasible ranges that a sentence lists; a certificate has them all."""


def _in_words(ranges: Ranges) -> str:
    parts = [f"{low:,.0f} to {high:,.0f}" if high else f"{low:,.0f} and up" for low, high in ranges]
    left_out = f", and {len(parts) - RANGES} ranges between" if len(parts) > RANGES else ""
    shown = parts if not left_out else [*parts[: RANGES - 1], parts[-1]]
    return ", ".join(shown) + left_out


def infeasible(query: Query, limits: list[Limit], best: float, where: str, assumed: Mapping[str, float]) -> Answer:
    name = query.variable
    rooms = {limit.text: room_at(limit, name, best) for limit in limits}
    failing = [limit for limit in limits if rooms[limit.text] < 0] or limits
    parts: list[str] = []
    for limit in failing:
        got, short = _metric(limit, _value_or_none(limit, name, best)), -rooms[limit.text]
        over = "too much" if limit.sense > 0 else "too little"
        by = f", {format_quantity(short, limit.form.unit, digits=4)} {over}" if math.isfinite(short) else ""
        parts.append(f"{limit.text} fails: even {where} it is {got}{by}")
    return replace(
        _answer(query, Status.INFEASIBLE, f"no {name} is feasible; {'; '.join(parts)}.", assumed),
        binding=tuple(limit.text for limit in failing),
        slack=rooms,
        nearest=best,
    )


def unbounded(
    query: Query, limits: list[Limit], ranges: Ranges, assumed: Mapping[str, float], at: int | None = None
) -> Answer:
    """at: the last number that was looked at, where nothing certifies what is beyond."""
    name = query.variable
    stated = ", ".join(limit.text for limit in limits)
    status = Status.INFEASIBLE if query.goal == "solve" else Status.UNBOUNDED
    where = "far beyond use" if at is None else f"at {name} = {at:,}, the last that is looked at"
    sentence = f"{query.goal} {name} has no bound that was found: {stated} still met {where}."
    if query.goal == "solve":
        sentence = f"{stated} for no {name}: it stays on one side however far {name} goes."
    return replace(_answer(query, status, sentence, assumed), certificate=Certificate(None, None, ranges))
