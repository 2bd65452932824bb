"""What would serve one user more: how much more of the figure of the device that its time depends on most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from symsim.search.candidates import DeploymentCandidate
from symsim.search.largest_load import at_load
from symsim.search.target import Target
from symsim.serving.aggregated import Deployed
from symsim.serving.resources import RESOURCES, shares_of_time
from symsim.solve.bisection import last_holding

_MOST = 2.0
"""More than twice of anything is no small change."""


def one_more(one: DeploymentCandidate, target: Target) -> str:
    """`4 % more HBM bandwidth buys one user more`; empty where no figure does by itself."""
    if target.load is not None or one.apart is not None or not one.most.stopped:
        return ""
    if one.most.stopped == ("cache",):
        need = (one.most.load + 1) / one.of.layout.replicas * one.of.layout.held * one.of.room.sequence
        return f"{(need - one.of.room.space) / 1e9:.2g} GB more HBM on each GPU hold one user more"
    bought = [(more, name) for name in _resources(one) if (more := _needed(one, target, name)) is not None]
    if not bought:
        return ""
    more, name = min(bought)
    return f"{100 * (more - 1):.2g} % more {name} buys one user more"


def _resources(one: DeploymentCandidate) -> list[str]:
    """Those that the time depends on at all, the most first."""
    shares = shares_of_time(one.of, one.found)
    return sorted((name for name in shares if name in RESOURCES and shares[name] > _LITTLE), key=lambda n: -shares[n])


_LITTLE = 0.02


def _needed(one: DeploymentCandidate, target: Target, resource: str) -> float | None:
    """How many times as much of a resource serves one user more; None where twice as much does not."""

    def fails(times: float) -> bool:
        return bool(target.limits.failing(at_load(_with(one.of, resource, times), one.most.load + 1)))

    if fails(_MOST):
        return None
    return last_holding(fails, 1.0, _MOST, _middle)[1]


def _middle(low: float, high: float) -> float | None:
    return (low + high) / 2 if high - low > _CLOSE else None


_CLOSE = 1e-3


def _with(of: Deployed, resource: str, times: float) -> Deployed:
    """The same engine on a device that has so many times as much."""
    numbers = of.compiled.numbers.values
    faster = {name: times * float(numbers[name]) for name in RESOURCES[resource] if name in numbers}

    def more(time: Callable[..., float]) -> Callable[..., float]:
        return lambda **work: time(**{**work, **faster})

    draft = None if of.step.draft is None else more(of.step.draft)
    return replace(of, step=replace(of.step, iteration=more(of.step.iteration), draft=draft, over=None))
