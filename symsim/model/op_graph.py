"""The operator graph: the whole intermediate representation on one page. Frozen; valid between stages."""

from __future__ import annotations

import graphlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

import sympy
from sympy import Expr, Symbol
from sympy.printing.str import sstr

from symsim.algebra.symbols import substitute
from symsim.errors import InternalError, Span
from symsim.language.symbolic import Amounts
from symsim.model.step import EngineStep
from symsim.quantization.layers import Mixture

DEGREES = ("pp", "cp", "dcp")
"""Degrees of parallelism that formulas hold only where they are above 1."""

USUAL = frozenset(("moe_tp", "redundant_experts", "dcp", "imbalance"))
"""What most deployments do not do: formulas say that it holds only where it is done."""


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition that was decided while lowering: the graph holds wherever it has this outcome."""

    condition: sympy.Basic
    outcome: bool

    def holds(self, values: Mapping[Symbol, Expr]) -> bool:
        return (self.condition.xreplace(values) == sympy.true) is self.outcome

    def symbols(self) -> tuple[Symbol, ...]:
        """The symbols it speaks of."""
        return tuple(s for s in self.condition.free_symbols if isinstance(s, Symbol))

    def __str__(self) -> str:
        """As a reader writes it, e.g. world_size > 1."""
        held = self.condition if self.outcome else sympy.Not(self.condition)
        return _written(sympy.to_nnf(held, simplify=False))


def _written(test: sympy.Basic) -> str:
    match test:
        case sympy.Ne():
            return f"{test.lhs} != {test.rhs}"
        case sympy.Eq():
            return f"{test.lhs} == {test.rhs}"
        case sympy.Or():
            return " or ".join(map(_written, sympy.ordered(test.args)))
        case sympy.And():
            parts = ((_written(each), each) for each in sympy.ordered(test.args))
            return " and ".join(f"({text})" if isinstance(each, sympy.Or) else text for text, each in parts)
        case _:
            return sstr(test)


SHARED = "shared"
"""Listed under this, whatever blocks and kernels say below, is what an earlier layer holds: read again, held once."""

AGAIN = "again"
"""Listed under this is what the layer itself holds already, and goes through once more."""

HELD_ALREADY = frozenset((SHARED, AGAIN))

UNUSED = "unused"
"""Listed under this are parameters of the published class that nothing reads: counted, but not held."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Op:
    """One operator of one GPU. name is its path, e.g. layer.attention.o_proj; stage is attention, experts, ...

    shape: kernel parameter -> expression; repeat: executions in one step; body: the repeated body it belongs to;
    part: under what its weights are listed; modules: the linear layers that they are; format: of their weights, where
    the checkpoint gives it; step: which of the steps that the iteration holds, where it is of one of them.
    """

    name: str
    body: str
    stage: str
    kernel: str
    shape: Mapping[str, Expr]
    repeat: Expr
    body_repeat: Expr
    origin: Span
    part: str = ""
    modules: tuple[str, ...] = ()
    format: Mixture | None = None
    step: str = ""

    @property
    def label(self) -> str:
        """The last part of its name, after the step that it belongs to where an iteration holds several."""
        last = self.name.rpartition(".")[2]
        return f"{self.step}_{last}" if self.step else last


@dataclass(frozen=True, slots=True, kw_only=True)
class Resident:
    """What is held in memory (weight, cache per context token, state per sequence, reserve) or only reported; or a
    width that one GPU has of the outputs of linear layers (shard).

    part: under what weights are listed; modules, format: as of an operator; window: the tokens after which a cache
    holds no more.
    """

    kind: str
    key: str | None
    body: str
    stage: str
    amount: Amounts
    repeat: Expr
    body_repeat: Expr
    origin: Span
    part: str = ""
    modules: tuple[str, ...] = ()
    format: Mixture | None = None
    window: Expr | None = None


@dataclass(frozen=True, slots=True)
class Whole:
    """`require divisor divides dividend`: a deployment for which shards are not whole is refused."""

    divisor: Expr
    dividend: Expr
    origin: Span

    def failure(self, values: Mapping[Symbol, Expr], meanings: Mapping[str, str]) -> tuple[str, Expr] | None:
        """None where shards are whole; else a sentence with both numbers and what they mean, and the padded size."""
        part, whole = substitute(self.divisor, values), substitute(self.dividend, values)
        if (whole / part).is_integer:
            return None
        of, by = (meanings.get(str(size), str(size)) for size in (self.dividend, self.divisor))
        sentence = (
            f"{by} ({self.divisor} = {part}) must divide {of} ({self.dividend} = {whole}), as {self.origin} requires"
        )
        return sentence, part * sympy.ceiling(whole / part)


@dataclass(frozen=True, slots=True)
class Refusal:
    """`refuse condition: "sentence"`: a deployment for which the condition holds is refused."""

    condition: sympy.Basic
    sentence: str
    origin: Span

    def failure(self, values: Mapping[Symbol, Expr]) -> str | None:
        """None where the condition does not hold; else the sentence, the numbers behind the condition, and its line."""
        if self.condition.xreplace(dict(values)) != sympy.true:
            return None
        found = sorted((s for s in self.condition.free_symbols if isinstance(s, Symbol)), key=lambda s: s.name)
        numbers = ", ".join(f"{s.name} = {values[s]}" for s in found)
        return f"{self.sentence}{f' ({numbers})' if numbers else ''}, as {self.origin} says"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class OpGraph:
    """Operators in the order of the graph text, their data flow, and what they keep in memory.

    edges: the names of two operators of which the second takes what the first makes. guards: what must stay as it is
    for this graph to hold; degrees: what stands for each of DEGREES in its formulas; whole, refusals: deployments
    that are refused. stages: the pipeline stages that may be the fullest, by number, with how many layers of each
    body; none where the repeats say it.
    """

    model: str
    step: EngineStep
    ops: tuple[Op, ...]
    edges: tuple[tuple[str, str], ...]
    residents: tuple[Resident, ...]
    guards: tuple[Guard, ...]
    whole: tuple[Whole, ...]
    refusals: tuple[Refusal, ...]
    degrees: Mapping[str, Expr]
    stages: Mapping[int, Mapping[str, Expr]] = field(default_factory=dict[int, Mapping[str, Expr]])

    def of_stage(self, number: int) -> OpGraph:
        """The graph with as many layers of each kind as this pipeline stage has."""
        counts = self.stages[number]
        return replace(
            self,
            ops=tuple(_counted(op, counts) for op in self.ops),
            residents=tuple(_counted(item, counts) for item in self.residents),
        )


Counted = TypeVar("Counted", Op, Resident)


def _counted(item: Counted, counts: Mapping[str, Expr]) -> Counted:
    count = counts.get(item.body)
    return item if count is None else replace(item, repeat=item.repeat / item.body_repeat * count, body_repeat=count)


def checked(graph: OpGraph) -> OpGraph:
    """The graph itself. Raises InternalError when it is no DAG or names an operator twice."""
    names = [op.name for op in graph.ops]
    if len(set(names)) != len(names):
        raise InternalError("lower", f"operator names repeat in {graph.model}")
    sources: dict[str, list[str]] = {}
    for source, name in graph.edges:
        sources.setdefault(name, []).append(source)
    try:
        graphlib.TopologicalSorter(sources).prepare()
    except graphlib.CycleError:
        raise InternalError("lower", f"{graph.model} is not acyclic") from None
    return graph
