"""A metric evaluated over a grid, with everything that can change along it: binding arms, look-ups, roundings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr
from sympy.core.function import AppliedUndef

from symsim.algebra.powers import terms_of_norm
from symsim.algebra.symbols import substitute
from symsim.cost.derivation import Derivation
from symsim.formula.closed_form import ClosedForm
from symsim.formula.program import program
from symsim.tables.table import scaling


@dataclass(frozen=True, eq=False)
class Scan:
    """A metric's inner life at every point of a grid.

    axes: symbol -> its value at every point; maxima: step and node, p-norms of fitted times among them; chosen: which
    arm binds in each, or is the largest term of a norm; constants: look-ups (per unit of what they grow with) and
    roundings; figures: the value of each.  Rows are points.
    """

    axes: Mapping[str, NDArray[np.float64]]
    maxima: tuple[tuple[str, Expr], ...]
    chosen: NDArray[np.int64]
    constants: tuple[Expr, ...]
    figures: NDArray[np.float64]

    @property
    def grid(self) -> NDArray[np.float64]:
        """The points of the first symbol."""
        return next(iter(self.axes.values()))

    @property
    def marks(self) -> NDArray[Any]:
        """What tells pieces apart, a row a point."""
        return np.concatenate([self.chosen, np.nan_to_num(np.round(self.figures, 12), nan=-1.0)], axis=1)

    def starts(self) -> list[int]:
        """The first point of every piece."""
        marks = self.marks
        return [0, *(int(i) + 1 for i in np.flatnonzero((marks[1:] != marks[:-1]).any(axis=1)))]

    def arms(self, at: int) -> Mapping[Expr, Expr]:
        """Maximum -> the arm that binds at a point of the grid; norms stay as they are."""
        extremes = ((i, node) for i, (_, node) in enumerate(self.maxima) if isinstance(node, EXTREMES))
        return {node: arms_of(node)[self.chosen[at, i]] for i, node in extremes}

    def labels(self, at: int) -> list[str]:
        """What binds each maximum: compute, memory or link, as the arm's symbols say; else the arm itself, or the
        latency of a fitted time."""
        return [_kind(arms_of(node)[self.chosen[at, i]], node) for i, (_, node) in enumerate(self.maxima)]

    def binds(self, at: int) -> Mapping[str, str]:
        """Step -> what binds it: of several maxima in one step that which says what its time is spent on, and not one
        of sizes, as where a kernel takes another block."""
        found: dict[str, str] = {}
        for (step, _), label in zip(self.maxima, self.labels(at), strict=True):
            if label in SPENT_ON or found.get(step) not in SPENT_ON:
                found[step] = label
        return found


EXTREMES = (sympy.Max, sympy.Min)


def arms_of(node: Expr) -> tuple[Expr, ...]:
    """The arms of a maximum, or the terms of a norm."""
    if not isinstance(node, EXTREMES):
        return terms_of_norm(node)
    return cast(tuple[Expr, ...], tuple(sorted(node.args, key=str)))


def per_unit(constant: Expr) -> Expr:
    """A look-up whose value grows along an argument, per unit of it: constant for as long as one row answers."""
    along = scaling(str(constant.func)) if isinstance(constant, AppliedUndef) else None
    return constant if along is None else constant / cast(Expr, constant.args[along])


def scanned(form: ClosedForm, values: Mapping[str, Any], axes: Mapping[str, NDArray[np.float64]]) -> Scan:
    """Evaluate every arm, look-up and rounding of the metric at points. axes: symbol -> its value at each of them."""
    moving, count = [form.numbers.symbol_of(name) for name in axes], len(next(iter(axes.values())))
    steps = tuple((step.symbol.name, step.expr) for step in form.derivation.steps)
    maxima = tuple((name, node) for name, expr in steps for node in sorted(_branching(expr), key=str))
    found = {node for _, expr in steps for node in expr.atoms(AppliedUndef, sympy.floor, sympy.ceiling)}
    constants = tuple(cast(Expr, node) for node in sorted(found, key=str) if not _moves_evenly(node, moving))
    arms = [(f"arm_{i}_{j}", arm) for i, (_, node) in enumerate(maxima) for j, arm in enumerate(arms_of(node))]
    terms = (*arms, *((f"constant_{i}", per_unit(node)) for i, node in enumerate(constants)))
    if not terms:
        return Scan(axes, (), np.zeros((count, 0), dtype=int), (), np.zeros((count, 0)))
    compiled = program((*steps, *terms), tuple(name for name, _ in terms), "numpy")
    run = compiled.over({**values, **axes}, form.context)
    columns = {name: np.broadcast_to(column, (count,)) for name, column in zip(compiled.outputs, run, strict=True)}
    chosen = np.zeros((count, len(maxima)), dtype=int)
    for i, (_, node) in enumerate(maxima):
        stacked = np.stack([columns[f"arm_{i}_{j}"] for j in range(len(arms_of(node)))])
        chosen[:, i] = (np.argmin if isinstance(node, sympy.Min) else np.argmax)(stacked, axis=0)
    figures = np.zeros((count, len(constants)))
    for i in range(len(constants)):
        figures[:, i] = columns[f"constant_{i}"]
    return Scan(axes, maxima, chosen, constants, figures)


def _branching(expr: Expr) -> set[Expr]:
    """The maxima and norms of an expression."""
    extremes = {cast(Expr, node) for node in expr.atoms(*EXTREMES)}
    return extremes | {cast(Expr, power) for power in expr.atoms(sympy.Pow) if terms_of_norm(power)}


def _moves_evenly(node: sympy.Basic, moving: Sequence[sympy.Symbol]) -> bool:
    """Whether it is a rounding that moves as the symbols do (S + floor(O/2) along O): a piece is not to end there."""
    return isinstance(node, (sympy.floor, sympy.ceiling)) and bool(node.args[0].is_polynomial(*moving))


def pinned(form: ClosedForm, scan: Scan, at: int) -> Derivation:
    """The derivation with only the arms that bind at a point of the grid."""
    arms = scan.arms(at)

    def pin(expr: Expr) -> Expr:
        while expr.has(*EXTREMES):
            expr = substitute(expr, arms)
        return expr

    return form.derivation.mapped(pin)


def _kind(arm: Expr, node: Expr) -> str:
    names = {str(s) for s in arm.free_symbols}
    for word, markers in _KINDS.items():
        if any(name.startswith(markers) for name in names):
            return word
    return str(arm) if isinstance(node, EXTREMES) else "latency"


SPENT_ON = ("compute", "memory", "link", "latency")
"""What the time of an operator is spent on."""

_KINDS = {"compute": ("peak_", "default_mfu"), "memory": ("hbm_",), "link": ("nvlink_", "rdma_")}
