"""What the languages share: places in a text, indentation, expressions -> tree, and what was expected of a text."""

from __future__ import annotations

import io
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedCharacters, UnexpectedInput, UnexpectedToken, v_args
from lark.indenter import DedentError, Indenter

from symsim.errors import GraphSyntaxError, Span
from symsim.inputs.kept import kept
from symsim.language.source import Line, goes_on, lines_of
from symsim.language.tree import (
    Binary,
    Call,
    Index,
    Items,
    Name,
    Negative,
    Not,
    Number,
    Text,
    children,
)
from symsim.paths import GRAMMAR


@cache
def parser_of(
    grammar: str, start: tuple[str, ...] = ("start",), postlex: type[Any] | None = None, more: str = ""
) -> Lark:
    """The parser of one of our grammars, and of more lines of it. Its tables take longer to build than most texts to
    read, so they are kept."""
    key = ("grammar", grammar, start, postlex, more)
    return Lark.load(io.BytesIO(kept(key, lambda: _tables(grammar, start, postlex, more))))


def _tables(grammar: str, start: tuple[str, ...], postlex: type[Any] | None, more: str) -> bytes:
    between = None if postlex is None else postlex()
    path = GRAMMAR / grammar
    built = Lark(
        f"{path.read_text(encoding='utf-8')}\n{more}\n",
        source_path=str(path),
        parser="lalr",
        start=list(start),
        postlex=between,
        propagate_positions=True,
        maybe_placeholders=True,
    )
    written = io.BytesIO()
    built.save(written)
    return written.getvalue()


class Indentation(Indenter):  # lark declares these as properties and documents them as class attributes
    NL_type = "_NL"  # pyright: ignore
    OPEN_PAREN_types: list[str] = []  # pyright: ignore  # noqa: RUF012  (lark asks for lists)
    CLOSE_PAREN_types: list[str] = []  # pyright: ignore  # noqa: RUF012
    INDENT_type = "_INDENT"  # pyright: ignore
    DEDENT_type = "_DEDENT"  # pyright: ignore
    tab_len = 4  # pyright: ignore

    def process(self, stream: Iterator[Token]) -> Generator[Token]:
        return super().process(joined_lines(stream))

    def handle_NL(self, token: Token) -> Iterator[Token]:
        try:
            yield from super().handle_NL(token)
        except DedentError:
            raise LessIndented(token) from None


class LessIndented(Exception):
    """A line that is indented less than the one before it, and as none above it."""


def joined_lines(stream: Iterator[Token]) -> Iterator[Token]:
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


_DIGITS = 300
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
        if len(token) > _DIGITS or abs(int(exponent or 0)) > _DIGITS:
            raise GraphSyntaxError(self.places.of(token), f"a number out of range; expected at most {_DIGITS} digits")
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
            raise GraphSyntaxError(span_of(right), f"a power out of range; expected {what}")
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


def span_of(expression: Any) -> Span:
    """The first place that an expression names; conditions and divisors always name something."""
    return next(spans(expression), Span("", 1))


def spans(expression: Any) -> Iterator[Span]:
    """The places of all names and calls in an expression, left to right."""
    if isinstance(expression, Name | Number | Call):
        yield expression.span
    for part in children(expression):
        yield from spans(part)


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
    "_POINT": "at",
    "_WHAT": "what is",
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
    "PHRASE": "a name",
    "QUANTILE": "",  # of a metric: nobody looks for it where it is missing
    "MONEY": "",
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
    words = sorted(filter(None, {_READABLE.get(name, name.lower()) for name in wanted}))
    return f"found {found}, expected {' or '.join(words)}"
