"""A look-up as plain data, which every target evaluates or prints: a step function, or measured points.

`UNANSWERED` stands where no row answers and the formula's default does, NaN where a measured row cannot be used.
"""

from __future__ import annotations

import itertools
import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symsim.tables.nearest import nearest_rows

UNANSWERED = math.inf


@dataclass(frozen=True, eq=False, kw_only=True)
class StepTable:
    """The value is values[i0 * (len(edges[1]) + 1) + i1], i counting the edges that are not above x."""

    axes: tuple[str, ...]
    edges: tuple[tuple[float, ...], ...]
    values: tuple[float, ...]

    def index(self, point: Sequence[float]) -> int:
        """Which of the values answers."""
        at = 0
        for edges, x in zip(self.edges, point, strict=True):
            at = at * (len(edges) + 1) + bisect_right(edges, x)
        return at

    def at(self, point: Sequence[float]) -> float:
        """The value at a point."""
        return self.values[self.index(point)]

    def over(self, *points: ArrayLike) -> NDArray[np.float64]:
        """The same over arrays, broadcasting."""
        at: NDArray[np.int64] = np.zeros((), dtype=np.int64)
        for edges, x in zip(self.edges, points, strict=True):
            at = at * (len(edges) + 1) + np.searchsorted(edges, np.asarray(x, dtype=float), side="right")
        return self._array[at]

    @cached_property
    def _array(self) -> NDArray[np.float64]:
        return np.array(self.values)


@dataclass(frozen=True, eq=False, kw_only=True)
class Nearest:
    """The value of the first of the nearest points (sum of distances); it grows along axis `scale` in proportion."""

    axes: tuple[str, ...]
    points: tuple[tuple[float, ...], ...]
    values: tuple[float, ...]
    scale: int | None

    def index(self, point: Sequence[float]) -> int:
        """Which of the points answers."""
        return int(np.abs(self._places - np.array(point, dtype=float)).sum(axis=1).argmin())

    def at(self, point: Sequence[float]) -> float:
        """The value at a point."""
        found = self.index(point)
        value = self.values[found]
        return value if self.scale is None else value * point[self.scale] / self.points[found][self.scale]

    def over(self, *points: ArrayLike) -> NDArray[np.float64]:
        """The same over arrays, broadcasting."""
        arrays = [np.asarray(point, dtype=float) for point in points]
        found = nearest_rows(self.points, *arrays)
        answer = self._array[found]
        if self.scale is None:
            return answer
        return answer * arrays[self.scale] / np.array([point[self.scale] for point in self.points])[found]

    @cached_property
    def _array(self) -> NDArray[np.float64]:
        return np.array(self.values)

    @cached_property
    def _places(self) -> NDArray[np.float64]:
        return np.array(self.points, dtype=float)


Table = StepTable | Nearest


def scaled(table: Table, factor: float) -> Table:
    """The same table with every value times a factor."""
    return replace(table, values=tuple(value * factor for value in table.values))


def filled(table: Table, default: float) -> Table:
    """The same table with a number where no row answers."""
    return replace(table, values=tuple(default if value == UNANSWERED else value for value in table.values))


def thinned(table: Table) -> Table:
    """The same function with fewer steps: edges between equal values are left out."""
    if isinstance(table, Nearest):
        return table
    sizes = [len(edges) + 1 for edges in table.edges]
    cells = list(itertools.product(*map(range, sizes)))
    values = dict(zip(cells, table.values, strict=True))
    kept = [_kept(axis, sizes, values) for axis in range(len(sizes))]
    edges = tuple(tuple(table.edges[axis][i - 1] for i in keep[1:]) for axis, keep in enumerate(kept))
    return replace(table, edges=edges, values=tuple(values[cell] for cell in itertools.product(*kept)))


def _kept(axis: int, sizes: list[int], values: dict[tuple[int, ...], float]) -> list[int]:
    """Cells of an axis that differ from the one before them."""
    others = list(itertools.product(*(range(size) for i, size in enumerate(sizes) if i != axis)))

    def slab(index: int) -> list[str]:
        return [repr(values[(*cell[:axis], index, *cell[axis:])]) for cell in others]

    return [0, *(i for i in range(1, sizes[axis]) if slab(i) != slab(i - 1))]
