"""Pareto front of a sweep: the points at which tokens per GPU cannot rise unless tokens per user fall."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symsim.algebra.shown import html_table, one_line
from symsim.errors import SymsimError
from symsim.search.blocks import SweepBlock

NEEDS = ("tpot", "tgs_decode")
"""Metrics that a front is drawn from."""


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """tokens per user and second (1/TPOT), tokens per GPU and second (TGS), and the label of every dimension."""

    per_user: float
    per_gpu: float
    labels: Mapping[str, Any]

    def __repr__(self) -> str:
        at = ", ".join(f"{name} = {value}" for name, value in self.labels.items())
        return one_line(self, f"{self.per_user:.6g} tokens/s of a user, {self.per_gpu:.6g} of a GPU, at {at}")

    def _repr_html_(self) -> str:
        return html_table(f"{self.per_user:.6g} tokens/s of a user, {self.per_gpu:.6g} of a GPU", self.labels)


@dataclass(slots=True)
class Front:
    """Kept up to date block by block, so that a sweep of any size has one."""

    points: list[FrontPoint] = field(default_factory=list[FrontPoint])

    def add(self, block: SweepBlock, labels: Callable[[int], Mapping[str, Any]]) -> None:
        """Merge a block's points. labels: flat position -> the label of every dimension there."""
        per_user, per_gpu = (1 / block.values["tpot"]).ravel(), block.values["tgs_decode"].ravel()
        inside = self._beaten(per_user, per_gpu)
        per_user, per_gpu = np.where(inside, np.nan, per_user), np.where(inside, np.nan, per_gpu)
        new = [FrontPoint(float(per_user[i]), float(per_gpu[i]), labels(i)) for i in undominated(per_user, per_gpu)]
        self.points = _unbeaten([*self.points, *new])

    def _beaten(self, per_user: NDArray[np.float64], per_gpu: NDArray[np.float64]) -> NDArray[np.bool_]:
        """What the front so far beats or equals, so that only the rest need be sorted."""
        if not self.points:
            return np.zeros(per_user.shape, dtype=bool)
        rising = np.array([point.per_user for point in reversed(self.points)])
        highest = np.array([*(point.per_gpu for point in reversed(self.points)), -np.inf])
        return per_gpu <= highest[np.searchsorted(rising, per_user, side="left")]


def pareto(swept: Any) -> tuple[FrontPoint, ...]:
    """The front of a sweep with the metrics tpot and tgs_decode, by falling tokens per user.

    swept: what `symsim.sweep` gives. Raises SymsimError when it lacks one of the metrics.
    """
    missing = [name for name in NEEDS if name not in swept]
    if missing:
        raise SymsimError(f"a Pareto front needs the metrics {' and '.join(NEEDS)}; {missing[0]} was not swept")
    per_user, per_gpu = 1 / swept["tpot"].values.ravel(), swept["tgs_decode"].values.ravel()
    return tuple(
        FrontPoint(float(per_user[i]), float(per_gpu[i]), _labels(swept, i)) for i in undominated(per_user, per_gpu)
    )


def _labels(swept: Any, at: int) -> Mapping[str, Any]:
    shape, dims = swept["tpot"].shape, swept["tpot"].dims
    point = swept.isel(dict(zip(dims, np.unravel_index(at, shape), strict=True)))
    return {str(name): value.item() for name, value in point.coords.items()}


def merged(fronts: Iterable[Front]) -> Front:
    """The front of the points of several."""
    return Front(_unbeaten([point for front in fronts for point in front.points]))


def _unbeaten(points: list[FrontPoint]) -> list[FrontPoint]:
    kept = undominated(np.array([p.per_user for p in points]), np.array([p.per_gpu for p in points]))
    return [points[i] for i in kept]


def undominated(per_user: NDArray[np.float64], per_gpu: NDArray[np.float64]) -> list[int]:
    """Positions that no other point beats, by falling tokens per user; of equal points the first.

    >>> undominated(np.array([1.0, 2.0, 2.0, 3.0]), np.array([5.0, 4.0, 4.5, 1.0]))
    [3, 2, 0]
    """
    there = np.flatnonzero(~(np.isnan(per_user) | np.isnan(per_gpu)))
    order = there[np.lexsort((-per_gpu[there], -per_user[there]))]
    highest = np.maximum.accumulate(per_gpu[order]) if len(order) else np.array([])
    rises = np.concatenate([[True], highest[1:] > highest[:-1]]) if len(order) else np.array([], dtype=bool)
    return [int(i) for i in order[rises]]
