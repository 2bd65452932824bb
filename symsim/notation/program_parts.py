"""What a program in any language is made of: steps, tables of their own names, inputs, and what longer prompts take."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from math import isnan

from symsim.algebra.symbols import INPUTS
from symsim.cost.derivation import Derivation
from symsim.errors import SymsimError, printable
from symsim.formula import overrides
from symsim.formula.bound_tables import CarriedChunks, bound_tables, carried_chunks
from symsim.formula.closed_form import ClosedForm
from symsim.tables.forms import Nearest, Table


@dataclass(frozen=True, slots=True)
class ProgramParts:
    """inputs: the workload in the usual order, then other symbols that were asked for; form: what it is in them."""

    form: ClosedForm
    derivation: Derivation
    tables: dict[str, Table]
    inputs: list[str]
    chunks: CarriedChunks | None


def program_parts(form: ClosedForm, inputs: Collection[str] = ()) -> ProgramParts:
    """A formula with every number put in but those of inputs; symbols of the workload are inputs always.

    Raises SymsimError for a symbol that the metric does not have, DeploymentError for one that only compiling changes.
    """
    own = _in_inputs(form, inputs)
    derivation = own.level("numeric", inputs)
    carried, replaced = bound_tables(own, derivation)
    chunks = carried_chunks(own, inputs)
    carried |= {} if chunks is None else chunks.tables
    free = {s.name for s in derivation.free()}
    named = [n for n in INPUTS if n in free]
    others = [name for name in inputs if name not in named]
    return ProgramParts(own, replaced, {name: one.table for name, one in carried.items()}, [*named, *others], chunks)


def _in_inputs(form: ClosedForm, inputs: Collection[str]) -> ClosedForm:
    """The metric in symbols that a program takes."""
    if not inputs:
        return form
    form = form.for_inputs(inputs)
    for name in inputs:
        form.numbers.check_known(name)
    if tables := sorted(form.rewriting.shaped & set(inputs)):
        raise SymsimError(
            f"{form.name}: measured rows are chosen by {tables[0]}; a program has those of one {tables[0]}"
        )
    along = form.along(inputs)
    held = {s.name for s in along.derivation.free()}
    if absent := [name for name in inputs if name not in held]:
        raise SymsimError(f"{form.name}: {absent[0]} enters through measured rows alone; compile with another instead")
    if follows := sorted(overrides.following_sizes(inputs) & held - set(inputs)):
        raise SymsimError(f"{form.name}: {', '.join(follows)} would follow; take {', '.join(follows)} as inputs, too")
    return along


def comment(text: str) -> str:
    """Text that may stand between /* and */, also in a page's script element: nothing in it opens or ends either."""
    return re.sub(r"(?<=[*/<])(?=[*/!])", " ", printable(text))


def meanings(parts: ProgramParts) -> str:
    """Every input with what it stands for."""
    return "; ".join(f"{name}: {parts.form.symbols[name].meaning}" for name in parts.inputs)


def listed(numbers: Sequence[float], missing: str) -> str:
    """Numbers as elements of an array. missing: what stands for none."""
    return ", ".join(missing if isnan(number) else repr(number) for number in numbers)


def scale_factor(table: Nearest, pattern: str) -> str:
    """What the value of a nearest row is multiplied by."""
    return "" if table.scale is None else " * " + pattern.format(axis=table.axes[table.scale])


def after_cached(chunks: CarriedChunks, tokens: str) -> str:
    """The tokens before a chunk. tokens: those of the prompt itself."""
    return f"{chunks.cached} + {tokens}" if chunks.cached else tokens
