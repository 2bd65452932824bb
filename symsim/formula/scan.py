"""A metric evaluated over a grid, with everything that can change along it: binding arms, look-ups, roundings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr
from sympy.core.function import AppliedUndef

from symsim.algebra.powers import terms_of_norm
from symsim.algebra.symbols import substitute
from symsim.cost.bound import BOUNDS, parts_of_time, rate_bound
from symsim.cost.derivation import Derivation
from symsim.formula.closed_form import ClosedForm
from symsim.formula.program import program
from symsim.tables.table import scaling


@dataclass(frozen=True, slots=True)
class Choice:
    """Arms of a step of which one binds. node: the maximum or minimum that they are of, None where they are the parts
    of a fitted time, all of which count; labels: compute, memory or link, as an arm's symbols say, else the arm itself,
    or latency."""

    step: str
    node: Expr | None
    arms: tuple[Expr, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Scan:
    """A metric's inner life at every point of a grid.

    axes: symbol -> its value at every point; choices: its maxima and fitted times; chosen: which arm binds in each;
    constants: look-ups (per unit of what they grow with) and roundings; figures: the value of each.  Rows are points.
    """

    axes: Mapping[str, NDArray[np.float64]]
    choices: tuple[Choice, ...]
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
        """Maximum -> the arm that binds at a point of the grid; fitted times stay as they are."""
        pairs = zip(self.choices, self.chosen[at], strict=True)
        return {choice.node: choice.arms[i] for choice, i in pairs if choice.node is not None}

    def labels(self, at: int) -> list[str]:
        """The label of the arm that binds in each choice."""
        return [choice.labels[i] for choice, i in zip(self.choices, self.chosen[at], strict=True)]

    def binds(self, at: int) -> Mapping[str, str]:
        """Step -> what binds it: of several maxima in one step that which says what its time is spent on, and not one
        of sizes, as where a kernel takes another block."""
        found: dict[str, str] = {}
        for choice, label in zip(self.choices, self.labels(at), strict=True):
            if label in BOUNDS or found.get(choice.step) not in BOUNDS:
                found[choice.step] = label
        return found


EXTREMES = (sympy.Max, sympy.Min)


def per_unit(constant: Expr) -> Expr:
    """A look-up whose value grows along an argument, per unit of it: constant for as long as one row answers."""
    along = scaling(str(constant.func)) if isinstance(constant, AppliedUndef) else None
    return constant if along is None else constant / cast(Expr, constant.args[along])


def scanned(form: ClosedForm, values: Mapping[str, Any], axes: Mapping[str, NDArray[np.float64]]) -> Scan:
    """Evaluate every arm, look-up and rounding of the metric at points. axes: symbol -> its value at each of them."""
    moving, count = [form.numbers.symbol_of(name) for name in axes], len(next(iter(axes.values())))
    steps = tuple((step.symbol.name, step.expr) for step in form.derivation.steps)
    choices = tuple(choice for name, expr in steps for choice in _choices(name, expr))
    found = {node for _, expr in steps for node in expr.atoms(AppliedUndef, sympy.floor, sympy.ceiling)}
    constants = tuple(cast(Expr, node) for node in sorted(found, key=str) if not _moves_evenly(node, moving))
    arms = [(f"arm_{i}_{j}", arm) for i, choice in enumerate(choices) for j, arm in enumerate(choice.arms)]
    terms = (*arms, *((f"constant_{i}", per_unit(node)) for i, node in enumerate(constants)))
    if not terms:
        return Scan(axes, (), np.zeros((count, 0), dtype=int), (), np.zeros((count, 0)))
    compiled = program((*steps, *terms), tuple(name for name, _ in terms), "numpy")
    run = compiled.over({**values, **axes}, form.context)
    columns = {name: np.broadcast_to(column, (count,)) for name, column in zip(compiled.outputs, run, strict=True)}
    chosen = np.zeros((count, len(choices)), dtype=int)
    for i, choice in enumerate(choices):
        stacked = np.stack([columns[f"arm_{i}_{j}"] for j in range(len(choice.arms))])
        chosen[:, i] = (np.argmin if isinstance(choice.node, sympy.Min) else np.argmax)(stacked, axis=0)
    figures = np.zeros((count, len(constants)))
    for i in range(len(constants)):
        figures[:, i] = columns[f"constant_{i}"]
    return Scan(axes, choices, chosen, constants, figures)


def _choices(step: str, expr: Expr) -> Iterator[Choice]:
    """Of the maxima of an expression, and of the time of a fitted kernel, which is one with a norm."""
    for node in sorted(expr.atoms(*EXTREMES), key=str):
        arms = cast(tuple[Expr, ...], tuple(sorted(node.args, key=str)))
        labels = tuple(rate_bound(*map(str, arm.free_symbols)) or str(arm) for arm in arms)
        yield Choice(step, cast(Expr, node), arms, labels)
    if any(terms_of_norm(cast(Expr, one)) for one in expr.atoms(sympy.Pow)):
        parts = parts_of_time(expr)
        yield Choice(step, None, tuple(parts.values()), tuple(parts))


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
