"""Table look-ups of a derivation, bound to their shapes: what a stand-alone program has to carry along."""

from __future__ import annotations

from typing import cast

import sympy
from sympy import Expr
from sympy.core.function import AppliedUndef

from symsim.cost.metrics import Derivation
from symsim.formula.closed_form import ClosedForm
from symsim.formula.program import positions
from symsim.tables.lookup import Lookup, bind


def bound_tables(form: ClosedForm, derivation: Derivation) -> tuple[dict[str, Lookup], Derivation]:
    """A name and a Lookup for each table and shape; calls in the derivation keep only the arguments that vary.

    The derivation's shapes must be numbers (level "numeric").
    """
    lookups: dict[str, Lookup] = {}
    swaps: dict[Expr, Expr] = {}
    calls = {call for step in derivation.steps for call in step.expr.atoms(AppliedUndef)}
    for call in sorted(calls, key=str):
        name = str(call.func)
        shape, axes = positions(name)
        sizes = [float(cast(Expr, call.args[i])) for i in shape]
        own = "_".join([name, *(f"{size:.0f}" for size in sizes)])
        lookups[own] = bind(name, tuple(sizes), form.context)
        swaps[call] = sympy.Function(own, positive=True)(*(call.args[i] for i in axes))
    return lookups, derivation.substituted(swaps)  # pyright: ignore[reportArgumentType]
