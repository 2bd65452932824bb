"""The best of many deployments, each worked out only where its bound leaves it a place among them."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

from symsim.search.candidates import DeploymentCandidate
from symsim.solve.bisection import CLOSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """bound: a score that it cannot exceed; guess: the score that it may have; of those of one kind only the best is
    kept; candidate: what it serves, from the least score that is of use, None where that is more than it has."""

    bound: float
    guess: float
    kind: Hashable
    candidate: Callable[[float], DeploymentCandidate | None]


def best_first(
    contenders: Iterable[Contender],
    score: Callable[[DeploymentCandidate], float],
    top: int,
    known: Sequence[DeploymentCandidate] = (),
) -> list[DeploymentCandidate]:
    """Those that may be among the `top` of them and of the known ones, the best of each kind."""
    best: dict[Hashable, tuple[float, DeploymentCandidate]] = {}
    others = [score(one) for one in known]
    last = _last(others, top)
    for one in sorted(contenders, key=lambda one: -one.guess):
        least = last
        if one.kind in best:
            already = best[one.kind][0]
            least = max(least, already + (CLOSE - 1) * abs(already))
        if one.bound > least and (found := one.candidate(least)) is not None and score(found) > least:
            best[one.kind] = score(found), found
            last = _last([*others, *(points for points, _ in best.values())], top)
    return [found for _, found in best.values()]


def _last(scores: Sequence[float], top: int) -> float:
    leading = heapq.nlargest(top, scores)
    return leading[-1] if len(leading) == top else -math.inf
