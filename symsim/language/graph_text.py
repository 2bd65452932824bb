"""Text of the graph language -> frozen syntax tree (`tree.py`), with errors that show the place and the remedy."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from threading import Lock
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken, v_args
from lark.exceptions import VisitError
from lark.indenter import DedentError, Indenter

from symsim.errors import GraphSyntaxError, Span, SymsimError
from symsim.inputs.kept import kept
from symsim.language.source import LONGEST, Line, code, goes_on, lines_of
from symsim.language.tree import (
    Alias,
    Binary,
    Binding,
    Block,
    Call,
    Clause,
    Each,
    Expect,
    Expression,
    Index,
    Items,
    Kernel,
    Layers,
    Let,
    Model,
    Name,
    Named,
    Negative,
    Node,
    Not,
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
from symsim.paths import GRAMMAR


class Indentation(Indenter):  # lark declares these as properties and documents them as class attributes
    NL_type = "_NL"  # pyright: ignore
    OPEN_PAREN_types: list[str] = []  # pyright: ignore  # noqa: RUF012  (lark asks for lists)
    CLOSE_PAREN_types: list[str] = []  # pyright: ignore  # noqa: RUF012
    INDENT_type = "_INDENT"  # pyright: ignore
    DEDENT_type = "_DEDENT"  # pyright: ignore
    tab_len = 4  # pyright: ignore

    def process(self, stream: Iterator[Token]) -> Generator[Token]:
        return super().process(joined(stream))

    def handle_NL(self, token: Token) -> Iterator[Token]:
        try:
            yield from super().handle_NL(token)
        except DedentError:
            raise _Dedent(token) from None


class _Dedent(Exception):
    """A line that is indented less than the one before it, and as none above it."""


def joined(stream: Iterator[Token]) -> Iterator[Token]:
    """Without the ends of lines that go on in the next one."""
    last = ""
    for token in stream:
        if token.type != "_NL" or not goes_on(last):
            yield token
            last = str(token)


class Places:
    """Turns a token into the Span of its place: in one text, or in the files that its lines are from."""

    def __init__(self, path: str, text: str, lines: Sequence[Line] = ()) -> None:
        self.lines = lines or lines_of(text, path) or (Line("", path, 1),)

    def at(self, line: int, column: int) -> Span:
        if line > len(self.lines):
            return replace(self.lines[-1], number=self.lines[-1].number + line - len(self.lines)).span(column)
        return self.lines[line - 1].span(column)

    def of(self, token: Token) -> Span:
        return self.at(token.line or 1, token.column or 1)


DIGITS = 300
"""Of a number, and its decimal exponent."""

LARGEST_EXPONENT = 64


@v_args(inline=True)
class Arithmetic(Transformer[Token, Any]):
    """Expressions and conditions; both languages build on it."""

    def __init__(self, places: Places) -> None:
        super().__init__()
        self.places = places

    def number(self, token: Token) -> Number:
        exponent = str(token).lower().partition("e")[2]
        if len(token) > DIGITS or abs(int(exponent or 0)) > DIGITS:
            raise GraphSyntaxError(self.places.of(token), f"a number out of range; expected at most {DIGITS} digits")
        return Number(Fraction(str(token)), self.places.of(token))

    def text(self, token: Token) -> Text:
        return Text(str(token)[1:-1], self.places.of(token))

    def name(self, *tokens: Token) -> Name:
        return Name(".".join(map(str, tokens)), self.places.of(tokens[0]))

    def index(self, name: Name, index: Any, *path: Token) -> Index:
        return Index(name, index, tuple(map(str, path)))

    def items(self, bracket: Token, found: Any) -> Items:
        return Items(found or (), self.places.of(bracket))

    def exprs(self, *items: Any) -> tuple[Any, ...]:
        return items

    def call(self, token: Token, args: Any) -> Call:
        return Call(str(token), args or (), self.places.of(token))

    def neg(self, operand: Any) -> Negative:
        return Negative(operand)

    def negate(self, operand: Any) -> Not:
        return Not(operand)

    def compare(self, left: Any, relation: Token, right: Any) -> Binary:
        return Binary(str(relation), left, right)

    def add(self, left: Any, right: Any) -> Binary:
        return Binary("+", left, right)

    def sub(self, left: Any, right: Any) -> Binary:
        return Binary("-", left, right)

    def mul(self, left: Any, right: Any) -> Binary:
        return Binary("*", left, right)

    def div(self, left: Any, right: Any) -> Binary:
        return Binary("/", left, right)

    def mod(self, left: Any, right: Any) -> Binary:
        return Binary("%", left, right)

    def pow(self, left: Any, right: Any) -> Binary:
        large = isinstance(right, Number) and abs(right.value) > LARGEST_EXPONENT
        if large or _has_power(right):
            what = f"an exponent of at most {LARGEST_EXPONENT}, and no power in it"
            raise GraphSyntaxError(_span_of(right), f"a power out of range; expected {what}")
        return Binary("**", left, right)

    def both(self, left: Any, right: Any) -> Binary:
        return Binary("and", left, right)

    def either(self, left: Any, right: Any) -> Binary:
        return Binary("or", left, right)

    def within(self, left: Any, right: Any) -> Binary:
        return Binary("in", left, right)


# Lark prefixes the aliases of an imported grammar with its name.
_ATOMS = ("number", "text", "name", "index", "items", "exprs", "call")
_OPERATIONS = ("neg", "negate", "compare", "within", "add", "sub", "mul", "div", "mod", "pow", "both", "either")
for _alias in (*_ATOMS, *_OPERATIONS):
    setattr(Arithmetic, f"expr__{_alias}", getattr(Arithmetic, _alias))


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
        return When(condition, tuple(body), otherwise, _span_of(condition), names)

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
        return When(value.condition, (body,), (otherwise,), _span_of(value.condition))

    def chosen(self, value: Any, condition: Any, otherwise: Any) -> _Chosen:
        return _Chosen(value, condition, otherwise)

    def untimed(self, name: Token, *body: Any) -> Repeat:
        """`report as name:` is done no time at all."""
        return Repeat(Number(Fraction(0)), str(name), body, self.places.of(name))

    def require(self, divisor: Any, dividend: Any) -> Require:
        return Require(divisor, dividend, _span_of(divisor))

    def refuse(self, condition: Any, sentence: Token) -> Refuse:
        return Refuse(condition, json.loads(str(sentence)), _span_of(condition))

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


def _span_of(expression: Any) -> Span:
    """The first place that an expression names; conditions and divisors always name something."""
    return next(spans(expression), Span("", 1))


def spans(expression: Any) -> Iterator[Span]:
    """The places of all names and calls in an expression, left to right."""
    match expression:
        case Name(_, span) | Number(_, span):
            yield span
        case Call(_, args, span):
            yield span
            for argument in args:
                yield from spans(argument)
        case Index(name, index):
            yield name.span
            yield from spans(index)
        case Items(items, _):
            for item in items:
                yield from spans(item)
        case Binary(_, left, right):
            yield from spans(left)
            yield from spans(right)
        case Negative(operand) | Not(operand):
            yield from spans(operand)
        case _:
            return


def _has_power(expression: Any) -> bool:
    match expression:
        case Binary(operation, left, right):
            return operation == "**" or _has_power(left) or _has_power(right)
        case Negative(operand) | Not(operand):
            return _has_power(operand)
        case Call(_, args, _):
            return any(map(_has_power, args))
        case _:
            return False


@cache
def _parser() -> Lark:
    return Lark.open(
        str(GRAMMAR / "graph.lark"),
        parser="lalr",
        postlex=Indentation(),
        propagate_positions=True,
        maybe_placeholders=True,
        start=["start", "expr"],
    )


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
            tree = _parser().parse("\n".join(line.text for line in lines) + "\n", start="start")
        return _Graph(places, words or {}).transform(tree)
    except UnexpectedInput as error:
        raise GraphSyntaxError(places.at(max(error.line, 1), max(error.column, 1)), expectation(error)) from None
    except _Dedent as error:
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
    return kept(("expression", text, path), lambda: _expression(text, path))


def _expression(text: str, path: str) -> Expression:
    places = Places(path, text)
    try:
        with _PARSING:
            tree = _parser().parse(text, start="expr")
        return Arithmetic(places).transform(tree)
    except UnexpectedInput as error:
        raise GraphSyntaxError(places.at(1, max(error.column, 1)), expectation(error)) from None


def _short_enough(lines: Sequence[Line]) -> None:
    length = 0
    for line in lines:
        text = code(line.text)
        length += len(text)
        if length > LONGEST:
            raise GraphSyntaxError(line.span(1), f"a statement of {length} characters, expected at most {LONGEST}")
        length = length if goes_on(text) else 0


_READABLE = {
    "NAME": "a name",
    "NUMBER": "a number",
    "LPAR": "(",
    "RPAR": ")",
    "EQUAL": "=",
    "COLON": ":",
    "SEMICOLON": ";",
    "COMMA": ",",
    "_NL": "the end of the line",
    "_INDENT": "an indented line",
    "_DEDENT": "a line indented less",
    "AT": "@",
    "PLUS": "+",
    "MINUS": "-",
    "STAR": "*",
    "SLASH": "/",
    "__ANON_0": "->",
    "__ANON_1": "**",
    "LSQB": "[",
    "RSQB": "]",
    "VBAR": "|",
    "OF": "of",
    "MODULE": "a module path",
    "RELATION": "a comparison",
    "STRING": "a text in quotes",
    "GOAL": "max or min",
    "SUBJECT": "subject to",
    "_AND": ",",
    "RATE": "a rate",
    "UNIT": "a unit",
    "$END": "the end of the text",
}


def expectation(error: UnexpectedInput) -> str:
    """One sentence: what was found and what would have been right."""
    match error:
        case UnexpectedToken(token=token, accepts=accepts, expected=expected):
            found = "the end of the line" if token.type == "_NL" else f"`{token}`" if token.strip() else "the end"
            wanted: set[str] = set(accepts or expected)
        case UnexpectedCharacters(char=char, allowed=allowed):
            found, wanted = f"`{char}`", set(allowed or ())
        case _:
            return "the text ends too early"
    words = sorted(_READABLE.get(name, name.lower()) for name in wanted)
    return f"found {found}, expected {' or '.join(words)}"
