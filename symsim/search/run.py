"""Metrics over grids of symbols, deployments and devices, as labelled arrays or files.

Blocks of bounded size are evaluated a few at a time, in threads of this process or on a cluster, and go on in order to
an array in memory or to a file; a summary and a Pareto front are kept on the way.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, Unpack

import numpy as np

from symsim.formula.grid import Axes
from symsim.inputs.extras import load_extra
from symsim.search.blocks import FEASIBLE, Slices, SweepBlock, evaluate_blocks, refused_block
from symsim.search.files import write
from symsim.search.labels import attributes, coordinates, is_whole
from symsim.search.pareto import NEEDS, Front, merged
from symsim.search.plan import Options, SweepPlan, plan_sweep, together

_BLOCK = 2**20
"""Points of one block at most: 8 MiB a metric."""


def sweep(
    model: str | Path,
    devices: str | Path | Sequence[str | Path],
    grid: Mapping[str, Any],
    *,
    executor: Executor | None = None,
    **options: Unpack[Options],
) -> Any:
    """Metrics at every point of a grid, as an xarray.Dataset with units; NaN where a point is infeasible.

    grid: symbol or field of the deployment -> its values, in SI units; one value gives no dimension.  Several devices
    or deployments give dimensions of their own.  `reason` says why a point has no values (0: it has); its attribute
    flag_meanings holds the sentences.  executor: a Dask client's `get_executor()` computes on its cluster, whose
    workers need symsim and the same files.  Other options are those of `plan_sweep`.
    Raises SymsimError as `plan_sweep` does, and when xarray is not installed.
    """
    plan = plan_sweep(model, devices, grid, **options)
    return dataset(plan, run_blocks(plan, executor))


def sweep_to_file(
    file: str | Path,
    model: str | Path,
    devices: str | Path | Sequence[str | Path],
    grid: Mapping[str, Any],
    *,
    executor: Executor | None = None,
    **options: Unpack[Options],
) -> SweepSummary:
    """The same into a table (.csv, .parquet: a row a point) or NetCDF (.nc), block by block in bounded memory."""
    plan = plan_sweep(model, devices, grid, **options)
    summary = summary_of(plan)
    write(plan, summary.watched(run_blocks(plan, executor)), file)
    return summary


def dataset(plan: SweepPlan, blocks: Iterable[SweepBlock]) -> Any:
    """All blocks as an xarray.Dataset; dimensions that were given as one value become scalar coordinates."""
    xarray = load_extra("xarray", "sweep", "labelled results need")
    values = {name: np.full(plan.shape, np.nan) for name in plan.metrics}
    codes = np.zeros(plan.shape, dtype=np.int16)
    for block in blocks:
        codes[block.where] = block.codes
        for name, found in block.values.items():
            values[name][block.where] = found
    variables = {name: (plan.dims, found, attributes(plan, name)) for name, found in values.items()}
    variables["reason"] = (plan.dims, codes, attributes(plan, "reason"))
    found = xarray.Dataset(variables, coords=coordinates(plan), attrs={"subject": plan.subject})
    return found.isel(dict.fromkeys(plan.scalars, 0))


@dataclass(slots=True)
class SweepSummary:
    """What a sweep came to, gathered block by block.

    counts: reason code -> points; best: device and metric -> (value, label of every dimension), of times and bytes the
    least, of rates and counts the most; fronts: device -> its Pareto front, where the metrics of one are swept.
    """

    plan: SweepPlan
    fronts: dict[str, Front] | None = None
    counts: dict[int, int] = field(default_factory=dict[int, int])
    best: dict[tuple[str, str], tuple[float, Mapping[str, Any]]] = field(default_factory=dict[tuple[str, str], Any])

    def watched(self, blocks: Iterable[SweepBlock]) -> Iterator[SweepBlock]:
        """The same blocks, summed up on their way."""
        for block in blocks:
            self.add(block)
            yield block

    def add(self, block: SweepBlock) -> None:
        codes, counts = np.unique(block.codes, return_counts=True)
        for code, count in zip(codes.tolist(), counts.tolist(), strict=True):
            self.counts[code] = self.counts.get(code, 0) + count
        if FEASIBLE not in codes:
            return
        device = str(labels_at(self.plan, block, 0)["device"])
        for name, values in block.values.items():
            sign = -1 if less_is_better(self.plan.units[name]) else 1
            at = int(np.nanargmax(sign * values))
            value, kept = float(values.ravel()[at]), self.best.get((device, name))
            if kept is None or sign * value > sign * kept[0]:
                self.best[device, name] = value, labels_at(self.plan, block, at)
        if self.fronts is not None:
            front = self.fronts.setdefault(device, Front())
            front.add(block, lambda at: labels_at(self.plan, block, at))

    @property
    def front(self) -> Front | None:
        """The front of all devices together."""
        return None if self.fronts is None else merged(self.fronts.values())


def less_is_better(unit: str) -> bool:
    """Whether people ask for the least of a metric: of times and bytes."""
    return unit in ("s", "B")


def summary_of(plan: SweepPlan) -> SweepSummary:
    """An empty summary; with a Pareto front where its metrics are swept."""
    return SweepSummary(plan, {} if set(NEEDS) <= set(plan.metrics) else None)


def labels_at(plan: SweepPlan, block: SweepBlock, at: int) -> Mapping[str, Any]:
    """The label of every dimension at a flat position of a block."""
    outer = {name: labels[i] for (name, labels), i in zip(plan.outer.items(), block.place, strict=True)}
    inside = np.unravel_index(at, block.codes.shape)
    cuts = zip(plan.inner.items(), block.slices, inside, strict=True)
    inner = {name: float(values[cut.start + i]) for (name, values), cut, i in cuts}
    return outer | {name: int(value) if is_whole(name) else value for name, value in inner.items()}


def block_rows(plan: SweepPlan, block: SweepBlock) -> Iterator[dict[str, Any]]:
    """Every point of a block by itself: labels, metrics in SI units (None where masked), and the reason if masked."""
    columns = {name: values.ravel().tolist() for name, values in block.values.items()}
    for at, code in enumerate(block.codes.ravel().tolist()):
        values = {name: column[at] if code == FEASIBLE else None for name, column in columns.items()}
        yield {**labels_at(plan, block, at), **values, "reason": plan.reasons[code] if code != FEASIBLE else None}


def run_blocks(plan: SweepPlan, executor: Executor | None = None, size: int = _BLOCK) -> Iterator[SweepBlock]:
    """All blocks of a sweep in order, a few under way at a time.

    executor: None computes in threads of this process; a Dask client's `get_executor()` on its cluster.
    """
    own = ThreadPoolExecutor(os.cpu_count()) if executor is None else None
    pool = executor or own
    assert pool is not None
    ahead = 2 * (getattr(pool, "_max_workers", None) or 16)
    waiting: deque[tuple[_Window, list[Future[list[SweepBlock]]]]] = deque()
    try:
        for window in _windows(plan, size):
            waiting.append((window, [pool.submit(evaluate_blocks, *task) for task in _tasks(plan, window)]))
            if len(waiting) >= ahead:
                yield from _in_order(plan, *waiting.popleft())
        while waiting:
            yield from _in_order(plan, *waiting.popleft())
    finally:
        for future in (future for _, futures in waiting for future in futures):
            future.cancel()
        if own is not None:
            own.shutdown()


def blocks_of(plan: SweepPlan, size: int = _BLOCK) -> int:
    """How many blocks a sweep has."""
    return len(plan.cases) * sum(1 for _ in _slices(plan.shape[len(plan.outer) :], size))


@dataclass(frozen=True, slots=True)
class _Window:
    """Cases one after another, and the part of the axes over which they are evaluated together."""

    cases: range
    slices: Slices
    axes: Axes


def _windows(plan: SweepPlan, size: int) -> Iterator[_Window]:
    """As many cases at a time as have no more points than a block; of one that has more, a part at a time."""
    inner = plan.shape[len(plan.outer) :]
    count = max(1, size // max(1, prod(inner)))
    for first in range(0, len(plan.cases), count):
        cases = range(first, min(first + count, len(plan.cases)))
        for slices in _slices(inner, size):
            axes = {name: values[cut] for (name, values), cut in zip(plan.inner.items(), slices, strict=True)}
            yield _Window(cases, slices, axes)


def _tasks(plan: SweepPlan, window: _Window) -> Iterator[tuple[Any, ...]]:
    """What is evaluated of a window: the cases of each formula together."""
    for group in together({i: plan.formulas[i] for i in window.cases if i not in plan.refused}):
        places = tuple(_place(plan, i) for i in group)
        yield tuple(plan.cases[i] for i in group), plan.metrics, plan.limits, places, window.slices, window.axes


def _in_order(plan: SweepPlan, window: _Window, futures: Sequence[Future[list[SweepBlock]]]) -> Iterator[SweepBlock]:
    blocks = {block.place: block for future in futures for block in future.result()}
    for i in window.cases:
        place = _place(plan, i)
        refused = plan.refused.get(i)
        yield (
            blocks[place]
            if refused is None
            else refused_block(refused, plan.metrics, place, window.slices, window.axes)
        )


def _place(plan: SweepPlan, case: int) -> tuple[int, ...]:
    """Where a case is in the dimensions of devices and deployments."""
    return tuple(map(int, np.unravel_index(case, tuple(map(len, plan.outer.values())))))


def _slices(shape: tuple[int, ...], size: int) -> Iterator[Slices]:
    """Blocks of an array in the order of its elements, each of at most `size` of them."""
    at = next((i for i in range(len(shape)) if prod(shape[i + 1 :]) <= size), len(shape))
    if at == len(shape):
        yield ()
        return
    step = max(1, size // prod(shape[at + 1 :]))
    for lead in np.ndindex(*shape[:at]):
        for low in range(0, shape[at], step):
            single = tuple(slice(i, i + 1) for i in lead)
            yield (*single, slice(low, min(low + step, shape[at])), *(slice(0, n) for n in shape[at + 1 :]))
