"""The interval of a metric whose operators have fitted times: their ends added up, widened by what runs were off."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from statistics import NormalDist
from typing import Protocol

from symsim.cost.derivation import Derivation
from symsim.errors import SymsimError
from symsim.formula.extrapolation import stretch

LEVEL = 0.9
"""Of the ends that coefficients are shipped with."""

Ends = Mapping[str, tuple[float, float]]
"""Operator -> its time times these is its interval; `RUNNING` -> runs of engines were within these times a step."""

RUNNING = ""

TOGETHER = 1.0
"""Correlation of kernels' errors by which their ends add up."""

TIGHTER = 0.3
"""What composed layers had at the least: for loads, whose intervals count besides what runs of engines were off."""


class Evaluated(Protocol):
    """A metric in closed form."""

    @property
    def applied(self) -> Derivation: ...
    @property
    def ends(self) -> Ends: ...
    def evaluate(self, **values: float) -> float: ...
    def with_times(
        self, operators: tuple[str, ...], factors: Iterable[Sequence[float]], **values: float
    ) -> list[float]: ...


def ends_at(
    form: Evaluated, values: Mapping[str, float], level: float, together: float = TOGETHER
) -> tuple[float, float] | None:
    """Between which values the metric is expected, in order.

    together: correlation of the errors of kernels: with 1 every fitted time is at its low end, and at its high one;
    with less, the variance of the sum is together (sum s)^2 + (1 - together) sum s^2. What running engines were off
    besides is independent of it. Other levels scale the logarithms of the ends as those of a normal distribution, and
    sizes beyond what was measured widen them.
    """
    if not 0 < level < 1:
        raise SymsimError(f"level = {level!r} must be between 0 and 1, e.g. 0.9")
    if not 0 <= together <= 1:
        raise SymsimError(f"together = {together!r} must be from 0 to 1, e.g. 0.3")
    fitted = [step.op for step in form.applied.steps if step.op is not None and step.op in form.ends]
    if not fitted:
        return None
    wider = stretch(values)
    ends = {name: of_level(one, level, wider) for name, one in form.ends.items()}
    moved = _moved(form, values, ends, tuple(dict.fromkeys(fitted)), together)
    value = form.evaluate(**values)
    return widened(value, (value + min(moved), value + max(moved)), ends.get(RUNNING, (1.0, 1.0)))


def of_level(ends: tuple[float, float], level: float, wider: float = 1.0) -> tuple[float, float]:
    """Ends of the shipped level as those of another, their logarithms so many times wider."""
    wider *= NormalDist().inv_cdf((1 + level) / 2) / NormalDist().inv_cdf((1 + LEVEL) / 2)
    return ends[0] ** wider, ends[1] ** wider


def widened(value: float, kernels: tuple[float, float], running: tuple[float, float]) -> tuple[float, float]:
    """An interval by kernels, and independently by a factor of running engines: half-widths of logarithms add in
    squares. Where the metric falls as times rise, the factor is turned over."""
    if value <= 0:
        return kernels
    low, high = (abs(math.log(max(end, 1e-12) / value)) for end in kernels)
    return (
        value * math.exp(-math.hypot(low, math.log(running[0]))),
        value * math.exp(math.hypot(high, math.log(running[1]))),
    )


def _moved(
    form: Evaluated, values: Mapping[str, float], ends: Ends, fitted: tuple[str, ...], together: float
) -> list[float]:
    """How far the metric moves with its times at their low ends, and at their high ones."""
    as_they_are = [1.0] * len(fitted)
    points = [as_they_are]
    for end in (0, 1):
        whole = [ends[name][end] for name in fitted]
        points.append(whole)
        if together < 1:
            points += [[*as_they_are[:i], whole[i], *as_they_are[i + 1 :]] for i in range(len(fitted))]
    value, *others = form.with_times(fitted, points, **values)
    moved: list[float] = []
    for every, *alone in _halves([other - value for other in others]):
        squares = together * every**2 + (1 - together) * sum(one**2 for one in alone)
        moved.append(every if together == 1 else math.copysign(math.sqrt(squares), every))
    return moved


def _halves(values: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    middle = len(values) // 2
    return values[:middle], values[middle:]
