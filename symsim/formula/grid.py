"""A metric over the outer product of axes: every part is computed on the axes it depends on, and on no others.

Sums, products and maxima are split so that what depends on fewer axes is done first; a look-up is done once for its own
axes.  Where some axes enter only through one step (S and O through the mean context C), the rest is computed for the
distinct values of that step and spread out at the end.

Forms that are one derivation with other numbers (deployments that decide alike) are computed together: the numbers that
differ go along an axis of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from sympy import Add, Expr, Max, Min, Mod, Mul, Symbol, ceiling, floor
from sympy.core.function import AppliedUndef

from symsim.algebra.symbols import rebuilt
from symsim.errors import DeploymentError
from symsim.formula.closed_form import ClosedForm, FillCut
from symsim.formula.numba_backend import fused
from symsim.formula.program import Steps, array_tables, program
from symsim.tables.table import TableContext

Axes = Mapping[str, NDArray[np.float64]]
"""Symbol -> its values, one dimension each; their order is the order of the result's dimensions."""

CASE = "case"
"""The axis of forms that are computed together; no symbol is called so."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Gridded:
    """Steps of a metric made ready for a set of axes.

    shared: the step through which `folded` axes enter, if there is one; outputs: the steps that are asked for; last:
    the steps that depend on all axes, where numba is to compute them in one pass (they are then not among `steps`);
    varying: symbol -> its number in each of several forms, where they are computed together along CASE, the first axis;
    cut: output -> what puts it where prompts are cut into chunks, for each form.
    """

    context: TableContext
    default_mfu: float
    axes: tuple[str, ...]
    folded: tuple[str, ...]
    shared: tuple[str, Expr] | None
    steps: Steps
    outputs: tuple[str, ...]
    last: Steps = ()
    varying: Mapping[str, NDArray[np.float64]] = field(default_factory=dict[str, NDArray[np.float64]])
    cut: Mapping[str, Sequence[FillCut]] = field(default_factory=dict[str, Sequence[FillCut]])

    def values(self, axes: Axes) -> Mapping[str, NDArray[np.float64]]:
        """Every output in SI units at every point, NaN where a measured row cannot be used.

        Results have the axes of this metric, in their order.
        """
        found = self._uncut(axes)
        given = _spread({name: axes[name] for name in self.axes if name != CASE})
        return {name: self._filled(values, self.cut.get(name, ()), given) for name, values in found.items()}

    def _filled(self, values: NDArray[np.float64], fills: Sequence[FillCut], given: Axes) -> NDArray[np.float64]:
        if not fills:
            return values
        whole = values.copy()
        for fill, part in zip(fills, whole if self.axes[0] == CASE else [whole], strict=True):
            fill(part, given)
        return whole

    def _uncut(self, axes: Axes) -> Mapping[str, NDArray[np.float64]]:
        """As if every prompt fitted into an iteration."""
        if self.shared is None:
            return self._values({name: axes[name] for name in self.axes})
        name, step = self.shared
        given = _spread({name: axes[name] for name in self.folded})
        inner = program(((name, step),), (name,), "numpy").run(given, {})[0]
        distinct, which = _distinct(np.asarray(inner))
        kept = [axis for axis in self.axes if axis not in self.folded]
        found = self._values({**{axis: axes[axis] for axis in kept}, name: distinct})
        order = [*kept, *self.folded]
        back = [order.index(axis) for axis in self.axes]
        return {output: np.take(values, which, axis=-1).transpose(back) for output, values in found.items()}

    def _values(self, axes: Axes) -> dict[str, NDArray[np.float64]]:
        last = fused(self.last, tuple(name for name in self.outputs if name in dict(self.last))) if self.last else None
        given = {name for name in last.inputs if name not in axes} if last else set[str]()
        first = program(self.steps, tuple(sorted({*given, *self.outputs} & dict(self.steps).keys())), "numpy")
        known: dict[str, Any] = dict(_spread(axes))
        known |= {
            name: numbers.reshape([-1, *(1 for _ in axes)][: len(axes)]) for name, numbers in self.varying.items()
        }
        with np.errstate(invalid="ignore", divide="ignore"):
            tables = array_tables(first.tables, self.context, {"default_mfu": self.default_mfu, **known})
            known |= zip(first.outputs, first.run(known, tables), strict=True)
            known |= zip(last.outputs, last.run(known, {}), strict=True) if last else ()
        shape = tuple(map(len, axes.values()))
        return {name: np.broadcast_to(known[name], shape) for name in self.outputs}


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class SplitSteps:
    """Steps of a metric taken apart by the axes that each part depends on.

    axes: those of the given names that the metric has; shared: the step through which `folded` axes enter, if there is
    one; inner: the axes of `steps`, with the shared step in place of the folded ones; depends: step -> its inner axes;
    last: the steps along all inner axes that are no look-ups and that no look-up needs.
    """

    axes: tuple[str, ...]
    folded: tuple[str, ...]
    shared: tuple[str, Expr] | None
    inner: tuple[str, ...]
    steps: Steps
    depends: Mapping[str, frozenset[str]]
    last: Steps
    result: str


def split_steps(form: ClosedForm, names: Sequence[str], varying: Collection[str] | None = None) -> SplitSteps:
    """Take a metric apart for axes along these symbols; every other symbol must have a number behind it.

    varying: symbols that differ between forms which are computed together, if it is for such.
    """
    form = form.along([name for name in names if form.takes(name)])
    axes = tuple(name for name in names if name in form.symbols)
    if "default_mfu" in names and form.rewriting.partly:
        raise DeploymentError("default_mfu answers look-ups at some points only; evaluate its values one by one")
    derivation = form.derivation if varying is None else form.applied  # look-ups are answered in each form by itself
    numbers = {s: v for s, v in form.bound.symbols().items() if s.name not in axes and s.name not in (varying or ())}
    steps = [(step.symbol.name, step.expr) for step in derivation.substituted(numbers).steps]
    shared = next((step for step in steps[:-1] if _only_way(step, steps, axes)), None)
    folded = tuple(axis for axis in axes if shared is not None and axis in names_in(shared[1]))
    inner = tuple(axis for axis in axes if axis not in folded) + (() if shared is None else (shared[0],))
    inner = inner if varying is None else (CASE, *inner)
    split = _Split(inner, depends=dict.fromkeys(varying or (), frozenset({CASE})))
    taken = split.of([step for step in steps if step != shared])
    return SplitSteps(
        axes=axes if varying is None else (CASE, *axes),
        folded=folded,
        shared=shared,
        inner=inner,
        steps=taken,
        depends=split.depends,
        last=split.last(),
        result=steps[-1][0],
    )


def gridded(form: ClosedForm, names: Sequence[str], also: Sequence[str] = (), *, numba: bool = False) -> Gridded:
    """Make a metric ready for an outer product of axes along these symbols.

    Names that the metric does not have are left out. also: earlier steps to give besides the metric; numba: compile
    what depends on all axes.
    """
    split = split_steps(form, names)
    return _made_ready((form,), split, also, last=split.last if numba else ())


def same_formulas(forms: Sequence[ClosedForm]) -> Hashable:
    """Equal for deployments whose metrics are the same derivations with the same tables, and are computed together.
    forms: metrics of one of them."""
    return forms[0].context, tuple(forms[0].bound.same.items()), tuple(form.applied for form in forms)


def gridded_together(forms: Sequence[ClosedForm], names: Sequence[str], also: Sequence[str] = ()) -> Gridded:
    """The same for forms that are one derivation, with the same tables, along CASE and the symbols of `names`."""
    first = forms[0]
    numbers = [form.bound.values for form in forms]
    own = {s.name for s in first.applied.free()} & first.bound.values.keys() | {"default_mfu"}
    rows = {name: [values[name] for values in numbers] for name in own}
    varying = {name: np.array(row, dtype=float) for name, row in rows.items() if any(value != row[0] for value in row)}
    return replace(_made_ready(forms, split_steps(first, names, varying), also), varying=varying)


def _made_ready(forms: Sequence[ClosedForm], split: SplitSteps, also: Sequence[str], last: Steps = ()) -> Gridded:
    form, own = forms[0], [axis for axis in split.axes if axis != CASE]
    outputs = (split.result, *also) if form.cut is not None else ()
    return Gridded(
        cut={output: [form.cut_points(own, output) for form in forms] for output in outputs},
        context=form.context,
        default_mfu=float(form.bound.values["default_mfu"]),
        axes=split.axes,
        folded=split.folded,
        shared=split.shared,
        steps=tuple(step for step in split.steps if step not in last),
        outputs=(*also, split.result),
        last=last,
    )


def _only_way(step: tuple[str, Expr], steps: Steps | list[tuple[str, Expr]], axes: tuple[str, ...]) -> bool:
    """Whether two axes or more enter the metric only through this step."""
    inside = names_in(step[1])
    own = inside & set(axes)
    return len(own) > 1 and own == inside and not any(own & names_in(expr) for name, expr in steps if name != step[0])


def names_in(expr: Expr) -> set[str]:
    """Names of the symbols in an expression."""
    return {s.name for s in expr.free_symbols if isinstance(s, Symbol)}


def _spread(axes: Axes) -> dict[str, NDArray[np.float64]]:
    """Each axis along a dimension of its own."""
    count = len(axes)
    return {
        name: np.asarray(values, dtype=float).reshape([-1 if i == at else 1 for i in range(count)])
        for at, (name, values) in enumerate(axes.items())
    }


def _distinct(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Distinct values, rising, and which of them stands where; whole numbers close to each other without sorting."""
    low, high = values.min(), values.max()
    if high - low > 4 * values.size or (values != np.floor(values)).any():
        found, which = np.unique(values, return_inverse=True)
        return found, which.reshape(values.shape)
    offsets = (values - low).astype(np.int64)
    there = np.zeros(int(high - low) + 1, dtype=bool)
    there[offsets] = True
    return np.flatnonzero(there) + low, (np.cumsum(there) - 1)[offsets]


