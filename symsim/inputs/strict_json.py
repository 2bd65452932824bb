"""Keys of a JSON object, read strictly: a value that is not understood, or a key nobody reads, is refused by name."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from symsim.errors import ConfigError, did_you_mean


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


def mapping(where: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: expected a JSON object, found {type(value).__name__}")
    return cast(Mapping[str, Any], value)


def compiled(expression: str, where: str) -> None:
    try:
        re.compile(expression)
    except re.error as error:
        raise ConfigError(f"{where}: {expression!r} is not a regular expression: {error}") from None
