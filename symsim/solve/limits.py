"""Constraints of a question -> limits: a compiled metric, the bound it must keep, and the point it is asked at."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

import sympy

from symsim.algebra.symbols import DEFAULTS, INPUTS, STEP_DEFAULTS, is_symbol, symbol_info
from symsim.cost.metric_table import bare, metrics
from symsim.errors import DeploymentError, EmptyTable, QuerySyntaxError, Span, did_you_mean, nearest_names
from symsim.formula.closed_form import ClosedForm
from symsim.inputs.space import SIZES
from symsim.language.query import Constraint, Quantity, Query
from symsim.language.words import instead, options_like

Forms = Mapping[str, ClosedForm]
Resize = Callable[[str, int], Forms]
"""(size, value) -> the metrics compiled for it. Raises DeploymentError where it cannot be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """A constraint with its metric compiled: `room` is how far inside the bound a point is (negative: outside).

    bound_name: the symbol that the bound is, if it is one, times share; resized: for a size of the deployment, the
    metric compiled for another value of it.
    """

    text: str
    form: ClosedForm
    bound: Fraction
    sense: int
    fixed: Mapping[str, float]
    bound_name: str | None = None
    share: Fraction = Fraction(1)
    resized: Callable[[int], ClosedForm] | None = None

    @property
    def metric(self) -> str:
        """The metric as the question spells it."""
        return self.text.split()[0]

    def at(self, variable: str, value: float, **others: float) -> float:
        """The metric where the variable has a value."""
        if self.resized is not None:
            form = self.resized(int(value))
            return form.evaluate(**{name: number for name, number in self.fixed.items() if name in form.symbols})
        changed = {variable: value, **others}
        return self.form.evaluate(**{**self.fixed, **{n: v for n, v in changed.items() if self.form.takes(n)}})

    def room(self, metric: float, bound: float | None = None) -> float:
        return ((float(self.bound) if bound is None else bound) - metric) * self.sense

    def symbol(self, name: str) -> sympy.Symbol:
        return next(s for s in self.form.derivation.free() if s.name == name)


def room_at(limit: Limit, variable: str, value: float, **others: float) -> float:
    """Room inside the limit at a point; one that tables cannot answer, or that cannot be deployed, is outside."""
    changed = {variable: value, **others}
    try:
        bound = changed.get(limit.bound_name or "")
        scaled = None if bound is None else float(limit.share) * bound
        return limit.room(limit.at(variable, value, **others), scaled)
    except (EmptyTable, DeploymentError):
        return -math.inf


def tightest(limits: list[Limit]) -> list[Limit]:
    """The limits without those that another of the same metric implies; the first of equal ones."""
    kept: dict[object, Limit] = {}
    for limit in limits:
        same = (limit.form, limit.sense, limit.bound_name)
        other = kept.get(same)
        if other is None or (limit.bound - other.bound) * limit.sense < 0:
            kept[same] = limit
    return list(kept.values())


def limits_of(query: Query, forms: Forms, resize: Resize | None) -> tuple[list[Limit], dict[str, float]]:
    """The limits of a question, and the workload that it leaves out.

    Raises QuerySyntaxError for a metric, a symbol or a unit that is not there.
    """
    asked = _asked(query, forms, sizes=resize is not None)
    fixed = _fixed(query, asked)
    needed = {name for form in asked for name in form.symbols if name in INPUTS} - {query.variable} - set(fixed)
    assumed: dict[str, float] = {name: {**DEFAULTS, **STEP_DEFAULTS}[name] for name in sorted(needed)}
    for constraint in query.constraints:
        if constraint.bound.share != 1 and constraint.bound.symbol == query.variable:
            message = f"{constraint.bound} moves with {query.variable}, which is asked for; bound by it as a whole"
            raise QuerySyntaxError(constraint.span, message)
    limits = limits_at(query, forms, {**fixed, **assumed})
    if query.variable in SIZES and resize is not None:
        pairs = zip(limits, query.constraints, strict=True)
        limits = [replace(limit, resized=_resizing(resize, query.variable, one)) for limit, one in pairs]
    return limits, assumed


def limits_at(query: Query, forms: Forms, point: Mapping[str, float]) -> list[Limit]:
    """The limits of a question at a point."""
    return [limit_at(constraint, forms, point) for constraint in query.constraints]


def _asked(query: Query, forms: Forms, *, sizes: bool) -> list[ClosedForm]:
    """The metrics that a question is about, in C where it gives or asks for the mean context."""
    name = query.variable
    if is_metric(name, forms):
        raise QuerySyntaxError(query.span, f"{name} is a metric; an equation is solved for an input, e.g. for B")
    if query.goal == "value":
        if is_symbol(name):
            message = f"{name} is a symbol, and metrics have values; ask e.g. TPOT, or max {name} subject to ..."
            raise QuerySyntaxError(query.span, message)
        form_called(name, query.span, forms)
    if not query.constraints:
        raise QuerySyntaxError(query.span, f"{query.goal} {name} needs a constraint: subject to TPOT <= 50 ms")
    found = [form_of(constraint, forms) for constraint in query.constraints]
    known = set[str]().union(*(form.symbols for form in found))
    bounds = {c.bound.symbol for c in query.constraints}
    if name not in known | bounds and not (name in SIZES and sizes):
        metrics = ", ".join(dict.fromkeys(c.metric for c in query.constraints))
        raise QuerySyntaxError(query.span, f"{metrics} does not depend on {name}; {_instead(name, known)}")
    return found


