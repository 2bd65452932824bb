"""ClosedForm -> a Python module that needs nothing but the standard library; measured tables travel inside it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from symsim.algebra.code_printer import code
from symsim.algebra.symbols import WORKLOAD
from symsim.cost.metrics import Derivation
from symsim.formula.bound_tables import bound_tables
from symsim.formula.closed_form import ClosedForm
from symsim.tables.lookup import NO_ROW, Lookup

_STEPS = '''
def _steps(breaks, cells, *point):
    """The cell of a step function: one index per axis, counted by the breaks that are not above the point."""
    for edges, x in zip(breaks, point):
        cells = cells[bisect_right(edges, x)]
    return cells
'''

_NEAREST = '''
def _nearest(points, *point):
    """The first of the nearest points, by the sum of distances along the axes."""
    gaps = [sum(abs(a - x) for a, x in zip(at, point)) for at in points]
    return gaps.index(min(gaps))
'''


def python_module(form: ClosedForm, subject: str) -> str:
    """Source text. Its last function is named after the metric and takes the workload symbols by keyword.

    A point that a measured row cannot answer (its MFU is 0.000) raises ValueError there, as `evaluate` does: a NaN
    would be lost in the next `max`.
    """
    derivation = form.level("numeric")
    lookups, replaced = bound_tables(form, derivation)
    inputs = [s.name for s in derivation.free()]
    kinds = {lookup.kind for lookup in lookups.values()}
    head = [f'"""{derivation.meaning} of {subject}.', "", f"Unit: {form.unit}. Derived by symsim.", '"""', ""]
    head += ["from bisect import bisect_right"] if "steps" in kinds else []
    head += ["from math import ceil, floor, isnan, nan  # noqa: F401"]
    shared = [text for kind, text in (("steps", _STEPS), ("nearest", _NEAREST)) if kind in kinds]
    tables = [_table(name, lookup) for name, lookup in lookups.items()]
    return "\n".join([*head, *shared, *tables, _metric(form, replaced, inputs)]) + "\n"


def _table(name: str, lookup: Lookup) -> str:
    arguments = ", ".join(lookup.axes)
    source = (
        lookup.missing
        or lookup.assumed
        or f"{lookup.signature.meaning}; {lookup.signature.file}, {lookup.signature.library}"
    )
    head = f'\ndef {name}({arguments}):\n    """{source}."""\n'
    values = ", ".join(map(repr, (*lookup.values, lookup.default)))
    if lookup.kind == "steps":
        cells = repr(lookup.cells).replace(str(NO_ROW), str(len(lookup.values)))
        find = f"    at = _steps({lookup.breaks!r}, {cells}, {arguments})\n"
    else:
        find = f"    points = {lookup.points!r}\n    at = _nearest(points, {arguments})\n"
    scale = lookup.scale_axis
    scaled = "" if scale is None else f" * {lookup.axes[scale]} / points[at][{scale}]"
    return f"{head}{find}    value = ({values},)[at]\n{_refusal(lookup)}    return value{scaled}\n"


def _refusal(lookup: Lookup) -> str:
    """A check that is written out only where some row of the table cannot be used."""
    if not any(map(isnan, lookup.values)):
        return ""
    message = f"{lookup.signature.file}: the row that answers has MFU 0.000"
    return f"    if isnan(value):\n        raise ValueError({message!r})\n"


def _metric(form: ClosedForm, derivation: Derivation, inputs: Sequence[str]) -> str:
    given = ", ".join(name for name in WORKLOAD if name in inputs)
    doc = "; ".join(f"{n}: {form.symbols[n].meaning}" for n in WORKLOAD if n in inputs)
    lines = [f"\ndef {form.name}(*, {given}):", f'    """{derivation.meaning}, {form.unit}. {doc}."""']
    for step in derivation.steps[:-1]:
        lines.append(f"    {step.symbol.name} = {code(step.expr, 'python')}  # {step.meaning} [{step.unit}]")
    return "\n".join([*lines, f"    return {code(derivation.result.expr, 'python')}"])
