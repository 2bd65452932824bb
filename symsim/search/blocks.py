"""A block of a sweep: some metrics of one compiled case over slices of the axes, masked where a constraint fails.

It is a pure function of plain data, so it runs alike in a thread of this process or on a worker of a cluster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symsim.formula.grid import Axes, Gridded, gridded
from symsim.inputs.deployment import Deployment
from symsim.language.query import Constraint, parse_limits
from symsim.pipeline.compiled import Compiled
from symsim.pipeline.pipeline import compile_model
from symsim.solve.limits import bound_of, form_of

FEASIBLE, UNUSABLE = 0, 1
"""Codes of points that have values, and of those whose measured row cannot be used; constraints come after them, and
last, where a largest batch is swept, that not even one sequence fits."""

Slices = tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class Case:
    """What is compiled for one device and deployment; plain data, so that it travels to workers."""

    model: str
    device: str
    deployment: Deployment
    cost_model: str
    tables: str
    fallback: bool
    numba: bool
    graphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Part of a sweep: where it is, its metrics in SI units (NaN where masked), and the code of the reason."""

    place: tuple[int, ...]
    slices: Slices
    values: Mapping[str, NDArray[np.float64]]
    codes: NDArray[np.int16]

    @property
    def where(self) -> tuple[int | slice, ...]:
        """Its place in the whole array."""
        return (*self.place, *self.slices)


def evaluate_block(
    case: Case, names: tuple[str, ...], limits: str, place: tuple[int, ...], slices: Slices, axes: Axes, refused: int
) -> Block:
    """The metrics of one compiled case over an outer product of axes."""
    shape = tuple(map(len, axes.values()))
    if refused:
        empty = {name: np.full(shape, np.nan) for name in names}
        return Block(place, slices, empty, np.full(shape, refused, dtype=np.int16))
    values: dict[str, NDArray[np.float64]] = {}
    for host in _hosts(case, names):
        values |= _over(case, host, names, axes)
    codes = np.zeros(shape, dtype=np.int16)
    constraints = parse_limits(limits)
    for i, constraint in enumerate(constraints):
        codes[(codes == FEASIBLE) & ~_met(case, constraint, axes)] = UNUSABLE + 1 + i
    for found in values.values():
        codes[(codes == FEASIBLE) & np.isnan(found)] = UNUSABLE
    if "max_batch" in values:
        codes[(codes == FEASIBLE) & (values["max_batch"] < 1)] = UNUSABLE + 1 + len(constraints)
    masked = codes != FEASIBLE
    if masked.any():
        values = {name: np.where(masked, np.nan, found) for name, found in values.items()}
    return Block(place, slices, values, codes)


def _met(case: Case, constraint: Constraint, axes: Axes) -> NDArray[np.bool_]:
    """Where a constraint holds; its bound may be an axis of its own."""
    form = form_of(constraint, compiled(case).forms)
    name = constraint.bound.symbol
    bound: Any = float(bound_of(constraint.bound, form))
    if name is not None and name in axes:
        bound = float(constraint.bound.share) * axes[name].reshape([-1 if axis == name else 1 for axis in axes])
    found = _over(case, form.name, (form.name,), axes)[form.name]
    with np.errstate(invalid="ignore"):
        return found >= bound if constraint.relation == ">=" else ~(found > bound)


def _over(case: Case, host: str, names: tuple[str, ...], axes: Axes) -> dict[str, NDArray[np.float64]]:
    """A metric, and those that it contains, along all axes of the sweep, those it does not have included."""
    found, outputs = _gridded(case, host, names, tuple(axes))
    own = [len(axes[name]) if name in found.axes else 1 for name in axes]
    shape = tuple(map(len, axes.values()))
    values = found.values({name: axes[name] for name in found.axes})
    return {name: np.broadcast_to(values[step].reshape(own), shape) for name, step in outputs.items()}


def _hosts(case: Case, names: tuple[str, ...]) -> list[str]:
    """Metrics that no other one contains: TGS is derived through TPOT, so both are had at once."""
    return [name for name in names if not any(other != name and _contains(case, other, name) for other in names)]


def _contains(case: Case, host: str, name: str) -> bool:
    steps = compiled(case).form(host).derivation.steps
    return compiled(case).form(name).derivation.result in steps


@lru_cache(maxsize=256)
def compiled(case: Case) -> Compiled:
    """Compiled once on every process that evaluates blocks of it."""
    words = (case.deployment, case.cost_model, case.tables)
    return compile_model(case.model, case.device, *words, fallback=case.fallback, graphs=case.graphs)


@lru_cache(maxsize=1024)
def _gridded(case: Case, host: str, names: tuple[str, ...], axes: tuple[str, ...]) -> tuple[Gridded, Mapping[str, str]]:
    """A metric made ready, and metric -> output for it and those of `names` that it contains."""
    costs = compiled(case)
    inside = [name for name in names if name == host or _contains(case, host, name)]
    outputs = {name: costs.form(name).derivation.result.symbol.name for name in (*inside, host)}
    also = [step for name, step in outputs.items() if name != host]
    return gridded(costs.form(host), axes, also, numba=case.numba), outputs
