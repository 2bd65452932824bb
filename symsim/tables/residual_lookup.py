"""Residuals of a kernel at one shape: a step function along the axes, each step a mean of the nearest."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np

from symsim.paths import display_path
from symsim.tables.forms import StepTable
from symsim.tables.lookup import Lookup
from symsim.tables.residuals import VALUE, nearest_residual, read_residuals
from symsim.tables.signature import Signature
from symsim.tables.table import Row


def residual_lookup(signature: Signature, shape: tuple[float, ...], path: Path) -> Lookup:
    """The look-up at a shape. Steps lie halfway, in logarithms, between sizes that were measured.

    Raises DataError for a file that holds no such residuals.
    """
    names, measured = read_residuals(path)
    places = np.log2(measured[:, [names.index(name) for name in signature.args]])
    residuals = np.log(measured[:, names.index(VALUE)])
    sizes = [np.unique(measured[:, names.index(axis)]) for axis in signature.axes]
    cells = np.array([(*cell, *shape) for cell in itertools.product(*sizes)])
    logs, first = nearest_residual(places, residuals, np.log2(cells))
    edges = tuple(tuple(np.sqrt(axis[:-1] * axis[1:]).tolist()) for axis in sizes)
    table = StepTable(axes=signature.axes, edges=edges, values=tuple(np.exp(logs).tolist()))
    cited = [_row(line, dict(zip(names, measured[line], strict=True))) for line in first.tolist()]
    return Lookup(signature=replace(signature, file=display_path(path)), shape=shape, table=table, rows=tuple(cited))


def _row(index: int, cells: dict[str, float]) -> Row:
    return Row(index + 2, {name: f"{value:.10g}" for name, value in cells.items()})
