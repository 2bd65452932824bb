"""ClosedForm -> a Python module that needs nothing but the standard library; measured tables travel inside it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from symsim.algebra.code_printer import code
from symsim.algebra.symbols import INPUTS
from symsim.cost.metrics import Derivation
from symsim.errors import printable
from symsim.formula.bound_tables import Carried, bound_tables
from symsim.formula.closed_form import ClosedForm
from symsim.tables.forms import Nearest, Steps

_STEPS = '''
def _steps(edges, *point):
    """The cell of a step function: its index along each axis counts the edges that are not above the point."""
    at = 0
    for along, x in zip(edges, point):
        at = at * (len(along) + 1) + bisect_right(along, x)
    return at
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
    carried, replaced = bound_tables(form, derivation)
    inputs = [s.name for s in derivation.free()]
    kinds = {type(one.table) for one in carried.values()}
    head = [f'"""{_quotable(f"{derivation.meaning} of {subject}")}.', "", f"Unit: {form.unit}. Derived by symsim."]
    head += ["", "In place of tables:", *map(_quotable, form.stand_ins)] if form.stand_ins else []
    head += ['"""', ""]
    head += ["from bisect import bisect_right"] if Steps in kinds else []
    head += ["from math import ceil, floor, isnan, nan  # noqa: F401"]
    shared = [text for kind, text in ((Steps, _STEPS), (Nearest, _NEAREST)) if kind in kinds]
    tables = [_table(name, one) for name, one in carried.items()]
    return "\n".join([*head, *shared, *tables, _metric(form, replaced, inputs)]) + "\n"


def _quotable(text: str) -> str:
    """Text that may stand in a docstring: no quote in it ends the string, and no backslash begins an escape."""
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')


def _table(name: str, carried: Carried) -> str:
    table, arguments = carried.table, ", ".join(carried.table.axes)
    head = f'\ndef {name}({arguments}):\n    """{_quotable(carried.source)}."""\n'
    values = ", ".join(map(repr, table.values))
    if isinstance(table, Steps):
        find = f"    at = _steps({table.edges!r}, {arguments})\n"
    else:
        find = f"    points = {table.points!r}\n    at = _nearest(points, {arguments})\n"
    scale = table.scale if isinstance(table, Nearest) else None
    scaled = "" if scale is None else f" * {table.axes[scale]} / points[at][{scale}]"
    return f"{head}{find}    value = ({values},)[at]\n{_refusal(carried)}    return value{scaled}\n"


def _refusal(carried: Carried) -> str:
    """A check that is written out only where some row of the table cannot be used."""
    if not any(map(isnan, carried.table.values)):
        return ""
    message = f"{carried.lookup.signature.file}: the row that answers has MFU 0.000"
    return f"    if isnan(value):\n        raise ValueError({message!r})\n"


def _metric(form: ClosedForm, derivation: Derivation, inputs: Sequence[str]) -> str:
    given = ", ".join(name for name in INPUTS if name in inputs)
    doc = "; ".join(f"{n}: {form.symbols[n].meaning}" for n in INPUTS if n in inputs)
    lines = [f"\ndef {form.name}(*, {given}):", f'    """{_quotable(f"{derivation.meaning}, {form.unit}. {doc}")}."""']
    for step in derivation.steps[:-1]:
        lines.append(
            f"    {step.symbol.name} = {code(step.expr, 'python')}  # {printable(f'{step.meaning} [{step.unit}]')}"
        )
    return "\n".join([*lines, f"    return {code(derivation.result.expr, 'python')}"])
