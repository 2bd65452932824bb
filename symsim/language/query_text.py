"""Text of a question -> Query. The language is grammar/query.lark; errors point at the place in the question."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import chain
from typing import Any

from lark import Lark, Token, Transformer, UnexpectedInput, UnexpectedToken, v_args
from lark.exceptions import VisitError

from symsim.algebra.symbols import is_symbol
from symsim.errors import QuerySyntaxError, Span
from symsim.language.query import Constraint, Quantity, Query, Relation, meant_at
from symsim.language.syntax import Places, expectation, parser_of
from symsim.language.words import unit_of_bare, words_pattern

_INVERSE = {"TPOT": "tokens/s/user"}
"""A time -> the metric that is one over it."""

_LESS = ("<=", "=<", "<", "\u2264", "at most", "no more than", "not more than", "less than", "below", "under")
_MORE = (">=", "=>", ">", "\u2265", "at least", "no less than", "not less than", "more than", "above")
_RELATIONS: Mapping[str, Relation] = {**dict.fromkeys(_LESS, "<="), **dict.fromkeys(_MORE, ">=")}
"""What people write between a metric and its bound; a bound may be met exactly."""


@dataclass(frozen=True, slots=True)
class _Stated:
    """`symbol = quantity` of a question."""

    name: str
    value: Quantity
    span: Span


@v_args(inline=True)
class _Question(Transformer[Token, Any]):
    def __init__(self, places: Places) -> None:
        super().__init__()
        self.places = places

    def name(self, word: Token) -> Token:
        return word.update(value=meant_at(word, self.places.of(word)))

    def quantile(self, first: Token, second: Token) -> Token:
        """`p99 TTFT` and `TTFT p99` as TTFT_p99."""
        which, word = (first, second) if first.type == "QUANTILE" else (second, first)
        share = {"median": "p50"}.get(which.lower(), which.lower())
        if not share.startswith("p"):  # the mean is what metrics are
            return self.name(word)
        return word.update(value=meant_at(word, self.places.of(word), share))

    def quantity(self, first: Token, unit: Token | None = None) -> Quantity:
        span = self.places.of(first)
        if first.type == "MONEY":  # $2/h
            number, slash, of = first.strip("$ ").replace(" ", "").partition("/")
            return Quantity(number, f"${slash}{of}", None, span)
        if first.type != "NUMBER":
            return Quantity(None, None, str(first), span)
        return Quantity(str(first), None if unit is None else str(unit), None, span)

    def share(self, number: Token, *of: Token) -> Quantity:
        *unit, name = map(str, of)
        if unit not in ([], ["%"]):
            message = f"{number} {unit[0]} of {name}: a share has no unit; expected e.g. 90 % of {name}, or 0.9*{name}"
            raise QuerySyntaxError(self.places.of(of[0]), message)
        return Quantity(str(number), unit[0] if unit else None, name, self.places.of(number))

    def constraint(self, metric: Token, relation: Token, bound: Quantity) -> Constraint:
        name = str(metric)
        if name == _CAPACITY and bound.name is not None and bound.number is None:  # capacity >= memory
            own = Quantity(None, None, "capacity", self.places.of(metric))
            return Constraint(meant_at(bound.name, bound.span), _relation(_turned(relation)), own, bound.span)
        bound = _in_its_unit(bound, name)
        if name.lower() == "memory" and bound.unit == "%" and bound.name is None:
            bound = replace(bound, name="capacity")
        return Constraint(name, _relation(relation), bound, self.places.of(metric))

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
        return Constraint(rate, _relation(relation), _in_its_unit(bound, rate), self.places.of(one))

    def binding(self, name: Token, value: Quantity) -> _Stated:
        return _Stated(str(name), value, self.places.of(name))

    def bare_binding(self, name: Token, number: Token, unit: Token | None = None) -> _Stated:
        return self.binding(name, self.quantity(number, unit))

    def counted(self, number: Token, unit: Token | None, name: Token) -> _Stated:
        return self.bare_binding(name, number, unit)

    def bindings(self, *conditions: Any) -> tuple[Any, ...]:
        return tuple(c for c in conditions if isinstance(c, Constraint | _Stated))  # not the words before them

    def optimise(self, goal: Token, variable: Token, *conditions: Any) -> Any:
        over = next((names for names in conditions if isinstance(names, tuple)), ())
        return _GOALS.get(goal.lower(), goal[:3].lower()), variable, self.bindings(*conditions), over

    def best(self, first: Token, second: Token, *conditions: Any) -> Any:
        return "min", first.update(value="GPUs"), self.bindings(*conditions), (str(first), str(second))

    def over(self, *names: Token) -> tuple[str, ...]:
        return tuple(dict.fromkeys(map(str, names)))

    def solve(self, metric: Token, value: Quantity, variable: Token) -> Any:
        equation = Constraint(str(metric), "=", _in_its_unit(value, str(metric)), self.places.of(metric))
        return "solve", variable, (equation,), ()

    def solve_for(self, variable: Token, metric: Token, value: Quantity) -> Any:
        return self.solve(metric, value, variable)

    def solve_such(self, variable: Token, _: Token, metric: Token, value: Quantity, *conditions: Any) -> Any:
        if is_symbol(str(metric)):  # TPOT where B = 8
            return "value", variable, (self.binding(metric, value), *conditions), ()
        goal, _, equation, over = self.solve(metric, value, variable)
        return goal, variable, (*equation, *conditions), over

    def value(self, metric: Token) -> Any:
        return "value", metric, (), ()

    def limits(self, *constraints: Constraint) -> tuple[Constraint, ...]:
        return constraints

    def start(self, question: tuple[Any, Token, Any, Any], *more: tuple[Any, ...]) -> Query:
        goal, variable, first, over = question
        conditions = [*first, *chain.from_iterable(more)]
        bounds = [one for one in conditions if isinstance(one, Constraint)]
        if goal in ("solve", "value") and bounds[goal == "solve" :]:
            message = f"{bounds[-1]} bounds what is asked for by max or min, and this asks for one value; leave it out"
            raise QuerySyntaxError(bounds[-1].span, message)
        stated = [one for one in conditions if isinstance(one, _Stated)]
        once = {str(constraint): constraint for constraint in reversed(bounds)}
        kept = tuple(reversed(once.values()))
        return Query(goal, str(variable), self.places.of(variable), kept, _once(stated), over)


def _once(stated: Iterable[_Stated]) -> dict[str, Quantity]:
    """What is stated, by symbol. Raises QuerySyntaxError for one with two values."""
    fixed: dict[str, Quantity] = {}
    for one in stated:
        if one.name in fixed:
            message = f"{one.name} = {one.value} and {one.name} = {fixed[one.name]}: a symbol has one value"
            raise QuerySyntaxError(one.span, message)
        fixed[one.name] = one.value
    return fixed


_GOALS = {
    **dict.fromkeys(("largest", "highest", "most"), "max"),
    **dict.fromkeys(("smallest", "lowest", "least", "fewest"), "min"),
}
_CAPACITY = "hbm_capacity"


def _relation(written: str) -> Relation:
    return _RELATIONS[" ".join(written.lower().split()).removeprefix("is ")]


def _turned(relation: Token) -> Token:
    """The relation that says the same with its sides exchanged."""
    return relation.update(value={"<=": ">=", ">=": "<="}[_relation(relation)])


def _in_its_unit(bound: Quantity, metric: str) -> Quantity:
    """A bound of a metric; a bare number in the unit that it can have alone."""
    bare = bound.unit is None and bound.name is None
    return replace(bound, unit=unit_of_bare(metric)) if bare else bound


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


def phrases() -> str:
    """The line of the grammar that people's words are: grammar/words.toml holds them."""
    return f"PHRASE.4: /{words_pattern()}/i"


@cache
def _parser() -> Lark:
    return parser_of("query.lark", ("start", "limits"), more=phrases())


def _parsed(text: str, start: str, example: str) -> Any:
    places = Places("query", text)
    try:
        return _Question(places).transform(_parser().parse(text, start=start))
    except UnexpectedInput as error:
        at_end = isinstance(error, UnexpectedToken) and error.token.type == "$END"
        column = len(text) + 1 if at_end or error.column < 1 else error.column
        raise QuerySyntaxError(places.at(1, column), f"{expectation(error)}; {example}") from None
    except VisitError as error:  # what the transformer refused, without lark's wrapping
        raise error.orig_exc from None
