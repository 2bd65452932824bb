"""Questions about requests under load: the largest rate, the fewest workers, the best budget that meet targets."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from symsim.algebra.units import format_quantity
from symsim.errors import SymsimError, did_you_mean
from symsim.language.query import Constraint, Query, check_stated
from symsim.pipeline.compiled import Compiled
from symsim.serving.best import best, without_unknowns
from symsim.serving.inverses import in_closed_form
from symsim.serving.points import (
    COPIES,
    ISL,
    METRICS,
    OSL,
    UNKNOWNS,
    Point,
    Unknown,
    excess,
    failing,
    figures_at,
    is_memory,
    key,
    metric_of,
    missed,
    shown,
    slack,
)
from symsim.serving.question_words import in_words_of_load, values_of
from symsim.serving.relief import with_relief
from symsim.serving.sentences import load_in_words
from symsim.serving.spread import spread_of
from symsim.solve.answer import Answer, Certificate, Status
from symsim.solve.bisection import last_holding, whole_middle


def answered(compiled: Compiled, query: Query) -> Answer:
    """The answer by bisection: what is asked of gets no better as the rate, or the clients, increase. Goals that are
    metrics are searched for over the unknowns that are named. Where there is no answer, what would give one.

    Raises SymsimError for names that no question about requests has.
    """
    query = in_words_of_load(query)
    check_stated(query, {name for name in query.fixed if name not in UNKNOWNS and key(name) in METRICS})
    if query.variable in query.fixed:
        stated = f"{query.variable} = {query.fixed[query.variable]}"
        raise SymsimError(f"{stated} is stated, and {query.variable} is asked for: one of both")
    fixed = values_of(query.fixed)
    return with_relief(compiled, query, fixed, _answered(compiled, query, fixed))


def _answered(compiled: Compiled, query: Query, fixed: Mapping[str, float]) -> Answer:
    if query.goal == "value":
        return without_unknowns(compiled, query, fixed)
    if query.goal != "solve" and key(query.variable) in METRICS:
        over = query.over or _usual(fixed)
        return best(compiled, query, fixed, over) if over else without_unknowns(compiled, query, fixed)
    if query.variable not in UNKNOWNS:
        raise SymsimError(f"requests cannot be solved for {query.variable}; {did_you_mean(query.variable, UNKNOWNS)}")
    search = _Search(compiled, query, fixed, UNKNOWNS[query.variable])
    other = {"x": "y", "y": "x"}.get(query.variable)
    if other is not None and other not in fixed:
        return _beside_fewest(search, other)
    return search.answer()


def _beside_fewest(search: _Search, other: str) -> Answer:
    """Workers of one kind, where the question leaves out the other: the fewest of those with which anything does."""
    many = {**search.fixed, search.query.variable: search.unknown.high}
    fewest = replace(search, query=replace(search.query, goal="min", variable=other), fixed=many).answer()
    if fewest.value is None:
        name = search.query.variable
        here = f"no {name} does: even at {shown(name, many[name])} and"
        said = fewest.sentence.replace(f"no {other} does: even at", here)
        at, goal = {**fewest.at, name: many[name]}, f"{search.query.goal} {name}"
        return replace(fewest, variable=name, objective=goal, at=at, sentence=said)
    beside = {other: float(fewest.value)}
    answer = replace(search, fixed={**search.fixed, **beside}).answer()
    said = f"{answer.sentence.removesuffix('.')}; beside {shown(other, fewest.value)}, the fewest with which any does."
    return replace(answer, assumed={**answer.assumed, **beside}, sentence=said)


def _usual(fixed: Mapping[str, float]) -> tuple[str, ...]:
    """The unknown of a goal that names none: how many clients there are, where nothing says."""
    return () if {"rate", "concurrency", "B"} & fixed.keys() else ("concurrency",)


@dataclass(frozen=True)
class _Search:
    compiled: Compiled
    query: Query
    fixed: Mapping[str, float]
    unknown: Unknown

    def at(self, value: float, *, sure: bool = False) -> Point:
        name = COPIES if self.query.variable == "world_size" else self.query.variable
        whole = int(value) if self.unknown.whole else value
        metrics = [one.metric for one in self.query.constraints]
        return figures_at(self.compiled, {**self.fixed, name: whole}, metrics, sure=sure)

    def failing(self, at: Point) -> list[Constraint]:
        return failing(self.query.constraints, at)

    def holds(self, value: float) -> bool:
        at = self.at(value)
        return not at.figures.sentence and not self.failing(at)

    def answer(self) -> Answer:
        match self.query.goal:
            case "solve":
                return self.crossing()
            case "max":
                return self.largest()
            case _:
                return self.smallest()

    def largest(self) -> Answer:
        low, high = self.unknown.low, self.unknown.high
        if not self.holds(low):  # a small budget makes prompts wait: look further up
            low = next((x for x in self._grid() if self.holds(x)), math.nan)
            if math.isnan(low):
                return self._none(self._nearest())
        step = low
        while step < high and self.holds(step := min(high, 2 * max(step, self._least))):
            low = step
        if low >= high:
            return self._found(high, None) if self.unknown.ends else self._endless(high)
        return self._found(*last_holding(self.holds, *self._ends(low, step), self._middle))

    def smallest(self) -> Answer:
        low = self.unknown.low
        if self.holds(low):
            return self._found(low, None)
        first = next((x for x in self._grid() if self.holds(x)), math.nan)
        if math.isnan(first):
            return self._none(self._nearest())
        before = max(low, first / 2) if first / 2 >= self._least else low
        return self._found(*last_holding(self.holds, *self._ends(first, before), self._middle))

    def crossing(self) -> Answer:
        """The value at which a metric is a number, which it passes once."""
        (constraint,) = self.query.constraints
        unit, of = metric_of(constraint.metric)
        target = float(constraint.bound.value(unit))

        def over(value: float) -> bool:
            found = of(self.at(value))
            return found is None or found > target

        low, high = self.unknown.low, min(self.unknown.high, 1e4)
        if of(self.at(high)) is None and of(self.at(low)) is not None:  # up to where anything is served
            high = last_holding(lambda x: of(self.at(x)) is not None, *self._ends(low, high), self._middle)[0]
        at_low = over(low)
        if over(high) == at_low:
            found = [of(self.at(x)) for x in (low, high)]
            ends = " and ".join(
                f"{format_quantity(value, unit)} at {shown(self.query.variable, x)}"
                for value, x in zip(found, (low, high), strict=True)
                if value is not None
            )
            return self._none(low, f"{constraint.metric} is {ends}" if ends else "")
        return self._found(*last_holding(lambda x: over(x) == at_low, *self._ends(low, high), self._middle))

    def _nearest(self) -> float:
        """Where what fails most fails least, of both ends and what was looked at between; where nothing is served at
        all, the end that has less to do."""

        def missing(value: float) -> float:
            at = self.at(value)
            return math.inf if at.figures.sentence else excess(self.query.constraints, at)

        easier = self.unknown.high if self.unknown.relieves else self.unknown.low
        return min((easier, *self._grid()), key=missing)

    @property
    def _least(self) -> float:
        return 1e-3

    def _grid(self) -> list[float]:
        low, high = max(self.unknown.low, self._least), self.unknown.high
        count = max(1, math.ceil(math.log2(high / low)))
        points = [low * (high / low) ** (i / count) for i in range(count + 1)]
        return [float(round(x)) if self.unknown.whole else x for x in points]

    def _ends(self, low: float, high: float) -> tuple[Any, Any]:
        return (int(low), int(high)) if self.unknown.whole else (low, high)

    def _middle(self, low: Any, high: Any) -> Any:
        if self.unknown.whole:
            return whole_middle(low, high)
        return None if abs(high - low) <= 1e-4 * max(abs(low), abs(high)) else (low + high) / 2

    def _found(self, value: float, beyond: float | None) -> Answer:
        at = self.at(value, sure=True)
        after = None if beyond is None else self.at(beyond)
        tight = [] if after is None else self.failing(after)
        tight = list(self.query.constraints) if self.query.goal == "solve" else tight
        first = next((one for one in tight if not is_memory(one)), None)
        of = None if first is None else metric_of(first.metric)[1]
        name = self.query.variable
        value = at.gpus if name == "world_size" else value
        load = load_in_words(at.figures.load)
        return Answer(
            status=Status.SOLVED,
            variable=name,
            value=value,
            unit=self.unknown.unit,
            objective=f"{self.query.goal} {name}",
            binding=tuple(map(str, tight)) or at.figures.binding,
            slack=slack(self.query, at),
            certificate=Certificate(
                None if of is None else of(at), None if of is None or after is None else of(after), ()
            ),
            closed_form=in_closed_form(name, first, at, value),
            assumed=assumed(self.fixed, (name,)),
            sentence=f"{shown(name, value)}{self._bound(tight, after)}{f'; load: {load}' if load else ''}.",
            warnings=at.figures.warnings,
            spread=self._spread(value, at) if tight and self.query.goal != "solve" else None,
        )

    def _bound(self, tight: Sequence[Constraint], after: Point | None) -> str:
        """What keeps the value from being better, in words."""
        if after is None:
            return f", the {'largest' if self.query.goal == 'max' else 'smallest'} there is: no constraint binds"
        if after.figures.sentence:
            return f": {'with less' if self.query.goal == 'min' else 'beyond it'}, {after.figures.sentence}"
        return f", bound by {' and '.join(map(str, tight))}" if tight else ""

    def _endless(self, high: float) -> Answer:
        """As of a batch that no constraint bounds: there is no largest value."""
        name = self.query.variable
        held = ", ".join(map(str, self.query.constraints)) or "all"
        at = self.at(high)
        waiting = at.figures.load.get("places", 0.0) > 1
        why = "; those that have no place in the cache wait for one" if waiting else ""
        return Answer(
            status=Status.UNBOUNDED,
            variable=name,
            unit=self.unknown.unit,
            objective=f"max {name}",
            slack=slack(self.query, at),
            assumed=assumed(self.fixed, (name,)),
            sentence=f"max {name} has no bound that was found: {held} still met at {shown(name, high)}{why}.",
        )

    def _spread(self, value: float, at: Point) -> tuple[float, float] | None:
        if self.query.variable == "world_size":
            return None
        return spread_of(value, at, self.query, self.at, self.unknown)

    def _none(self, nearest: float, why: str = "") -> Answer:
        name, at = self.query.variable, self.at(nearest)
        failed = missed(self.failing(at), at)
        at_best = f"even at {shown(name, at.gpus if name == 'world_size' else nearest)}"
        unserved = f", {at.figures.sentence}" if at.figures.sentence else ""
        said = why or at_best + (unserved or f" {failed or 'it never is'}")
        return Answer(
            status=Status.INFEASIBLE,
            variable=name,
            unit=self.unknown.unit,
            objective=f"{self.query.goal} {name}",
            binding=tuple(map(str, self.failing(at))),
            slack={} if at.figures.sentence else slack(self.query, at),
            nearest=nearest,
            at={name: float(at.gpus) if name == "world_size" else nearest},
            assumed=assumed(self.fixed, (name,)),
            sentence=f"no {name} does: {said}.",
        )


def assumed(fixed: Mapping[str, float], unknowns: tuple[str, ...]) -> dict[str, float]:
    """Lengths that the question left out."""
    return {n: v for n, v in (("S", ISL), ("O", OSL)) if n not in fixed and n not in unknowns}
