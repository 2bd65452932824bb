"""The largest load of one engine whose times stay within limits, and what a larger one would fail."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

from symsim.serving.aggregated import Deployed, served
from symsim.serving.engines import Served
from symsim.solve.bisection import gallop, last_holding, ratio_middle


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds at the most: of the mean time to first token, and of the mean time per output token."""

    ttft: float = math.inf
    tpot: float = math.inf

    def failing(self, found: Served) -> tuple[str, ...]:
        """The limits that do not hold; `load` where there is no equilibrium."""
        if not found.solved:
            return ("load",)
        return tuple(name for name, value, limit in self.compared(found) if not value <= limit)

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


def most_users(of: Deployed, limits: Limits) -> Reached | None:
    """The most users of one engine, a whole number; None where one user alone is served outside of the limits. Times
    rise with the number of users, so doubling and halving finds it."""
    places = int(min(of.places, MOST))
    at = lru_cache(maxsize=None)(lambda users: at_load(of, float(users)))
    if limits.failing(at(1)):
        return None
    users = gallop(lambda count: not limits.failing(at(count)), 1, places) if places > 1 else 1
    full = ("cache",) if of.places >= of.room.sequences - 1 else ("max_running",)
    return Reached(load=users, found=at(users), stopped=full if users == places else limits.failing(at(users + 1)))


MOST = 2**16
"""Users of an engine that holds any number of them."""


def most_requests(at: Callable[[float], Served], limits: Limits, rate: float) -> Reached | None:
    """The most requests per second up to `rate` that are served within the limits; None where hardly any are. at: what
    is served at a rate."""
    if not limits.failing(found := at(rate)):
        return Reached(load=rate, found=found, stopped=())
    near = next((low for low in (rate / 2, rate * _HARDLY) if not limits.failing(at(low))), None)
    if near is None:
        return None
    low, high = last_holding(lambda one: not limits.failing(at(one)), near, rate, _middle)
    return Reached(load=low, found=at(low), stopped=limits.failing(at(high)))


_HARDLY = 2.0**-16


def _middle(low: float, high: float) -> float | None:
    return ratio_middle(low, high) if high > _CLOSE * low else None


_CLOSE = 1.0005
"""Rates are told apart by so much."""
