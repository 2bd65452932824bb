"""What is asked: a question, its constraints and its quantities as values. `language.query_text` reads them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Literal

from symsim.algebra.units import exact_number, parse_quantity
from symsim.errors import BadUnit, QuerySyntaxError, Span, SymsimError
from symsim.language.words import meant

LENGTH_FLAGS = {"isl": "S", "osl": "O"}
"""Lengths of requests as flags of commands name them -> their symbols."""

Relation = Literal["<=", ">=", "="]

_SECONDS = re.compile(r"(?i:^([num\u00b5]?)(?:illi|icro)?s(?:ec(?:ond)?s?)?(?:\s*(?:/|per\s)\s*tok(?:en)?)?$)")
"""`2 sec`, `5 milliseconds`, `20 ms/token`, which the metric says."""


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with its unit as written (None: bare), or the name of a symbol, as it is or times a number or `%`."""

    number: str | None
    unit: str | None
    name: str | None
    span: Span

    def value(self, dimension: str) -> Fraction:
        """Exact SI value. Raises QuerySyntaxError when the unit is missing or of another dimension."""
        if self.name is not None or self.number is None:
            raise QuerySyntaxError(self.span, f"{self.name} is a symbol; expected a number, e.g. S = 4096")
        unit = _SECONDS.sub(r"\1s", self.unit or "")
        try:
            return parse_quantity(f"{self.number.replace(',', '')} {unit}".strip(), dimension)
        except BadUnit as error:
            raise QuerySyntaxError(self.span, str(error)) from None

    @property
    def symbol(self) -> str | None:
        """The symbol that is meant; None for a number."""
        return None if self.name is None else meant_at(self.name, self.span)

    @property
    def share(self) -> Fraction:
        """What the symbol is multiplied by. Raises QuerySyntaxError for a number beyond any quantity."""
        if self.name is None or self.number is None:
            return Fraction(1)
        try:
            return exact_number(self.number.replace(",", "")) / (100 if self.unit == "%" else 1)
        except BadUnit as error:
            raise QuerySyntaxError(self.span, str(error)) from None

    def __str__(self) -> str:
        if self.name is not None:
            return self.name if self.number is None else f"{self.number}{' % of ' if self.unit else '*'}{self.name}"
        return f"{self.number} {self.unit or ''}".strip()


@dataclass(frozen=True, slots=True)
class Constraint:
    """`metric <= quantity` or `metric >= quantity`."""

    metric: str
    relation: Relation
    bound: Quantity
    span: Span

    def __str__(self) -> str:
        return f"{self.metric} {self.relation} {self.bound}"


@dataclass(frozen=True, slots=True)
class Query:
    """goal: max or min of `variable` subject to constraints; `solve` asks for metric = value, `value` for a metric
    where everything is stated.

    over: the unknowns, where the variable is a metric and the question names them.
    """

    goal: Literal["max", "min", "solve", "value"]
    variable: str
    span: Span
    constraints: tuple[Constraint, ...]
    fixed: Mapping[str, Quantity]
    over: tuple[str, ...] = ()

    def spelled(self, known: Collection[str]) -> Query:
        """The same with symbols as they are spelled, where only their case tells them from one that is known."""
        fixed = {_spelled(name, known): quantity for name, quantity in self.fixed.items()}
        if len(fixed) < len(self.fixed):
            twice = next(name for name in self.fixed if _spelled(name, known) != name)
            quantity = self.fixed[twice]
            raise QuerySyntaxError(quantity.span, f"{_spelled(twice, known)} is given twice; a symbol has one value")
        over = tuple(_spelled(name, known) for name in self.over)
        return replace(self, variable=_spelled(self.variable, known), fixed=fixed, over=over)


def check_stated(query: Query, metrics: Collection[str]) -> None:
    """Raise QuerySyntaxError where a question states one of these metrics as if it were a symbol."""
    for name in metrics:
        equation = f"{name} = {query.fixed[name]}"
        bounds = f"bound it, as {equation.replace('=', '<=')}, or ask: solve {equation} for {query.variable}"
        raise QuerySyntaxError(query.fixed[name].span, f"{equation} states a metric; {bounds}")


def meant_at(word: str, span: Span, quantile: str = "") -> str:
    """What a word stands for. Raises QuerySyntaxError for one that may mean several things."""
    try:
        return meant(word, quantile)
    except SymsimError as error:
        raise QuerySyntaxError(span, str(error)) from None


def _spelled(name: str, known: Collection[str]) -> str:
    alike = [other for other in known if other.casefold() == name.casefold()]
    return alike[0] if name not in known and len(alike) == 1 else name
