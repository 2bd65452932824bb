"""A metric at scattered points: what depends on one input is computed for its whole numbers once and then read.

Inputs of a workload are whole numbers that repeat, so a part that depends on one of them is an array indexed by it, and
a look-up along two of them is a small array of cells.  What is left for every point is the arithmetic that mixes
inputs: about a dozen operations.  It is done in blocks that fit a core's cache, on all cores; what bounds it then is
reading those arrays out of order, and the divisions.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray
from sympy import Expr, Symbol
from sympy.core.function import AppliedUndef

from symsim.algebra.symbols import WORKLOAD
from symsim.formula.closed_form import ClosedForm
from symsim.formula.grid import SplitSteps, names_in, split_steps
from symsim.formula.numba_backend import PLANE, numba_function, point_kernel
from symsim.formula.planes import Plane, plane
from symsim.formula.program import Program, Steps, array_tables, positions, program

_Floats = NDArray[np.float64]
Backend = Literal["numpy", "numba"]

_FEW = 2**14
"""Up to so many points are evaluated as they come."""

_BLOCK = 2**15
"""Points of one block: a dozen arrays of them fit into a core's cache."""


def compiled_function(form: ClosedForm, names: Sequence[str], backend: Backend = "numpy") -> Callable[..., Any]:
    """A vectorised function of the named symbols, in that order, broadcasting as NumPy does.

    Points where a measured row cannot be used give NaN. Raises SymsimError for a name that is no symbol of the metric,
    and when numba is asked for and not installed.
    """
    direct = numba_function(form, names) if backend == "numba" else form.function(names)
    if not set(names) <= set(WORKLOAD):
        return direct
    ready, fill = _Scattered(form, tuple(names), backend), form.cut_points(names)

    def function(*points: Any) -> Any:
        arrays = [np.asarray(point, dtype=float) for point in points]
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
        size = int(np.prod(shape))
        outer = size == np.prod([array.size for array in arrays])
        if size <= _FEW or outer or ready.mixed is None:
            return direct(*points)
        flat = [np.broadcast_to(array, shape).reshape(-1) for array in arrays]
        given = dict(zip(names, flat, strict=True))
        found = ready.values(given, ready.mixed, size)
        if found is None:
            return direct(*points)
        fill(found, given)
        return found.reshape(shape)

    return function


@dataclass(frozen=True, slots=True)
class Dense:
    """The whole numbers that an input takes, from `low` on; arrays of parts are indexed by value - low."""

    low: float
    values: _Floats

    def at(self, block: _Floats) -> NDArray[np.int64]:
        return (block - self.low).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Mixed:
    """What is computed once for each input, and what for each point.

    first: input (None: of no input) -> the program of the parts that depend on it alone; owner: part -> its input;
    calls: the look-ups along two inputs, whose arguments are the parts NAME_0 and NAME_1; steps: what is computed at
    each point; reads: the parts that it needs.
    """

    first: Mapping[str | None, Program]
    owner: Mapping[str, str | None]
    calls: Mapping[str, AppliedUndef]
    steps: Steps
    reads: tuple[str, ...]

    def along(self, name: str) -> tuple[str, str]:
        """The two inputs of a look-up."""
        return str(self.owner[f"{name}_0"]), str(self.owner[f"{name}_1"])


def mixed_steps(split: SplitSteps) -> Mixed | None:
    """Sort the steps of a metric by how many inputs they depend on; None where a look-up mixes inputs otherwise."""
    steps, calls, single = list[tuple[str, Expr]](), dict[str, AppliedUndef](), list[tuple[str, Expr]]()
    owner: dict[str, str | None] = {}
    for name, expr in split.steps:
        if len(split.depends[name]) < 2:
            single.append((name, expr))
            owner[name] = next(iter(split.depends[name]), None)
        elif isinstance(expr, AppliedUndef):
            calls[name] = expr
            for i, argument in enumerate(_along(expr)):
                inputs = names_in(argument) & set(split.inner) | {
                    axis for other in names_in(argument) for axis in split.depends.get(other, ())
                }
                if len(inputs) != 1:
                    return None
                single.append((f"{name}_{i}", argument))
                (owner[f"{name}_{i}"],) = inputs
        else:
            steps.append((name, expr))
    if any(len(_along(call)) != 2 for call in calls.values()):
        return None
    if not steps:
        steps, owner[OUT] = [(OUT, Symbol(split.result))], None
    needed = {name for _, expr in steps for name in names_in(expr)}
    outputs = [name for name, _ in single if name in needed or name.rpartition("_")[0] in calls]
    first = {axis: _program_of(axis, single, owner, outputs) for axis in (None, *split.inner)}
    reads = tuple(name for name in outputs if name in needed)
    return Mixed(
        first={axis: found for axis, found in first.items() if found is not None},
        owner=owner,
        calls=calls,
        steps=tuple(steps),
        reads=reads,
    )


OUT = "out"
"""The one step of a metric that depends on one input alone: its value there."""


def _along(call: AppliedUndef) -> list[Expr]:
    """The arguments that a look-up is looked up along."""
    return [cast(Expr, call.args[i]) for i in positions(str(call.func))[1]]


def _program_of(
    axis: str | None, single: Sequence[tuple[str, Expr]], owner: Mapping[str, str | None], outputs: Sequence[str]
) -> Program | None:
    own = tuple(name for name in outputs if owner[name] == axis)
    return program(tuple(step for step in single if owner[step[0]] in (None, axis)), own, "numpy") if own else None


