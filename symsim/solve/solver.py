"""Queries -> Answers, exact for whole numbers and certified.

Measured tables make a metric jump, so it need not be monotone in a batch or a length.  Up to the point beyond which
no table changes any more every whole number is evaluated; beyond it the metric's direction is certified by
composition (`algebra.direction`) and the border is bisected.  Real symbols (bandwidths, peaks) never enter a table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from typing import cast

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr, Rational
from sympy.core.function import AppliedUndef

from symsim.algebra.direction import direction
from symsim.algebra.symbols import DEFAULTS, INPUTS, STEP_DEFAULTS, is_symbol, substitute, symbol, symbol_info
from symsim.cost.metric_table import bare, metrics
from symsim.errors import QuerySyntaxError, SymsimError, did_you_mean
from symsim.formula.breakdown import defaults_at
from symsim.formula.closed_form import ClosedForm
from symsim.formula.program import positions
from symsim.inputs.source import Source
from symsim.language.query import Constraint, Quantity, Query, parse_query
from symsim.solve.answer import (
    Answer,
    Limit,
    Ranges,
    infeasible,
    room_at,
    solved,
    symbol_of,
    unbounded,
)
from symsim.solve.levers import closed_form, factors_at, levers_of
from symsim.tables.lookup import bind
from symsim.tables.table import scaling, signatures

LARGEST = 2**50
"""Whole numbers are looked for up to here; beyond, floats would soon skip some."""


SIZES: Mapping[str, tuple[int, ...]] = {
    "world_size": (1, 2, 4, *range(8, 65, 8), *range(80, 161, 16), *range(192, 513, 32), 640, 768, 1024),
    "nodes": (1, 2, 4, 8, 16, 32, 64),
    "tp": (1, 2, 4, 8, 16),
    "cp": (1, 2, 4, 8, 16, 32),
    "pp": (1, 2, 4, 8, 16, 32),
    "dp": (1, 2, 4, *range(8, 65, 8), *range(80, 161, 16), *range(192, 513, 32)),
    "ep": (1, 2, 4, *range(8, 65, 8), *range(80, 161, 16), *range(192, 513, 32)),
}
"""Sizes of a deployment that are tried; those that do not divide the model are left out."""

Forms = Mapping[str, ClosedForm]
Resize = Callable[[str, int], Forms]
"""(size, value) -> the metrics compiled for it. Raises DeploymentError where it cannot be."""


def solve(text: str, forms: Forms, resize: Resize | None = None) -> Answer:
    """Answer a question about the metrics in `forms` (name -> closed form).

    resize: compiles for another size of the deployment, for questions about one.
    Raises QuerySyntaxError for a question that does not parse or names what is not there.
    """
    query = parse_query(text)
    limits, assumed = _limits(query, forms, resize)
    answer = _solved(query, limits, assumed)
    if answer.nearest is not None:
        factors = factors_at(limits, query.variable, answer.nearest)
        return replace(answer, levers=factors, sizes=_sizes_at(query, limits, answer.nearest, resize))
    if answer.value is None:
        return answer
    closed, levers = closed_form(limits, answer), levers_of(limits, answer, query.goal)
    points = [(limit.form, {**limit.fixed, query.variable: answer.value}) for limit in limits if limit.resized is None]
    found = [defaults_at(form, {k: int(v) for k, v in point.items() if k in INPUTS}) for form, point in points]
    defaults = tuple(dict.fromkeys(sentence for sentences in found for sentence in sentences))
    return replace(answer, closed_form=closed, defaults=defaults, levers=levers)


def _with_symbol(form: ClosedForm, table: str) -> ClosedForm:
    """The metric with every figure of a table as one unknown."""
    unknown = sympy.Symbol(table, positive=True)

    def swapped(expr: Expr) -> Expr:
        return substitute(expr, {call: unknown for call in expr.atoms(AppliedUndef) if str(call.func) == table})

    values = {**form.bound.values, table: Fraction(1, 2)}
    measured = Source(how="measured", note=signatures()[table].meaning)
    sources = {**form.bound.sources, table: measured}
    return ClosedForm(form.applied.mapped(swapped), replace(form.bound, values=values, sources=sources), form.context)


def _solved(query: Query, limits: list[Limit], assumed: dict[str, float]) -> Answer:
    if query.variable in SIZES:
        return _solve_size(query, limits, assumed)
    if query.goal == "solve" and _moves(limits[0], query.variable) == -1:
        limits = [replace(limits[0], sense=-1)]
    if query.variable in INPUTS:
        return _solve_whole(query, limits, assumed)
    if query.variable not in signatures() and (not is_symbol(query.variable) or symbol_info(query.variable).integer):
        message = f"{query.variable} is a size of the model; compile another model and compare"
        raise QuerySyntaxError(query.span, message)
    return _solve_real(query, limits, assumed)


def _solve_size(query: Query, limits: list[Limit], assumed: Mapping[str, float]) -> Answer:
    """Try every size of the deployment that divides the model."""
    rooms = {value: [room_at(limit, query.variable, value) for limit in limits] for value in SIZES[query.variable]}
    tried = [value for value, found in rooms.items() if all(room > -math.inf for room in found)]
    good = [value for value in tried if min(rooms[value]) >= 0]
    if not good:
        best = max(tried or SIZES[query.variable], key=lambda value: min(rooms[value]))
        return infeasible(query, limits, best, f"at {query.variable} = {best:,}", assumed)
    runs: list[list[int]] = []
    for before, value in zip([None, *tried], tried, strict=False):
        if value in good:
            runs = [*runs[:-1], [*runs[-1], value]] if runs and runs[-1][-1] == before else [*runs, [value]]
    ranges = tuple((run[0], run[-1]) for run in runs)
    value = max(good) if query.goal == "max" else min(good)
    nearby = (
        [other for other in tried if other > value] if query.goal == "max" else [x for x in tried[::-1] if x < value]
    )
    return solved(query, limits, value, nearby[0] if nearby else 0, ranges, assumed)


def _sizes_at(query: Query, limits: list[Limit], value: float, resize: Resize | None) -> Mapping[str, int]:
    """Size of the deployment -> the smallest above today's with which every limit holds at a value."""
    if resize is None or query.variable in SIZES or query.variable in signatures():
        return {}
    found: dict[str, int] = {}
    for size in ("world_size", "tp"):
        resized = [
            replace(
                limit,
                fixed={**limit.fixed, query.variable: value} if query.variable in limit.form.symbols else limit.fixed,
                resized=_resizing(resize, size, constraint),
            )
            for limit, constraint in zip(limits, query.constraints, strict=True)
        ]
        larger = [other for other in SIZES[size] if other > limits[0].form.bound.values[size]]
        fitting = (other for other in larger if all(room_at(limit, size, other) >= 0 for limit in resized))
        found |= {size: first} if (first := next(fitting, None)) is not None else {}
    return found


