"""Queries -> Answers, exact for whole numbers and certified.

Measured tables make a metric jump, so it need not be monotone in a batch or a length.  Up to the point beyond which
no table changes any more every whole number is evaluated; beyond it the metric's direction is certified by
composition (symsim.monotone) and the border is bisected.  Real symbols (bandwidths, peaks) never enter a table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from fractions import Fraction
from typing import Any, cast

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr, Rational
from sympy.core.function import AppliedUndef

from symsim.closed_form import ClosedForm
from symsim.errors import EmptyTable, QuerySyntaxError, SymsimError, did_you_mean
from symsim.evaluate import positions
from symsim.lookup import bind
from symsim.monotone import direction
from symsim.query import Constraint, Quantity, Query, parse_query
from symsim.symbols import KNOWN, WORKLOAD, put_in, symbol
from symsim.tables import scaling
from symsim.units import format_quantity

DEFAULTS: Mapping[str, int] = {"B": 64, "S": 4096, "O": 2048, "T": 4096}
"""Workload that stands in where a question names none; S, O and T as InferSim's flags. Every use is stated."""

LARGEST = 2**40
"""Whole numbers beyond this count as unbounded."""


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
    feasible_set: tuple[tuple[float, float | None], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """value: the solved variable in SI units (None without one); slack: constraint -> room left, in SI units."""

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

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, every float at full precision."""
        return {**asdict(self), "status": self.status.value}


@dataclass(frozen=True, slots=True)
class _Limit:
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


def solve(text: str, forms: Mapping[str, ClosedForm]) -> Answer:
    """Answer a question about the metrics in `forms` (name -> closed form).

    Raises QuerySyntaxError for a question that does not parse or names what is not there.
    """
    query = parse_query(text)
    limits, assumed = _limits(query, forms)
    if query.goal == "solve" and _moves(limits[0], query.variable) == -1:
        limits = [_equation_as(limits[0], -1)]
    if query.variable in WORKLOAD:
        return _solve_whole(query, limits, assumed)
    if query.variable not in KNOWN or KNOWN[query.variable].integer:
        message = f"{query.variable} is a size of the model or the deployment; compile another one and compare"
        raise QuerySyntaxError(query.span, message)
    return _solve_real(query, limits, assumed)


def _limits(query: Query, forms: Mapping[str, ClosedForm]) -> tuple[list[_Limit], dict[str, float]]:
    if not query.constraints:
        raise QuerySyntaxError(
            query.span, f"{query.goal} {query.variable} needs a constraint: subject to TPOT <= 50 ms"
        )
    found = [_form(constraint, forms) for constraint in query.constraints]
    known = set[str]().union(*(form.symbols for form in found))
    if query.variable not in known:
        metrics = ", ".join(c.metric for c in query.constraints)
        hint = did_you_mean(query.variable, known)
        raise QuerySyntaxError(query.span, f"{metrics} does not depend on {query.variable}; {hint}")
    fixed: dict[str, float] = {}
    for name, quantity in query.fixed.items():
        if name not in known:
            raise QuerySyntaxError(quantity.span, f"there is no symbol {name}; {did_you_mean(name, known)}")
        unit = KNOWN[name].unit if name in KNOWN else "1"
        value = quantity.value(unit)
        fixed[name] = int(value) if value.denominator == 1 else float(value)
    needed = {name for name in known if name in WORKLOAD} - {query.variable} - set(fixed)
    assumed: dict[str, float] = {name: DEFAULTS[name] for name in sorted(needed)}
    return [_limit(c, f, {**fixed, **assumed}) for c, f in zip(query.constraints, found, strict=True)], assumed


def _form(constraint: Constraint, forms: Mapping[str, ClosedForm]) -> ClosedForm:
    names = {name.replace("_", ""): name for name in forms} | {"tgs": "tgs_decode"}
    key = constraint.metric.lower().replace("_", "")
    if key not in names:
        raise QuerySyntaxError(constraint.span, f"there is no metric {constraint.metric}; {did_you_mean(key, names)}")
    return forms[names[key]]


def _limit(constraint: Constraint, form: ClosedForm, fixed: Mapping[str, float]) -> _Limit:
    sense = -1 if constraint.relation == ">=" else 1
    own = {name: value for name, value in fixed.items() if name in form.symbols}
    return _Limit(str(constraint), form, _bound(constraint.bound, form), sense, own)


def _bound(quantity: Quantity, form: ClosedForm) -> Fraction:
    if quantity.name is None:
        return quantity.value(form.unit)
    name = "hbm_capacity" if quantity.name == "capacity" else quantity.name
    values = form.bound.values
    if name not in values or (name in KNOWN and KNOWN[name].unit != form.unit):
        fitting = {known for known in values if known in KNOWN and KNOWN[known].unit == form.unit}
        hint = did_you_mean(quantity.name, fitting | {"capacity"})
        raise QuerySyntaxError(quantity.span, f"{quantity.name} is no quantity in {form.unit}; {hint}")
    return values[name]


def _equation_as(limit: _Limit, sense: int) -> _Limit:
    return _Limit(limit.text, limit.form, limit.bound, sense, limit.fixed)


# ---------------------------------------------------------------- whole numbers


def _solve_whole(query: Query, limits: list[_Limit], assumed: Mapping[str, float]) -> Answer:
    ranges = _feasible_whole(limits, query.variable)
    if not ranges:
        best = _least_bad(limits, query.variable)
        return _infeasible(query, limits, best, f"at {query.variable} = {best:,}", assumed)
    low, high = (ranges[0][0], ranges[-1][1])
    if query.goal == "min":
        return _answer(query, limits, int(low), int(low) - 1, ranges, assumed)
    if high is None:
        return _unbounded(query, limits, ranges, assumed)
    return _answer(query, limits, int(high), int(high) + 1, ranges, assumed)


def _feasible_whole(limits: list[_Limit], variable: str) -> tuple[tuple[float, float | None], ...]:
    """Maximal ranges of whole numbers >= 1 that meet all limits."""
    settled = max(_settled(limit, variable) for limit in limits)
    points = np.arange(1, settled + 1, dtype=float)
    good = np.ones(settled, dtype=bool)
    for limit in limits:
        good &= _within(limit, variable, points)
    ranges = _runs(good)
    tail = _tail([(limit, _moves(limit, variable)) for limit in limits], variable, settled)
    if tail is None:
        return ranges
    if ranges and ranges[-1][1] == tail[0] - 1:
        return (*ranges[:-1], (ranges[-1][0], tail[1]))
    return (*ranges, tail)


def _least_bad(limits: list[_Limit], variable: str) -> int:
    """The whole number at which the constraint that fails most fails least."""
    settled = max(_settled(limit, variable) for limit in limits)
    points = np.arange(1, settled + 1, dtype=float)
    rooms = [np.nan_to_num(_rooms(limit, variable, points) / float(limit.bound), nan=-np.inf) for limit in limits]
    return int(points[np.argmax(np.minimum.reduce(rooms))])


def _within(limit: _Limit, variable: str, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where the limit holds; a point whose measured row cannot be used (NaN) does not count as holding."""
    with np.errstate(invalid="ignore"):
        return _rooms(limit, variable, points) >= 0


def _rooms(limit: _Limit, variable: str, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Room inside the limit at every point, in SI units."""
    if variable not in limit.form.symbols:
        return np.full(points.shape, limit.room(_constant(limit)))
    values = np.asarray(limit.form.function([variable, *limit.fixed])(points, *limit.fixed.values()))
    return (float(limit.bound) - values) * limit.sense


def _runs(good: NDArray[np.bool_]) -> tuple[tuple[float, float | None], ...]:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], good, [False])).astype(np.int8)))
    return tuple((int(start) + 1, int(stop)) for start, stop in edges.reshape(-1, 2))


def _settled(limit: _Limit, variable: str) -> int:
    """A whole number beyond which no table changes with the variable, and T / S no longer rounds."""
    expr = _numeric(limit, variable)
    wall = 1.0
    for call in expr.atoms(AppliedUndef):
        name = str(call.func)
        shape, axes = positions(name)
        lookup = bind(name, tuple(float(cast(Expr, call.args[i])) for i in shape), limit.form.context)
        for axis, position in enumerate(axes):
            if symbol(variable) in call.args[position].free_symbols:
                wall = max(wall, lookup.same_row_beyond(axis))
    if expr.atoms(sympy.ceiling):
        wall = max(wall, *limit.fixed.values(), 1)
    return math.ceil(wall) + 1


def _numeric(limit: _Limit, variable: str) -> Expr:
    """The metric with every symbol but the variable put in, tables left as they are."""
    numbers = {s: v for s, v in limit.form.bound.symbols().items() if s.name != variable and s.name not in limit.fixed}
    for name, value in limit.fixed.items():
        numbers[_symbol(limit, name)] = cast(Expr, sympy.nsimplify(value))
    return limit.form.derivation.substituted(numbers).inlined()


def _symbol(limit: _Limit, name: str) -> sympy.Symbol:
    return next(s for s in limit.form.derivation.free() if s.name == name)


def _moves(limit: _Limit, variable: str) -> int:
    """Certified direction of the metric in the variable, tables constant. Raises SymsimError without one."""
    if variable not in limit.form.symbols:
        return 0
    expr = _numeric(limit, variable)
    if variable == "S":  # beyond S = T one iteration holds at most one sequence: the rounding is over
        expr = put_in(expr, {part: Rational(1) for part in expr.atoms(sympy.ceiling)})
    expr = put_in(expr, {call: grown for call in expr.atoms(AppliedUndef) if (grown := _scaled(call)) is not None})
    found = direction(expr, _symbol(limit, variable))
    if found is None:
        raise SymsimError(f"cannot certify how {limit.form.name} moves with {variable}; ask for another variable")
    return found


def _scaled(call: AppliedUndef) -> Expr | None:
    """The argument that a measured time grows with in proportion, or None for a look-up that does not scale."""
    argument = scaling(str(call.func))
    return None if argument is None else cast(Expr, call.args[argument])


def _tail(moves: list[tuple[_Limit, int]], variable: str, settled: int) -> tuple[float, float | None] | None:
    """The feasible range beyond `settled`, where every metric moves one way."""
    first = settled + 1

    def holds(value: int) -> bool:
        return all(_room(limit, variable, value) >= 0 for limit, _ in moves)

    rising = all(move * limit.sense >= 0 for limit, move in moves)  # room only shrinks
    if rising:
        if not holds(first):
            return None
        last = _gallop(holds, first)
        return (first, None if last >= LARGEST else last)
    if not holds(LARGEST):
        return None
    start = _gallop(lambda value: not holds(value), first) + 1 if not holds(first) else first
    return (start, None)


def _gallop(holds: Callable[[int], bool], first: int) -> int:
    """The last whole number from `first` on that holds, for a property that ends once."""
    step = 1
    while first + step < LARGEST and holds(first + step):
        step *= 2
    low, high = first + step // 2, min(first + step, LARGEST)
    if high == LARGEST and holds(LARGEST):
        return LARGEST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low


def _room(limit: _Limit, variable: str, value: float) -> float:
    """Room inside the limit at a point; a point that the tables cannot answer is outside."""
    try:
        return limit.room(limit.at(variable, value) if variable in limit.form.symbols else _constant(limit))
    except EmptyTable:
        return -math.inf


def _constant(limit: _Limit) -> float:
    return limit.form.evaluate(**limit.fixed)


# ---------------------------------------------------------------- real numbers


def _solve_real(query: Query, limits: list[_Limit], assumed: Mapping[str, float]) -> Answer:
    """Bisect the border of a one-sided feasible set; every limit must move the same way."""
    name = query.variable
    moves = {_moves(limit, name) * limit.sense for limit in limits} - {0}
    start = float(limits[0].form.bound.values[name])

    def inside(value: float) -> bool:
        return all(_room(limit, name, value) >= 0 for limit in limits)

    if len(moves) != 1:
        raise SymsimError(f"these constraints pull {name} both ways or not at all; ask one at a time")
    grows = moves == {-1}  # room grows with the variable: the feasible set is [edge, infinity)
    far, near = start * 2.0**60 if grows else start * 2.0**-60, start * 2.0**-60 if grows else start * 2.0**60
    if not inside(far):
        return _infeasible(query, limits, far, f"with {name} as {'large' if grows else 'small'} as may be", assumed)
    if inside(near) or ((query.goal == "max") == grows and query.goal != "solve"):
        edge = None if grows else far
        return _unbounded(query, limits, ((near, edge),), assumed)
    good, bad = far, near
    while abs(good - bad) > 1e-15 * abs(good):
        middle = math.sqrt(good * bad)
        if middle in (good, bad):
            break
        good, bad = (middle, bad) if inside(middle) else (good, middle)
    ranges = ((good, None),) if grows else ((0.0, good),)
    return _answer(query, limits, good, bad, ranges, assumed)


# ---------------------------------------------------------------- answers


def _answer(
    query: Query,
    limits: list[_Limit],
    value: float,
    beyond: float,
    ranges: tuple[tuple[float, float | None], ...],
    assumed: Mapping[str, float],
) -> Answer:
    name, unit = query.variable, _unit(query.variable)
    slack = {limit.text: _room(limit, name, value) for limit in limits}
    binding = tuple(limit.text for limit in limits if beyond > 0 and _room(limit, name, beyond) < 0)
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


def _only_memory(binding: tuple[str, ...], tight: _Limit | None) -> bool:
    return tight is not None and len(binding) == 1 and tight.form.name == "memory"


def _closed_form(limit: _Limit | None, name: str) -> str | None:
    """LaTeX of the exact answer where the metric is affine in the variable, in the symbols that are left."""
    if limit is None:
        return None
    variable = _symbol(limit, name)
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


def _value_or_none(limit: _Limit, name: str, value: float) -> float | None:
    try:
        return limit.at(name, value)
    except EmptyTable:
        return None


def _unit(name: str) -> str:
    return KNOWN[name].unit if name in KNOWN else "1"


def _objective(query: Query) -> str:
    limits = ", ".join(map(str, query.constraints))
    return f"solve {limits} for {query.variable}" if query.goal == "solve" else f"{query.goal} {query.variable}"


def _metric(limit: _Limit, value: float | None) -> str:
    return "no usable measurement" if value is None else format_quantity(value, limit.form.unit, digits=6)


def _shown(name: str, value: float) -> str:
    return f"{value:,}" if name in WORKLOAD else format_quantity(value, _unit(name), digits=6)


def _sentence(
    query: Query,
    value: float,
    tight: _Limit | None,
    at: float | None,
    after: float | None,
    beyond: float,
    ranges: tuple[tuple[float, float | None], ...],
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


def _infeasible(query: Query, limits: list[_Limit], best: float, where: str, assumed: Mapping[str, float]) -> Answer:
    name = query.variable
    rooms = {limit.text: _room(limit, name, best) for limit in limits}
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


def _unbounded(
    query: Query,
    limits: list[_Limit],
    ranges: tuple[tuple[float, float | None], ...],
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
