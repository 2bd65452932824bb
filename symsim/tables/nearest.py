"""The row at the least L1 distance, over arrays: for a given x, one threshold in each cell of y.

A row (a, k) is |x - a| + |y - k| away.  Between two neighbouring k of the table, of the rows with k below y the one
with the least |x - a| - k is nearest, of those above y the one with the least |x - a| + k, and these two are equally
near at one y.  So a set of x costs one pass over the rows, and a point costs two array reads and a comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Points = tuple[tuple[float, ...], ...]
Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

CELLS = 2**22
"""Above so many cells (x by y) the rows are gone through for all points instead."""

_BLOCK = 2**15
"""Points that are compared with every row at once: what fits into a core's cache."""


@dataclass(frozen=True, eq=False)
class Sides:
    """Which row is nearest: `lower[i, cell]` up to `threshold[i, cell]`, `upper[i, cell]` above it.

    i is the place among the x asked for; cell the number of `cuts`, the rows' distinct y, that are not above y.
    """

    cuts: Floats
    lower: Indices
    upper: Indices
    threshold: Floats

    @property
    def width(self) -> int:
        """Cells for each x."""
        return len(self.cuts) + 1

    def cells(self, y: Floats) -> Indices:
        return np.searchsorted(self.cuts, y, side="right")

    def rows(self, x_at: Indices, y: Floats) -> Indices:
        """The nearest row for the x at these places and these y, broadcasting."""
        at = x_at * self.width + self.cells(y)
        lower, upper, threshold = self._flat
        return np.where(y <= threshold[at], lower[at], upper[at])

    @cached_property
    def _flat(self) -> tuple[Indices, Indices, Floats]:
        return self.lower.ravel(), self.upper.ravel(), self.threshold.ravel()


def sides(points: Points, x: Floats) -> Sides:
    """The nearest of rows (a, k) for each of these x; of rows equally near the first of the file."""
    at = np.array(points, dtype=float)
    cuts, cell = np.unique(at[:, 1], return_inverse=True)
    apart = np.abs(x[:, None] - at[None, :, 0])
    least_below, lower = _running(apart - at[:, 1], cell, len(cuts))
    least_above, upper = _running(apart + at[:, 1], len(cuts) - 1 - cell, len(cuts))
    least_above, upper = least_above[:, ::-1], upper[:, ::-1]
    with np.errstate(invalid="ignore"):
        even = (least_above - least_below) / 2
    return Sides(cuts, lower, upper, np.where(lower > upper, np.nextafter(even, -np.inf), even))


def _running(score: Floats, cell: Indices, cells: int) -> tuple[Floats, Indices]:
    """The least score, and its first row, among rows of fewer cells than 0, 1, ... up to all of them."""
    least = np.full((len(score), cells + 1), np.inf)
    which = np.zeros((len(score), cells + 1), dtype=np.int64)
    for i in range(cells):
        best, first = least[:, i].copy(), which[:, i].copy()
        for row in np.flatnonzero(cell == i):
            better = (score[:, row] < best) | ((score[:, row] == best) & (row < first))
            best[better], first[better] = score[better, row], row
        least[:, i + 1], which[:, i + 1] = best, first
    return least, which


def nearest_rows(points: Points, *arguments: Floats) -> Indices:
    """Which row of `points` (one argument an axis, broadcasting) is the first of the nearest."""
    if len(arguments) == 1:
        alone = sides(tuple((0.0, *point) for point in points), np.zeros(1))
        return alone.rows(np.zeros((), dtype=np.int64), arguments[0])
    if len(arguments) == 2:
        turned = arguments[0].size > arguments[1].size
        x, y = (arguments[1], arguments[0]) if turned else (arguments[0], arguments[1])
        distinct, which = np.unique(x, return_inverse=True)
        if distinct.size * (len(points) + 1) <= CELLS:
            found = sides(tuple((point[1], point[0]) for point in points) if turned else points, distinct)
            return found.rows(which.reshape(x.shape), y)
    return _compared(points, *arguments)


def _compared(points: Points, *arguments: Floats) -> Indices:
    """Every point compared with every row, a block of points at a time."""
    full = np.broadcast_arrays(*arguments)
    flat = [argument.ravel() for argument in full]
    found = np.zeros(flat[0].size, dtype=np.int64)
    for start in range(0, found.size, _BLOCK):
        block = [argument[start : start + _BLOCK] for argument in flat]
        least = np.full(block[0].size, np.inf)
        for row, at in enumerate(points):
            gap = sum((np.abs(x - k) for x, k in zip(block, at, strict=True)), np.zeros(1))
            nearer = gap < least
            found[start : start + _BLOCK][nearer] = row
            least = np.minimum(least, gap)
    return found.reshape(full[0].shape)
