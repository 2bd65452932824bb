"""Keys of a config that no line of the graph reads: which may change cost, which are left out, which change none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from symsim.inputs.config import ModelConfig
from symsim.language.decide import indexed, names, of_layer_calls
from symsim.language.tree import Binding, Expression, Library, Model
from symsim.model.config_keys import keys_in, section_of, value_of_key
from symsim.model.plausible import is_count


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


def unread_keys(
    keys: Mapping[str, Any], config: ModelConfig, model: Model, library: Library
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """`key = value` of what the graph does not describe, the keys that it leaves out, and those that a pattern says to
    change no cost; see Architecture."""
    read = described(model)
    odd = [expect.key for expect in model.expects if not _expected(value_of_key(expect.key, keys), expect.values)]
    known = read | library.neutral | library.omitted | library.sections
    unknown = [
        key
        for key, value in _flat(keys, read)
        if key not in known and value is not None and not (key in library.off and not value)
    ]
    by_rule = sorted(key for key in unknown if library.neutral_by_rule(key))
    unknown = [key for key in unknown if key not in by_rule] + _of_single_layers(keys, model, library)
    stated = tuple(f"{key} = {short_value(value_of_key(key, keys))}" for key in sorted({*odd, *unknown}))
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
        f"{key} = {short_value(value)} beside {section}"
        for key, value in sorted(known.items())
        if value != inner.get(key)
    )


def _expected(value: Any, allowed: tuple[object, ...]) -> bool:
    """Whether a key has one of the values that the graph describes; so must every entry of a list."""
    if value is None or value in allowed:
        return True
    return isinstance(value, list) and bool(value) and all(entry in allowed for entry in cast(list[Any], value))


def short_value(value: Any, width: int = 60) -> str:
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
