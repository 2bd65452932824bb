"""The row at the least distance, over arrays: along one axis `nearest` is a step function like any other.

For fixed other arguments the distance to a row is |x - k| plus a constant.  Which row is nearest can change only at a
row's own k, and where the lines of two rows cross between their k.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import inf, nextafter, prod

import numpy as np
from numpy.typing import NDArray

Points = tuple[tuple[float, ...], ...]
Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

FEW = 4096
"""Up to so many combinations of the other arguments are filled in one by one; more are sorted first."""


@lru_cache(maxsize=65536)
def steps_along(points: Points, others: tuple[float, ...]) -> tuple[Floats, Indices]:
    """Edges and nearest rows along the last axis; a row answers from its edge on, row 0 of them below the first.

    An edge that the row below it still answers (a tie that the first of the file wins) is the next larger float.
    """
    at = np.array(points)
    apart = np.zeros(len(points))
    for i, x in enumerate(others):
        apart = apart + np.abs(at[:, i] - x)
    candidates = _candidates(at[:, -1], apart)
    middles = (candidates[1:] + candidates[:-1]) / 2
    between = _first_nearest(at[:, -1], apart, np.concatenate([candidates[:1] - 1, middles, candidates[-1:] + 1]))
    on = _first_nearest(at[:, -1], apart, candidates)
    edges: list[float] = []
    rows = [int(between[0])]
    for x, here, after in zip(candidates, on, between[1:], strict=True):
        for edge, row in ((float(x), int(here)), (nextafter(float(x), inf), int(after))):
            if row != rows[-1]:
                edges.append(edge)
                rows.append(row)
    return np.array(edges, dtype=float), np.array(rows)


def _candidates(k: Floats, apart: Floats) -> Floats:
    """Where the nearest row can change: rows' own places, and crossings between two of them."""
    least: dict[float, float] = {}
    for place, distance in zip(k.tolist(), apart.tolist(), strict=True):
        least[place] = min(distance, least.get(place, inf))
    found = set(least)
    for (low, near), (high, far) in combinations(sorted(least.items()), 2):
        crossing = (low + high + far - near) / 2
        if low <= crossing <= high:
            found.add(crossing)
    return np.array(sorted(found))


def _first_nearest(k: Floats, apart: Floats, x: Floats) -> Indices:
    """The first of the nearest rows at every x."""
    return np.argmin(apart + np.abs(k - x[:, None]), axis=1)


def nearest_rows(points: Points, *arguments: Floats) -> Indices:
    """Which row of `points` (one argument an axis, broadcasting) is the first of the nearest.

    The axis with the most arguments is stepped along, for each combination of the others.
    """
    shape = np.broadcast_shapes(*(argument.shape for argument in arguments))
    along = max(range(len(arguments)), key=lambda i: arguments[i].size)
    last, others = arguments[along], [argument for i, argument in enumerate(arguments) if i != along]
    points = _turned(points, along)
    if not others:
        return _along(points, (), last)
    full = np.broadcast_arrays(*others)
    combinations_, which = np.unique(np.stack([part.ravel() for part in full], axis=1), axis=0, return_inverse=True)
    chosen = [tuple(map(float, row)) for row in combinations_]
    which = which.reshape(full[0].shape)
    found = np.empty(shape, dtype=np.int64)
    if which.size <= FEW and which.size * last.size == prod(shape):  # an outer product: no axis is shared
        which = which.reshape((1,) * (len(shape) - which.ndim) + which.shape)
        last = last.reshape((1,) * (len(shape) - last.ndim) + last.shape)
        rows = [_along(points, others_, last) for others_ in chosen]
        for place in np.ndindex(which.shape):
            slot = tuple(i if size > 1 else slice(None) for i, size in zip(place, which.shape, strict=True))
            found[slot] = rows[which[place]][tuple(0 if size > 1 else slice(None) for size in which.shape)]
        return found
    flat, x = np.broadcast_to(which, shape).ravel(), np.broadcast_to(last, shape).ravel()
    order = np.argsort(flat, kind="stable")
    ends = np.searchsorted(flat[order], np.arange(len(chosen) + 1))
    answer = found.reshape(-1)
    for i, others_ in enumerate(chosen):
        mine = order[ends[i] : ends[i + 1]]
        answer[mine] = _along(points, others_, x[mine])
    return found


@lru_cache(maxsize=1024)
def _turned(points: Points, along: int) -> Points:
    """The points with this axis last."""
    return tuple((*point[:along], *point[along + 1 :], point[along]) for point in points)


def _along(points: Points, others: tuple[float, ...], x: Floats) -> Indices:
    edges, rows = steps_along(points, others)
    return rows[np.searchsorted(edges, x, side="right")]
