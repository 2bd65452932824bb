"""Text of a question -> Query. The language is grammar/query.lark; errors point at the place in the question."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any, Literal

from lark import Token, Transformer, UnexpectedInput, UnexpectedToken, v_args
from lark.exceptions import VisitError

from symsim.algebra.units import exact_number, parse_quantity
from symsim.errors import BadUnit, QuerySyntaxError, Span
from symsim.language.syntax import Places, expectation, parser_of

LENGTH_FLAGS = {"isl": "S", "osl": "O"}
"""Lengths of requests as flags of commands name them -> their symbols."""

_WORDS = {
    **dict.fromkeys(("batch", "batch_size"), "B"),
    **dict.fromkeys(("isl", "input_length", "prompt_length"), "S"),
    **dict.fromkeys(("osl", "output_length"), "O"),
    **dict.fromkeys(("qps", "rps"), "rate"),
    **{word: word for word in ("hbm_bandwidth", "nvlink_bandwidth", "rdma_bandwidth")},
    "throughput": "tokens/s/GPU",
}
"""What people write, in any case and with spaces or underscores -> the symbol or metric that they mean."""

_INVERSE = {"TPOT": "tokens/s/user"}
"""A time -> the metric that is one over it."""

_Relation = Literal["<=", ">=", "="]
_RELATIONS: Mapping[str, _Relation] = {"<=": "<=", ">=": ">=", "<": "<=", ">": ">=", "\u2264": "<=", "\u2265": ">="}
"""What people write between a metric and its bound; a bound may be met exactly."""


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
        unit = re.sub(r"(?<=s)ec(ond)?s?$", "", self.unit or "")  # 2 sec, 5 msec
        try:
            return parse_quantity(f"{self.number.replace(',', '')} {unit}".strip(), dimension)
        except BadUnit as error:
            raise QuerySyntaxError(self.span, str(error)) from None

    @property
    def symbol(self) -> str | None:
        """The symbol that is meant; None for a number."""
        return None if self.name is None else _meant(self.name)

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
    relation: _Relation
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


@v_args(inline=True)
class _Question(Transformer[Token, Any]):
    def __init__(self, places: Places) -> None:
        super().__init__()
        self.places = places

    def quantity(self, first: Token, unit: Token | None = None) -> Quantity:
        span = self.places.of(first)
        if first.type == "NAME":
            return Quantity(None, None, str(first), span)
        return Quantity(str(first), None if unit is None else str(unit), None, span)

    def share(self, number: Token, *of: Token) -> Quantity:
        *unit, name = map(str, of)
        if unit not in ([], ["%"]):
            message = f"{number} {unit[0]} of {name}: a share has no unit; expected e.g. 90 % of {name}, or 0.9*{name}"
            raise QuerySyntaxError(self.places.of(of[0]), message)
        return Quantity(str(number), unit[0] if unit else None, name, self.places.of(number))

    def constraint(self, metric: Token, relation: Token, bound: Quantity) -> Constraint:
        name = _metric(metric)
        if name == _meant("capacity") and bound.name is not None and bound.number is None:  # capacity >= memory
            own = Quantity(None, None, str(metric), self.places.of(metric))
            return Constraint(bound.name, _RELATIONS[str(_turned(relation))], own, bound.span)
        if metric.type == "RATE":
            bound = _of_rate(bound, name)
        if name.lower() == "memory" and bound.unit == "%" and bound.name is None:
            bound = replace(bound, name="capacity")
        return Constraint(name, _RELATIONS[str(relation)], bound, self.places.of(metric))

    def turned(self, number: Token, unit: Token | None, relation: Token, metric: Token) -> Constraint:
        """The bound before what it bounds."""
        return self.constraint(metric, _turned(relation), self.quantity(number, unit))

    def inverse_turned(
        self, number: Token, unit: Token | None, relation: Token, one: Token, metric: Token
    ) -> Constraint:
        return self.inverse(one, metric, _turned(relation), self.quantity(number, unit))

    def inverse(self, one: Token, metric: Token, relation: Token, bound: Quantity) -> Constraint:
        """A rate, by the time that it is one over."""
        rate = _INVERSE.get(metric.upper())
        if rate is None or str(one) != "1":
            message = f"{one}/{metric} is no metric; expected {' or '.join(f'1/{time}' for time in _INVERSE)}"
            raise QuerySyntaxError(self.places.of(one), message)
        return Constraint(rate, _RELATIONS[str(relation)], _of_rate(bound, rate), self.places.of(one))

    def binding(self, name: Token, value: Quantity) -> tuple[str, Quantity, Span]:
        return _meant(name), value, self.places.of(name)

    def bindings(self, *rows: tuple[str, Quantity, Span]) -> dict[str, Quantity]:
        fixed: dict[str, Quantity] = {}
        for name, value, span in rows:
            if name in fixed:
                raise QuerySyntaxError(span, f"{name} = {value} and {name} = {fixed[name]}: a symbol has one value")
            fixed[name] = value
        return fixed

    def optimise(self, goal: Token, variable: Token, *constraints: Any) -> Any:
        over = next((names for names in constraints if isinstance(names, tuple)), ())
        kept = tuple(c for c in constraints if isinstance(c, Constraint))  # not the words before them
        return goal[:3].lower(), _metric(variable), self.places.of(variable), kept, over

    def best(self, first: Token, second: Token, *constraints: Any) -> Any:
        kept = tuple(c for c in constraints if isinstance(c, Constraint))
        return "min", "GPUs", self.places.of(first), kept, (str(first), str(second))

    def over(self, *names: Token) -> tuple[str, ...]:
        return tuple(dict.fromkeys(_meant(name) for name in names))

    def solve(self, metric: Token, value: Quantity, variable: Token) -> Any:
        name = _metric(metric)
        bound = _of_rate(value, name) if metric.type == "RATE" else value
        equation = Constraint(name, "=", bound, self.places.of(metric))
        return "solve", _meant(variable), self.places.of(variable), (equation,), ()

    def solve_for(self, variable: Token, metric: Token, value: Quantity) -> Any:
        return self.solve(metric, value, variable)

    def solve_such(self, variable: Token, _: Token, metric: Token, value: Quantity) -> Any:
        return self.solve(metric, value, variable)

    def value(self, metric: Token) -> Any:
        return "value", _metric(metric), self.places.of(metric), (), ()

    def limits(self, *constraints: Constraint) -> tuple[Constraint, ...]:
        return constraints

    def start(self, question: tuple[Any, Any, Any, Any, Any], fixed: dict[str, Quantity] | None) -> Query:
        goal, variable, span, constraints, over = question
        once = {str(constraint): constraint for constraint in reversed(constraints)}
        return Query(goal, _meant(variable), span, tuple(reversed(once.values())), fixed or {}, over)


def _meant(name: str) -> str:
    word = "_".join(name.split())
    return "hbm_capacity" if word == "capacity" else _WORDS.get(word.lower(), word)


def _turned(relation: Token) -> Token:
    return relation.update(value=str(relation).translate(_SIDES))


_SIDES = str.maketrans("<>\u2264\u2265", "><\u2265\u2264")
"""Which relation says the same with its sides exchanged."""


def _spelled(name: str, known: Collection[str]) -> str:
    alike = [other for other in known if other.casefold() == name.casefold()]
    return alike[0] if name not in known and len(alike) == 1 else name


def _metric(name: Token) -> str:
    """A metric's name; a rate as the table of metrics has it."""
    if name.type != "RATE":
        return _quantile(name)
    if name.startswith("$"):
        return "cost"
    if name.lower().startswith(("req", "j")):
        return "requests/s" if name.lower().startswith("req") else "energy"
    return "tokens/s/user" if "user" in name.lower() else "tokens/s/GPU"


