"""What an engine serves at most that only prefills, or only decodes: bounds of all that it can be a part of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from symsim.search.largest_load import MOST
from symsim.search.target import Target
from symsim.serving.aggregated import Deployed
from symsim.serving.disaggregated import service_seconds
from symsim.serving.workload import decoding
from symsim.solve.bisection import gallop


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """Workers of one kind. rate: requests per second that one of them serves at the most, whatever the other side is:
    prefill without a wait, decode within the limit of TPOT without the wait for a cache; rows: sequences at once then.
    """

    of: Deployed
    rate: float
    rows: int = 0

    @property
    def size(self) -> int:
        return self.of.compiled.deployment.world_size


def prefill_side(of: Deployed, target: Target) -> Side | None:
    """None where a prompt takes too long even without a wait."""
    service = service_seconds(of)
    if service + of.step.host.request > target.limits.ttft:
        return None
    return Side(of=of, rate=of.layout.engines * of.layout.replicas / service)


def pace_of(of: Deployed) -> Callable[[float], float]:
    """Seconds of a step of so many sequences that decode: the same for all budgets of an engine and its drafts."""
    letters = decoding(of.ask.work)
    return cache(lambda rows: of.step(letters["Q"] * rows, letters["C"] * rows, 0.0))


def decode_side(of: Deployed, target: Target, pace: Callable[[float], float]) -> Side | None:
    """None where one sequence alone is too slow. The rate is that of the largest batch within the limit, were it always
    full: requests that come by chance are served more slowly. pace: of `pace_of`."""
    letters = decoding(of.ask.work)
    each = letters["N"] / max(1e-9, letters["O"] - 1)
    if each * pace(1.0) > target.limits.tpot:
        return None
    most = int(min(of.places, MOST))
    rows = gallop(lambda count: each * pace(float(count)) <= target.limits.tpot, 1, most) if most > 1 else 1
    return Side(of=of, rate=of.layout.engines * rows / (letters["N"] * pace(float(rows))), rows=rows)