def _limits(query: Query, forms: Forms, resize: Resize | None) -> tuple[list[Limit], dict[str, float]]:
    if not query.constraints:
        raise QuerySyntaxError(
            query.span, f"{query.goal} {query.variable} needs a constraint: subject to TPOT <= 50 ms"
        )
    found = [form_of(constraint, forms) for constraint in query.constraints]
    if query.variable in signatures():
        found = [_with_symbol(form, query.variable) for form in found]
    known = set[str]().union(*(form.symbols for form in found))
    bounds = {c.bound.symbol for c in query.constraints}
    if query.variable not in known | bounds and not (query.variable in SIZES and resize is not None):
        metrics = ", ".join(c.metric for c in query.constraints)
        hint = did_you_mean(query.variable, known)
        raise QuerySyntaxError(query.span, f"{metrics} does not depend on {query.variable}; {hint}")
    fixed: dict[str, float] = {}
    for name, quantity in query.fixed.items():
        if name not in known:
            raise QuerySyntaxError(quantity.span, f"there is no symbol {name}; {did_you_mean(name, known)}")
        unit = symbol_info(name).unit if is_symbol(name) else "1"
        value = quantity.value(unit)
        fixed[name] = int(value) if value.denominator == 1 else float(value)
        for form in found:
            if name in form.symbols:
                form.check(name, fixed[name])
    needed = {name for name in known if name in INPUTS} - {query.variable} - set(fixed)
    assumed: dict[str, float] = {name: {**DEFAULTS, **STEP_DEFAULTS}[name] for name in sorted(needed)}
    point = {**fixed, **assumed}
    limits = [_limit(c, form, point) for c, form in zip(query.constraints, found, strict=True)]
    if query.variable in SIZES and resize is not None:
        limits = [
            replace(limit, resized=_resizing(resize, query.variable, constraint))
            for limit, constraint in zip(limits, query.constraints, strict=True)
        ]
    return limits, assumed


