"""Sums of a time over the chunks of prompts that are longer than an iteration, at points."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symsim.errors import SymsimError
from symsim.formula.program import Program
from symsim.tables.table import TableContext

_Floats = NDArray[np.float64]
_Rows = NDArray[np.int64]

ChunkTime = Callable[[_Floats, _Floats, _Rows], _Floats]
"""(tokens of a chunk, tokens before it, which of the points it is of) -> its time."""

_MOST = 2**22
"""Chunks of one prompt at the most."""

_BLOCK = 2**19
"""Chunks that are timed at once."""

_FEW = 64
"""Chunks of one prompt that are timed one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkSum:
    """time: of one chunk, as a program of numbers and as one of arrays; total: the name of their sum; then: from that
    sum to the metric, where it is not the sum itself."""

    at_point: Program
    at_points: Program
    total: str
    then: Program | None

    def at(self, values: Mapping[str, Any], context: TableContext) -> float:
        """The metric at a point whose prompt is cut. Raises EmptyTable where a measured row cannot be used."""
        length, tokens, ranks = (values[name] for name in ("S", "T", "cp"))
        check_chunks(math.ceil(length / (tokens * ranks)))
        if length > _FEW * tokens * ranks:
            found = float(self.over({name: np.array([float(values[name])]) for name in ("S", "T")}, values, context)[0])
            if not math.isnan(found):
                return found
        times = [
            self.at_point.at({**values, "T": own, "past": before}, context)[0]
            for own, before in chunks_of(length, tokens, ranks, values.get("past", 0))
        ]
        return float(self._metric({**values, self.total: math.fsum(times)}))

    def over(self, points: Mapping[str, _Floats], values: Mapping[str, Any], context: TableContext) -> _Floats:
        """The metric at points whose prompts are cut. points: name -> one number for each, or one for all."""
        count = max(map(len, points.values()))

        def time(tokens: _Floats, before: _Floats, rows: _Rows) -> _Floats:
            own = {**values, **{name: col if len(col) == 1 else col[rows] for name, col in points.items()}}
            found = self.at_points.over({**own, "T": tokens, "past": own.get("past", 0) + before}, context)[0]
            return np.broadcast_to(found, tokens.shape)

        known = {**values, **points}
        length, tokens, ranks = (np.broadcast_to(np.asarray(known[n], dtype=float), (count,)) for n in ("S", "T", "cp"))
        alike = all(len(column) == 1 for name, column in points.items() if name != "S")
        total = summed(length, tokens, ranks, time, alike=alike)
        return np.broadcast_to(self._metric({**known, self.total: total}), (count,))

    def fill(
        self, answer: _Floats, points: Mapping[str, _Floats], values: Mapping[str, Any], context: TableContext
    ) -> None:
        """Put the metric where prompts are cut into an array over points, which broadcast to it."""
        cut = are_cut(answer.shape, {**values, **points})
        columns = {
            name: array.reshape(1) if array.size == 1 else np.broadcast_to(array, answer.shape)[cut]
            for name, array in points.items()
        }
        answer[cut] = self.over(columns, values, context)

    def _metric(self, values: Mapping[str, Any]) -> Any:
        return values[self.total] if self.then is None else self.then.run(values, {})[0]


def are_cut(shape: tuple[int, ...], values: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Which prompts of points are longer than an iteration."""
    length, tokens, ranks = (np.broadcast_to(np.asarray(values[name], dtype=float), shape) for name in ("S", "T", "cp"))
    return length > tokens * ranks


def counts(length: _Floats, tokens: _Floats) -> _Floats:
    """Chunks of prompts of so many tokens, of at most so many each; one for a prompt that fits an iteration."""
    return np.maximum(np.ceil(length / tokens), 1.0)


def chunks_of(length: float, tokens: float, ranks: float, cached: float = 0) -> Iterator[tuple[float, float]]:
    """The tokens that each of the ranks has of a chunk, and those before it, chunk after chunk, `cached` tokens later.

    >>> list(chunks_of(10, 4, 1)), list(chunks_of(10, 2, 2, 50))
    ([(4, 0), (4, 4), (2, 8)], [(2, 50), (2, 54), (1.0, 58)])
    """
    before = 0
    while before < length:
        left = (length - before) / ranks if ranks > 1 else length - before
        yield min(tokens, left), cached + before
        before += tokens * ranks


def check_chunks(most: float) -> None:
    """Raise SymsimError for prompts of too many chunks."""
    if most > _MOST:
        raise SymsimError(
            f"a prompt of S tokens in chunks of T is {most:,.0f} iterations, more than {_MOST:,}; choose a larger T"
        )


def summed(length: _Floats, tokens: _Floats, ranks: _Floats, time: ChunkTime, *, alike: bool) -> _Floats:
    """The sum over the chunks of each prompt. alike: whether points differ in nothing but the length."""
    number = counts(length, tokens * ranks).astype(np.int64)
    if not len(number):
        return np.zeros(0)
    check_chunks(float(number.max()))
    return (
        _from_starts(length, tokens, ranks, number, time) if alike else _one_by_one(length, tokens, ranks, number, time)
    )


def _from_starts(length: _Floats, tokens: _Floats, ranks: _Floats, number: _Rows, time: ChunkTime) -> _Floats:
    """Prompts begin alike: full chunks are timed once, the last one of each prompt by itself."""
    full = np.arange(number.max() - 1, dtype=float)
    first = np.zeros(len(full), dtype=np.int64)
    begun = np.concatenate([[0.0], np.cumsum(time(tokens[first], full * tokens[0] * ranks[0], first))])
    before = (number - 1) * tokens
    return begun[number - 1] + time(length / ranks - before, before * ranks, np.arange(len(length)))


def _one_by_one(length: _Floats, tokens: _Floats, ranks: _Floats, number: _Rows, time: ChunkTime) -> _Floats:
    """Every chunk of every prompt, blocks of prompts at a time."""
    found = np.empty(len(length))
    ends = np.cumsum(number)
    start = 0
    while start < len(length):
        reached = ends[start] - number[start] + _BLOCK
        stop = max(start + 1, int(np.searchsorted(ends, reached, side="right")))
        found[start:stop] = _block(length, tokens, ranks, number, time, np.arange(start, stop))
        start = stop
    return found


def _block(length: _Floats, tokens: _Floats, ranks: _Floats, number: _Rows, time: ChunkTime, rows: _Rows) -> _Floats:
    own = number[rows]
    starts = np.cumsum(own) - own
    of = np.repeat(rows, own)
    before = (np.arange(own.sum()) - np.repeat(starts, own)) * tokens[of]
    times = time(np.minimum(tokens[of], length[of] / ranks[of] - before), before * ranks[of], of)
    return np.add.reduceat(times, starts)
