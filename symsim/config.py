"""Hugging Face config.json -> ModelConfig, and the sizes that a model of a graph library reads from it.

Nothing is defaulted silently: an absent key is an error unless the graph itself says `else`, two spellings that
disagree are an error, and every key that no graph line read is known by name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from symsim.errors import ConfigError, MissingConfigKey, UndefinedName, UnsupportedArchitecture, did_you_mean
from symsim.paths import CONFIGS, shown
from symsim.tree import Binary, Binding, Expression, Library, Model, Name, Negative, Number


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """One config.json: where it is from (as shown to the user) and its keys."""

    path: str
    keys: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sizes:
    """The architecture numbers of one config under one model of a library.

    values: symbol -> integer; keys: symbol -> the config key it was read from, or the default's text;
    unread: `key = value` of keys that may change cost and that the graph does not describe; omitted: keys it leaves
    out on purpose.
    """

    values: Mapping[str, int]
    keys: Mapping[str, str]
    unread: tuple[str, ...]
    omitted: tuple[str, ...]


def bundled_models() -> tuple[str, ...]:
    """Names of the configs that ship with symsim."""
    return tuple(sorted(path.stem for path in CONFIGS.glob("*.json")))


def load_config(model: str | Path) -> ModelConfig:
    """A bundled name, a path to a config.json, or a folder that holds one.

    Raises ConfigError when there is no such file or it is not a JSON object.
    """
    if str(model).lower() in bundled_models():
        path = CONFIGS / f"{str(model).lower()}.json"
    else:
        path = Path(model)
        path = path / "config.json" if path.is_dir() else path
    if not path.is_file():
        raise ConfigError(
            f"no model {str(model)!r}: neither a bundled name nor a file ({did_you_mean(str(model), bundled_models())})"
        )
    stat = path.stat()
    return _read(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=256)
def _read(path: Path, modified: int, size: int) -> ModelConfig:
    """Cached by the file's time and size, so that sweeps read a config once."""
    name = shown(path)
    try:
        keys = json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ConfigError(f"{name} is not a text file; expected the config.json of a model") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{name}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    if not isinstance(keys, dict):
        raise ConfigError(f"{name}: expected a JSON object with the keys of a model, found {type(keys).__name__}")
    return ModelConfig(name, cast(Mapping[str, Any], keys))


def find_model(config: ModelConfig, library: Library) -> Model:
    """The model of the library that serves the config's architecture (or its model_type).

    Raises UnsupportedArchitecture with the nearest known names; never guesses.
    """
    serving = {name: model for model in library.models.values() for name in model.serves}
    named: Any = config.keys.get("architectures") or [config.keys.get("model_type")]
    architectures = [name for name in named if isinstance(name, str)] if isinstance(named, list) else []
    if not architectures:
        raise UnsupportedArchitecture(
            f"{config.path}: neither `architectures` nor `model_type` names a model; is it a model's config.json?"
        )
    for name in architectures:
        if name in serving:
            return serving[name]
    hint = did_you_mean(architectures[0], serving)
    raise UnsupportedArchitecture(
        f"{config.path}: the {library.name} graphs do not describe {architectures[0]} ({hint})"
    )


def read_sizes(config: ModelConfig, model: Model, library: Library) -> Sizes:
    """Read what the model's `config:` section asks for.

    Raises MissingConfigKey for an absent key, ConfigError for a value that is no whole number, or two spellings
    of one key that disagree.
    """
    keys = _section(config, model)
    values: dict[str, int] = {}
    sources: dict[str, str] = {}
    for binding in model.bindings:
        values[binding.symbol], sources[binding.symbol] = _bind(binding, keys, values, config.path, model)
    read = {key for binding in model.bindings for key in binding.keys}
    expected = {expect.key: expect.value for expect in model.expects}
    odd = [key for key, value in expected.items() if keys.get(key) not in (None, value)]
    described = read | library.neutral | library.omitted | set(expected)
    unread = sorted([*odd, *(key for key, value in keys.items() if key not in described and value is not None)])
    omitted = sorted(key for key in library.omitted - read if keys.get(key))
    stated = tuple(f"{key} = {keys.get(key)!r}" for key in unread)
    return Sizes(values, sources, stated, tuple(omitted))


def _section(config: ModelConfig, model: Model) -> Mapping[str, Any]:
    """The config's keys; those of the section that the model names, where there is one, come first."""
    if model.section is None:
        return config.keys
    section = config.keys.get(model.section)
    return {**config.keys, **cast(Mapping[str, Any], section)} if isinstance(section, dict) else config.keys


def _bind(
    binding: Binding, keys: Mapping[str, Any], values: Mapping[str, int], path: str, model: Model
) -> tuple[int, str]:
    present = [key for key in binding.keys if keys.get(key) is not None]
    if not present:
        if binding.default is None:
            wanted = " or ".join(f"`{key}`" for key in binding.keys)
            raise MissingConfigKey(
                f"{path}: {model.serves[0]} needs {wanted} ({binding.symbol} at {binding.span}), which is absent; "
                f"{did_you_mean(binding.keys[0], keys)}"
            )
        return _whole(_number(binding.default, values), path, binding.keys[0], 0), f"default of {binding.keys[0]}"
    if len({repr(keys[key]) for key in present}) > 1:
        stated = ", ".join(f"{key} = {keys[key]!r}" for key in present)
        raise ConfigError(f"{path}: {stated} name the same size and disagree; keep one")
    least = 0 if binding.default == Number(Fraction(0)) else 1
    value = keys[present[0]]
    if isinstance(value, bool) and binding.default is not None:  # a switch: the default says so
        return int(value), present[0]
    return _whole(value, path, present[0], least), present[0]


def _whole(value: Any, path: str, key: str, least: int) -> int:
    """The value as an integer. A size may be zero only where the graph says `else 0`."""
    number = isinstance(value, (int, Fraction)) and not isinstance(value, bool)
    if number and value >= least and Fraction(value).denominator == 1:
        return int(value)
    text = str(value) if isinstance(value, Fraction) else json.dumps(value)
    raise ConfigError(f"{path}: {key} = {text} is not a whole number of at least {least}")


def _number(expression: Expression, values: Mapping[str, int]) -> Fraction:
    """A default of the `config:` section, e.g. D/H, in the sizes read so far."""
    match expression:
        case Number(value):
            return value
        case Name(name, span):
            if name not in values:
                raise UndefinedName(span, f"{name} is not read before this line; {did_you_mean(name, values)}")
            return Fraction(values[name])
        case Negative(operand):
            return -_number(operand, values)
        case Binary("+", left, right):
            return _number(left, values) + _number(right, values)
        case Binary("-", left, right):
            return _number(left, values) - _number(right, values)
        case Binary("*", left, right):
            return _number(left, values) * _number(right, values)
        case Binary("/", left, right):
            return _number(left, values) / _number(right, values)
        case _:
            raise ConfigError("a default in a `config:` section may use + - * / of sizes read before it")