def _resizing(resize: Resize, size: str, constraint: Constraint) -> Callable[[int], ClosedForm]:
    return lambda value: form_of(constraint, resize(size, value))


def form_of(constraint: Constraint, forms: Forms) -> ClosedForm:
    """The metric that a constraint is about. Raises QuerySyntaxError for one that is not there."""
    asked = [metric for name, metric in metrics().items() if name in forms]
    names = {bare(called): metric.name for metric in asked for called in (metric.name, *metric.aliases)}
    key = bare(constraint.metric)
    if key not in names:
        raise QuerySyntaxError(constraint.span, f"there is no metric {constraint.metric}; {did_you_mean(key, names)}")
    return forms[names[key]]


def _limit(constraint: Constraint, form: ClosedForm, fixed: Mapping[str, float]) -> Limit:
    sense = -1 if constraint.relation == ">=" else 1
    own = {name: value for name, value in fixed.items() if name in form.symbols}
    return Limit(str(constraint), form, bound_of(constraint.bound, form), sense, own, constraint.bound.symbol)


def bound_of(quantity: Quantity, form: ClosedForm) -> Fraction:
    """The bound in the metric's SI unit. Raises QuerySyntaxError for a unit of another dimension."""
    name = quantity.symbol
    if name is None:
        return quantity.value(form.unit)
    values = form.bound.values
    if name not in values or (is_symbol(name) and symbol_info(name).unit != form.unit):
        fitting = {known for known in values if is_symbol(known) and symbol_info(known).unit == form.unit}
        hint = did_you_mean(str(quantity), fitting | {"capacity"})
        raise QuerySyntaxError(quantity.span, f"{quantity.name} is no quantity in {form.unit}; {hint}")
    return values[name]


# ---------------------------------------------------------------- whole numbers


def _solve_whole(query: Query, limits: list[Limit], assumed: Mapping[str, float]) -> Answer:
    ranges = _feasible_whole(limits, query.variable)
    if not ranges:
        best = _least_bad(limits, query.variable)
        return infeasible(query, limits, best, f"at {query.variable} = {best:,}", assumed)
    low, high = (ranges[0][0], ranges[-1][1])
    if query.goal == "min":
        return solved(query, limits, int(low), int(low) - 1, ranges, assumed)
    if high is None:
        return unbounded(query, limits, ranges, assumed)
    return solved(query, limits, int(high), int(high) + 1, ranges, assumed)


def _feasible_whole(limits: list[Limit], variable: str) -> Ranges:
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


def _least_bad(limits: list[Limit], variable: str) -> int:
    """The whole number at which the constraint that fails most fails least."""
    settled = max(_settled(limit, variable) for limit in limits)
    points = np.arange(1, settled + 1, dtype=float)
    rooms = [np.nan_to_num(_rooms(limit, variable, points) / float(limit.bound), nan=-np.inf) for limit in limits]
    return int(points[np.argmax(np.minimum.reduce(rooms))])


