"""What no model has, whatever its family: negative heads, more experts chosen than there are, lists beyond the layers.

The rules are grammar/sizes.toml.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, cast

from symsim.errors import ConfigError, Span
from symsim.inputs.source import Source
from symsim.language.decide import indexed
from symsim.language.tree import Binary, Model, Name
from symsim.paths import GRAMMAR


def is_count(key: str) -> bool:
    """Whether a key of such a name is a number of things."""
    return any(fnmatchcase(key, pattern) for pattern in rules()["counts"])


def check_counts(path: str, keys: Mapping[str, Any]) -> None:
    """Raise ConfigError for a key that is a count by its name and is stated as none."""
    for key, value in keys.items():
        if not is_count(key):
            continue
        if not _counts(value):
            raise ConfigError(f"{path}: {key} = {json.dumps(value)} is not a whole number of at least 0")


def _counts(value: Any) -> bool:
    """Whether it is a whole number, one for each of something, or left open."""
    match value:
        case bool() | dict():
            return False
        case int() | float():
            return value >= 0 and float(value).is_integer()
        case list():
            return bool(value) and all(_counts(entry) for entry in cast(list[Any], value))
        case _:
            return value is None or value == "auto"


def check_sizes(path: str, model: Model, values: Mapping[str, int], sources: Mapping[str, Source]) -> None:
    """Raise ConfigError for sizes that are zero, or more than what they are of."""
    for name in rules()["positive"]:
        if values.get(name) == 0 and sources[name].how != "default" and not _asked(name, model):
            raise ConfigError(f"{path}: {_stated(name, values, sources)} is not a whole number of at least 1")
    for name, most in rules()["at_most"].items():
        if name not in values or not values.get(most) or (values[most] == 1 and _asked(most, model)):
            continue
        if not 1 <= values[name] <= values[most]:
            both = f"{_stated(name, values, sources)} with {_stated(most, values, sources)}"
            raise ConfigError(f"{path}: {both}; expected at least 1 and not more than those")
    for name, most in rules()["up_to"].items():
        if name in values and values[name] > values.get(most, values[name]):
            both = f"{_stated(name, values, sources)} with {_stated(most, values, sources)}"
            raise ConfigError(f"{path}: {both}; expected not more than those")
    for name, needed in rules()["needs"].items():
        if values.get(name) and values.get(needed) == 0:
            both = f"{_stated(name, values, sources)} with {_stated(needed, values, sources)}"
            raise ConfigError(f"{path}: {both}; expected a whole number of at least 1")


def check_lists(path: str, model: Model, keys: Mapping[str, Any], layers: int) -> None:
    """Raise ConfigError for a list by layer that has another number of entries than there are layers."""
    stated = [keys.get(key) for key in rules()["drafts"]]
    allowed = {layers, *(layers + count for count in stated if isinstance(count, int) and not isinstance(count, bool))}
    for key in _by_layer(model):
        entries = keys.get(key)
        if not isinstance(entries, list) or (not entries and key in rules()["empty"]):
            continue
        count = len(cast(list[Any], entries))
        if count not in allowed:
            raise ConfigError(f"{path}: {key} has {count} entries, expected one for each of {layers} layers")


@cache
def rules() -> Mapping[str, Any]:
    """The rules, as grammar/sizes.toml has them."""
    return tomllib.loads((GRAMMAR / "sizes.toml").read_text(encoding="utf-8"))


def _stated(name: str, values: Mapping[str, int], sources: Mapping[str, Source]) -> str:
    source = sources[name]
    return f"{', '.join(source.keys) or source.meaning} = {values[name]}"


def _asked(name: str, node: Any) -> bool:
    """Whether the text of a model compares the size with a number: then it says itself what a small one means."""
    match node:
        case Binary("+" | "-" | "*" | "/", _, _):
            return False
        case Binary(_, Name(compared), _) if compared == name:
            return True
        case tuple():
            return any(_asked(name, part) for part in cast(tuple[Any, ...], node))
        case _ if is_dataclass(node) and not isinstance(node, Span):
            return any(_asked(name, getattr(node, part.name)) for part in fields(node))
        case _:
            return False


def _by_layer(model: Model) -> set[str]:
    """Keys whose entries a line reads layer by layer, one for each."""
    rows = [row for row in model.bindings if row.layer is not None]
    entries = [
        (row.layer, entry) for row in rows for choice in (*row.choices, *row.defaults) for entry in indexed(choice)
    ]
    return {entry.name.name for layer, entry in entries if isinstance(entry.index, Name) and entry.index.name == layer}
