"""Text of a form of kernel time -> frozen syntax tree. The language is grammar/kernel_time.lark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lark import Token, UnexpectedInput, v_args
from lark.exceptions import VisitError

from symsim.errors import GraphSyntaxError, Span, SymsimError
from symsim.language.syntax import Arithmetic, Places, expectation, joined_lines, parser_of
from symsim.language.tree import Call, Expression

NORM = "pnorm"
"""pnorm(p; a, b, ...): its first argument is the exponent."""


@dataclass(frozen=True, slots=True)
class AmountText:
    """`name = expression`: FLOPs, bytes, a step of the formula, or the time."""

    name: str
    value: Expression
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Coefficient:
    """What is fitted. unit: SI; ideal: the value at the roofline of the datasheet, None for infinity; within: bounds of
    a fit, which begins at `start`; the bounds of a constant are its value."""

    name: str
    unit: str
    ideal: Fraction | None
    start: Fraction
    within: tuple[Fraction, Fraction]
    meaning: str

    @property
    def fixed(self) -> bool:
        """Whether it is known beforehand."""
        return self.within[0] == self.within[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelFormText:
    """One form as it is written."""

    name: str
    sizes: tuple[str, ...]
    meaning: str
    coefficients: tuple[Coefficient, ...]
    amounts: tuple[AmountText, ...]
    span: Span


@v_args(inline=True)
class _Forms(Arithmetic):  # pyright: ignore  (lark types the decorator, not the class)
    def names(self, *tokens: Token) -> tuple[str, ...]:
        return tuple(map(str, tokens))

    def pnorm(self, name: Token, exponent: Any, terms: tuple[Any, ...]) -> Call:
        if name != NORM:
            raise GraphSyntaxError(self.places.of(name), f"only {NORM}(p; a, b, ...) has an exponent before a `;`")
        return Call(NORM, (exponent, *terms), self.places.of(name))

    def amount(self, name: Token, value: Any) -> AmountText:
        return AmountText(str(name), value, self.places.of(name))

    def value(self, token: Token) -> Fraction | None:
        return None if token.type == "INFINITY" else Fraction(str(token))

    def coefficient(
        self, name: Token, unit: Token, ideal: Fraction | None, start: Token, low: Token, high: Token, meaning: Token
    ) -> Coefficient:
        within = Fraction(str(low)), Fraction(str(high))
        if not 0 < within[0] <= Fraction(str(start)) <= within[1]:
            raise GraphSyntaxError(self.places.of(start), "expected 0 < from <= start <= to")
        return Coefficient(
            name=str(name),
            unit=str(unit)[1:-1],
            ideal=ideal,
            start=Fraction(str(start)),
            within=within,
            meaning=str(meaning)[1:-1],
        )

    def constant(
        self, name: Token, number: Token, unit: Token | None, ideal: Fraction | None, meaning: Token
    ) -> Coefficient:
        known = Fraction(str(number))
        return Coefficient(
            name=str(name),
            unit="1" if unit is None else str(unit)[1:-1],
            ideal=ideal,
            start=known,
            within=(known, known),
            meaning=str(meaning)[1:-1],
        )

    def form(self, name: Token, sizes: tuple[str, ...], meaning: Token | None, *rows: Any) -> KernelFormText:
        amounts = tuple(row for row in rows if isinstance(row, AmountText))
        if not amounts or amounts[-1].name != "time":
            raise GraphSyntaxError(self.places.of(name), f"form {name} must end with `time = ...`, in seconds")
        return KernelFormText(
            name=str(name),
            sizes=sizes,
            meaning="" if meaning is None else str(meaning)[1:-1],
            coefficients=tuple(row for row in rows if isinstance(row, Coefficient)),
            amounts=amounts,
            span=self.places.of(name),
        )

    def start(self, *forms: KernelFormText) -> tuple[KernelFormText, ...]:
        return forms


class _Joined:
    """Lines that end in an operator or a comma go on in the next one."""

    always_accept = ("_NL",)

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        return joined_lines(stream)


def parse_kernel_forms(text: str, path: str) -> tuple[KernelFormText, ...]:
    """The forms of one file. Raises GraphSyntaxError with its place and what was expected."""
    places = Places(path, text)
    try:
        return _Forms(places).transform(parser_of("kernel_time.lark", postlex=_Joined).parse(text + "\n"))
    except UnexpectedInput as error:
        raise GraphSyntaxError(places.at(max(error.line, 1), max(error.column, 1)), expectation(error)) from None
    except VisitError as error:
        if isinstance(error.orig_exc, SymsimError):
            raise error.orig_exc from None
        raise
