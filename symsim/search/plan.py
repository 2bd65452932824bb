"""A sweep laid out: every combination of device and deployment compiled, the axes of symbols, why points are masked."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, Literal, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from symsim.algebra.symbols import DEFAULTS, INPUTS, WORKLOAD, is_symbol, symbol_info
from symsim.cost.metric_table import named_metric
from symsim.errors import EmptyTable, SymsimError, nearest_names
from symsim.formula.closed_form import ClosedForm
from symsim.formula.grid import Axes
from symsim.inputs.cost_model import DEFAULT, LATEST
from symsim.inputs.deployment import Deployment, field_names
from symsim.inputs.device import load_device
from symsim.inputs.space import resized
from symsim.language.query import Constraint
from symsim.language.query_text import parse_limits
from symsim.pipeline.compiled import Compiled
from symsim.search.blocks import SweepCase, compiled_case, evaluate_blocks, forms_asked, formula_of
from symsim.tables.table import signatures

SWEPT = ("tpot", "tgs_decode")
"""What is swept unless other metrics are named: enough for a Pareto front."""

_FIELDS = (*field_names(), "nodes")


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPlan:
    """A sweep laid out. outer: device and deployment dimensions with their labels; inner: symbols with their values.

    cases: one for each combination of outer labels, in order; refused: combination -> code of why it has no values;
    formulas: any other combination -> which formula its metrics are, the same for those that differ in numbers only;
    reasons: code -> sentence, of which 0 is feasible; scalars: dimensions that were given as one value;
    assumed: workload that the grid left out.
    """

    outer: Mapping[str, tuple[Any, ...]]
    inner: Axes
    cases: tuple[SweepCase, ...]
    refused: Mapping[int, int]
    formulas: Mapping[int, int]
    metrics: tuple[str, ...]
    units: Mapping[str, str]
    limits: str
    reasons: tuple[str, ...]
    scalars: frozenset[str]
    assumed: Mapping[str, int]
    notes: tuple[str, ...]
    subject: str

    @property
    def dims(self) -> tuple[str, ...]:
        return (*self.outer, *self.inner)

    @property
    def shape(self) -> tuple[int, ...]:
        return (*map(len, self.outer.values()), *map(len, self.inner.values()))

    @property
    def points(self) -> int:
        return prod(self.shape)


class Options(TypedDict, total=False):
    """How a sweep is compiled, and what of it is kept.

    deployment: one, or several (a dimension of their own); metrics: names (default tpot and tgs_decode); subject_to:
    constraints as in questions, outside of which points are masked (default `memory <= capacity`; "" for none);
    cost_model, tables, fallback, graphs: as in `compile`; backend: numba needs the `compiled` extra.
    """

    deployment: Deployment | Sequence[Deployment] | None
    metrics: Sequence[str]
    subject_to: str
    cost_model: str
    tables: str
    fallback: bool
    graphs: Sequence[str | Path]
    backend: Literal["numpy", "numba"]


def _reasons(constraints: Sequence[Constraint], names: Sequence[str]) -> tuple[str, ...]:
    """Why a point may be masked that could be compiled, `feasible` first."""
    none_fits = ("not even one sequence fits in memory",) if "max_batch" in names else ()
    return (
        "feasible",
        "the measured row that answers cannot be used",
        *(f"{c} fails" for c in constraints),
        *none_fits,
    )


def plan_sweep(
    model: str | Path,
    devices: str | Path | Sequence[str | Path],
    grid: Mapping[str, Any],
    **options: Unpack[Options],
) -> SweepPlan:
    """Compile every combination of device and deployment, and lay out the axes.

    Raises SymsimError for a name that is no symbol or field, a value that it cannot take, or when nothing can be
    compiled; single combinations that are refused are masked, with the sentence as their reason.
    """
    outer, built, scalars = _combinations(devices, options.get("deployment"), grid)
    cases, costs, refusals = _compile_all(model, built, options)
    subject_to = options.get("subject_to", "memory <= capacity")
    constraints = parse_limits(subject_to)
    first = next(iter(costs.values()))
    names = tuple(dict.fromkeys(named_metric(name).name for name in options.get("metrics", SWEPT)))
    formulas = _formulas({i: cases[i] for i in costs}, names, subject_to, grid)
    alike = together(formulas)
    asked = (costs[first] for first, *_ in alike)  # the symbols of one are those of all with its formula
    forms = [form.for_inputs(grid) for found in asked for form in forms_asked(found, names, constraints)]
    inner, assumed, single = _inner(grid, forms, constraints)
    point = {name: values[:1] for name, values in inner.items()}
    for group in alike:
        refusals |= _without_tables(cases, group, names, subject_to, point)
    sentences = tuple(dict.fromkeys(refusals.values()))
    reasons = _reasons(constraints, names)
    codes = {i: len(reasons) + sentences.index(sentence) for i, sentence in refusals.items()}
    notes = tuple(dict.fromkeys(note for found in costs.values() for note in (*found.notes, *found.assumptions)))
    head = f"{first.config.path}, {first.cost_model.name} cost model, tables {first.context.vintage}"
    return SweepPlan(
        outer=outer,
        inner=inner,
        cases=tuple(cases),
        refused=codes,
        formulas=formulas,
        metrics=names,
        units={name: named_metric(name).unit for name in names},
        limits=subject_to,
        reasons=(*reasons, *sentences),
        scalars=scalars | single,
        assumed=assumed,
        notes=notes,
        subject=head,
    )


def stand_ins(plan: SweepPlan) -> tuple[str, ...]:
    """What is used in place of tables that do not answer by rows of their own, in any combination."""
    made = (compiled_case(case) for i, case in enumerate(plan.cases) if i not in plan.refused)
    found = (sentence for costs in made for name in plan.metrics for sentence in costs.form(name).stand_ins)
    return tuple(dict.fromkeys(found))


def _compile_all(
    model: str | Path, built: Sequence[tuple[str, Deployment | SymsimError]], options: Options
) -> tuple[list[SweepCase], dict[int, Compiled], dict[int, str]]:
    """A case for every combination; what could be compiled, and the sentences of what could not.

    Raises SymsimError when nothing could.
    """
    words = (options.get("cost_model", DEFAULT), options.get("tables", LATEST))
    flags = (
        options.get("fallback", False),
        options.get("backend") == "numba",
        tuple(map(str, options.get("graphs", ()))),
    )
    cases: list[SweepCase] = []
    costs: dict[int, Compiled] = {}
    refusals: dict[int, str] = {}
    for i, (device, made) in enumerate(built):
        cases.append(
            SweepCase(str(model), device, made if isinstance(made, Deployment) else Deployment(), *words, *flags)
        )
        try:
            if isinstance(made, SymsimError):
                raise made
            costs[i] = compiled_case(cases[-1])
        except SymsimError as error:
            refusals[i] = str(error)
    if not costs:
        raise SymsimError(f"nothing of the sweep can be compiled: {next(iter(refusals.values()))}")
    return cases, costs, refusals


def _combinations(
    devices: str | Path | Sequence[str | Path],
    deployment: Deployment | Sequence[Deployment] | None,
    grid: Mapping[str, Any],
) -> tuple[dict[str, tuple[Any, ...]], list[tuple[str, Deployment | SymsimError]], frozenset[str]]:
    """Dimensions that are compiled for, every combination of them, and which were given as one value."""
    chosen = tuple(map(str, [devices] if isinstance(devices, (str, Path)) else devices))
    for device in chosen:  # a name that is not known is a slip, not a point without an answer
        load_device(device)
    alone = deployment or Deployment()
    bases = [alone] if isinstance(alone, Deployment) else list(alone)
    sizes = {name: _listed(values) for name, values in grid.items() if name in _FIELDS}
    outer: dict[str, tuple[Any, ...]] = {"device": chosen}
    outer |= {} if isinstance(alone, Deployment) else {"deployment": tuple(base.text() for base in bases)}
    outer |= sizes
    built: list[tuple[str, Deployment | SymsimError]] = []
    for device, base in itertools.product(chosen, bases):
        for values in itertools.product(*sizes.values()):
            built.append((device, _deployed(base, dict(zip(sizes, values, strict=True)), device)))
    single = {name for name in sizes if not _is_many(grid[name])}
    single |= {"device"} if isinstance(devices, (str, Path)) else set()
    return outer, built, frozenset(single)


def _deployed(base: Deployment, sizes: Mapping[str, Any], device: str) -> Deployment | SymsimError:
    """The deployment with other sizes and precisions."""
    try:
        return resized(base, sizes).placed(load_device(device).gpus_per_node)
    except SymsimError as error:
        return error


def _inner(
    grid: Mapping[str, Any], forms: Sequence[ClosedForm], constraints: Sequence[Constraint]
) -> tuple[Axes, Mapping[str, int], frozenset[str]]:
    """Axes of symbols, workload that the grid leaves out, and which axes were given as one value."""
    known = set[str]().union(*(form.symbols for form in forms))
    bounds = {str(c.bound.symbol) for c in constraints}
    axes: dict[str, NDArray[np.float64]] = {}
    for name, values in grid.items():
        if name in _FIELDS:
            continue
        if name not in known | bounds:
            raise SymsimError(f"a sweep has no axis {name}{_instead(name, known | set(_FIELDS))}")
        if is_symbol(name) and symbol_info(name).kind in ("deployment", "flag") and name != "sm_ratio":
            raise SymsimError(f"{name} follows from the deployment; sweep {', '.join(_FIELDS)} instead")
        axes[name] = _checked(name, _listed(values), [form for form in forms if name in form.symbols])
    assumed = {name: DEFAULTS[name] for name in WORKLOAD if name in known and name not in axes}
    axes |= {name: np.array([value], dtype=float) for name, value in assumed.items()}
    single = frozenset(name for name in axes if name in assumed or not _is_many(grid[name]))
    return axes, assumed, single


def _instead(name: str, known: Collection[str]) -> str:
    """What is said of a name that the formulas of a sweep do not have."""
    if name in signatures():
        return ": formulas of this cost model look nothing up in that table; those of --cost-model roofline do"
    if name in INPUTS:
        return f": nothing that is swept depends on {name}"
    near = nearest_names(name, known)
    return f"; did you mean {' or '.join(near)}?" if near else "; symsim list symbols has what formulas may have"


def _checked(name: str, values: Sequence[Any], forms: Sequence[ClosedForm]) -> NDArray[np.float64]:
    """The values of an axis. Sizes of the model decide what a formula holds for, so every formula is asked."""
    if not values:
        raise SymsimError(f"the axis {name} has no values")
    for form in forms[:1] if is_symbol(name) else forms:
        for value in values:
            form.numbers.check(name, value)
    return np.array(values, dtype=float)


def _formulas(
    cases: Mapping[int, SweepCase], names: tuple[str, ...], limits: str, grid: Mapping[str, Any]
) -> dict[int, int]:
    """Combination -> which formula it is. Apart where an axis is a size of the model, which each case may refuse."""
    apart = any(name == "default_mfu" or not (is_symbol(name) or name in _FIELDS) for name in grid)
    known: dict[Hashable, int] = {}
    found: dict[int, int] = {}
    for i, case in cases.items():
        key = i if apart or case.numba else formula_of(case, names, limits)
        found[i] = known.setdefault(key, len(known))
    return found


def together(formulas: Mapping[int, int]) -> list[list[int]]:
    """Combination -> its formula, as the combinations of each formula, in order."""
    found: dict[int, list[int]] = {}
    for i, formula in formulas.items():
        found.setdefault(formula, []).append(i)
    return list(found.values())


def _without_tables(
    cases: Sequence[SweepCase], group: Sequence[int], names: tuple[str, ...], limits: str, point: Axes
) -> dict[int, str]:
    """Combinations of one formula for which a table refuses to answer at all, with its sentence."""
    try:
        evaluate_blocks(tuple(cases[i] for i in group), names, limits, tuple(() for _ in group), (), point)
    except EmptyTable as error:
        if len(group) == 1:
            return {group[0]: str(error)}
        half = len(group) // 2
        parts = (_without_tables(cases, part, names, limits, point) for part in (group[:half], group[half:]))
        return {i: sentence for part in parts for i, sentence in part.items()}
    return {}


def _is_many(values: Any) -> bool:
    return not isinstance(values, (str, int, float)) and np.ndim(values) > 0


def _listed(values: Any) -> tuple[Any, ...]:
    return tuple(np.asarray(values).tolist()) if _is_many(values) else (values,)
