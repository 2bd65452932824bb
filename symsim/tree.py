"""The syntax tree of the graph and the query language: the whole of it on one page.

Every node that a user wrote keeps its Span, so that errors and derivations can point at the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from symsim.errors import Span


@dataclass(frozen=True, slots=True)
class Number:
    value: Fraction


@dataclass(frozen=True, slots=True)
class Name:
    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    args: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Negative:
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    """`+ - * / **` of numbers; `and or` and the relations of conditions."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expression


Expression = Number | Name | Call | Negative | Binary | Not


@dataclass(frozen=True, slots=True)
class Priced:
    """`amount @ precision`; precision None is a plain count."""

    amount: Expression
    precision: Name | None


@dataclass(frozen=True, slots=True)
class Clause:
    """What a kernel costs, what a block keeps resident, or a figure that is only reported."""

    name: str
    key: str | None
    cost: tuple[Priced, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Node:
    """`value = op(inputs; shape)`; op names a kernel or a block."""

    name: str
    op: str
    inputs: tuple[str, ...]
    shape: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Alias:
    """`name = value`: another name for a value that is there already."""

    name: str
    value: str
    span: Span


@dataclass(frozen=True, slots=True)
class When:
    condition: Expression
    body: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Repeat:
    count: Expression
    name: str
    body: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Let:
    name: str
    value: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Require:
    divisor: Expression
    dividend: Expression
    span: Span


Statement = Node | Alias | When | Repeat | Let | Require | Clause


@dataclass(frozen=True, slots=True)
class Kernel:
    name: str
    params: tuple[str, ...]
    body: tuple[Clause | When | Let, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Block:
    name: str
    inputs: tuple[str, ...]
    params: tuple[str, ...]
    output: str
    body: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Binding:
    """`symbol = key | other_key else default`."""

    symbol: str
    keys: tuple[str, ...]
    default: Expression | None
    span: Span


@dataclass(frozen=True, slots=True)
class Expect:
    """A config key whose other values change cost in a way that this graph does not describe."""

    key: str
    value: object
    span: Span


@dataclass(frozen=True, slots=True)
class Model:
    """One family: the architectures and model_types it serves, its config keys, its operators."""

    name: str
    serves: tuple[str, ...]
    section: str | None
    bindings: tuple[Binding, ...]
    expects: tuple[Expect, ...]
    body: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Library:
    """All graph files of one cost model. neutral: config keys without a cost; omitted: with one it leaves out."""

    name: str
    kernels: Mapping[str, Kernel]
    blocks: Mapping[str, Block]
    models: Mapping[str, Model]
    neutral: frozenset[str]
    omitted: frozenset[str]