def _within(limit: Limit, variable: str, points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where the limit holds; a point whose measured row cannot be used (NaN) does not count as holding."""
    with np.errstate(invalid="ignore"):
        return _rooms(limit, variable, points) >= 0


def _rooms(limit: Limit, variable: str, points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Room inside the limit at every point, in SI units."""
    if variable not in limit.form.symbols:
        return np.full(points.shape, limit.room(limit.form.evaluate(**limit.fixed)))
    values = np.asarray(limit.form.function([variable, *limit.fixed])(points, *limit.fixed.values()))
    return (float(limit.bound) - values) * limit.sense


def _runs(good: NDArray[np.bool_]) -> Ranges:
    edges = np.flatnonzero(np.diff(np.concatenate(([False], good, [False])).astype(np.int8)))
    return tuple((int(start) + 1, int(stop)) for start, stop in edges.reshape(-1, 2))


def _settled(limit: Limit, variable: str) -> int:
    """A whole number beyond which no table changes with the variable, and T / S no longer rounds."""
    expr = _numeric(limit, variable)
    wall = 1.0
    for call in expr.atoms(AppliedUndef):
        name = str(call.func)
        shape, axes = positions(name)
        lookup = bind(name, tuple(float(cast(Expr, call.args[i])) for i in shape), limit.form.context)
        for axis, position in enumerate(axes):
            if any(s.name == variable for s in call.args[position].free_symbols):  # pyright: ignore
                wall = max(wall, lookup.same_row_beyond(axis))
    if expr.atoms(sympy.ceiling):
        wall = max(wall, *limit.fixed.values(), 1)
    return math.ceil(wall) + 1


def _numeric(limit: Limit, variable: str) -> Expr:
    """The metric with every symbol but the variable put in, tables left as they are."""
    numbers = {s: v for s, v in limit.form.bound.symbols().items() if s.name != variable and s.name not in limit.fixed}
    for name, value in limit.fixed.items():
        numbers[symbol_of(limit, name)] = cast(Expr, sympy.nsimplify(value))
    return limit.form.derivation.substituted(numbers).inlined()


def _moves(limit: Limit, variable: str) -> int:
    """Certified direction of metric - bound in the variable, tables constant. Raises SymsimError without one."""
    if variable not in limit.form.symbols and variable != limit.bound_name:
        return 0
    expr = _numeric(limit, variable)
    if variable == limit.bound_name:
        expr = expr - symbol(variable)
    if variable == "S":  # beyond S = T one iteration holds at most one sequence: the rounding is over
        expr = substitute(expr, {part: Rational(1) for part in expr.atoms(sympy.ceiling)})
    expr = substitute(expr, {call: grown for call in expr.atoms(AppliedUndef) if (grown := _scaled(call)) is not None})
    unknown = next((s for s in expr.free_symbols if isinstance(s, sympy.Symbol) and s.name == variable), None)
    found = 0 if unknown is None else direction(expr, unknown)
    if found is None:
        raise SymsimError(f"cannot certify how {limit.form.name} moves with {variable}; ask for another variable")
    return found


def _scaled(call: AppliedUndef) -> Expr | None:
    """The argument that a measured time grows with in proportion, or None for a look-up that does not scale."""
    argument = scaling(str(call.func))
    return None if argument is None else cast(Expr, call.args[argument])


def _tail(moves: list[tuple[Limit, int]], variable: str, settled: int) -> tuple[float, float | None] | None:
    """The feasible range beyond `settled`, where the room of every limit moves one way."""
    first = settled + 1

    def hold(limits: list[Limit], value: int) -> bool:
        return all(room_at(limit, variable, value) >= 0 for limit in limits)

    shrinking = [limit for limit, move in moves if move * limit.sense >= 0]
    growing = [limit for limit, move in moves if move * limit.sense < 0]
    if not hold(growing, LARGEST):
        return None
    start = first if hold(growing, first) else _gallop(lambda value: not hold(growing, value), first) + 1
    if not hold(shrinking, start):
        return None
    last = _gallop(lambda value: hold(shrinking, value), start)
    return (start, None if last >= LARGEST else last)


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


# ---------------------------------------------------------------- real numbers


def _solve_real(query: Query, limits: list[Limit], assumed: Mapping[str, float]) -> Answer:
    """Bisect the border of a one-sided feasible set; every limit must move the same way."""
    name = query.variable
    moves = {_moves(limit, name) * limit.sense for limit in limits} - {0}

    def inside(value: float) -> bool:
        return all(room_at(limit, name, value) >= 0 for limit in limits)

    if len(moves) != 1:
        raise SymsimError(f"these constraints pull {name} both ways or not at all; ask one at a time")
    grows = moves == {-1}  # room grows with the variable: the feasible set is [edge, infinity)
    start = float(limits[0].form.bound.values[name])
    least, most = (1e-6, 1.0) if name in signatures() else (start * 2.0**-60, start * 2.0**60)
    far, near = (most, least) if grows else (least, most)
    if not inside(far):
        where = (
            f"at {name} = 1" if name in signatures() else f"with {name} as {'large' if grows else 'small'} as may be"
        )
        return infeasible(query, limits, far, where, assumed)
    if inside(near) or ((query.goal == "max") == grows and query.goal != "solve"):
        edge = None if grows else far
        return unbounded(query, limits, ((near, edge),), assumed)
    good, bad = far, near
    while abs(good - bad) > 1e-15 * abs(good):
        middle = math.sqrt(good * bad)
        if middle in (good, bad):
            break
        good, bad = (middle, bad) if inside(middle) else (good, middle)
    ranges = ((good, None),) if grows else ((0.0, good),)
    return solved(query, limits, good, bad, ranges, assumed)
