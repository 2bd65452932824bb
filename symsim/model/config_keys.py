"""Keys of a config: of a section or one in another, and of a multimodal config those of its language model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from symsim.errors import ConfigError, shortened
from symsim.inputs.config import ModelConfig
from symsim.language.tree import Library, Model


def section_of(config: ModelConfig, library: Library) -> str | None:
    """Where a multimodal config keeps its language model, if it is one.

    Raises ConfigError for a section beside which the config states a language model's own keys, other than there.
    """
    there = [name for name in sorted(library.sections) if _section(config, name) is not None]
    if len(there) > 1:
        raise ConfigError(f"{config.path}: {' and '.join(there)} would each be its language model; keep one")
    name = next(iter(there), None)
    inner = keys_in(config, name) if name is not None else {}
    stray = [
        key for key in ("hidden_size", "num_hidden_layers") if key in config.keys and config.keys[key] != inner.get(key)
    ]
    if name is not None and stray:
        raise ConfigError(
            f"{config.path}: {name} = {shortened(repr(dict(inner)))} beside {stray[0]} = {config.keys[stray[0]]}; "
            "expected a language model in one place, there or around it"
        )
    return name


def keys_in(config: ModelConfig, section: str) -> Mapping[str, Any]:
    """The keys of a section, which may lie in another: `thinker_config.text_config`."""
    return _section(config, section) or {}


def _section(config: ModelConfig, section: str) -> Mapping[str, Any] | None:
    found = value_of_key(section, config.keys)
    return cast(Mapping[str, Any], found) if isinstance(found, Mapping) else None


def keys_of_model(config: ModelConfig, model: Model, library: Library) -> Mapping[str, Any]:
    """The keys that the model sees: of a multimodal config those of its language model, as transformers hands them on.

    A model that names a section itself also sees the keys around it.
    """
    section = section_of(config, library)
    if section is not None:
        return keys_in(config, section)
    own = config.keys.get(model.section) if model.section else None
    return {**config.keys, **cast(Mapping[str, Any], own)} if isinstance(own, dict) else config.keys


def value_of_key(name: str, keys: Mapping[str, Any]) -> Any:
    """The value of a key, dotted where it is in a section; None where there is none."""
    found: Any = keys
    for part in name.split("."):
        found = found.get(part) if isinstance(found, dict) else None
    return found


def has_key(name: str, keys: Mapping[str, Any]) -> bool:
    """Whether a key is there, be it null."""
    section, _, last = name.rpartition(".")
    holder = value_of_key(section, keys) if section else keys
    return isinstance(holder, Mapping) and last in holder
