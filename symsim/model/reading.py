"""Lines of a `config:` section -> values, each with the keys that it was read from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from symsim.errors import ConfigError, MissingConfigKey, did_you_mean
from symsim.inputs.source import Source
from symsim.language.decide import NULL, Absent, Look, evaluate, names
from symsim.language.tree import Binding, Expression, Model, Name, Number
from symsim.model.config_keys import has_key, value_of_key
from symsim.model.unread_keys import short_value


@dataclass(frozen=True, slots=True)
class ReadSoFar:
    """A config being read. path: the file as shown; values, sources: of what was read before, sizes and then layers."""

    path: str
    keys: Mapping[str, Any]
    model: Model
    values: dict[str, Any]
    sources: dict[str, Source]


@dataclass(frozen=True, slots=True)
class Reading:
    """The value of a `config:` line, where it is from, and the expression that gave it."""

    value: Any
    source: Source
    expression: Expression


def joint_source(sources: Sequence[Source]) -> Source:
    """One source of what all of them decide."""
    each = tuple(dict.fromkeys(sources))
    if len(each) == 1:
        return each[0]
    keys = dict.fromkeys(key for source in each for key in source.keys)
    notes = dict.fromkeys(source.note for source in each if source.note)
    return Source(how="computed", file=each[0].file if each else "", keys=tuple(keys), note=", ".join(notes))


def _look(keys: Mapping[str, Any], values: Mapping[str, Any], layer: tuple[str, int] | None) -> Look:
    """Names of a `config:` line: the layer's index, sizes read before, else keys of the config."""

    def look(name: Name) -> Any:
        if layer is not None and name.name == layer[0]:
            return layer[1]
        if name.name in values:
            return values[name.name]
        value = value_of_key(name.name, keys)
        if value is None or value == "auto":
            raise Absent(name.name, NULL) if has_key(name.name, keys) and value is None else Absent(name.name)
        if isinstance(value, float):
            return Fraction(str(value)) if abs(value) < float("inf") else value
        return value

    return look


def size_of_binding(binding: Binding, read: ReadSoFar) -> tuple[int, Source]:
    reading = chosen_reading(binding, read)
    value, source = reading.value, reading.source
    default = next(reversed(binding.defaults), None)
    spelled = binding.choices[0].name if isinstance(binding.choices[0], Name) else binding.symbol
    switch = default is not None and not (isinstance(default, Number) and default.value > 1)
    if isinstance(value, bool) and (switch or not isinstance(binding.choices[0], Name)):
        return int(value), source  # a switch: the default says so, or a condition
    least = (
        0 if isinstance(default, Number) or binding.null is not None or not isinstance(binding.choices[0], Name) else 1
    )
    if _is_whole(value, least):
        return int(value), source
    number = json.dumps(float(value) if isinstance(value, Fraction) else value)
    if isinstance(reading.expression, Name):
        key = spelled if source.how in ("default", "null") else source.meaning
        raise ConfigError(f"{read.path}: {key} = {number} is not a whole number of at least {least}")
    given = ", ".join(_given(reading.expression, read))
    expected = f"expected a whole number of at least {least}"
    raise ConfigError(f"{read.path}: {given} give {number} for {binding.symbol} ({binding.span}); {expected}")


def _given(expression: Expression, read: ReadSoFar) -> Iterator[str]:
    """`key = value` of what an expression is computed from; a size that was read before by the key it is from."""
    for name in dict.fromkeys(name.name for name in names(expression)):
        known = f"{read.sources[name].meaning} = {read.values[name]}" if name in read.values else None
        yield known or f"{name} = {short_value(value_of_key(name, read.keys))}"


def chosen_reading(binding: Binding, read: ReadSoFar, layer: int | None = None) -> Reading:
    """The value of the first choice that is there."""
    index = None if binding.layer is None or layer is None else (binding.layer, layer)
    look = _look(read.keys, read.values, index)
    stated: dict[str, Reading] = {}
    null = False
    for choice in binding.choices:
        try:
            value = evaluate(choice, look)
        except Absent as absent:
            null = null or NULL in absent.args[1:]
        else:
            how = "key" if isinstance(choice, Name) and choice.name not in read.values else "computed"
            keys = _keys_behind(choice, read, index)
            source = Source(how=how, file=read.path, keys=keys, note="" if keys else "the graph text")
            stated[_text(choice, read.values, index)] = Reading(value, source, choice)
    first = next((reading.value for reading in stated.values()), None)
    if any(reading.value != first for reading in stated.values()):
        both = ", ".join(f"{key} = {reading.value!r}" for key, reading in stated.items())
        raise ConfigError(f"{read.path}: {both} name the same size and disagree; keep one")
    for reading in stated.values():
        return reading
    return _standing_in(binding, read, index, null=null)


def _standing_in(binding: Binding, read: ReadSoFar, index: tuple[str, int] | None, *, null: bool) -> Reading:
    """What the graph text says where none of the choices is there. null: whether a key of theirs is null."""
    look = _look(read.keys, read.values, index)
    first = _text(binding.choices[0], read.values, index)
    if null and binding.null is not None:
        value = evaluate(binding.null, look)
        keys = (*_keys_behind(binding.choices[0], read, index), *_keys_behind(binding.null, read, index))
        source = Source(how="null", file=read.path, keys=tuple(dict.fromkeys(keys)), note=f"null {first}")
        return Reading(value, source, binding.null)
    for default in binding.defaults:
        if null and isinstance(default, Number) and default.value != 0:
            continue  # what a config class fills in for an absent key is not what null means
        try:
            value = evaluate(default, look)
        except Absent:
            continue
        keys = _keys_behind(default, read, index)
        return Reading(value, Source(how="default", file=read.path, keys=keys, note=f"default of {first}"), default)
    wanted = " or ".join(f"`{_text(choice, read.values, index)}`" for choice in binding.choices)
    found_none = "is null" if null else "is absent"
    hint = did_you_mean(first, [key for key, value in read.keys.items() if value is not None])
    raise MissingConfigKey(
        f"{read.path}: {read.model.serves[0]} needs {wanted} ({binding.symbol} at {binding.span}), which {found_none}; "
        f"{hint}"
    )


def _keys_behind(expression: Expression, read: ReadSoFar, index: tuple[str, int] | None) -> tuple[str, ...]:
    """The keys of the config that an expression reads, those of the sizes in it included."""
    found: dict[str, None] = {}
    for name in names(expression):
        if index is not None and name.name == index[0]:
            continue
        if name.name in read.sources:
            found |= dict.fromkeys(read.sources[name.name].keys)
        elif has_key(name.name, read.keys):
            found[name.name] = None
    return tuple(found)


def _text(choice: Expression, values: Mapping[str, Any], index: tuple[str, int] | None) -> str:
    """The config keys that a choice reads; the sizes it uses where it reads none."""
    found = [name.name for name in names(choice) if index is None or name.name != index[0]]
    read = [name for name in found if name not in values]
    return ", ".join(dict.fromkeys(read or found)) or "the graph text"


def _is_whole(value: Any, least: int) -> bool:
    """Whether it can be a size, which may be zero only where the graph says `else` with a number, or computes it."""
    number = isinstance(value, (int, Fraction)) and not isinstance(value, bool)
    return number and value >= least and Fraction(value).denominator == 1
