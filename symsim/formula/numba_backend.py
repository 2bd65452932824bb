"""Formulas -> NumPy ufuncs compiled by numba (the `compiled` extra)."""

from __future__ import annotations

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
from symsim.inputs.extras import load_extra
from symsim.tables.forms import Nearest, Table


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
    tables, stand_alone = bound_tables(form, derivation)
    scope: dict[str, Any] = {name: _table(numba, carried.table) for name, carried in tables.items()}
    scope |= {"floor": math.floor, "ceil": math.ceil, **_extremes(numba)}
    lines = [f"def run({', '.join(names)}):"]
    lines += [f"    {step.symbol.name} = {code(step.expr, 'numpy')}" for step in stand_alone.steps]
    lines.append(f"    return float({stand_alone.result.symbol.name})")
    exec(compile("\n".join(lines), f"<symsim {form.name}>", "exec"), scope)
    compiled = numba.vectorize([f"float64({', '.join(['float64'] * len(names))})"])(scope["run"])
    return compiled if form.cut is None else _with_cut(compiled, form, names)


def _with_cut(compiled: Callable[..., Any], form: ClosedForm, names: Sequence[str]) -> Callable[..., Any]:
    """The same, with prompts that are longer than an iteration summed over their chunks with NumPy."""
    fill = form.cut_points(names)

    def function(*points: Any) -> Any:
        arrays = [np.asarray(point, dtype=float) for point in points]
        answer = np.array(compiled(*arrays))
        fill(answer, dict(zip(names, arrays, strict=True)))
        return answer if answer.shape else float(answer)

    return function


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


@lru_cache(maxsize=64)
def point_kernel(
    axes: tuple[str, ...],
    inner: tuple[str, ...],
    before: Steps,
    reads: tuple[tuple[str, str | None], ...],
    calls: tuple[tuple[str, str, str, bool, bool], ...],
    steps: Steps,
) -> Callable[..., None]:
    """A loop over points: reads what was prepared for each input and does the rest.

    axes: the inputs; inner: those after `before`, the step through which several of them enter; reads: part -> its
    input, None where it is one number; calls: look-up, the two inputs it is along, whether it has ends and a factor;
    steps: what is computed at each point. The loop takes, in this order: the output, the inputs, the least value of
    each inner input, for each of them the rows of its parts, each single number, and the fields of each look-up's
    plane. Raises SymsimError when numba is not installed.
    """
    numba = _numba()
    scope: dict[str, Any] = {"floor": math.floor, "ceil": math.ceil, "log": math.log, **_extremes(numba)}
    fields = [f"{name}_{field}" for name, *_ in calls for field in PLANE]
    given = [
        *(f"{axis}_points" for axis in axes),
        *(f"{axis}_least" for axis in inner),
        *(f"{axis}_parts" for axis in inner),
        *(name for name, axis in reads if axis is None),
        *fields,
    ]
    lines = [f"def run(out, {', '.join(given)}):", "    for n in range(len(out)):"]
    body = [f"{axis} = {axis}_points[n]" for axis in axes]
    body += [f"{name} = {code(expr, 'numpy')}" for name, expr in before]
    body += [f"{axis}_at = int({axis} - {axis}_least)" for axis in inner]
    for axis in inner:
        own = [name for name, owner in reads if owner == axis]
        body += [f"{name} = {axis}_parts[{axis}_at, {i}]" for i, name in enumerate(own)]
    body += [line for call in calls for line in _look_up(*call)]
    body += [f"{name} = {code(expr, 'numpy')}" for name, expr in steps]
    body.append(f"out[n] = {steps[-1][0]}")
    exec(compile("\n".join([*lines, *(f"        {line}" for line in body)]), f"<symsim {steps[-1][0]}>", "exec"), scope)
    return numba.njit(nogil=True, error_model="numpy")(scope["run"])


def _look_up(name: str, x: str, y: str, ends: bool, factor: bool) -> list[str]:
    """The lines that look one plane up."""
    lines = [
        f"{name}_cell = {name}_row[{x}_at] + {name}_column[{y}_at]",
        f"{name} = {name}_lower[{name}_cell]",
    ]
    if ends:  # both sides are read before one is chosen: no branch to be guessed wrongly
        lines += [
            f"{name}_above = {name}_upper[{name}_cell]",
            f"{name} = {name} if {y}_at < {name}_ends[{name}_cell] else {name}_above",
        ]
    return [*lines, f"{name} *= {name}_factor[{y}_at]"] if factor else lines


PLANE = ("row", "column", "ends", "lower", "upper", "factor")
"""The fields of a plane (symsim.formula.planes), as the loop over points takes them."""


def _numba() -> Any:
    return load_extra("numba", "compiled", "backend 'numba' needs")


def _extremes(numba: Any) -> dict[str, Any]:
    """Maximum and minimum that pass NaN on, as NumPy's do: a plain `max` would lose it."""

    @numba.njit
    def maximum(a: float, b: float) -> float:
        return a if a > b or a != a else b

    @numba.njit
    def minimum(a: float, b: float) -> float:
        return a if a < b or a != a else b

    return {"maximum": maximum, "minimum": minimum}


def _table(numba: Any, table: Table) -> Any:
    """A look-up as machine code. A table of one axis gets a second one that never varies."""
    if isinstance(table, Nearest):
        return _nearest(numba, table)
    values = np.array(table.values).reshape(len(table.edges[0]) + 1, -1)
    first, second = (np.array((table.edges[i] if i < len(table.edges) else ()), dtype=float) for i in (0, 1))

    @numba.njit
    def steps(x: float, y: float = 0.0) -> float:
        i, j = np.searchsorted(first, x, side="right"), np.searchsorted(second, y, side="right")
        return values[i, j]  # pyright: ignore[reportReturnType]

    return steps


def _nearest(numba: Any, table: Nearest) -> Any:
    points, values = np.array([[*point, 0.0][:2] for point in table.points]), np.array(table.values)
    scale = -1 if table.scale is None else table.scale

    @numba.njit
    def nearest(x: float, y: float = 0.0) -> float:
        best, at = np.inf, 0
        for i in range(len(points)):
            gap = abs(points[i, 0] - x) + abs(points[i, 1] - y)
            if gap < best:
                best, at = gap, i
        return values[at] * ((x if scale == 0 else y) / points[at, scale] if scale >= 0 else 1.0)

    return nearest
