"""Derivations -> numbers. Floats enter here and nowhere else.

A derivation is printed once as a plain Python function, compiled, and then called with the value of every symbol and
one bound look-up per table function.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sympy import Expr

from symsim.algebra.code_printer import code
from symsim.algebra.symbols import applied_look_ups, symbol_names
from symsim.tables.bind import bind
from symsim.tables.forms import UNANSWERED
from symsim.tables.table import TableContext, signatures

Steps = tuple[tuple[str, Expr], ...]
"""name -> expression, in order of evaluation."""


@dataclass(frozen=True, slots=True)
class Program:
    """Compiled steps: `run(values, functions)` gives the named outputs in order."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    tables: tuple[str, ...]
    run: Callable[[Mapping[str, Any], Mapping[str, Any]], tuple[Any, ...]]

    def at(self, values: Mapping[str, Any], context: TableContext) -> tuple[Any, ...]:
        """The outputs at a point, measured tables looked up. Raises EmptyTable where they cannot answer."""
        return self.run(values, scalar_tables(self.tables, context, values))

    def over(self, values: Mapping[str, Any], context: TableContext) -> tuple[Any, ...]:
        """The outputs over arrays that broadcast. NaN where a row cannot be used."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.run(values, array_tables(self.tables, context, values))


@lru_cache(maxsize=256)
def program(steps: Steps, outputs: tuple[str, ...], dialect: str) -> Program:
    """Steps as one compiled function of the symbols that no step defines."""
    defined = {name for name, _ in steps}
    inputs = sorted({name for _, expr in steps for name in symbol_names(expr)} - defined)
    tables = _tables(steps)
    lines = [f"def run({', '.join([*inputs, *tables])}):"]
    lines += [f"    {name} = {code(expr, dialect)}" for name, expr in steps]
    lines.append(f"    return ({''.join(f'{name}, ' for name in outputs)})")
    names: dict[str, Any] = {}
    exec(compile("\n".join(lines), f"<symsim {outputs[-1]}>", "exec"), dict(_NAMES[dialect]), names)
    function = names["run"]

    def run(values: Mapping[str, Any], functions: Mapping[str, Any]) -> tuple[Any, ...]:
        return function(*(values[name] for name in inputs), *(functions[name] for name in tables))

    return Program(tuple(inputs), outputs, tuple(tables), run)


@lru_cache(maxsize=256)
def maker(steps: Steps, outputs: tuple[str, ...], free: tuple[str, ...], dialect: str) -> Maker:
    """Steps as a function that makes one of the free symbols alone, positional, for fixed values of all others: what no
    free symbol enters is worked out when it is made."""
    defined = {name for name, _ in steps}
    named = {name: symbol_names(expr) for name, expr in steps}
    inputs = sorted(set[str]().union(*named.values()) - defined - set(free))
    tables = _tables(steps)
    moving = set(free)
    outer, inner = list[str](), list[str]()
    for name, expr in steps:
        moves = not named[name].isdisjoint(moving)
        moving |= {name} if moves else set()
        (inner if moves else outer).append(f"{name} = {code(expr, dialect)}")
    lines = [f"def make({', '.join([*inputs, *tables])}):", *(f"    {line}" for line in outer)]
    lines += [f"    def run({', '.join(free)}):", *(f"        {line}" for line in inner)]
    lines += [f"        return ({''.join(f'{name}, ' for name in outputs)})", "    return run"]
    names: dict[str, Any] = {}
    exec(compile("\n".join(lines), f"<symsim {outputs[-1]}>", "exec"), dict(_NAMES[dialect]), names)
    return Maker(tuple(inputs), tuple(tables), names["make"])


def _tables(steps: Steps) -> list[str]:
    """The table functions that steps call."""
    return sorted({str(call.func) for _, expr in steps for call in applied_look_ups(expr)})


@dataclass(frozen=True, slots=True)
class Maker:
    """What makes a function of few symbols: `make(*inputs, *tables)`."""

    inputs: tuple[str, ...]
    tables: tuple[str, ...]
    make: Callable[..., Callable[..., tuple[Any, ...]]]


_NAMES: Mapping[str, Mapping[str, Any]] = {
    "python": {"floor": math.floor, "ceil": math.ceil, "log": math.log},
    "numpy": {"floor": np.floor, "ceil": np.ceil, "log": np.log, "maximum": np.maximum, "minimum": np.minimum},
}


def scalar_tables(
    names: Sequence[str], context: TableContext, values: Mapping[str, Any]
) -> Mapping[str, Callable[..., float]]:
    """Table functions of numbers; where no row answers, default_mfu of the values does.

    They raise EmptyTable where the tables cannot answer.
    """
    return {name: _scalar(name, context, values) for name in names}


def array_tables(
    names: Sequence[str], context: TableContext, values: Mapping[str, Any]
) -> Mapping[str, Callable[..., NDArray[np.float64]]]:
    """Table functions of arrays, broadcasting. NaN where a row cannot be used."""
    return {name: _array(name, context, values) for name in names}


def _scalar(name: str, context: TableContext, values: Mapping[str, Any]) -> Callable[..., float]:
    shape, axes = positions(name)

    def look_up(*args: float) -> float:
        found = bind(name, tuple(args[i] for i in shape), context)(*(args[i] for i in axes))
        return values["default_mfu"] if found == UNANSWERED else found

    return look_up


def _array(name: str, context: TableContext, values: Mapping[str, Any]) -> Callable[..., NDArray[np.float64]]:
    found = _measured(name, context)

    def look_up(*args: Any) -> NDArray[np.float64]:
        answer = found(*args)
        missing = answer == UNANSWERED
        return np.where(missing, values["default_mfu"], answer) if missing.any() else answer

    return look_up


def _measured(name: str, context: TableContext) -> Callable[..., NDArray[np.float64]]:
    shape, axes = positions(name)

    def look_up(*args: Any) -> NDArray[np.float64]:
        fixed = [np.asarray(args[i], dtype=float) for i in shape]
        points = [np.asarray(args[i], dtype=float) for i in axes]
        if all(size.ndim == 0 for size in fixed):
            return bind(name, tuple(float(size) for size in fixed), context).table.over(*points)
        return _by_shape(fixed, points, lambda sizes: bind(name, sizes, context).table.over)

    return look_up


def _by_shape(
    fixed: Sequence[NDArray[np.float64]],
    points: Sequence[NDArray[np.float64]],
    rows: Callable[[tuple[float, ...]], Callable[..., NDArray[np.float64]]],
) -> NDArray[np.float64]:
    """Look-ups whose shapes differ from place to place: each shape once, over all points that have it.

    Only the dimensions along which shapes differ are searched for them.
    """
    shape = np.broadcast_shapes(*(array.shape for array in (*fixed, *points)))
    sizes = np.stack(np.broadcast_arrays(*(_padded(array, len(shape)) for array in fixed)), axis=-1)
    moving = [at for at, length in enumerate(sizes.shape[:-1]) if length > 1]
    order = [*moving, *(at for at in range(len(shape)) if at not in moving)]
    distinct, which = np.unique(sizes.reshape(-1, len(fixed)), axis=0, return_inverse=True)
    places = which.reshape([sizes.shape[at] for at in moving])
    spread = [np.broadcast_to(point, shape).transpose(order) for point in points]
    answer = np.empty([shape[at] for at in order])
    for i, row in enumerate(distinct.tolist()):
        here = places == i
        answer[here] = rows(tuple(row))(*(point[here] for point in spread))
    return answer.transpose(np.argsort(order))


def _padded(array: NDArray[np.float64], dimensions: int) -> NDArray[np.float64]:
    return array.reshape((1,) * (dimensions - array.ndim) + array.shape)


@lru_cache(maxsize=64)
def positions(name: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Which arguments of a table function are its shape, and which are looked up along axes."""
    signature = signatures()[name]
    index = {argument: i for i, argument in enumerate(signature.args)}
    return tuple(index[a] for a in signature.shape_args), tuple(index[a] for a in signature.axes)
