"""Goals that are metrics of requests: the values of some unknowns at which one is best, all others being met.

All combinations of a coarse grid are looked at, then neighbours of the best, closer and closer. Nothing is taken for
granted about how a metric moves, so an answer is the best of the points that were looked at, as it says.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from symsim.algebra.units import format_quantity
from symsim.errors import DeploymentError, SymsimError, did_you_mean
from symsim.inputs.space import SIZES
from symsim.language.query import Query
from symsim.pipeline.compiled import Compiled
from symsim.serving.inverses import matched_workers
from symsim.serving.points import (
    COPIES,
    ISL,
    OSL,
    UNKNOWNS,
    Point,
    excess,
    failing,
    figures_at,
    metric_of,
    missed,
    shown,
    slack,
)
from symsim.serving.sentences import load_in_words
from symsim.solve.answer import Answer, Status

_Values = tuple[float, ...]

_POWERS = tuple(2.0**i for i in range(14))
_WORKERS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
_GRIDS: Mapping[str, tuple[float, ...]] = {
    "rate": tuple(2.0**i for i in range(-6, 11)),
    "concurrency": _POWERS,
    "B": _POWERS[:11],
    "budget": tuple(256 * power for power in _POWERS[:9]),
    "max_running": _POWERS[:12],
    "drafts": (0, 1, 2, 3, 4, 5),
    "x": _WORKERS,
    "y": _WORKERS,
    "world_size": _WORKERS,
}
"""Where a search begins; of other unknowns it has no idea."""


def best(compiled: Compiled, query: Query, fixed: Mapping[str, float], over: Sequence[str]) -> Answer:
    """The best of all points looked at. Raises SymsimError for unknowns that are fixed, or are none."""
    for name in over:
        if name in fixed:
            raise SymsimError(f"{name} is stated, and to be searched for: one of both")
        if name not in _GRIDS and (name not in SIZES):
            known = {*_GRIDS, *SIZES}
            raise SymsimError(f"requests cannot be searched over {name}; {did_you_mean(name, known)}")
    search = _Search(compiled, query, fixed, tuple(over))
    found = search.refined(search.coarse())
    return search.answer(found)


def without_unknowns(compiled: Compiled, query: Query, fixed: Mapping[str, float]) -> Answer:
    """The metric where everything is stated."""
    return _Search(compiled, query, fixed, ()).answer(())


@dataclass(frozen=True)
class _Search:
    compiled: Compiled
    query: Query
    fixed: Mapping[str, float]
    over: tuple[str, ...]
    seen: dict[_Values, Point | None] = field(default_factory=dict[_Values, Point | None])

    @property
    def metric(self) -> Callable[[Point], float | None]:
        return metric_of(self.query.variable)[1]

    def at(self, values: _Values) -> Point | None:
        """None where the deployment cannot be."""
        if values not in self.seen:
            self.seen[values] = self._at(values)
        return self.seen[values]

    def _at(self, values: _Values) -> Point | None:
        named = {COPIES if n == "world_size" else n: v for n, v in zip(self.over, values, strict=True)}
        metrics = [self.query.variable, *(one.metric for one in self.query.constraints)]
        try:
            return figures_at(self.compiled, {**self.fixed, **named}, metrics)
        except DeploymentError:
            if not self.over:
                raise
            return None

    def score(self, values: _Values) -> float:
        """More is better; minus infinity where a constraint fails or nothing is served."""
        at = self.at(values)
        if at is None or at.figures.sentence or failing(self.query.constraints, at):
            return -math.inf
        value = self.metric(at)
        return -math.inf if value is None else value if self.query.goal == "max" else -value

    def _rank(self, values: _Values) -> tuple[float, ...]:
        """Of points that are as good, the least: more clients than have a place only wait."""
        return self.score(values), *(-value for value in values)

    def coarse(self) -> _Values:
        grids = [_GRIDS.get(name) or SIZES[name][:8] for name in self.over]
        return max(itertools.product(*grids), key=self._rank)

    def refined(self, values: _Values) -> _Values:
        """The best of the neighbours, again and again; closer where none is better."""
        factor = 2**0.5
        while factor > _CLOSE:
            better = max(self._neighbours(values, factor), key=self._rank, default=values)
            if self._rank(better) > self._rank(values):
                values = better
            else:
                factor = factor**0.5
        return values

    def _neighbours(self, values: _Values, factor: float) -> Iterator[_Values]:
        """Each unknown as it is, somewhat less and somewhat more."""
        sides = [self._sides(name, value, factor) for name, value in zip(self.over, values, strict=True)]
        return (one for one in itertools.product(*sides) if one != values)

    def _sides(self, name: str, value: float, factor: float) -> list[float]:
        if name in SIZES and name != "world_size":
            return [value]
        known = UNKNOWNS[name]
        less, more = value / factor, value * factor
        if known.whole:
            less, more = min(value - 1, round(less)), max(value + 1, round(more))
        return [one for one in (value, less, more) if known.low <= one <= known.high]

    def answer(self, values: _Values) -> Answer:
        at, unit = self.at(values), metric_of(self.query.variable)[0]
        name, goal = self.query.variable, f"{self.query.goal} {self.query.variable}"
        assumed = {n: v for n, v in (("S", ISL), ("O", OSL)) if n not in self.fixed}
        if at is None or self.score(values) == -math.inf:
            return Answer(
                status=Status.INFEASIBLE,
                variable=name,
                unit=unit,
                objective=goal,
                assumed=assumed,
                tried=len(self.seen),
                **self._nothing(),
            )
        value = self.metric(at)
        here = {n: at.gpus if n == "world_size" else v for n, v in zip(self.over, values, strict=True)}
        tight = self._tight(values)
        where = ", ".join(shown(n, v) for n, v in here.items())
        load = load_in_words(at.figures.load)
        shares = f"; load: {load}" if load else ""
        bound = f", bound by {' and '.join(tight)}" if tight else ""
        looked = f"; best of {len(self.seen)} points looked at" if self.over else ""
        stated = f" at {where}" if where else ""
        return Answer(
            status=Status.SOLVED,
            variable=name,
            value=value,
            unit=unit,
            objective=goal,
            binding=tight or at.figures.binding,
            slack=slack(self.query, at),
            closed_form=matched_workers(at) if {"x", "y"} <= {*self.over} else None,
            assumed=assumed,
            tried=len(self.seen),
            at={n: int(v) if v == int(v) else v for n, v in here.items()},
            sentence=f"{name} = {format_quantity(value or 0.0, unit)}{stated}{bound}{looked}{shares}.",
            warnings=at.figures.warnings,
        )

    def _tight(self, values: _Values) -> tuple[str, ...]:
        """Constraints that keep neighbours from being better."""
        sign = 1 if self.query.goal == "max" else -1
        own = self.score(values)
        found: dict[str, None] = {}
        for other in self._neighbours(values, _CLOSE):
            at = self.at(other)
            value = None if at is None else self.metric(at)
            if at is not None and (at.figures.sentence or (value is not None and sign * value > own)):
                found |= dict.fromkeys(map(str, failing(self.query.constraints, at)))
        return tuple(found)

    def _nothing(self) -> dict[str, Any]:
        """Why no point does: of the one that misses its constraints least; and where that is."""
        name = self.query.variable
        there = {values: at for values, at in self.seen.items() if at is not None}
        if not there:
            return {"sentence": f"no {name}: none of {len(self.seen)} deployments can be."}
        values = min(there, key=lambda one: _missing(self.query, there[one]))
        at = there[values]
        why = at.figures.sentence or missed(failing(self.query.constraints, at), at) or f"{name} has no value"
        if not self.over:
            return {"sentence": f"no {name}: {why}."}
        here = {n: float(at.gpus) if n == "world_size" else v for n, v in zip(self.over, values, strict=True)}
        where = ", ".join(shown(n, v) for n, v in here.items())
        none = f"none of {len(self.seen)} points over {' and '.join(self.over)} does"
        return {"at": here, "sentence": f"no {name}: {none}; nearest, at {where}, {why}."}


def _missing(query: Query, at: Point) -> float:
    return math.inf if at.figures.sentence else excess(query.constraints, at)


_CLOSE = 1.02
