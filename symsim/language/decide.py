"""Expressions of the graph language evaluated in plain Python, on the numbers, strings and lists of a config.

What a `config:` section computes and what kind each layer is are decided here, a layer at a time; formulas are made
in symsim.language.symbolic.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction
from typing import Any, cast

from symsim.errors import ConfigError, Span, UndefinedName, did_you_mean
from symsim.language.tree import Binary, Call, Expression, Index, Items, Name, Negative, Not, Number, Text, children

Look = Callable[[Name], Any]
"""The value behind a name. Raises Absent for a key that the config does not have."""

NULL = "null"


class Absent(LookupError):
    """A config key that is absent, null or "auto": the next choice of the graph text stands in."""


_LARGEST = 4096
"""Bits of the largest power that is worked out."""


def _power(base: Any, exponent: Any) -> Any:
    if abs(exponent) * math.log2(max(2, abs(base), Fraction(base).denominator)) > _LARGEST:
        raise ValueError(f"{base}**{exponent} is out of range")
    return base**exponent


_OPERATIONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda left, right: Fraction(left) / Fraction(right),
    "%": operator.mod,
    "**": _power,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


def _each(stated: Any, index: Any) -> Any:
    """An entry of a list, or the number that stands for every one of them."""
    if isinstance(stated, (int, Fraction)) and not isinstance(stated, bool):
        return stated
    if not isinstance(stated, list):
        raise TypeError(f"{stated!r} is no number and no list of them")
    return stated[int(index)]


def _listed(stated: Any, index: Any) -> bool:
    """Whether a list, or a text of numbers with commas between them, names one."""
    parts = stated.split(",") if isinstance(stated, str) else stated
    return int(index) in [int(part) for part in parts if str(part).strip()]


def _of_layer(stated: Any, index: Any, key: Any, otherwise: Any) -> Any:
    """What a layer has of its own in a section of such layers, by their numbers (`"02"`); else what all have."""
    if not isinstance(stated, dict) or not all(str(number).isdecimal() for number in cast(dict[Any, Any], stated)):
        raise TypeError(f"{stated!r} is no section of layers by their numbers")
    own = {int(number): keys for number, keys in cast(dict[Any, Any], stated).items()}.get(int(index), {})
    if not isinstance(own, dict):
        raise TypeError(f"{own!r} is no section of what layer {index} has of its own")
    return cast(dict[str, Any], own).get(key, otherwise)


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "ceil": math.ceil,
    "count": lambda items, value, before=None: list(items)[:before].count(value),
    "each": _each,
    "floor": math.floor,
    "len": len,
    "listed": _listed,
    "max": max,
    "min": min,
    "of_layer": _of_layer,
}


def evaluate(node: Expression, look: Look) -> Any:
    """The value of an expression: a number, a string, a list or a truth.

    Raises Absent, and ConfigError where an operation does not suit the config's values.
    """
    try:
        return _value(node, look)
    except (TypeError, ValueError, ZeroDivisionError, IndexError) as error:
        raise ConfigError(f"{_place(node)}: the config's values do not suit this line: {error}") from None


def _value(node: Expression, look: Look) -> Any:
    match node:
        case Number(value):
            return value
        case Text(value, _):
            return value
        case Name():
            return look(node)
        case Items(items, _):
            return [_value(item, look) for item in items]
        case Index(name, index):
            return _within(_entry(look(name), _value(index, look), name), node)
        case Negative(operand):
            return -_value(operand, look)
        case Not(operand):
            return not _value(operand, look)
        case Call(function, args, span):
            if function not in _FUNCTIONS:
                raise UndefinedName(span, f"there is no function {function} here; {did_you_mean(function, _FUNCTIONS)}")
            return _FUNCTIONS[function](*(_value(argument, look) for argument in args))
        case Binary("and", left, right):
            return bool(_value(left, look)) and bool(_value(right, look))
        case Binary("or", left, right):
            return bool(_value(left, look)) or bool(_value(right, look))
        case Binary("in", left, right):
            return _value(left, look) in _value(right, look)
        case Binary("==" | "!=" as relation, left, Name("null", _)):
            return (_given(left, look) is None) is (relation == "==")
        case Binary(operation, left, right):
            return _OPERATIONS[operation](_value(left, look), _value(right, look))


def _given(node: Expression, look: Look) -> Any:
    """The value, None where the config says null; only an absent key is Absent."""
    try:
        return _value(node, look)
    except Absent as absent:
        if absent.args[1:] == (NULL,):
            return None
        raise


def _entry(found: Any, index: Any, name: Name) -> Any:
    if not isinstance(found, (list, str, tuple)):
        raise ConfigError(f"{name.span}: {name.name} is no list in this config, but {found!r}")
    if not found:  # an empty list says nothing about any layer
        raise Absent(name.name)
    if not 0 <= index < len(found):
        raise ConfigError(
            f"{name.span}: {name.name} has {len(found)} entries in this config, and none for layer {index}"
        )
    return found[int(index)]


def _within(entry: Any, read: Index) -> Any:
    """What the path leads to in an entry of a list of sections."""
    for key in read.path:
        if not isinstance(entry, Mapping):
            raise ConfigError(f"{read.name.span}: {read.name.name} has {entry!r} in this config, and no {read.key}")
        if key not in entry:
            raise Absent(read.key)
        entry = cast(Mapping[str, Any], entry)[key]
        if entry is None:
            raise Absent(read.key, NULL)
    return Fraction(str(entry)) if isinstance(entry, float) else entry


def _place(node: Expression) -> Span | str:
    return next((name.span for name in names(node)), "graph text")


def names(node: Expression) -> Iterator[Name]:
    """The names that an expression mentions, left to right, `null` apart."""
    if isinstance(node, Name):
        if node.name != NULL:
            yield node
        return
    for part in children(node):
        yield from names(part)


def indexed(node: Expression) -> Iterator[Index]:
    """Every `name[index]` and `each(name, index)` in an expression, left to right."""
    match node:
        case Index():
            yield node
        case Call("each", (Name() as name, index), _):
            yield Index(name, index)
        case _:
            for part in children(node):
                yield from indexed(part)


def of_layer_calls(node: Expression) -> Iterator[tuple[str, str]]:
    """Section and key of every `of_layer(section, i, "key", ...)` in an expression."""
    match node:
        case Call("of_layer", (Name(section, _), _, Text(key, _), *_), _):
            yield section, key
        case _:
            for part in children(node):
                yield from of_layer_calls(part)
