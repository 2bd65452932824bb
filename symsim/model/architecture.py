"""What a model of a graph library reads from a config: its sizes, and what kinds of layers it has.

Nothing is defaulted silently: an absent key is an error unless the graph itself says `else`, two spellings that
disagree are an error, and every key that no graph line read is known by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, cast

from symsim.errors import ConfigError, MissingConfigKey, did_you_mean
from symsim.inputs.config import ModelConfig
from symsim.inputs.source import Source
from symsim.language.decide import NULL, Absent, Look, evaluate, indexed, names, of_layer_calls
from symsim.language.tree import Binding, Expression, Library, Model, Name, Number
from symsim.model.layer_kinds import LayerKind, kinds, layer_counts
from symsim.model.match import keys_in, section_of
from symsim.model.plausible import check_counts, check_lists, check_sizes, is_count


@dataclass(frozen=True, slots=True)
class Architecture:
    """The architecture numbers of one config under one model of a library.

    values: symbol -> integer; sources: symbol -> the config keys it was read from, or what stands in for them;
    unread: `key = value` of keys that may change cost and that the graph does not describe; omitted: keys it leaves
    out on purpose; by_rule: keys that a pattern says to change no cost; kinds: the kinds of layers, each
    with the indices of its layers.
    """

    values: Mapping[str, int]
    sources: Mapping[str, Source]
    unread: tuple[str, ...]
    omitted: tuple[str, ...]
    by_rule: tuple[str, ...] = ()
    kinds: tuple[LayerKind, ...] = ()


def read_architecture(config: ModelConfig, model: Model, library: Library) -> Architecture:
    """Read what the model's `config:` section asks for.

    Raises MissingConfigKey for an absent key, ConfigError for a value that is no whole number, or two spellings
    of one key that disagree.
    """
    keys = _keys(config, model, library)
    check_counts(config.path, keys)
    read = _Read(config.path, keys, model, {}, {})
    for binding in model.bindings:
        if binding.layer is None:
            read.values[binding.symbol], read.sources[binding.symbol] = _bind(binding, read)
    check_sizes(config.path, model, read.values, read.sources)
    count = max(layer_counts(model, read.values), default=0)
    check_lists(config.path, model, keys, count)
    layers: dict[str, tuple[Any, ...]] = {}
    each = replace(read, values=dict(read.values), sources=dict(read.sources))
    for binding in model.bindings:
        if binding.layer is not None:
            readings = [_chosen(binding, each, i) for i in range(count)]
            layers[binding.symbol] = each.values[binding.symbol] = tuple(reading.value for reading in readings)
            each.sources[binding.symbol] = joint_source([reading.source for reading in readings])
    values, sources = dict(read.values), each.sources
    alike = kinds(model, values, layers)
    for kind in alike:
        if kind.symbol is not None:
            values[kind.symbol] = len(kind.layers)
            decided = joint_source([sources[name] for name in kind.decided_by])
            sources[kind.symbol] = _counted(kind, replace(decided, file=config.path))
    unread, omitted, by_rule = _unread(keys, config, model, library)
    return Architecture(values, sources, unread, omitted, by_rule, alike)


@dataclass(frozen=True, slots=True)
class _Read:
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


def _counted(kind: LayerKind, decided: Source) -> Source:
    """The source of the number of such layers; a default that decides on them is said."""
    note = f"{len(kind.layers)} of {kind.count} layers"
    return replace(decided, how="computed", note=f"{note} ({decided.note})" if decided.note else note)


def _keys(config: ModelConfig, model: Model, library: Library) -> Mapping[str, Any]:
    """The keys that the model sees: of a multimodal config those of its language model, as transformers hands them on.

    A model that names a section itself also sees the keys around it.
    """
    section = section_of(config, library)
    if section is not None:
        return keys_in(config, section)
    own = config.keys.get(model.section) if model.section else None
    return {**config.keys, **cast(Mapping[str, Any], own)} if isinstance(own, dict) else config.keys


def described(model: Model) -> set[str]:
    """Config keys that the model's `config:` section names; of a dotted key also the section it is in."""
    expressions = [choice for binding in model.bindings for choice in _written(binding)]
    read = {name.name for expression in expressions for name in names(expression)}
    read |= {entry.key for expression in expressions for entry in indexed(expression)}
    read |= {expect.key for expect in model.expects} | model.ignores
    return read | {name.partition(".")[0] for name in read}


def _written(binding: Binding) -> Iterator[Expression]:
    yield from binding.choices
    yield from binding.defaults
    if binding.null is not None:
        yield binding.null


