"""Questions about requests under load: the largest rate, the fewest workers, the best budget that meet targets."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from symsim.errors import SymsimError, did_you_mean
from symsim.language.query import Constraint, Quantity, Query
from symsim.pipeline.compiled import Compiled
from symsim.serving.ask import HOUR, asked
from symsim.serving.prediction import Figures, predicted
from symsim.solve.answer import Answer, Certificate, Status
from symsim.solve.bisection import last_holding, whole_middle


@dataclass(frozen=True, slots=True)
class Unknown:
    """What a question may be solved for: its unit, the range that is looked at, whether it is whole."""

    unit: str
    low: float
    high: float
    whole: bool


UNKNOWNS: Mapping[str, Unknown] = {
    "rate": Unknown("1/s", 1e-4, 1e6, False),
    "concurrency": Unknown("1", 1, 2**20, True),
    "budget": Unknown("tokens", 64, 2**20, True),
    "hit": Unknown("1", 0.0, 0.999, False),
    "acceptance": Unknown("1", 0.0, 1.0, False),
    "max_running": Unknown("1", 1, 2**20, True),
    "x": Unknown("1", 1, 4096, True),
    "y": Unknown("1", 1, 4096, True),
}
"""Name -> what is known of it."""

METRICS: Mapping[str, tuple[str, Callable[[Figures], float | None]]] = {
    "ttft": ("s", lambda found: found.ttft["mean"]),
    "ttft_p50": ("s", lambda found: found.ttft["p50"]),
    "ttft_p90": ("s", lambda found: found.ttft["p90"]),
    "ttft_p99": ("s", lambda found: found.ttft["p99"]),
    "tpot": ("s", lambda found: found.tpot),
    "itl_p50": ("s", lambda found: found.itl["p50"]),
    "itl_p99": ("s", lambda found: found.itl["p99"]),
    "e2e": ("s", lambda found: found.e2e),
    "tokens/s/user": ("tokens/s", lambda found: None if not found.tpot else 1 / found.tpot),
    "tokens/s/gpu": ("tokens/s", lambda found: found.per_gpu),
    "tgs": ("tokens/s", lambda found: found.per_gpu),
    "cost": ("$", lambda found: found.cost),
    "power": ("W", lambda found: found.power),
    "energy": ("J", lambda found: found.energy),
    "requests/s": ("1/s", lambda found: found.request_rate),
    "users": ("1", lambda found: found.users),
}
"""Metric of requests, in small letters -> its unit, and how a prediction has it."""

_OTHERS = ("S", "O", "drafts", "price")


def unit_of(metric: str) -> str:
    """SI unit of a metric of requests."""
    return METRICS[metric.lower()][0]


def is_about_load(query: Query) -> bool:
    """Whether a question speaks of requests, not of one step."""
    return query.variable in UNKNOWNS or bool(query.fixed.keys() & {"rate", "concurrency"})


def answered(compiled: Compiled, query: Query) -> Answer:
    """The answer by bisection: what is asked of gets no better as the rate, or the clients, increase.

    Raises SymsimError for names that no question about requests has.
    """
    if query.variable not in UNKNOWNS:
        raise SymsimError(f"requests cannot be solved for {query.variable}; {did_you_mean(query.variable, UNKNOWNS)}")
    search = _Search(compiled, query, _fixed(query), UNKNOWNS[query.variable])
    if query.goal == "solve":
        return search.crossing()
    return search.largest() if query.goal == "max" else search.smallest()


def _fixed(query: Query) -> Mapping[str, float]:
    known = {*UNKNOWNS, *_OTHERS}
    if unknown := [name for name in query.fixed if name not in known]:
        raise SymsimError(f"a question about requests has no {unknown[0]}; {did_you_mean(unknown[0], known)}")
    units = {"S": "tokens", "O": "tokens", "drafts": "1"}
    found = {
        name: float(quantity.value(units.get(name) or UNKNOWNS[name].unit))
        for name, quantity in query.fixed.items()
        if name != "price"
    }
    return {**found, **({"price": _price(query.fixed["price"])} if "price" in query.fixed else {})}


def _price(stated: Quantity) -> float:
    """$/h of a GPU; a bare number is in it."""
    return float(replace(stated, unit=stated.unit or "$/h").value("$/s")) * HOUR


def _metric(constraint: Constraint) -> tuple[str, Callable[[Figures], float | None]]:
    name = constraint.metric.lower().replace("tps_user", "tokens/s/user")
    if name not in METRICS:
        hint = did_you_mean(name, METRICS)
        raise SymsimError(f"requests have no metric {constraint.metric}; {hint}")
    return METRICS[name]


@dataclass(frozen=True)
class _Search:
    compiled: Compiled
    query: Query
    fixed: Mapping[str, float]
    unknown: Unknown

    def figures(self, value: float) -> Figures:
        at = {**self.fixed, self.query.variable: int(value) if self.unknown.whole else value}
        how: dict[str, Any] = {name: at[name] for name in ("rate", "concurrency") if name in at}
        how |= {name: int(at[name]) for name in ("budget", "drafts", "max_running") if name in at}
        how |= {"prefix_hit": at["hit"]} if "hit" in at else {}
        how |= {name: at[name] for name in ("acceptance", "price") if name in at}
        if "x" in at or "y" in at:
            here = _sizes(self.compiled)
            how |= {"prefill": f"{int(at.get('x', 1))} x {here}", "decode": f"{int(at.get('y', 1))} x {here}"}
        if not {"rate", "concurrency"} & how.keys():
            raise SymsimError("a question about requests needs a rate or a concurrency, e.g. `with rate = 4`")
        return predicted(self.compiled, asked(at.get("S", 4096), at.get("O", 2048), **how))

    def failing(self, found: Figures) -> list[Constraint]:
        """Constraints that do not hold; all of them where there is no equilibrium."""
        return [one for one in self.query.constraints if one.metric.lower() != "memory" and not _holds(one, found)]

    def holds(self, value: float) -> bool:
        found = self.figures(value)
        return not found.sentence and not self.failing(found)

    def largest(self) -> Answer:
        low, high = self.unknown.low, self.unknown.high
        if not self.holds(low):  # a small budget makes prompts wait: look further up
            low = next((x for x in self._grid() if self.holds(x)), math.nan)
            if math.isnan(low):
                return self._none(self.figures(self.unknown.low))
        step = low
        while step < high and self.holds(step := min(high, 2 * step)):
            low = step
        if low >= high:
            return self._found(high, None)
        return self._found(*last_holding(self.holds, *self._ends(low, step), self._middle))

    def smallest(self) -> Answer:
        low, high = self.unknown.low, self.unknown.high
        if self.holds(low):
            return self._found(low, None)
        first = next((x for x in self._grid() if self.holds(x)), math.nan)
        if math.isnan(first):
            return self._none(self.figures(high))
        return self._found(*last_holding(self.holds, *self._ends(first, first / 2), self._middle))

    def crossing(self) -> Answer:
        """The value at which a metric is a number, which it passes once."""
        (constraint,) = self.query.constraints
        unit, of = _metric(constraint)
        target = float(constraint.bound.value(unit))

        def over(value: float) -> bool:
            found = of(self.figures(value))
            return found is None or found > target

        low, high = self.unknown.low, min(self.unknown.high, 1e4)
        at_low = over(low)
        if over(high) == at_low:
            return self._none(self.figures(low))
        return self._found(*last_holding(lambda x: over(x) == at_low, *self._ends(low, high), self._middle))

    def _grid(self) -> list[float]:
        low, high = max(self.unknown.low, 1e-3), self.unknown.high
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
        found = self.figures(value)
        after = None if beyond is None else self.figures(beyond)
        tight = [] if after is None else self.failing(after)
        first = next(iter(tight), None)
        of = None if first is None else _metric(first)[1]
        name, shown = self.query.variable, f"{value:,.0f}" if self.unknown.whole else f"{value:.4g}"
        unit = "" if self.unknown.unit == "1" else f" {'requests/s' if name == 'rate' else self.unknown.unit}"
        bound = f", bound by {' and '.join(map(str, tight))}" if tight else ""
        if after is not None and after.sentence:
            bound = f": beyond it {after.sentence}"
        load = ", ".join(f"{what} {share:.0%}" for what, share in found.load.items() if share)
        return Answer(
            status=Status.SOLVED,
            variable=name,
            value=value,
            unit=self.unknown.unit,
            objective=f"{self.query.goal} {name}",
            binding=tuple(map(str, tight)) or found.binding,
            slack=_slack(self.query, found),
            certificate=Certificate(
                None if of is None else of(found), None if of is None or after is None else of(after), ()
            ),
            assumed={n: v for n, v in (("S", 4096.0), ("O", 2048.0)) if n not in self.fixed},
            sentence=f"{name} = {shown}{unit}{bound}; load: {load}.",
            warnings=found.warnings,
        )

    def _none(self, nearest: Figures) -> Answer:
        failing = nearest.sentence or ", ".join(map(str, self.failing(nearest))) or "it never is that"
        name = self.query.variable
        return Answer(
            status=Status.INFEASIBLE,
            variable=name,
            unit=self.unknown.unit,
            objective=f"{self.query.goal} {name}",
            assumed={},
            sentence=f"no {name} does: {failing}",
        )


def _sizes(compiled: Compiled) -> str:
    of = compiled.deployment
    return f"tp={of.tp},pp={of.pp},cp={of.cp},dp={of.dp}" + ("" if of.ep is None else f",ep={of.ep}")


def _holds(constraint: Constraint, found: Figures) -> bool:
    unit, of = _metric(constraint)
    value = of(found)
    if value is None:
        return False
    bound = float(constraint.bound.value(unit))
    return value <= bound if constraint.relation == "<=" else value >= bound


def _slack(query: Query, found: Figures) -> dict[str, float]:
    rooms: dict[str, float] = {}
    for one in query.constraints:
        if one.metric.lower() == "memory" or one.relation == "=":
            continue
        unit, of = _metric(one)
        room = float(one.bound.value(unit)) - (of(found) or 0.0)
        rooms[str(one)] = room if one.relation == "<=" else -room
    return rooms
