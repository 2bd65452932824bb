"""Keys of a JSON object, read strictly: a value that is not understood, or a key nobody reads, is refused by name."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from symsim.errors import ConfigError, did_you_mean, shortened
from symsim.paths import display_path, read_text


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of one JSON object, and where it is, for messages."""

    where: str
    values: Mapping[str, Any]

    def refuse(self, key: str, expected: str) -> ConfigError:
        value = json.dumps(self.values.get(key))
        return ConfigError(f"{self.where}: {key} = {value} is not understood; expected {expected}")

    def chosen(self, key: str, choices: Iterable[Any], default: Any = None) -> Any:
        """The value, which must be one of the choices."""
        value = self.values.get(key, default)
        known = list(choices)
        if value not in known:
            raise self.refuse(key, " or ".join(json.dumps(choice) for choice in known))
        return value

    def whole(self, *spellings: str, default: int | None = None) -> int:
        """A whole number under one of the spellings."""
        key = next((name for name in spellings if self.values.get(name) is not None), spellings[0])
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.refuse(key, "a whole number")
        return value

    def strings(self, *spellings: str) -> tuple[str, ...]:
        """The names under every spelling that is present."""
        found: list[str] = []
        for key in spellings:
            value = self.values.get(key)
            if value is None:
                continue
            if not isinstance(value, list) or not all(isinstance(name, str) for name in cast(list[object], value)):
                raise self.refuse(key, "a list of module names")
            found += cast(list[str], value)
        return tuple(found)

    def section(self, key: str) -> Keys | None:
        """The object under the key, or None where it is absent."""
        value = self.values.get(key)
        return None if value is None else Keys(f"{self.where}.{key}", mapping(f"{self.where}.{key}", value))

    def sections(self) -> Iterator[tuple[str, Keys]]:
        """Every key with the object under it."""
        for key, value in self.values.items():
            yield key, Keys(f"{self.where}.{key}", mapping(f"{self.where}.{key}", value))

    def only(self, *known: str) -> None:
        """Refuse a key that is not known; one that is null says nothing."""
        for key, value in self.values.items():
            if value is not None and key not in known:
                hint = did_you_mean(key, known)
                raise ConfigError(f"{self.where}: {key} = {json.dumps(value)} may change cost; {hint}")


def read_object(path: Path, what: str) -> Mapping[str, Any]:
    """The JSON object in a file. what: its keys are, for messages.

    Raises ConfigError with the place where it is no JSON, or holds a key twice or a number that no config has.
    """
    name, text = display_path(path), read_text(path, ConfigError)
    try:
        found = json.loads(text, parse_int=_whole, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise ConfigError(f"{name}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise ConfigError(f"{name}: brackets are nested too deeply; expected a JSON object with {what}") from None
    except _Odd as error:
        raise ConfigError(f"{name}: {error}") from None
    if not isinstance(found, dict):
        raise ConfigError(f"{name}: expected a JSON object with {what}, found {type(found).__name__}")
    return cast(Mapping[str, Any], found)


class _Odd(Exception):
    """What json reads and no config means."""


def _whole(text: str) -> int:
    if len(text) > _DIGITS:
        raise _Odd(f"{shortened(text, 20)} has {len(text)} digits; expected numbers of up to {_DIGITS}")
    return int(text)


_DIGITS = 100
"""Of a whole number in a config; 10^30 stands in some for `no limit`."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise _Odd(f"{next(name for name in names if names.count(name) > 1)} is there twice; keep one")
    return found


def mapping(where: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: expected a JSON object, found {type(value).__name__}")
    return cast(Mapping[str, Any], value)
