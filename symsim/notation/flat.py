"""Look-ups as flat arrays, as programs outside Python carry them: edges and a grid of values, or measured points."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from symsim.tables.lookup import NO_ROW, Lookup


@dataclass(frozen=True, slots=True)
class Grid:
    """Step function. The value is grid[i0 * (len(edges[1]) + 1) + i1], i counting the edges that are not above x.

    NaN stands where a measured row cannot be used.
    """

    axes: tuple[str, ...]
    edges: tuple[tuple[float, ...], ...]
    grid: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Points:
    """The value of the first of the nearest points (sum of distances); it grows along axis `scale` in proportion."""

    axes: tuple[str, ...]
    points: tuple[tuple[float, ...], ...]
    values: tuple[float, ...]
    scale: int | None


def flat(lookup: Lookup) -> Grid | Points:
    """The look-up without indirection; edges between equal values are left out."""
    if lookup.kind == "nearest":
        return Points(lookup.axes, lookup.points, lookup.values, lookup.scale_axis)
    sizes = [len(edges) + 1 for edges in lookup.breaks]
    values = {cell: _value(lookup, cell) for cell in itertools.product(*map(range, sizes))}
    kept = [_kept(axis, sizes, values) for axis in range(len(sizes))]
    edges = tuple(tuple(lookup.breaks[axis][i - 1] for i in keep[1:]) for axis, keep in enumerate(kept))
    return Grid(lookup.axes, edges, tuple(values[cell] for cell in itertools.product(*kept)))


def _value(lookup: Lookup, cell: tuple[int, ...]) -> float:
    row = lookup.cells
    for index in cell:
        row = row[index]
    return lookup.default if row == NO_ROW else lookup.values[row]


def _kept(axis: int, sizes: list[int], values: dict[tuple[int, ...], float]) -> list[int]:
    """Cells of an axis that differ from the one before them."""
    others = list(itertools.product(*(range(size) for i, size in enumerate(sizes) if i != axis)))

    def slab(index: int) -> list[str]:
        return [repr(values[(*cell[:axis], index, *cell[axis:])]) for cell in others]

    return [0, *(i for i in range(1, sizes[axis]) if slab(i) != slab(i - 1))]
