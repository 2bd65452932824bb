"""Table look-ups of a derivation, bound to their shapes: what a stand-alone program has to carry along."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import cast

import sympy
from sympy import Expr
from sympy.core.function import AppliedUndef

from symsim.cost.derivation import Derivation, Step
from symsim.formula.closed_form import ClosedForm
from symsim.formula.program import positions
from symsim.tables.bind import bind
from symsim.tables.forms import Table, thinned
from symsim.tables.lookup import Lookup


@dataclass(frozen=True, slots=True)
class Carried:
    """A look-up with the plain data that answers it, defaults put in; source: where the data are from."""

    lookup: Lookup
    table: Table

    @property
    def source(self) -> str:
        signature = self.lookup.signature
        return self.lookup.assumed or f"{signature.meaning}; {signature.file}, {signature.library}"


@dataclass(frozen=True, slots=True)
class CarriedChunks:
    """What a stand-alone program sums where a prompt is cut: the time of a chunk in T and past, its tables by name, and
    what chunks.then makes of the sum, in workload symbols and numbers; ranks: that share a prompt; cached: tokens
    before the first."""

    chunk: Derivation
    tables: dict[str, Carried]
    ranks: Expr
    cached: Expr
    total: str
    then: tuple[Step, ...]


def carried_chunks(form: ClosedForm, keep: Collection[str] = ()) -> CarriedChunks | None:
    """The chunks of a metric, with every number put in but those of symbols kept; None where no prompt is cut."""
    found = form.level_of_chunks("numeric", keep)
    if found is None:
        return None
    tables, chunk = bound_tables(form.one_chunk, form.one_chunk.level("numeric", keep))
    return CarriedChunks(chunk, tables, found.ranks, found.cached, found.chunk.result.symbol.name, found.then)


def bound_tables(form: ClosedForm, derivation: Derivation) -> tuple[dict[str, Carried], Derivation]:
    """A name and the data of each table and shape; calls in the derivation keep only the arguments that vary.

    The derivation's shapes must be numbers (level "numeric").
    """
    carried: dict[str, Carried] = {}
    default = float(form.bound.values["default_mfu"])
    swaps: dict[Expr, Expr] = {}
    calls = {call for step in derivation.steps for call in step.expr.atoms(AppliedUndef)}
    for call in sorted(calls, key=str):
        name = str(call.func)
        shape, axes = positions(name)
        sizes = [float(cast(Expr, call.args[i])) for i in shape]
        own = "_".join([name, *(f"{size:.0f}" for size in sizes)])
        lookup = bind(name, tuple(sizes), form.context)
        carried[own] = Carried(lookup, thinned(lookup.filled(default)))
        swaps[call] = sympy.Function(own, positive=True)(*(call.args[i] for i in axes))
    return carried, derivation.substituted(swaps)  # pyright: ignore[reportArgumentType]
