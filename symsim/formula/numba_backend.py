"""Formulas -> NumPy ufuncs compiled by numba (the `compiled` extra)."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from symsim.algebra.code_printer import code
from symsim.errors import SymsimError
from symsim.formula.bound_tables import bound_tables
from symsim.formula.closed_form import ClosedForm
from symsim.formula.program import Program, Steps
from symsim.tables.lookup import Lookup


def numba_function(form: ClosedForm, names: Sequence[str]) -> Callable[..., Any]:
    """The formula as a ufunc of the named workload symbols, in that order.

    Raises SymsimError when numba is not installed, or a name is no workload symbol that the formula needs.
    """
    numba = _numba()
    derivation = form.level("numeric")
    needed = {s.name for s in derivation.free()}
    if set(names) != needed:
        raise SymsimError(
            f"backend 'numba' compiles a function of {', '.join(sorted(needed))}; found {', '.join(names)}"
        )
    lookups, stand_alone = bound_tables(form, derivation)
    scope: dict[str, Any] = {name: _table(numba, lookup) for name, lookup in lookups.items()}
    scope |= {"floor": math.floor, "ceil": math.ceil, **_extremes(numba)}
    lines = [f"def run({', '.join(names)}):"]
    lines += [f"    {step.symbol.name} = {code(step.expr, 'numpy')}" for step in stand_alone.steps]
    lines.append(f"    return float({stand_alone.result.symbol.name})")
    exec(compile("\n".join(lines), f"<symsim {form.name}>", "exec"), scope)
    return numba.vectorize([f"float64({', '.join(['float64'] * len(names))})"])(scope["run"])


@lru_cache(maxsize=64)
def fused(steps: Steps, outputs: tuple[str, ...]) -> Program:
    """Steps without look-ups as one pass over their inputs, which may broadcast.

    Raises SymsimError when numba is not installed.
    """
    numba = _numba()
    defined = {name for name, _ in steps}
    inputs = tuple(sorted({s.name for _, expr in steps for s in expr.free_symbols} - defined))  # pyright: ignore
    scope: dict[str, Any] = {"floor": math.floor, "ceil": math.ceil, **_extremes(numba)}
    results = [f"{name}_out" for name in outputs]
    lines = [f"def run({', '.join([*inputs, *results])}):"]
    lines += [f"    {name} = {code(expr, 'numpy')}" for name, expr in steps]
    lines += [f"    {result}[0] = {name}" for name, result in zip(outputs, results, strict=True)]
    exec(compile("\n".join(lines), f"<symsim {outputs[-1]}>", "exec"), scope)
    kinds = ", ".join([*(["float64"] * len(inputs)), *(["float64[:]"] * len(outputs))])
    layout = f"{','.join(['()'] * len(inputs))}->{','.join(['()'] * len(outputs))}"
    function = numba.guvectorize([f"void({kinds})"], layout)(scope["run"])

    def run(values: Mapping[str, Any], functions: Mapping[str, Any]) -> tuple[Any, ...]:
        found = function(*(values[name] for name in inputs))
        return found if len(outputs) > 1 else (found,)

    return Program(inputs, outputs, (), run)


def _numba() -> Any:
    try:
        return importlib.import_module("numba")
    except ImportError:
        raise SymsimError("backend 'numba' needs numba: pip install 'symsim-llm[compiled]'") from None


def _extremes(numba: Any) -> dict[str, Any]:
    """Maximum and minimum that pass NaN on, as NumPy's do: a plain `max` would lose it."""

    @numba.njit
    def maximum(a: float, b: float) -> float:
        return a if a > b or a != a else b

    @numba.njit
    def minimum(a: float, b: float) -> float:
        return a if a < b or a != a else b

    return {"maximum": maximum, "minimum": minimum}


def _table(numba: Any, lookup: Lookup) -> Any:
    """A look-up as machine code. A table of one axis gets a second one that never varies."""
    values = np.array([*lookup.values, lookup.default])
    if lookup.kind == "nearest":
        return _nearest(numba, lookup, values)
    cells = np.asarray(lookup.cells).reshape(len(lookup.breaks[0]) + 1, -1)
    first, second = (np.array((lookup.breaks[i] if i < len(lookup.breaks) else ()), dtype=float) for i in (0, 1))

    @numba.njit
    def steps(x: float, y: float = 0.0) -> float:
        i, j = np.searchsorted(first, x, side="right"), np.searchsorted(second, y, side="right")
        return values[cells[i, j]]  # pyright: ignore[reportReturnType]

    return steps


def _nearest(numba: Any, lookup: Lookup, values: Any) -> Any:
    points = np.array([[*point, 0.0][:2] for point in lookup.points])
    scale = -1 if lookup.scale_axis is None else lookup.scale_axis

    @numba.njit
    def nearest(x: float, y: float = 0.0) -> float:
        best, at = np.inf, 0
        for i in range(len(points)):
            gap = abs(points[i, 0] - x) + abs(points[i, 1] - y)
            if gap < best:
                best, at = gap, i
        return values[at] * ((x if scale == 0 else y) / points[at, scale] if scale >= 0 else 1.0)

    return nearest
