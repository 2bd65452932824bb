"""A look-up along two inputs that are whole numbers: one small array of cells for all points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from sympy import Expr
from sympy.core.function import AppliedUndef

from symsim.formula.program import positions
from symsim.tables.bind import bind
from symsim.tables.forms import Nearest, StepTable
from symsim.tables.nearest import CELLS, sides
from symsim.tables.table import TableContext

_Floats = NDArray[np.float64]
_Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Plane:
    """The cell of a point is row[i] + column[j], i and j its places among the whole numbers of the two inputs.

    The value there is `lower` for the first `ends` of the second input's whole numbers and `upper` for the rest; where
    the value grows with an input, times the factor of that place. Empty arrays: one value a cell, no factor.
    """

    row: _Indices
    column: _Indices
    ends: _Indices
    lower: _Floats
    upper: _Floats
    factor: _Floats

    def values(self, i: _Indices, j: _Indices) -> _Floats:
        """The values at these places; NaN where a measured row cannot be used."""
        cell = self.row[i] + self.column[j]
        if not self.ends.size:
            return self.lower[cell]
        found = np.where(j < self.ends[cell], self.lower[cell], self.upper[cell])
        return found * self.factor[j] if self.factor.size else found


def plane(call: AppliedUndef, x: _Floats, y: _Floats, context: TableContext, default: float) -> Plane | None:
    """The look-up at all x and y, whose shape is numbers; None where it has too many cells, or y does not rise.

    Raises EmptyTable as `bind` does.
    """
    name = str(call.func)
    shape = tuple(float(cast(Expr, call.args[i])) for i in positions(name)[0])
    table = bind(name, shape, context).filled(default)
    if isinstance(table, StepTable):
        row, column = (np.searchsorted(b, v, side="right") for b, v in zip(table.edges, (x, y), strict=True))
        row, values = row * (len(table.edges[1]) + 1), np.array(table.values)
        return Plane(row=row, column=column, ends=_NO_ENDS, lower=values, upper=_NONE, factor=_NONE)
    if len(x) * (len(table.points) + 1) > CELLS or (np.diff(y) < 0).any():
        return None
    return _nearest(table, x, y)


_NONE, _NO_ENDS = np.zeros(0), np.zeros(0, dtype=np.int64)


def _nearest(table: Nearest, x: _Floats, y: _Floats) -> Plane:
    found = sides(table.points, x)
    values, factor, rows = np.array(table.values), _NONE, np.ones((len(x), 1))
    if table.scale is not None:
        values = values / np.array([point[table.scale] for point in table.points])
        rows, factor = (x[:, None], factor) if table.scale == 0 else (rows, y)
    lower, upper = ((values[at] * rows).ravel() for at in (found.lower, found.upper))
    ends = np.searchsorted(y, found.threshold.ravel(), side="right")
    row = np.arange(len(x)) * found.width
    return Plane(row=row, column=found.cells(y), ends=ends, lower=lower, upper=upper, factor=factor)