def _unread(
    keys: Mapping[str, Any], config: ModelConfig, model: Model, library: Library
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """`key = value` of what the graph does not describe, the keys that it leaves out, and those that a pattern says to
    change no cost; see Architecture."""
    read = described(model)
    odd = [expect.key for expect in model.expects if not _expected(_key(expect.key, keys), expect.values)]
    known = read | library.neutral | library.omitted | library.sections
    unknown = [
        key
        for key, value in _flat(keys, read)
        if key not in known and value is not None and not (key in library.off and not value)
    ]
    by_rule = sorted(key for key in unknown if library.neutral_by_rule(key))
    unknown = [key for key in unknown if key not in by_rule] + _of_single_layers(keys, model, library)
    stated = tuple(f"{key} = {_short(_key(key, keys))}" for key in sorted({*odd, *unknown}))
    stated += _contradicted(read - model.ignores, config, library)
    around = {**config.keys, **keys}
    omitted = sorted(key for key in library.omitted - read if around.get(key))
    return stated, tuple(omitted), tuple(by_rule)


def _of_single_layers(keys: Mapping[str, Any], model: Model, library: Library) -> list[str]:
    """`section.02.key` of what single layers have of their own and no `of_layer` reads, once each."""
    read: dict[str, set[str]] = {}
    for binding in model.bindings:
        for section, key in (call for choice in _written(binding) for call in of_layer_calls(choice)):
            read.setdefault(section, set()).add(key)
    found: dict[str, str] = {}
    for section, known in read.items():
        for layer, own in (keys.get(section) or {}).items():
            for key in set(own) - known - model.ignores - library.neutral:
                found.setdefault(key, f"{section}.{layer}.{key}")
    return list(found.values())


_OF_ALL = frozenset(("vocab_size", "tie_word_embeddings"))
"""What a multimodal config may state for all of it otherwise than for its language model."""


def _contradicted(read: set[str], config: ModelConfig, library: Library) -> tuple[str, ...]:
    """`key = value` around a language model that is a section: what the section says otherwise, or does not say."""
    section = section_of(config, library)
    if section is None:
        return ()
    inner = keys_in(config, section)
    spoken = {key for key in config.keys if key in read or is_count(key)} - _OF_ALL - library.neutral - library.omitted
    known = {key: config.keys[key] for key in spoken if config.keys[key]}
    return tuple(
        f"{key} = {_short(value)} beside {section}" for key, value in sorted(known.items()) if value != inner.get(key)
    )


def _expected(value: Any, allowed: tuple[object, ...]) -> bool:
    """Whether a key has one of the values that the graph describes; so must every entry of a list."""
    if value is None or value in allowed:
        return True
    return isinstance(value, list) and bool(value) and all(entry in allowed for entry in cast(list[Any], value))


def _short(value: Any, width: int = 60) -> str:
    """A value as a sentence shows it; long lists are cut."""
    text = repr(value)
    return text if len(text) <= width else f"{text[: width - 4]} ..."


def _flat(keys: Mapping[str, Any], read: set[str]) -> Iterator[tuple[str, Any]]:
    """Keys with their values; those of a section, or of a list of them, that is read by dotted keys one by one."""
    for key, value in keys.items():
        if not any(name.startswith(f"{key}.") for name in read):
            yield key, value
        elif isinstance(value, list):
            entries = (_flat({key: entry}, read) for entry in cast(list[Any], value) if isinstance(entry, dict))
            inner = {name: stated for entry in entries for name, stated in entry if stated or name in read}
            yield from inner.items()
        elif isinstance(value, dict):
            yield from _flat({f"{key}.{inner}": entry for inner, entry in cast(Mapping[str, Any], value).items()}, read)
        else:
            yield key, value


def _key(name: str, keys: Mapping[str, Any]) -> Any:
    found: Any = keys
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def _has(name: str, keys: Mapping[str, Any]) -> bool:
    section, _, last = name.rpartition(".")
    holder = _key(section, keys) if section else keys
    return isinstance(holder, Mapping) and last in holder


def _look(keys: Mapping[str, Any], values: Mapping[str, Any], layer: tuple[str, int] | None) -> Look:
    """Names of a `config:` line: the layer's index, sizes read before, else keys of the config."""

    def look(name: Name) -> Any:
        if layer is not None and name.name == layer[0]:
            return layer[1]
        if name.name in values:
            return values[name.name]
        value = _key(name.name, keys)
        if value is None or value == "auto":
            raise Absent(name.name, NULL) if _has(name.name, keys) and value is None else Absent(name.name)
        if isinstance(value, float):
            return Fraction(str(value)) if abs(value) < float("inf") else value
        return value

    return look


def _bind(binding: Binding, read: _Read) -> tuple[int, Source]:
    reading = _chosen(binding, read)
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


def _given(expression: Expression, read: _Read) -> Iterator[str]:
    """`key = value` of what an expression is computed from; a size that was read before by the key it is from."""
    for name in dict.fromkeys(name.name for name in names(expression)):
        known = f"{read.sources[name].meaning} = {read.values[name]}" if name in read.values else None
        yield known or f"{name} = {_short(_key(name, read.keys))}"


def _chosen(binding: Binding, read: _Read, layer: int | None = None) -> Reading:
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


def _standing_in(binding: Binding, read: _Read, index: tuple[str, int] | None, *, null: bool) -> Reading:
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


def _keys_behind(expression: Expression, read: _Read, index: tuple[str, int] | None) -> tuple[str, ...]:
    """The keys of the config that an expression reads, those of the sizes in it included."""
    found: dict[str, None] = {}
    for name in names(expression):
        if index is not None and name.name == index[0]:
            continue
        if name.name in read.sources:
            found |= dict.fromkeys(read.sources[name.name].keys)
        elif _has(name.name, read.keys):
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
