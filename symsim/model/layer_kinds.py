"""Which layers of a model are alike: those for which `layers L as i` decides every `when` alike, and for which every
`sliding[i]` in a size is the same.

Decided in plain Python on numbers, once for each layer; formulas then hold one body for each kind, repeated as often
as there are such layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from symsim.errors import ConfigError, Span, UndefinedName, did_you_mean
from symsim.language.decide import evaluate, indexed, names
from symsim.language.symbolic import of_layer
from symsim.language.tree import (
    Clause,
    Each,
    Expression,
    Index,
    Layers,
    Let,
    Model,
    Name,
    Named,
    Node,
    Repeat,
    Statement,
    When,
)
from symsim.quantization.layers import Formats


@dataclass(frozen=True, slots=True)
class LayerKind:
    """Layers that are alike. layers: their indices; count: how many layers there are in all.

    statement: the place of `layers`; outcomes: place of each `when` -> whether it holds; facts: `sliding[i]` -> its
    value, where a size mentions it; symbol: the name of the number of such layers, None where all layers are alike;
    decided_by: the names that conditions and sizes mention; formats: of their modules, where a checkpoint gives each
    its own.
    """

    statement: Span
    name: str
    symbol: str | None
    outcomes: tuple[tuple[Span, bool], ...]
    layers: tuple[int, ...]
    count: int
    decided_by: tuple[str, ...]
    facts: tuple[tuple[str, Fraction], ...] = ()
    formats: Formats = ()

    @property
    def form(self) -> tuple[object, ...]:
        """What a compilation depends on: everything but how many layers there are."""
        return self.statement, self.name, self.outcomes, self.facts, self.formats


ALIKE = "layer"

MOST_LAYERS = 10_000
"""Of a `layers` statement; published models have at most a few hundred."""

MOST_KINDS = 100
"""Kinds of layers, each of which is lowered by itself; published models have at most a dozen."""


def layer_counts(model: Model, values: Mapping[str, int]) -> list[int]:
    """The number of layers of each `layers` statement of the model."""
    return [_count(statement, values) for statement in _statements(model.body)]


def kinds(model: Model, values: Mapping[str, int], layers: Mapping[str, Sequence[Any]]) -> tuple[LayerKind, ...]:
    """The kinds of layers, in the order in which they first occur.

    values: sizes of the config; layers: what the `config:` section says of each layer.
    """
    named = {binding.symbol: binding.names for binding in model.bindings if binding.layer is not None}
    return tuple(kind for statement in _statements(model.body) for kind in _kinds(statement, values, layers, named))


def _statements(body: Sequence[Statement]) -> Iterator[Layers]:
    for statement in body:
        match statement:
            case Layers():
                yield statement
            case When(_, then, otherwise, _):
                yield from _statements((*then, *otherwise))
            case _:
                pass


def _count(statement: Layers, values: Mapping[str, int]) -> int:
    def look(name: Name) -> Any:
        return _size(name, values)

    count = int(evaluate(statement.count, look))
    if count > MOST_LAYERS:
        raise ConfigError(
            f"{count:,} layers: each layer is looked at by itself, and at most {MOST_LAYERS:,} are; "
            "expected the number of layers of a model"
        )
    return count


def _kinds(
    statement: Layers, values: Mapping[str, int], layers: Mapping[str, Sequence[Any]], named: Mapping[str, _Names]
) -> Iterator[LayerKind]:
    count = _count(statement, values)
    alike: dict[tuple[_Decided, ...], list[int]] = {}
    mentioned: dict[str, None] = {}
    for i in range(count):
        layer = _Layer({**values, **layers, statement.index: i}, statement.index, named)
        layer.decide(statement.body)
        mentioned |= layer.mentioned
        alike.setdefault(tuple(layer.decided.values()), []).append(i)
        if len(alike) > MOST_KINDS:
            raise ConfigError(f"the config tells more than {MOST_KINDS} kinds of layers apart, each with its own costs")
    mentioned.pop(statement.index, None)
    taken: set[str] = set()
    for decided, indices in alike.items():
        words = dict.fromkeys(one.word for one in decided if one.word is not None)
        name = ALIKE if len(alike) == 1 else free_name("_".join(words) or ALIKE, taken)
        yield LayerKind(
            statement=statement.span,
            name=name,
            symbol=None if len(alike) == 1 else f"L_{name}",
            outcomes=tuple((one.what, bool(one.value)) for one in decided if isinstance(one.what, Span)),
            layers=tuple(indices),
            count=count,
            decided_by=tuple(mentioned),
            facts=tuple((one.what, one.value) for one in decided if isinstance(one.what, str)),
        )


_Names = tuple[str | None, str | None]


@dataclass(frozen=True, slots=True)
class _Decided:
    """A `when`, by its place, or `sliding[i]`, and what it is for one layer. word: what it calls such layers."""

    what: Span | str
    value: Fraction
    word: str | None


@dataclass(slots=True)
class _Layer:
    """What is decided for one layer, along the branches that are taken. named: what a fact calls layers."""

    known: Mapping[str, Any]
    index: str
    named: Mapping[str, _Names]
    decided: dict[Span | str, _Decided] = field(default_factory=dict[Span | str, _Decided])
    mentioned: dict[str, None] = field(default_factory=dict[str, None])

    def decide(self, body: Sequence[Statement]) -> None:
        """The outcome of every `when` that speaks of sizes and layers only, and the facts that sizes mention."""
        for statement in body:
            match statement:
                case When(condition, then, otherwise, span, words) if _of_config(condition, self.known):
                    outcome = bool(evaluate(condition, self.look))
                    self.decided[span] = _Decided(span, Fraction(outcome), self.branch(condition, words, outcome))
                    self.mentioned |= dict.fromkeys(name.name for name in names(condition))
                    self.decide(then if outcome else otherwise)
                case When(condition, then, otherwise):
                    self.facts(condition)
                    self.decide((*then, *otherwise))
                case Node():
                    for size in statement.shape:
                        self.facts(size.value if isinstance(size, Named) else size)
                case Let(_, value, _):
                    self.facts(value)
                case Repeat(value, _, body, _):
                    self.facts(value)
                    self.decide(body)
                case Each(body, _):
                    self.decide(body)
                case Clause():
                    for priced in statement.cost:
                        self.facts(priced.amount)
                case _:
                    pass

    def facts(self, size: Expression) -> None:
        """Note `sliding[i]` within an expression."""
        for fact in indexed(size):
            name = of_layer(fact.name.name, self.index)
            of_this_layer = isinstance(fact.index, Name) and fact.index.name == self.index
            if name in self.decided or fact.name.name not in self.known or not of_this_layer:
                continue  # lowering says what is not known
            value = evaluate(fact, self.look)
            if not isinstance(value, (int, Fraction)):
                raise ConfigError(f"{fact.name.span}: {name} is {value!r} in this config, and no number")
            word = None if fact.name.name in self.mentioned else self.word(fact.name.name, bool(value))
            self.mentioned[fact.name.name] = None
            self.decided[name] = _Decided(name, Fraction(value), word)

    def branch(self, condition: Expression, words: _Names, outcome: bool) -> str | None:
        """What a branch calls layers; without a name of its own, what the fact does that alone decides it."""
        if any(words) or not isinstance(condition, Index) or condition.name.name in self.mentioned:
            return words[0 if outcome else 1]
        return self.word(condition.name.name, outcome)

    def word(self, fact: str, holds: bool) -> str | None:
        """What layers are called for which a fact holds, or does not: as its row says, else by its own name."""
        words = self.named.get(fact, (None, None))
        return words[0 if holds else 1] if any(words) else fact if holds else None

    def look(self, name: Name) -> Any:
        return _size(name, self.known)


def _of_config(condition: Expression, known: Mapping[str, Any]) -> bool:
    return all(name.name in known for name in names(condition))


def _size(name: Name, known: Mapping[str, Any]) -> Any:
    if name.name not in known:
        raise UndefinedName(name.span, f"{name.name} is not read from the config; {did_you_mean(name.name, known)}")
    return known[name.name]


def free_name(name: str, taken: set[str]) -> str:
    """The name, numbered where an earlier kind has it already."""
    number = 2
    free = name
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    taken.add(free)
    return free
