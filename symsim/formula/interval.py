"""The interval of a metric whose operators have fitted times: their ends added up, and what the metric is there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import NormalDist
from typing import Protocol

from sympy import Rational

from symsim.cost.derivation import Derivation
from symsim.errors import SymsimError

LEVEL = 0.9
"""Of the ends that coefficients are shipped with."""

Ends = Mapping[str, tuple[float, float]]
"""Operator -> its time times these is its interval."""


class Evaluated(Protocol):
    """A metric in closed form."""

    @property
    def applied(self) -> Derivation: ...
    @property
    def ends(self) -> Ends: ...
    def keeping(self, derivation: Derivation) -> Evaluated: ...
    def evaluate(self, **values: float) -> float: ...


def ends_at(form: Evaluated, values: Mapping[str, float], level: float) -> tuple[float, float] | None:
    """The metric with every fitted time at its low end, and at its high one, in order.

    Other levels scale the logarithms of the ends as those of a normal distribution.
    """
    if not 0 < level < 1:
        raise SymsimError(f"level = {level!r} must be between 0 and 1, e.g. 0.9")
    fitted = [step.op for step in form.applied.steps if step.op is not None and step.op in form.ends]
    if not fitted:
        return None
    wider = NormalDist().inv_cdf((1 + level) / 2) / NormalDist().inv_cdf((1 + LEVEL) / 2)
    low, high = (form.keeping(_scaled(form.applied, form.ends, end, wider)).evaluate(**values) for end in (0, 1))
    return min(low, high), max(low, high)


def _scaled(derivation: Derivation, ends: Ends, end: int, wider: float) -> Derivation:
    steps = tuple(
        replace(step, expr=Rational(repr(ends[step.op][end] ** wider)) * step.expr)
        if step.op is not None and step.op in ends
        else step
        for step in derivation.steps
    )
    return derivation.keeping(steps)
