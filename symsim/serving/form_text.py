"""Text of forms of serving -> frozen syntax tree. The language is grammar/form.lark; errors point at the place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lark import Token, UnexpectedInput, v_args
from lark.exceptions import VisitError

from symsim.errors import GraphSyntaxError, Span
from symsim.language.syntax import Arithmetic, Indentation, Places, expectation, parser_of
from symsim.language.tree import Expression


@dataclass(frozen=True, slots=True)
class FormLine:
    """`name = value`; solved: the name is the smallest root of it."""

    name: str
    value: Expression
    span: Span
    solved: bool = False


@dataclass(frozen=True, slots=True)
class Uses:
    """All the lines of another form."""

    quantity: str
    form: str
    span: Span


@dataclass(frozen=True, slots=True)
class Valid:
    """A condition, and the sentence that stands for an answer outside of it."""

    condition: Expression
    sentence: str
    span: Span


@dataclass(frozen=True, slots=True)
class Band:
    """Error in percent that was measured at values of `name`, in ascending order: (value, percent)."""

    name: str
    measured: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServingFormText:
    """One form of a quantity as it is written. words: its `source`, `assumes` and `note` sentences."""

    name: str
    params: tuple[str, ...]
    lines: tuple[FormLine | Uses | Valid, ...]
    bands: tuple[Band, ...]
    words: Mapping[str, str]
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantityText:
    """What forms are of; the first is the default."""

    name: str
    unit: str
    meaning: str
    forms: Mapping[str, ServingFormText]


@dataclass(frozen=True, slots=True)
class FamilyText:
    """One file: a family of forms."""

    name: str
    meaning: str
    quantities: tuple[QuantityText, ...]


@v_args(inline=True)
class _Forms(Arithmetic):  # pyright: ignore  (lark types the decorator, not the class)
    def names(self, *tokens: Token) -> tuple[str, ...]:
        return tuple(map(str, tokens))

    def let(self, name: Token, value: Any) -> FormLine:
        return FormLine(str(name), value, self.places.of(name))

    def solve(self, name: Token, value: Any) -> FormLine:
        return FormLine(str(name), value, self.places.of(name), solved=True)

    def uses(self, quantity: Token, form: Token) -> Uses:
        return Uses(str(quantity), str(form), self.places.of(quantity))

    def valid(self, condition: Any, sentence: Token) -> Valid:
        return Valid(condition, _text(sentence), self.places.of(sentence))

    def measured(self, percent: Token, at: Token) -> tuple[float, float]:
        return float(at), float(percent)

    def band(self, name: Token, *measured: tuple[float, float]) -> Band:
        return Band(str(name), tuple(sorted(measured)))

    def source(self, sentence: Token) -> tuple[str, str]:
        return "source", _text(sentence)

    def assumes(self, sentence: Token) -> tuple[str, str]:
        return "assumes", _text(sentence)

    def note(self, sentence: Token) -> tuple[str, str]:
        return "note", _text(sentence)

    def form(self, name: Token, params: tuple[str, ...], time: Token | None, *items: Any) -> ServingFormText:
        return ServingFormText(
            name=str(name),
            params=params if time is None else (*params, str(time)),
            lines=tuple(item for item in items if isinstance(item, (FormLine, Uses, Valid))),
            bands=tuple(item for item in items if isinstance(item, Band)),
            words=dict(item for item in items if isinstance(item, tuple)),
            span=self.places.of(name),
        )

    def quantity(self, name: Token, _: Token, unit: Token, meaning: Token, *forms: ServingFormText) -> QuantityText:
        named: dict[str, ServingFormText] = {}
        for form in forms:
            if form.name in named:
                raise GraphSyntaxError(form.span, f"{name} has a form {form.name} already")
            named[form.name] = form
        return QuantityText(name=str(name), unit=str(unit), meaning=_text(meaning), forms=named)

    def family(self, name: Token, meaning: Token) -> tuple[str, str]:
        return str(name), _text(meaning)

    def start(self, *items: Any) -> FamilyText:
        named = [item for item in items if isinstance(item, tuple)]
        name, meaning = named[0] if named else ("", "")
        return FamilyText(name, meaning, tuple(item for item in items if isinstance(item, QuantityText)))


def _text(sentence: Token) -> str:
    return str(sentence)[1:-1]


def parse_serving_forms(text: str, path: str) -> FamilyText:
    """The forms of one file. Raises GraphSyntaxError with the place, a caret and what was expected."""
    places = Places(path, text)
    try:
        return _Forms(places).transform(parser_of("form.lark", postlex=Indentation).parse(text.rstrip() + "\n"))
    except UnexpectedInput as error:
        raise GraphSyntaxError(places.at(max(error.line, 1), max(error.column, 1)), expectation(error)) from None
    except VisitError as error:  # what the transformer refused, without lark's wrapping
        raise error.orig_exc from None
