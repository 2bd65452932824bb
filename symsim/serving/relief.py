"""What would give a question about requests an answer: one symbol that is changed, all others as they are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from symsim.errors import SymsimError
from symsim.inputs.space import SIZES
from symsim.language.query import Query
from symsim.pipeline.compiled import Compiled
from symsim.serving.points import ISL, OSL, UNKNOWNS, failing, figures_at
from symsim.solve.answer import Answer, Status
from symsim.solve.bisection import last_holding

_LESS = ("rate", "concurrency", "B", "drafts", "S", "O")
"""Symbols of which less is less to do."""

_FARTHEST, _WIDEST = 1024.0, 8
"""By what factor a symbol, and tp, is changed at most."""

_CLOSE = 1e-4
"""How close to the border a value that is no whole number is, as a share of it."""


@dataclass(frozen=True, slots=True)
class _Lever:
    """A symbol, its value today, and others that are looked at, the nearest first; step: between two values that there
    may be, 0 of a real number, without end where nothing is looked at between."""

    name: str
    today: float
    values: tuple[float, ...]
    step: float

    def middle(self, low: float, high: float) -> float | None:
        if abs(high - low) <= max(self.step, _CLOSE * abs(low) if not self.step else 0.0):
            return None
        return (low + high) / 2 if not self.step else low + (high - low) / self.step // 2 * self.step


def with_relief(compiled: Compiled, query: Query, fixed: Mapping[str, float], answer: Answer) -> Answer:
    """An answer without a value, with what would give it one: symbol -> its value nearest to today's.

    A wider tensor parallelism, which takes a compilation, is looked at where nothing else helps.
    """
    if answer.status is not Status.INFEASIBLE or query.goal == "solve":
        return answer
    metrics = [*(one.metric for one in query.constraints), *(() if query.variable in UNKNOWNS else (query.variable,))]

    def does(changes: Mapping[str, float]) -> bool:
        try:
            point = figures_at(compiled, {**fixed, **changes}, metrics)
        except SymsimError:  # it cannot be so
            return False
        return not point.figures.sentence and not failing(query.constraints, point)

    trials = [answer.at, *({"budget": 2.0**i} for i in range(6, 21) if query.variable == "budget")]
    point = {**fixed, **answer.at}
    found = _found(_levers(compiled, point, {query.variable, *query.over}), trials, does)
    found = found or _found(_wider(compiled, point), trials, does)
    return replace(answer, relief=found)


def _found(
    levers: Iterable[_Lever], trials: Collection[Mapping[str, float]], does: Callable[[Mapping[str, float]], bool]
) -> Mapping[str, float]:
    found = ((lever.name, _nearest(lever, trials, does)) for lever in levers)
    return {name: value for name, value in found if value is not None}


def _nearest(
    lever: _Lever, trials: Collection[Mapping[str, float]], does: Callable[[Mapping[str, float]], bool]
) -> float | None:
    """The value nearest to today's with which the question has an answer at one of the trials; none where the farthest
    has none, but for a budget, of which both less and more may help."""

    def served(value: float) -> bool:
        return any(does({**trial, lever.name: value}) for trial in trials)

    looked_at = lever.values if lever.name == "budget" or served(lever.values[-1]) else ()
    value = next(filter(served, looked_at), None)
    if value is None:
        return None
    before = [one for one in lever.values if abs(one - lever.today) < abs(value - lever.today)]
    end = before[-1] if before and lever.name != "budget" else lever.today
    last = last_holding(served, value, end, lever.middle)[0]
    return last if lever.step else _rounded(last, up=last > lever.today)


def _rounded(value: float, *, up: bool) -> float:
    """To three digits, away from the border."""
    digit = 10.0 ** (math.floor(math.log10(value)) - 2)
    return float(f"{(math.ceil if up else math.floor)(value / digit) * digit:.3g}")


def _levers(compiled: Compiled, point: Mapping[str, float], unknowns: set[str]) -> Iterator[_Lever]:
    """What a question states and may be otherwise, and lengths, hits and a budget that it leaves out."""
    apart = bool({"x", "y"} & point.keys())
    loaded = {"rate", "concurrency"} & point.keys()
    usual = {"S": ISL, "O": OSL, "hit": 0.0}
    usual |= {"world_size": float(compiled.deployment.world_size)} if loaded and not apart else {}
    stated = {name: value for name, value in point.items() if name not in ("S", "O", "price")}
    left_out = {name: value for name, value in usual.items() if name not in point}
    for name, today in {**stated, **left_out}.items():
        if name in UNKNOWNS and name not in unknowns and (values := tuple(_values(name, today))):
            each = float(compiled.deployment.world_size) if name == "world_size" else float(UNKNOWNS[name].whole)
            yield _Lever(name, today, values, each)


def _values(name: str, today: float) -> Iterator[float]:
    known = UNKNOWNS[name]
    if known.ends and known.relieves:
        yield from (known.high,) if today < known.high else ()
        return
    factor = 0.5 if name in _LESS else 2.0
    for i in itertools.count(1):
        value = today * factor**i
        value = float(int(value)) if known.whole else value
        if not known.low <= value <= known.high or 2**i > _FARTHEST:
            return
        yield value
        if value == 0:
            return


def _wider(compiled: Compiled, point: Mapping[str, float]) -> Iterator[_Lever]:
    """More GPUs for each layer."""
    today = compiled.deployment.tp
    wider = tuple(float(tp) for tp in SIZES["tp"] if today < tp <= today * _WIDEST)
    if wider and "tp" not in point:
        yield _Lever("tp", today, wider, math.inf)
