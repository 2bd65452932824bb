"""What the symbols of a question about requests come to: from values to figures, and metrics of those."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from symsim.algebra.units import format_quantity
from symsim.errors import SymsimError
from symsim.inputs.space import SIZES, resized
from symsim.language.query import Constraint, Query
from symsim.language.words import instead
from symsim.pipeline.compiled import Compiled
from symsim.pipeline.pipeline import compiled_as
from symsim.serving.ask import WORKER_SIZES, Ask, asked
from symsim.serving.fixed_batch import decoding_alone
from symsim.serving.model_step import EngineLayout
from symsim.serving.prediction import Figures, predicted


@dataclass(frozen=True, slots=True)
class Unknown:
    """What a question may be solved for: its unit, the range that is looked at, whether it is whole, whether more of it
    makes less wait, whether its largest value is the most that there is."""

    unit: str
    low: float
    high: float
    whole: bool
    relieves: bool = False
    ends: bool = False


LOADS: Mapping[str, Unknown] = {
    "rate": Unknown("1/s", 1e-4, 1e6, False),
    "concurrency": Unknown("1", 1, 2**20, True),
    "budget": Unknown("tokens", 64, 2**20, True),
    "hit": Unknown("1", 0.0, 0.999, False, relieves=True, ends=True),
    "acceptance": Unknown("1", 0.0, 1.0, False, relieves=True, ends=True),
    "drafts": Unknown("1", 0, 8, True, ends=True),
    "max_running": Unknown("1", 1, 2**20, True, relieves=True),
    "x": Unknown("1", 1, 4096, True, relieves=True),
    "y": Unknown("1", 1, 4096, True, relieves=True),
}
"""Symbols that only questions about requests have -> what is known of them."""

UNKNOWNS: Mapping[str, Unknown] = {
    **LOADS,
    "B": Unknown("1", 1, 2**16, True),
    "S": Unknown("tokens", 1, 2**20, True),
    "O": Unknown("tokens", 2, 2**20, True),
    "world_size": Unknown("1", 1, 2**14, True, relieves=True),
    "price": Unknown("$/h", 1e-4, 1e6, False),
}
"""Name -> what is known of it; world_size: of whole copies of the deployment."""

SYNONYMS: Mapping[str, str] = {"lambda": "rate", "a": "acceptance", "h": "hit", "K": "budget", "k": "drafts"}
"""Letters of the formulas -> symbols of questions."""

USERS = "users"
"""Clients that always wait are as many users; of a rate, users follow."""

COPIES = "copies"
"""Whole deployments that are searched for where world_size is asked for."""

ISL, OSL = 4096.0, 2048.0
"""Lengths where a question says nothing."""


def load_symbol(name: str) -> str:
    """The symbol of requests that a letter of the formulas, or users, are stated by; others as they are.

    >>> load_symbol("lambda"), load_symbol("users"), load_symbol("S")
    ('rate', 'concurrency', 'S')
    """
    return "concurrency" if name == USERS else SYNONYMS.get(name, name)


@dataclass(frozen=True, slots=True)
class Point:
    """What is served at some values; plain: the same requests without drafts; compiled, gpus: what serves them."""

    figures: Figures
    plain: Callable[[], Figures]
    gpus: int


def _speedup(at: Point) -> float | None:
    """How many times as fast drafts make an answer."""
    without = at.plain().tpot
    return None if without is None or not at.figures.tpot else without / at.figures.tpot


METRICS: Mapping[str, tuple[str, Callable[[Point], float | None]]] = {
    "ttft": ("s", lambda at: at.figures.ttft["mean"]),
    "ttft_p50": ("s", lambda at: at.figures.ttft["p50"]),
    "ttft_p90": ("s", lambda at: at.figures.ttft["p90"]),
    "ttft_p99": ("s", lambda at: at.figures.ttft["p99"]),
    "tpot": ("s", lambda at: at.figures.tpot),
    "itl_p50": ("s", lambda at: at.figures.itl["p50"]),
    "itl_p99": ("s", lambda at: at.figures.itl["p99"]),
    "itl_max": ("s", lambda at: at.figures.served.letters.get("t_K")),
    "e2e": ("s", lambda at: at.figures.e2e),
    "tokens/s/user": ("tokens/s", lambda at: None if not at.figures.tpot else 1 / at.figures.tpot),
    "tokens/s/gpu": ("tokens/s", lambda at: at.figures.per_gpu),
    "tgs": ("tokens/s", lambda at: at.figures.per_gpu),
    "cost": ("$", lambda at: at.figures.cost),
    "power": ("W", lambda at: at.figures.power),
    "energy": ("J", lambda at: at.figures.energy),
    "requests/s": ("1/s", lambda at: at.figures.request_rate),
    "users": ("1", lambda at: at.figures.users),
    "speedup": ("1", _speedup),
    "gpus": ("1", lambda at: float(at.gpus)),
}
"""Metric of requests, in small letters -> its unit, and how a point has it."""

_RATES = ("tpot", "tokens/s/user", "speedup")
"""What a batch that only decodes has."""


def unit_of(metric: str) -> str:
    """SI unit of a metric of requests."""
    return METRICS[key(metric)][0]


def key(metric: str) -> str:
    return metric.lower().replace("tps_user", "tokens/s/user")


def metric_of(name: str) -> tuple[str, Callable[[Point], float | None]]:
    if key(name) not in METRICS:
        if name in UNKNOWNS:
            raise SymsimError(f"{name} is a symbol, and metrics are bounded; state it, as with {name} = 64")
        raise SymsimError(f"requests have no metric {name}; {instead(key(name), METRICS)}")
    return METRICS[key(name)]


def figures_at(compiled: Compiled, at: Mapping[str, float], metrics: Iterable[str], *, sure: bool = False) -> Point:
    """What is served at these values. Where nothing but a batch B is stated, and nothing but its pace asked for, it
    only decodes; else B is that of clients who always wait. sure: whether intervals are asked for.

    Raises SymsimError where neither a rate nor clients are stated, DeploymentError for sizes that cannot be.
    """
    compiled = _resized(compiled, at)
    alone = "B" in at and not {"rate", "concurrency"} & at.keys() and {key(name) for name in metrics} <= {*_RATES}
    ask = _ask(compiled, at, 0 if alone else None)
    if alone:
        found, plain = (decoding_alone(compiled, one, at["B"]) for one in (ask, replace(ask, drafts=0)))
        return Point(found, lambda: plain, found.gpus)
    found = predicted(compiled, ask, sure=sure)
    return Point(found, lambda: predicted(compiled, replace(ask, drafts=0), sure=False), found.gpus)


def _resized(compiled: Compiled, at: Mapping[str, float]) -> Compiled:
    sizes = {name: int(at[name]) for name in SIZES if name in at and name != "world_size"}
    return _as(compiled, tuple(sizes.items())) if sizes else compiled


@lru_cache(maxsize=64)
def _as(compiled: Compiled, sizes: tuple[tuple[str, int], ...]) -> Compiled:
    return compiled_as(compiled, resized(compiled.asked, dict(sizes)))


def _ask(compiled: Compiled, at: Mapping[str, float], alone: int | None) -> Ask:
    how: dict[str, Any] = {name: at[name] for name in ("rate", "concurrency", "acceptance", "price") if name in at}
    how |= {name: int(at[name]) for name in ("budget", "drafts", "max_running") if name in at}
    how |= {"prefix_hit": at["hit"]} if "hit" in at else {}
    if how.get("drafts") and "acceptance" not in how:
        raise SymsimError("drafts need an acceptance, e.g. `with drafts = 1, acceptance = 0.8`")
    if COPIES in at or "world_size" in at:
        how["copies"] = int(at[COPIES]) if COPIES in at else _copies(compiled, int(at["world_size"]))
    if "x" in at or "y" in at:
        here = _sizes(compiled)
        how |= {"prefill": f"{int(at.get('x', 1))} x {here}", "decode": f"{int(at.get('y', 1))} x {here}"}
    if stated := [name for name in ("rate", "concurrency") if name in how and "B" in at]:
        raise SymsimError(f"B follows from {stated[0]}, and both are stated; state one of B and {stated[0]}")
    if not {"rate", "concurrency"} & how.keys():
        if "B" not in at:
            raise SymsimError("a question about requests needs a rate or a concurrency, e.g. `with rate = 4`")
        layout = EngineLayout.of(compiled)
        how["concurrency"] = at["B"] if alone is not None else at["B"] * layout.replicas * layout.engines
    return asked(at.get("S", ISL), at.get("O", OSL), **how)


def _copies(compiled: Compiled, gpus: int) -> int:
    each = compiled.deployment.world_size
    if gpus % each:
        raise SymsimError(f"world_size = {gpus} is no multiple of the {each} GPUs of the deployment")
    return gpus // each


def _sizes(compiled: Compiled) -> str:
    of = compiled.deployment
    stated = ((name, getattr(of, name)) for name in WORKER_SIZES if name not in ("world_size", "num_nodes"))
    return ",".join(f"{name}={size}" for name, size in stated if size)


def _filled(at: Point) -> tuple[float, float]:
    """Bytes of a GPU that are taken, and all that there are."""
    parts = {name: amount or 0.0 for name, amount in at.figures.memory.items() if name != "kv_tokens"}
    whole = sum(parts.values())
    return whole - parts.get("free", 0.0), whole


def is_memory(constraint: Constraint) -> bool:
    return key(constraint.metric) == "memory"


def holds(constraint: Constraint, at: Point) -> bool:
    """Whether a point meets a constraint; what has no value meets none. Memory holds where all clients have a place at
    once, and no more of a GPU is filled; of a rate, room for caches is what limits how many run."""
    if is_memory(constraint):
        used, capacity = _filled(at)
        bound = constraint.bound
        most = float(bound.share) * capacity if bound.name is not None else float(bound.value("B"))
        return at.figures.load.get("places", 0.0) <= 1 and used <= most
    unit, of = metric_of(constraint.metric)
    value = of(at)
    if value is None:
        return False
    bound = float(constraint.bound.value(unit))
    return value <= bound if constraint.relation == "<=" else value >= bound


def failing(constraints: Iterable[Constraint], at: Point) -> list[Constraint]:
    """Constraints that do not hold."""
    return [one for one in constraints if not holds(one, at)]


def excess(constraints: Iterable[Constraint], at: Point) -> float:
    """By what factor the constraint that fails most is over its bound; without end where it has no value."""
    over = [1.0]
    for one in failing(constraints, at):
        if is_memory(one):
            over.append(max(1.0, at.figures.load.get("places", 0.0)))
            continue
        unit, of = metric_of(one.metric)
        value, bound = of(at), float(one.bound.value(unit))
        ends = (value, bound) if one.relation == "<=" else (bound, value)
        over.append(math.inf if not ends[0] or not ends[1] else ends[0] / ends[1])
    return max(over)


def missed(constraints: Iterable[Constraint], at: Point) -> str:
    """`TPOT <= 1 ms fails: it is 5.9 ms`."""
    words: list[str] = []
    for one in constraints:
        if is_memory(one):
            places = at.figures.load.get("places", 0.0)
            used = format_quantity(_filled(at)[0], "B")
            full = f"there are {places:.3g} clients for each place in the cache"
            words.append(f"{one} fails: {full if places > 1 else f'it is {used}'}")
            continue
        unit, of = metric_of(one.metric)
        value = of(at)
        known = "it has no value" if value is None else f"it is {format_quantity(value, unit)}"
        words.append(f"{one} fails: {known}")
    return ", ".join(words)


def slack(query: Query, at: Point) -> dict[str, float]:
    """Constraint -> room that is left, in SI units."""
    rooms: dict[str, float] = {}
    for one in query.constraints:
        if is_memory(one) or one.relation == "=":
            continue
        unit, of = metric_of(one.metric)
        room = float(one.bound.value(unit)) - (of(at) or 0.0)
        rooms[str(one)] = room if one.relation == "<=" else -room
    return rooms


def shown(name: str, value: float) -> str:
    """`rate = 4.2 requests/s`."""
    unknown = UNKNOWNS.get(name, Unknown("1", 0, 0, True))
    unit = {"1": "", "1/s": " requests/s"}.get(unknown.unit, f" {unknown.unit}")
    return f"{name} = {f'{value:,.0f}' if unknown.whole else f'{value:.4g}'}{unit}"