@dataclass(frozen=True, eq=False)
class _Scattered:
    """A metric made ready for points anywhere."""

    form: ClosedForm
    names: tuple[str, ...]
    backend: Backend

    @cached_property
    def split(self) -> SplitSteps:
        return split_steps(self.form, self.names)

    @cached_property
    def mixed(self) -> Mixed | None:
        return mixed_steps(self.split) if self.split.axes else None

    def values(self, points: Mapping[str, _Floats], mixed: Mixed, size: int) -> _Floats | None:
        """The metric at every point; None where an input is no whole number, or its range is wider than the points."""
        blocks = [slice(start, min(start + _BLOCK, size)) for start in range(0, size, _BLOCK)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            spans = np.array(list(pool.map(lambda block: self._extent(points, block), blocks)))
            low, high = spans[:, :, 0].min(axis=0), spans[:, :, 1].max(axis=0)
            if not spans[:, :, 2].all() or not (high - low < size).all():
                return None
            dense = {
                axis: Dense(a, np.arange(a, b + 1)) for axis, a, b in zip(self.split.inner, low, high, strict=True)
            }
            prepared = _prepared(mixed, dense, self.form)
            if prepared is None:
                return None
            out = np.empty(size)
            if self.backend == "numba":
                fill = self._compiled(points, mixed, prepared, out)
            else:
                fill = partial(self._fill, points, mixed, prepared, out)
            list(pool.map(fill, blocks))
        return out

    def _inner(self, points: Mapping[str, _Floats], block: slice) -> dict[str, _Floats]:
        """The inputs of a block of points, the shared step in place of those that enter through it."""
        given = {name: points[name][block] for name in self.split.axes}
        if self.split.shared is not None:
            name = self.split.shared[0]
            given[name] = program((self.split.shared,), (name,), "numpy").run(given, {})[0]
        return {axis: given[axis] for axis in self.split.inner}

    def _extent(self, points: Mapping[str, _Floats], block: slice) -> list[tuple[float, float, bool]]:
        """Least, greatest and whether whole, of each inner axis."""
        inner = self._inner(points, block).values()
        return [(float(x.min()), float(x.max()), bool((x == np.floor(x)).all())) for x in inner]

    def _fill(
        self, points: Mapping[str, _Floats], mixed: Mixed, prepared: Prepared, out: _Floats, block: slice
    ) -> None:
        """One block with NumPy."""
        known: dict[str, Any] = self._inner(points, block)
        at = {axis: prepared.dense[axis].at(values) for axis, values in known.items()}
        for name in mixed.reads:
            axis = mixed.owner[name]
            known[name] = prepared.parts[name][0] if axis is None else prepared.parts[name][at[axis]]
        for name, found in prepared.planes.items():
            x, y = (at[axis] for axis in mixed.along(name))
            known[name] = found.values(x, y)
        last = mixed.steps[-1][0]
        with np.errstate(invalid="ignore", divide="ignore"):
            (out[block],) = program(mixed.steps, (last,), "numpy").run(known, {})

    def _compiled(
        self, points: Mapping[str, _Floats], mixed: Mixed, prepared: Prepared, out: _Floats
    ) -> Callable[[slice], None]:
        """What fills a block with numba, everything that all blocks read laid out."""
        shared = () if self.split.shared is None else (self.split.shared,)
        calls = tuple(
            (name, *mixed.along(name), found.ends.size > 0, found.factor.size > 0)
            for name, found in prepared.planes.items()
        )
        reads = tuple((name, mixed.owner[name]) for name in mixed.reads)
        loop = point_kernel(self.split.axes, self.split.inner, shared, reads, calls, mixed.steps)
        inputs = [points[axis] for axis in self.split.axes]
        read = prepared.for_loop(reads, self.split.inner)
        return lambda block: loop(out[block], *(values[block] for values in inputs), *read)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Arrays over the whole numbers of each input: the parts of one input, and the cells of look-ups along two."""

    dense: Mapping[str, Dense]
    parts: Mapping[str, _Floats]
    planes: Mapping[str, Plane]

    def for_loop(self, reads: Sequence[tuple[str, str | None]], inner: Sequence[str]) -> list[Any]:
        """All of it as the compiled loop takes it; the parts of one input side by side, so that one read gets them."""
        rows = [
            np.stack([self.parts[name] for name, owner in reads if owner == axis] or [np.zeros(1)], axis=1)
            for axis in inner
        ]
        least = [self.dense[axis].low for axis in inner]
        single = [float(self.parts[name][0]) for name, owner in reads if owner is None]
        return [*least, *rows, *single, *(getattr(found, field) for found in self.planes.values() for field in PLANE)]


def _prepared(mixed: Mixed, dense: Mapping[str, Dense], form: ClosedForm) -> Prepared | None:
    """None where a look-up has too many cells."""
    parts: dict[str, _Floats] = {}
    default = float(form.bound.values["default_mfu"])
    for axis, first in mixed.first.items():
        given = {} if axis is None else {axis: dense[axis].values}
        with np.errstate(invalid="ignore", divide="ignore"):
            every = first.run(given, array_tables(first.tables, form.context, {"default_mfu": default}))
        length = 1 if axis is None else len(dense[axis].values)
        parts |= {
            name: np.ascontiguousarray(np.broadcast_to(np.asarray(values, dtype=float), (length,)))
            for name, values in zip(first.outputs, every, strict=True)
        }
    planes: dict[str, Plane] = {}
    for name, call in mixed.calls.items():
        found = plane(call, parts[f"{name}_0"], parts[f"{name}_1"], form.context, default)
        if found is None:
            return None
        planes[name] = found
    return Prepared(dense, parts, planes)