@dataclass(slots=True)
class _Split:
    """Takes steps apart by the axes that each part depends on."""

    axes: tuple[str, ...]
    depends: dict[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    found: list[tuple[str, Expr]] = field(default_factory=list[tuple[str, Expr]])
    known: dict[Expr, Symbol] = field(default_factory=dict[Expr, Symbol])

    def of(self, steps: Sequence[tuple[str, Expr]]) -> Steps:
        for name, expr in steps:
            self._add(name, self._rewritten(expr))
        return tuple(self.found)

    def last(self) -> Steps:
        """Steps along all axes that are no look-ups and that no look-up needs."""
        needed = {name for _, expr in self.found for call in expr.atoms(AppliedUndef) for name in names_in(call)}
        own: list[tuple[str, Expr]] = []
        for name, expr in reversed(self.found):
            if expr.has(AppliedUndef) or name in needed or self.depends[name] != frozenset(self.axes):
                needed |= names_in(expr)
            else:
                own.append((name, expr))
        return tuple(reversed(own))

    def _add(self, name: str, expr: Expr) -> None:
        self.found.append((name, expr))
        self.depends[name] = self._axes_of(expr)

    def _axes_of(self, expr: Expr) -> frozenset[str]:
        names = names_in(expr)
        return frozenset(names & set(self.axes)).union(*(self.depends.get(name, frozenset()) for name in names))

    def _named(self, expr: Expr) -> Expr:
        if expr.is_Atom:
            return expr
        if expr not in self.known:
            self.known[expr] = Symbol(f"part_{len(self.known)}")
            self._add(self.known[expr].name, expr)
        return self.known[expr]

    def _rewritten(self, expr: Expr) -> Expr:
        """The same, taken apart; what jumps (floor, a look-up) keeps its argument as it is: T/S is no T times 1/S."""
        if expr.is_Atom:
            return expr
        if isinstance(expr, AppliedUndef):
            return self._named(expr)
        if isinstance(expr, (floor, ceiling, Mod)) and not expr.has(AppliedUndef):
            return expr
        args = [self._rewritten(argument) for argument in cast(tuple[Expr, ...], expr.args)]
        match expr:
            case Add() | Mul():
                return self._grouped(expr.func, args)
            case Max() | Min():
                return self._grouped(lambda *found: expr.func(*found, evaluate=False), args)
            case _:
                return rebuilt(expr, args)

    def _grouped(self, join: Callable[..., Any], args: list[Expr]) -> Expr:
        """Arguments with few axes are joined first; plain numbers go with the first that has one."""
        groups: dict[frozenset[str], list[Expr]] = {}
        for argument in args:
            groups.setdefault(self._axes_of(argument), []).append(argument)
        ordered = [groups[key] for key in sorted(groups, key=lambda key: (len(key), sorted(key)))]
        while len(ordered) > 1:
            first, second, *rest = ordered
            joined = first if all(part.is_Number for part in first) else [self._named(cast(Expr, join(*first)))]
            ordered = [[*joined, *second], *rest]
        return cast(Expr, join(*ordered[0]))