def _instead(name: str, known: Collection[str]) -> str:
    """What may be meant by a name that is none, or what users choose among all that is known."""
    if name.lower() in ("gpus", "gpu"):
        return "ask min tp for the GPUs that share a copy, or symsim recommend for the fewest of all deployments"
    if like := options_like(name):
        return f"{like[0]} states it"
    if near := nearest_names(name, known):
        return f"did you mean {' or '.join(near)}?"
    chosen = [one for one in INPUTS if one in known]
    return f"its workload is {', '.join(chosen)}; symsim list symbols has the others"


def _fixed(query: Query, asked: list[ClosedForm]) -> dict[str, float]:
    """What `with` states, in SI units."""
    known = set[str]().union(*(form.symbols for form in asked))
    fixed: dict[str, float] = {}
    for name, quantity in query.fixed.items():
        if name not in known:
            metrics = ", ".join(dict.fromkeys(c.metric for c in query.constraints))
            raise QuerySyntaxError(quantity.span, f"{metrics} has no symbol {name}; {_instead(name, known)}")
        if name == query.variable:
            raise QuerySyntaxError(quantity.span, f"{name} is what the question asks for; leave it out of `with`")
        value = quantity.value(symbol_info(name).unit if is_symbol(name) else "1")
        fixed[name] = int(value) if value.denominator == 1 else float(value)
        for form in asked:
            if name in form.symbols:
                form.numbers.check(name, fixed[name])
    return fixed


def _resizing(resize: Resize, size: str, constraint: Constraint) -> Callable[[int], ClosedForm]:
    return lambda value: form_of(constraint, resize(size, value))


def is_metric(name: str, forms: Forms) -> bool:
    """Whether a name of a question is a metric's, and no symbol's."""
    return not is_symbol(name) and _metric_named(name, forms) is not None


def _metric_named(name: str, forms: Forms) -> str | None:
    asked = [metric for metric_name, metric in metrics().items() if metric_name in forms]
    names = {bare(called): metric.name for metric in asked for called in (metric.name, *metric.aliases)}
    return names.get(bare(name))


def form_of(constraint: Constraint, forms: Forms) -> ClosedForm:
    """The metric that a constraint is about. Raises QuerySyntaxError for one that is not there."""
    return form_called(constraint.metric, constraint.span, forms)


def form_called(name: str, span: Span, forms: Forms) -> ClosedForm:
    """The metric of a name that stands at a place. Raises QuerySyntaxError for one that is not there."""
    found = _metric_named(name, forms)
    if found is not None:
        return forms[found]
    if is_symbol(name):
        message = f"{name} is a symbol, and metrics are bounded; state it, as with {name} = 64"
        raise QuerySyntaxError(span, message)
    raise QuerySyntaxError(span, f"there is no metric {name}; {instead(name.lower(), [*forms, 'tgs'])}")


def limit_at(constraint: Constraint, forms: Forms, point: Mapping[str, float]) -> Limit:
    """One constraint at a point. Raises QuerySyntaxError for a metric that is not there."""
    form = form_of(constraint, forms).in_chunks(point)
    return Limit(
        text=str(constraint),
        form=form,
        bound=bound_of(constraint.bound, form),
        sense=-1 if constraint.relation == ">=" else 1,
        fixed={name: value for name, value in point.items() if name in form.symbols},
        bound_name=constraint.bound.symbol,
        share=constraint.bound.share,
    )


def _check_of(quantity: Quantity, form: ClosedForm) -> None:
    """Raise QuerySyntaxError where a rate of a user bounds one of a GPU, or the other way round."""
    of = (quantity.unit or "").partition("/s/")[2]
    own = metrics()[form.name].of
    if of and own and of.lower() != own.lower():
        other = next((metric.aliases[0] for metric in metrics().values() if metric.of.lower() == of.lower()), of)
        raise QuerySyntaxError(quantity.span, f"{form.name} counts tokens/s of a {own}; bound {other} by {quantity}")


def bound_of(quantity: Quantity, form: ClosedForm) -> Fraction:
    """The bound in the metric's SI unit. Raises QuerySyntaxError for a unit of another dimension."""
    name = quantity.symbol
    if name is None:
        _check_of(quantity, form)
        return quantity.value(form.unit)
    values = form.bound.values
    if name not in values or (is_symbol(name) and symbol_info(name).unit != form.unit):
        fitting = {known for known in values if is_symbol(known) and symbol_info(known).unit == form.unit}
        hint = did_you_mean(str(quantity), fitting | {"capacity"})
        raise QuerySyntaxError(quantity.span, f"{quantity.name} is no quantity in {form.unit}; {hint}")
    return quantity.share * values[name]
