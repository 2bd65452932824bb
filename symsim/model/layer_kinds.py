"""Which layers of a model are alike: those for which every `when` of `layers L as i` is decided alike.

Decided in plain Python on numbers, once for each layer; formulas then hold one body for each kind, repeated as often
as there are such layers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from symsim.errors import ConfigError, Span, UndefinedName, did_you_mean
from symsim.language.decide import evaluate, names
from symsim.language.tree import Expression, Layers, Model, Name, Statement, When
from symsim.quantization.layers import Formats


@dataclass(frozen=True, slots=True)
class LayerKind:
    """Layers that are alike. layers: their indices; count: how many layers there are in all.

    statement: the place of `layers`; outcomes: place of each `when` -> whether it holds; symbol: the name of the
    number of such layers, None where all layers are alike; decided_by: the names that the conditions mention; formats:
    of their modules, where a checkpoint gives each its own.
    """

    statement: Span
    name: str
    symbol: str | None
    outcomes: tuple[tuple[Span, bool], ...]
    layers: tuple[int, ...]
    count: int
    decided_by: tuple[str, ...]
    formats: Formats = ()

    @property
    def form(self) -> tuple[object, ...]:
        """What a compilation depends on: everything but how many layers there are."""
        return self.statement, self.name, self.outcomes, self.formats


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
    return tuple(kind for statement in _statements(model.body) for kind in _kinds(statement, values, layers))


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


def _kinds(statement: Layers, values: Mapping[str, int], layers: Mapping[str, Sequence[Any]]) -> Iterator[LayerKind]:
    count = _count(statement, values)
    alike: dict[tuple[tuple[Span, bool], ...], tuple[list[str], list[int]]] = {}
    mentioned: dict[str, None] = {}
    for i in range(count):
        known = {**values, **layers, statement.index: i}
        decided = list(_decided(statement.body, known, mentioned))
        outcomes = tuple((span, outcome) for span, outcome, _ in decided)
        words = [word for _, _, word in decided if word is not None]
        alike.setdefault(outcomes, (words, []))[1].append(i)
        if len(alike) > MOST_KINDS:
            raise ConfigError(f"the config tells more than {MOST_KINDS} kinds of layers apart, each with its own costs")
    mentioned.pop(statement.index, None)
    taken: set[str] = set()
    for outcomes, (words, indices) in alike.items():
        name = ALIKE if len(alike) == 1 else free_name("_".join(words) or ALIKE, taken)
        symbol = None if len(alike) == 1 else f"L_{name}"
        yield LayerKind(statement.span, name, symbol, outcomes, tuple(indices), count, tuple(mentioned))


def _decided(
    body: Sequence[Statement], known: Mapping[str, Any], mentioned: dict[str, None]
) -> Iterator[tuple[Span, bool, str | None]]:
    """The outcome of every `when` that speaks of sizes and layers only, along the branches that are taken."""

    def look(name: Name) -> Any:
        return _size(name, known)

    for statement in body:
        if not isinstance(statement, When) or not _of_config(statement.condition, known):
            continue
        mentioned |= dict.fromkeys(name.name for name in names(statement.condition))
        outcome = bool(evaluate(statement.condition, look))
        yield statement.span, outcome, statement.names[0 if outcome else 1]
        yield from _decided(statement.body if outcome else statement.otherwise, known, mentioned)


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
