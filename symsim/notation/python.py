"""ClosedForm -> a Python module that needs nothing but the standard library; measured tables travel inside it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isnan

from symsim.algebra.code_printer import code
from symsim.algebra.symbols import INPUTS
from symsim.cost.derivation import Derivation
from symsim.errors import printable
from symsim.formula.bound_tables import Carried, CarriedChunks, bound_tables, carried_chunks
from symsim.formula.closed_form import ClosedForm
from symsim.notation.program_parts import after_cached
from symsim.tables.forms import Nearest, StepTable

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
    chunks = carried_chunks(form)
    carried |= {} if chunks is None else chunks.tables
    inputs = [s.name for s in derivation.free()]
    kinds = {type(one.table) for one in carried.values()}
    head = [f'"""{_quotable(f"{derivation.meaning} of {subject}")}.', "", f"Unit: {form.unit}. Derived by symsim."]
    head += ["", "In place of tables:", *map(_quotable, form.stand_ins)] if form.stand_ins else []
    head += ['"""', ""]
    head += ["from bisect import bisect_right"] if StepTable in kinds else []
    sums = "fsum, " if chunks is not None else ""
    head += [f"from math import ceil, floor, {sums}isnan, nan  # noqa: F401"]
    shared = [text for kind, text in ((StepTable, _STEPS), (Nearest, _NEAREST)) if kind in kinds]
    tables = [_table(name, one) for name, one in carried.items()]
    cut = [] if chunks is None else [_chunk(chunks)]
    return "\n".join([*head, *shared, *tables, *cut, _metric(form, replaced, inputs, chunks)]) + "\n"


def _quotable(text: str) -> str:
    """Text that may stand in a docstring: no quote in it ends the string, and no backslash begins an escape."""
    return printable(text).replace("\\", "\\\\").replace('"', '\\"')


def _table(name: str, carried: Carried) -> str:
    table, arguments = carried.table, ", ".join(carried.table.axes)
    head = f'\ndef {name}({arguments}):\n    """{_quotable(carried.source)}."""\n'
    values = ", ".join(map(repr, table.values))
    if isinstance(table, StepTable):
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


def _chunk(chunks: CarriedChunks) -> str:
    """A function of the tokens of a chunk and of those before it."""
    head = [
        "\ndef _chunk(T, past):",
        '    """Time of one chunk of T tokens of a prompt after `past` that are cached, s."""',
    ]
    return "\n".join([*head, *_lines(chunks.chunk)])


def _lines(derivation: Derivation) -> list[str]:
    lines = [
        f"    {step.symbol.name} = {code(step.expr, 'python')}  # {printable(f'{step.meaning} [{step.unit}]')}"
        for step in derivation.steps[:-1]
    ]
    return [*lines, f"    return {code(derivation.result.expr, 'python')}"]


def _longer(chunks: CarriedChunks) -> list[str]:
    """What a prompt that is longer than an iteration is: its chunks, one after another."""
    ranks = code(chunks.ranks, "python")
    share = "S" if ranks == "1" else f"S / {ranks}"
    tokens = f"min(T, {share} - i*T), {after_cached(chunks, f'i*{ranks}*T')}"
    lines = [
        f"    if S > {ranks}*T:  # a longer prompt takes several iterations, one after another",
        f"        {chunks.total} = fsum(_chunk({tokens}) for i in range(ceil(S / ({ranks}*T))))",
        *(f"        {step.symbol.name} = {code(step.expr, 'python')}" for step in chunks.then),
    ]
    return [*lines, f"        return {chunks.then[-1].symbol.name if chunks.then else chunks.total}"]


def _metric(form: ClosedForm, derivation: Derivation, inputs: Sequence[str], chunks: CarriedChunks | None) -> str:
    given = ", ".join(name for name in INPUTS if name in inputs)
    doc = "; ".join(f"{n}: {form.symbols[n].meaning}" for n in INPUTS if n in inputs)
    lines = [f"\ndef {form.name}(*, {given}):", f'    """{_quotable(f"{derivation.meaning}, {form.unit}. {doc}")}."""']
    longer = [] if chunks is None else _longer(chunks)
    return "\n".join([*lines, *longer, *_lines(derivation)])