def _quantile(name: str) -> str:
    """`p99 TTFT` and `TTFT p99` as TTFT_p99; all other names as symbols and metrics are spelled."""
    first, *rest = name.split()
    if rest and first.lower().startswith("p"):
        first, rest = rest[0], [first]
    return f"{first}_{rest[0].lower()}" if rest and rest[0].lower().startswith("p") else _meant(name)


def _of_rate(bound: Quantity, rate: str) -> Quantity:
    """A bound of what is named by its unit; a bare number is in it, one of energy in joules."""
    bare = bound.unit is None and bound.name is None
    return replace(bound, unit="J" if rate == "energy" else rate) if bare else bound


def parse_query(text: str) -> Query:
    """The question as a Query.

    Raises QuerySyntaxError with the place, a caret and what was expected.

    >>> parse_query("max B subject to TPOT <= 50 ms with S = 4096").constraints[0].bound.value("s")
    Fraction(1, 20)
    """
    return _parsed(
        text, "start", "a question reads, e.g.: max B subject to TPOT <= 50 ms, memory <= capacity with S = 4096"
    )


@lru_cache(maxsize=256)
def parse_limits(text: str) -> tuple[Constraint, ...]:
    """Constraints by themselves, e.g. `TPOT <= 50 ms, memory <= capacity`; blank for none.

    Raises QuerySyntaxError as questions do.
    """
    return (
        () if not text.strip() else _parsed(text, "limits", "constraints read, e.g.: TPOT <= 50 ms, memory <= capacity")
    )


def _parsed(text: str, start: str, example: str) -> Any:
    places = Places("query", text)
    try:
        return _Question(places).transform(parser_of("query.lark", ("start", "limits")).parse(text, start=start))
    except UnexpectedInput as error:
        at_end = isinstance(error, UnexpectedToken) and error.token.type == "$END"
        column = len(text) + 1 if at_end or error.column < 1 else error.column
        raise QuerySyntaxError(places.at(1, column), f"{expectation(error)}; {example}") from None
    except VisitError as error:  # what the transformer refused, without lark's wrapping
        raise error.orig_exc from None
