"""A block of a sweep: some metrics of one compiled case over slices of the axes, masked where a constraint fails.

It is a pure function of plain data, so it runs alike in a thread of this process or on a worker of a cluster.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from symsim.formula.closed_form import ClosedForm
from symsim.formula.grid import CASE, Axes, Gridded, gridded, gridded_together, same_formulas
from symsim.inputs.deployment import Deployment
from symsim.language.query import Constraint
from symsim.language.query_text import parse_limits
from symsim.pipeline.compiled import Compiled
from symsim.pipeline.pipeline import compile_model
from symsim.solve.limits import bound_of, form_of

FEASIBLE, UNUSABLE = 0, 1
"""Codes of points that have values, and of those whose measured row cannot be used; constraints come after them, and
last, where a largest batch is swept, that not even one sequence fits."""

Slices = tuple[slice, ...]


@dataclass(frozen=True, slots=True)
class SweepCase:
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
class SweepBlock:
    """Part of a sweep: where it is, its metrics in SI units (NaN where masked), and the code of the reason."""

    place: tuple[int, ...]
    slices: Slices
    values: Mapping[str, NDArray[np.float64]]
    codes: NDArray[np.int16]

    @property
    def where(self) -> tuple[int | slice, ...]:
        """Its place in the whole array."""
        return (*self.place, *self.slices)


_Places = tuple[tuple[int, ...], ...]
"""Where each of several cases is in the dimensions of devices and deployments."""


def evaluate_blocks(
    cases: tuple[SweepCase, ...], names: tuple[str, ...], limits: str, places: _Places, slices: Slices, axes: Axes
) -> list[SweepBlock]:
    """The metrics of cases that are one formula (`formula_of`) over an outer product of axes; one block for each.

    Raises EmptyTable where a table refuses to answer one of them at all.
    """
    shape = (len(cases), *map(len, axes.values()))
    values: dict[str, NDArray[np.float64]] = {}
    for host in _hosts(cases[0], names):
        values |= _over(cases, host, names, axes)
    codes = np.zeros(shape, dtype=np.int16)
    constraints = parse_limits(limits)
    for i, constraint in enumerate(constraints):
        codes[(codes == FEASIBLE) & ~_met(cases, constraint, axes)] = UNUSABLE + 1 + i
    for found in values.values():
        codes[(codes == FEASIBLE) & np.isnan(found)] = UNUSABLE
    if "max_batch" in values:
        codes[(codes == FEASIBLE) & (values["max_batch"] < 1)] = UNUSABLE + 1 + len(constraints)
    masked = codes != FEASIBLE
    if masked.any():
        values = {name: np.where(masked, np.nan, found) for name, found in values.items()}
    return [
        SweepBlock(place, slices, {name: found[i] for name, found in values.items()}, codes[i])
        for i, place in enumerate(places)
    ]


def refused_block(code: int, names: tuple[str, ...], place: tuple[int, ...], slices: Slices, axes: Axes) -> SweepBlock:
    """A block without values."""
    shape = tuple(map(len, axes.values()))
    return SweepBlock(
        place, slices, {name: np.full(shape, np.nan) for name in names}, np.full(shape, code, dtype=np.int16)
    )


def formula_of(case: SweepCase, names: tuple[str, ...], limits: str) -> Hashable:
    """Equal for cases whose metrics and constraints are the same derivations with the same tables."""
    return same_formulas(forms_asked(compiled_case(case), names, parse_limits(limits)))


def forms_asked(costs: Compiled, names: Sequence[str], constraints: Sequence[Constraint]) -> list[ClosedForm]:
    """The metrics that a sweep gives, and those that its constraints are about."""
    return [*map(costs.form, names), *(form_of(constraint, costs.forms) for constraint in constraints)]


def _met(cases: tuple[SweepCase, ...], constraint: Constraint, axes: Axes) -> NDArray[np.bool_]:
    """Where a constraint holds; its bound may be an axis of its own."""
    forms = [form_of(constraint, compiled_case(case).forms) for case in cases]
    own = (-1, *(1 for _ in axes))
    bound = np.array([float(bound_of(constraint.bound, form)) for form in forms]).reshape(own)
    name = constraint.bound.symbol
    if name is not None and name in axes:
        bound = float(constraint.bound.share) * axes[name].reshape([1, *(-1 if axis == name else 1 for axis in axes)])
    metric = forms[0].name
    found = _over(cases, metric, (metric,), axes)[metric]
    with np.errstate(invalid="ignore"):
        return found >= bound if constraint.relation == ">=" else ~(found > bound)


def _over(
    cases: tuple[SweepCase, ...], host: str, names: tuple[str, ...], axes: Axes
) -> dict[str, NDArray[np.float64]]:
    """A metric, and those that it contains, of every case along all axes of the sweep, also those it does not have."""
    found, outputs = _gridded(cases, host, names, tuple(axes))
    own = [len(cases), *(len(axes[name]) if name in found.axes else 1 for name in axes)]
    shape = (len(cases), *map(len, axes.values()))
    given = {CASE: np.arange(len(cases), dtype=float), **axes}
    values = found.values({name: given[name] for name in found.axes})
    return {name: np.broadcast_to(values[step].reshape(own), shape) for name, step in outputs.items()}


def _hosts(case: SweepCase, names: tuple[str, ...]) -> list[str]:
    """Metrics that no other one contains: TGS is derived through TPOT, so both are had at once."""
    return [name for name in names if not any(other != name and _contains(case, other, name) for other in names)]


def _contains(case: SweepCase, host: str, name: str) -> bool:
    steps = compiled_case(case).form(host).applied.steps
    return compiled_case(case).form(name).applied.result in steps


@lru_cache(maxsize=4096)
def compiled_case(case: SweepCase) -> Compiled:
    """Compiled once on every process that evaluates blocks of it."""
    words = (case.deployment, case.cost_model, case.tables)
    return compile_model(case.model, case.device, *words, fallback=case.fallback, graphs=case.graphs)


@lru_cache(maxsize=1024)
def _gridded(
    cases: tuple[SweepCase, ...], host: str, names: tuple[str, ...], axes: tuple[str, ...]
) -> tuple[Gridded, Mapping[str, str]]:
    """A metric made ready, and metric -> output for it and those of `names` that it contains."""
    case = cases[0]
    first = compiled_case(case)
    inside = [name for name in names if name == host or _contains(case, host, name)]
    outputs = {name: first.form(name).derivation.result.symbol.name for name in (*inside, host)}
    also = [step for name, step in outputs.items() if name != host]
    if len(cases) > 1:
        return gridded_together(
            [compiled_case(case).form(host).for_inputs(axes) for case in cases], axes, also
        ), outputs
    return gridded(first.form(host).for_inputs(axes), axes, also, numba=case.numba), outputs
