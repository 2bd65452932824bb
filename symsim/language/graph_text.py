"""Text of the graph language -> frozen syntax tree (`tree.py`), with errors that show the place and the remedy."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from threading import Lock
from typing import Any

from lark import Token, UnexpectedInput, v_args
from lark.exceptions import VisitError

from symsim.errors import GraphSyntaxError, SymsimError
from symsim.inputs.kept import kept
from symsim.language.source import LONGEST, Line, goes_on, without_comment
from symsim.language.syntax import Arithmetic, Indentation, LessIndented, Places, expectation, parser_of, span_of
from symsim.language.tree import (
    Alias,
    Binding,
    Block,
    Clause,
    Each,
    Expect,
    Expression,
    Kernel,
    Layers,
    Let,
    Model,
    Name,
    Named,
    Node,
    Number,
    Part,
    Priced,
    Refuse,
    Renames,
    Repeat,
    Require,
    StepCall,
    StepFact,
    StepRule,
    Text,
    When,
    Words,
)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """`value when condition else otherwise`."""

    value: Any
    condition: Any
    otherwise: Any


@v_args(inline=True)
class _Graph(Arithmetic):  # pyright: ignore  (lark types the decorator, not the class)
    def __init__(self, places: Places, words: Mapping[str, int]) -> None:
        super().__init__(places)
        self.words = words

    def worded(self, value: Any) -> Any:
        """An argument or a default that is one of `words:` as its number."""
        known = isinstance(value, Name) and value.name in self.words
        return Number(Fraction(self.words[value.name])) if known else value

    def names(self, *tokens: Token) -> tuple[Token, ...]:
        return tokens

    def priced(self, amount: Any, precision: Token | None) -> Priced:
        return Priced(amount, None if precision is None else self.name(precision))

    def cost(self, *items: Priced) -> tuple[Priced, ...]:
        return items

    def clause(self, name: Token, key: Token | None, cost: tuple[Priced, ...]) -> Clause:
        return Clause(str(name), None if key is None else str(key), cost, self.places.of(name))

    def resident(self, name: Token, window: Any, cost: tuple[Priced, ...], modules: Any) -> Clause:
        span = self.places.of(name)
        if window is not None and name != "cache":
            raise GraphSyntaxError(span, f"only a cache saturates at a window; `{name}` takes no [...]")
        return Clause(str(name), None, cost, span, window, modules or ())

    def report(self, name: Token, cost: tuple[Priced, ...]) -> Clause:
        return Clause("report", str(name), cost, self.places.of(name))

    def otherwise(self, name: Token | None, *body: Any) -> tuple[Token | None, tuple[Any, ...]]:
        return name, body

    def otherwise_when(self, *branch: Any) -> tuple[None, tuple[When]]:
        return None, (self.when(*branch),)

    def when(self, condition: Any, name: Token | None, *rest: Any) -> When:
        *body, otherwise = rest
        other, otherwise = otherwise or (None, ())
        names = (name and str(name), other and str(other))
        return When(condition, tuple(body), otherwise, span_of(condition), names)

    def layers(self, count: Any, index: Token, *body: Any) -> Layers:
        return Layers(count, str(index), body, self.places.of(index))

    def part(self, name: Token) -> Part:
        return Part(str(name), self.places.of(name))

    def param(self, name: Token, default: Any) -> tuple[str, Any]:
        return str(name), self.worded(default)

    def params(self, *params: tuple[str, Any]) -> tuple[tuple[str, Any], ...]:
        return params

    def args(self, *args: Any) -> tuple[Any, ...]:
        return tuple(map(self.worded, args))

    def named(self, name: Token, value: Any) -> Named:
        return Named(str(name), self.worded(value), self.places.of(name))

    def node(self, stage: Token | None, name: Token, op: Token, inputs: Any, shape: Any, modules: Any) -> Node:
        made = (str(name), str(op), tuple(map(str, inputs)), shape, self.places.of(op))
        return Node(*made, modules=modules or (), stage=stage is not None)

    def modules(self, *paths: Token) -> tuple[str, ...]:
        return tuple(map(str, paths))

    def rename(self, paths: tuple[str, ...], found: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
        return dict.fromkeys(paths, found)

    def renames(self, *rows: dict[str, tuple[str, ...]]) -> Renames:
        return Renames({path: found for row in rows for path, found in row.items()})

    def each(self, word: Token, *body: Any) -> Each:
        return Each(body, self.places.of(word))

    def alias(self, name: Token, value: Token) -> Alias:
        return Alias(str(name), str(value), self.places.of(value))

    def repeat(self, count: Any, name: Token, *body: Any) -> Repeat:
        return Repeat(count, str(name), body, self.places.of(name))

    def let(self, name: Token, value: Any) -> Let | When:
        """`let x = a when c else b` is the `when` that makes x either."""
        if not isinstance(value, _Chosen):
            return Let(str(name), value, self.places.of(name))
        body, otherwise = self.let(name, value.value), self.let(name, value.otherwise)
        return When(value.condition, (body,), (otherwise,), span_of(value.condition))

    def chosen(self, value: Any, condition: Any, otherwise: Any) -> _Chosen:
        return _Chosen(value, condition, otherwise)

    def untimed(self, name: Token, *body: Any) -> Repeat:
        """`report as name:` is done no time at all."""
        return Repeat(Number(Fraction(0)), str(name), body, self.places.of(name))

    def require(self, divisor: Any, dividend: Any) -> Require:
        return Require(divisor, dividend, span_of(divisor))

    def refuse(self, condition: Any, sentence: Token) -> Refuse:
        return Refuse(condition, json.loads(str(sentence)), span_of(condition))

    def choices(self, *choices: Any) -> tuple[Any, ...]:
        return choices

    def defaults(self, *choices: Any) -> tuple[Any, ...]:
        return choices

    def layered(
        self, index: Token, name: Token | None, other: Token | None
    ) -> tuple[str, tuple[str | None, str | None]]:
        return str(index), (name and str(name), other and str(other))

    def binding(self, symbol: Token, layered: Any, choices: Any, null: Any, defaults: Any) -> Binding:
        layer, names = layered or (None, (None, None))
        if str(symbol) in self.words:
            raise GraphSyntaxError(self.places.of(symbol), f"{symbol} is a word for {self.words[str(symbol)]}")
        return Binding(str(symbol), layer, choices, null, defaults, self.places.of(symbol), names)

    def json(self, token: Token) -> object:
        return json.loads(str(token))

    def expect(self, key: Name, *values: object) -> Expect:
        return Expect(key.name, values, key.span)

    def keynames(self, *keys: Name) -> frozenset[str]:
        return frozenset(key.name for key in keys)

    def keyrow(self, *keys: Name | Text) -> frozenset[str]:
        return frozenset(key.name if isinstance(key, Name) else key.value for key in keys)

    def ignore(self, keys: frozenset[str]) -> frozenset[str]:
        return keys

    def config(self, section: Token | None, *rows: Any) -> tuple[str | None, tuple[Any, ...]]:
        return (None if section is None else str(section)), rows

    def kernel(self, name: Token, params: Any, *body: Any) -> Kernel:
        return Kernel(str(name), *_sizes(params), body, self.places.of(name))

    def block(self, name: Token, inputs: Any, params: Any, output: Token, *body: Any) -> Block:
        sizes, defaults = _sizes(params)
        return Block(str(name), tuple(map(str, inputs)), sizes, defaults, str(output), body, self.places.of(name))

    def model(self, name: Token, serves: Any, *body: Any) -> Model:
        configs = [entry for entry in body if isinstance(entry, tuple)]
        renames = {path: found for entry in body if isinstance(entry, Renames) for path, found in entry.paths.items()}
        statements = tuple(entry for entry in body if not isinstance(entry, (tuple, Renames)))
        span = self.places.of(name)
        if len(configs) != 1:
            raise GraphSyntaxError(span, f"model {name} needs exactly one `config:` section, found {len(configs)}")
        section, rows = configs[0]
        bindings = tuple(row for row in rows if isinstance(row, Binding))
        expects = tuple(row for row in rows if isinstance(row, Expect))
        ignores = frozenset[str]().union(*(row for row in rows if isinstance(row, frozenset)))
        return Model(
            str(name), tuple(map(str, serves or ())), section, bindings, expects, ignores, renames, statements, span
        )

    def words_section(self, *rows: tuple[str, int]) -> Words:
        return Words(dict(rows))

    def word(self, name: Token, value: Token) -> tuple[str, int]:
        return str(name), int(value)

    def fact(self, name: Token, params: Any, value: Any) -> StepFact:
        return StepFact(str(name), tuple(map(str, params or ())), value, self.places.of(name))

    def part_of(self, name: Token, args: tuple[Expression, ...]) -> StepCall:
        return StepCall(str(name), args, self.places.of(name))

    def step(self, name: Token, params: Any, like: StepCall | None, *facts: StepFact) -> StepRule:
        names, defaults = _sizes(params)
        span = self.places.of(name)
        return StepRule(name=str(name), params=names, defaults=defaults, like=like, facts=facts, span=span)

    def steps(self, name: Token, *parts: StepCall) -> StepRule:
        return StepRule(name=str(name), parts=parts, span=self.places.of(name))

    def keys(self, kind: Token, *rows: frozenset[str]) -> tuple[str, frozenset[str]]:
        return str(kind), frozenset().union(*rows)

    def start(self, *items: Any) -> tuple[Any, ...]:
        return items


def _sizes(params: tuple[tuple[str, Any], ...]) -> tuple[tuple[str, ...], dict[str, Expression]]:
    """Names of parameters, and the defaults of those that have one."""
    return tuple(name for name, _ in params), {name: default for name, default in params if default is not None}


_GRAMMAR = ("graph.lark", ("start", "expr", "condition"), Indentation)

_PARSING = Lock()
"""The parser counts indentation as it goes, so threads (of a cluster's worker) take turns."""


def parse_graph(lines: Sequence[Line], words: Mapping[str, int] | None = None) -> tuple[Any, ...]:
    """Kernels, blocks, models and keys of one graph text. words: names of numbers, as `words:` gives them.

    Raises GraphSyntaxError with file, line, column, a caret and what was expected.
    """
    places = Places("", "", lines)
    _short_enough(lines)
    try:
        with _PARSING:
            tree = parser_of(*_GRAMMAR).parse("\n".join(line.text for line in lines) + "\n", start="start")
        return _Graph(places, words or {}).transform(tree)
    except UnexpectedInput as error:
        raise GraphSyntaxError(places.at(max(error.line, 1), max(error.column, 1)), expectation(error)) from None
    except LessIndented as error:
        (token,) = error.args
        column = (token.end_column or 1) if "\n" in token else 1
        raise GraphSyntaxError(
            places.at(token.end_line or 1, column), "indented less than the line before, and as none above"
        ) from None
    except RecursionError:
        longest = max(range(len(lines)), key=lambda i: len(lines[i].text))
        raise GraphSyntaxError(
            places.at(longest + 1, 1), "nested too deep; give parts of it names with `let`"
        ) from None
    except VisitError as error:
        if isinstance(error.orig_exc, SymsimError):
            raise error.orig_exc from None
        raise


def parse_expression(text: str, path: str) -> Expression:
    """One expression of the graph language by itself; path: what to call it in errors. Raises GraphSyntaxError.

    Kept between processes, as graphs are.
    """
    return kept(("expression", text, path), lambda: _expression(text, path, "expr"))


def parse_condition(text: str, path: str) -> Expression:
    """The same of a condition."""
    return kept(("condition", text, path), lambda: _expression(text, path, "condition"))


def _expression(text: str, path: str, start: str) -> Expression:
    places = Places(path, text)
    try:
        with _PARSING:
            tree = parser_of(*_GRAMMAR).parse(text, start=start)
        return Arithmetic(places).transform(tree)
    except UnexpectedInput as error:
        raise GraphSyntaxError(places.at(1, max(error.column, 1)), expectation(error)) from None


def _short_enough(lines: Sequence[Line]) -> None:
    length = 0
    for line in lines:
        text = without_comment(line.text)
        length += len(text)
        if length > LONGEST:
            raise GraphSyntaxError(line.span(1), f"a statement of {length} characters, expected at most {LONGEST}")
        length = length if goes_on(text) else 0
