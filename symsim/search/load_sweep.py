"""Figures of requests over a grid of loads, lengths, deployments and devices, and the front of users against GPUs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from symsim.errors import DeploymentError, SymsimError, did_you_mean
from symsim.language.query import LENGTH_FLAGS, Constraint
from symsim.pipeline.compiled import Compiled
from symsim.search.pareto import FrontPoint, undominated
from symsim.serving.points import LOADS, SIZES, UNKNOWNS, failing, figures_at, metric_of

_KNOWN = frozenset({*UNKNOWNS, *SIZES})

_MOST = 20_000
"""Points of a grid; each takes some milliseconds."""


@dataclass(frozen=True, slots=True)
class LoadRow:
    """labels: value of every axis; values: metric -> SI value, None without one; reason: why a point does not do."""

    labels: Mapping[str, Any]
    values: Mapping[str, float | None]
    reason: str


@dataclass(frozen=True, slots=True)
class LoadSweep:
    """axes: of several values, in the order of the rows; units: of the metrics; fixed: axes of one value."""

    axes: Mapping[str, tuple[Any, ...]]
    fixed: Mapping[str, Any]
    units: Mapping[str, str]
    rows: tuple[LoadRow, ...]
    subject: str

    @property
    def feasible(self) -> tuple[LoadRow, ...]:
        return tuple(row for row in self.rows if not row.reason)

    def front(self, device: str | None = None) -> list[FrontPoint]:
        """Feasible points, of one device where it is stated, that no other beats in tokens per second of a user and of
        a GPU."""
        users, gpus = "tokens/s/user", "tokens/s/gpu"
        rows = [row for row in self.feasible if row.values.get(users) and row.values.get(gpus)]
        rows = [row for row in rows if device is None or row.labels.get("device", device) == device]
        rates = [np.array([row.values[name] or np.nan for row in rows], dtype=float) for name in (users, gpus)]
        return [
            FrontPoint(float(rates[0][i]), float(rates[1][i]), rows[i].labels) for i in undominated(rates[0], rates[1])
        ]


def is_of_load(axes: Mapping[str, Any]) -> bool:
    """Whether a grid is one of requests."""
    return bool(axes.keys() & LOADS.keys())


def sweep_loads(
    compiled: Mapping[str, Compiled], axes: Mapping[str, Any], metrics: Sequence[str], limits: Sequence[Constraint]
) -> LoadSweep:
    """Every combination of the values of the axes on every device. Raises SymsimError for axes that are none."""
    lists = {
        LENGTH_FLAGS.get(name, name): list(dict.fromkeys(values)) if np.ndim(values) else [values]
        for name, values in axes.items()
    }
    if unknown := next((name for name in lists if name not in _KNOWN), None):
        raise SymsimError(f"a sweep over requests has no axis {unknown}; {did_you_mean(unknown, _KNOWN)}")
    if len(compiled) > 1:
        lists = {"device": list(compiled), **lists}
    size = int(np.prod([len(values) for values in lists.values()]))
    if size > _MOST:
        raise SymsimError(f"{size:,} points of requests are too many; at most {_MOST:,}")
    units = {name: metric_of(name)[0] for name in metrics}
    fixed = {name: values[0] for name, values in lists.items() if len(values) == 1}
    first, rows = next(iter(compiled.values())), list[LoadRow]()
    for combination in itertools.product(*lists.values()):
        labels = dict(zip(lists, combination, strict=True))
        of = compiled[labels["device"]] if "device" in labels else first
        rows.append(_row(of, labels, tuple(metrics), limits))
    axes = {name: tuple(dict.fromkeys(row.labels[name] for row in rows)) for name in lists if name not in fixed}
    return LoadSweep(axes, fixed, units, tuple(rows), first.subject)


def _row(
    compiled: Compiled, labels: Mapping[str, Any], metrics: tuple[str, ...], limits: Sequence[Constraint]
) -> LoadRow:
    at = {name: _number(name, value) for name, value in labels.items() if name != "device"}
    shown = {name: at.get(name, value) for name, value in labels.items()}
    try:
        point = figures_at(compiled, at, (*metrics, *(one.metric for one in limits)))
    except DeploymentError as error:
        return LoadRow(shown, dict.fromkeys(metrics), str(error))
    values = {name: metric_of(name)[1](point) for name in metrics}
    failed = ", ".join(map(str, failing(limits, point)))
    return LoadRow(shown, values, point.figures.sentence or failed)


def _number(name: str, value: Any) -> float:
    if isinstance(value, str):
        raise SymsimError(f"{name} = {value}: expected a number")
    return int(value) if name in UNKNOWNS and UNKNOWNS[name].whole else float(value)
