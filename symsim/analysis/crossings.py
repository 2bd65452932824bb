"""Where the metrics of two compiled models cross along a symbol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from symsim.algebra.symbols import is_symbol, symbol_info
from symsim.analysis.comparison import level_of_both
from symsim.errors import SymsimError, did_you_mean
from symsim.formula.binding_piece import binding_arms, root
from symsim.formula.closed_form import ClosedForm
from symsim.formula.program import program
from symsim.notation.layout import laid_out
from symsim.notation.written import Written

_LONGEST = 2**18
"""Crossings are looked for at every whole number up to here, which is beyond every measured row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Where B starts (or stops) being smaller than A. formula: on the piece that holds there, or None.

    variable <= before: one side; from after on: the other. value: the formula's number; jump: whether measured
    rows change between before and after, so that the metrics jump past each other instead of meeting.
    """

    variable: str
    before: int
    after: int
    smaller_after: str
    value: float | None
    formula: Written | None
    jump: bool

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        text, latex = (None, None) if self.formula is None else (self.formula.text, self.formula.latex)
        fields = ("variable", "before", "after", "smaller_after", "value", "jump")
        return {name: getattr(self, name) for name in fields} | {"closed_form": text, "latex": latex}


def crossings_of(one: ClosedForm, other: ClosedForm, variable: str, **at: int) -> tuple[Crossing, ...]:
    """Every whole number of a workload symbol (or C, the mean context) past which the smaller metric is another.

    A crossing's closed form is the root of B - A on the piece where the same arms of all maxima bind.
    Raises SymsimError for a symbol that the metric does not move with.
    """
    one, other = (form.for_inputs(at).without({variable}) for form in (one, other))
    known = {name for form in (one, other) for name in form.symbols}
    if variable not in known or symbol_info(variable).kind != "workload":
        workload = {name for name in known if is_symbol(name) and symbol_info(name).kind == "workload"}
        raise SymsimError(f"{one.name} has no crossing in {variable}; {did_you_mean(variable, workload)}")
    fixed = {name: value for name, value in at.items() if name in known and name != variable}
    points = {variable: np.arange(1, _LONGEST + 1, dtype=float), **fixed}
    own = [{name: at for name, at in points.items() if name in form.symbols} for form in (one, other)]
    curves = [
        np.broadcast_to(form.function(list(held))(*held.values()), (_LONGEST,))
        for form, held in zip((one, other), own, strict=True)
    ]
    smaller = curves[1] < curves[0]
    edges = np.flatnonzero(smaller[1:] != smaller[:-1]) + 1
    return tuple(_crossing(one, other, variable, int(edge), bool(smaller[edge]), fixed) for edge in edges)


def _crossing(
    one: ClosedForm, other: ClosedForm, variable: str, before: int, smaller: bool, fixed: Mapping[str, int]
) -> Crossing:
    at = {**fixed, variable: before + 1}
    one, other = (form.in_chunks(at) for form in (one, other))
    level = level_of_both(one, other)
    values = {**one.point(), **other.point(), **at}
    pieces = [binding_arms(form.level(level), {**form.point(), **at}, form.context).inlined() for form in (one, other)]
    found = root(pieces[1] - pieces[0], one.numbers.symbol_of(variable), before + 1, values, one.context)
    past = Crossing(
        variable=variable,
        before=before,
        after=before + 1,
        smaller_after="B" if smaller else "A",
        value=None,
        formula=None,
        jump=True,
    )
    if found is None:
        return past
    terms = (("root", found),)
    compiled = program(terms, ("root",), "python")
    value = float(compiled.at(values, one.context)[0])
    printed = [laid_out(form, level, "") for form in (one, other)]
    joined = replace(
        printed[0],
        symbols=(*printed[0].symbols, *printed[1].symbols),
        tables=(*printed[0].tables, *printed[1].tables),
    )
    return replace(past, value=value, formula=Written(found, joined), jump=not before <= value <= before + 1)
