"""The largest load of one engine whose times stay within limits, and what a larger one would fail."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from symsim.serving.aggregated import Deployed, served
from symsim.serving.engines import Served
from symsim.solve.bisection import gallop, last_holding, secants


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds at the most: of the mean time to first token, and of the mean time per output token."""

    ttft: float = math.inf
    tpot: float = math.inf

    @property
    def all_stated(self) -> bool:
        return math.isfinite(self.ttft) and math.isfinite(self.tpot)

    def failing(self, found: Served) -> tuple[str, ...]:
        """The limits that do not hold; `load` where there is no equilibrium."""
        if not found.solved:
            return ("load",)
        return tuple(name for name, value, limit in self.compared(found) if not value <= limit)

    def excess(self, found: Served) -> float:
        """Logarithm of the value that is nearest to its limit, or furthest beyond, in times of it."""
        if not found.solved:
            return math.inf
        nearest = max(value / limit for _, value, limit in self.compared(found))
        return math.log(nearest) if nearest > 0 else -math.inf

    def compared(self, found: Served) -> tuple[tuple[str, float, float], ...]:
        """(what is limited, its value, its limit)."""
        ttft, tpot = found.values["ttft_mean"], found.values.get("tpot_mean", 0.0)
        return ("TTFT", ttft, self.ttft), ("TPOT", tpot, self.tpot)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """load: users, or requests per second; found: what is served then; stopped: what the next larger load fails."""

    load: float
    found: Served
    stopped: tuple[str, ...]


def at_load(of: Deployed, load: float) -> Served:
    """What an engine serves of so many users, or of so many requests per second where its ask is by a rate."""
    by = "rate" if of.ask.rate is not None else "concurrency"
    return served(replace(of, ask=replace(of.ask, **{by: load * of.engines})))


def most_users(of: Deployed, limits: Limits, least: float = 0.0, near: int = 1) -> Reached | None:
    """The most users of one engine, a whole number; None where one user alone is served outside of the limits, or where
    requests per second are not above the least. near: where to begin. Times and rates rise with the number of users, so
    doubling and halving finds it, and what is too much at a rate that is too low ends the search."""
    places = int(min(of.places, MOST))
    at = lru_cache(maxsize=None)(lambda users: at_load(of, float(users)))
    slow = list[int]()

    def holds(users: int) -> bool:
        if slow or not limits.failing(at(users)):
            return not slow
        if at(users).values.get("rate", math.inf) <= least:
            slow.append(users)
        return False

    start = max(1, min(near, places))
    if holds(start):
        users = gallop(holds, start, places) if start < places else start
    else:
        users = start - 1 - gallop(lambda less: not holds(start - less), 0, start - 1)
    if slow or not users:
        return None
    full = ("cache",) if of.places >= of.room.sequences - 1 else ("max_running",)
    return Reached(load=users, found=at(users), stopped=full if users == places else limits.failing(at(users + 1)))


MOST = 2**16
"""Users of an engine that holds any number of them."""


def most_requests(at: Callable[[float], Served], limits: Limits, rate: float, least: float = 0.0) -> Reached | None:
    """The most requests per second up to `rate` that are served within the limits; None where hardly any are, or not
    as many as `least`. at: what is served at a rate."""
    at = lru_cache(maxsize=None)(at)
    if least and limits.failing(at(least)):
        return None
    if not limits.failing(found := at(rate)):
        return Reached(load=rate, found=found, stopped=())
    lows = (rate / 2, rate * _HARDLY) if least < rate / 2 else ()
    near = next((low for low in lows if not limits.failing(at(low))), least)
    if not near:
        return None
    middle = secants(lambda one: limits.excess(at(one)))
    low, high = last_holding(lambda one: not limits.failing(at(one)), near, rate, middle)
    return Reached(load=low, found=at(low), stopped=limits.failing(at(high)))


_HARDLY = 2.0**-16
