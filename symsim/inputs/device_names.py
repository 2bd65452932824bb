"""Device names as people write them -> bundled names, and changes told in words."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache

from symsim.algebra.units import parse_quantity
from symsim.errors import BadUnit, DataError, UnknownField, did_you_mean, shortened
from symsim.paths import GRAMMAR

_CHANGE = re.compile(r"\s*(\w+)\s*(?:([x×*])\s*(\S+)|=\s*(.+?))\s*", re.DOTALL)
_MEMORY = re.compile(r"\d+gi?b?")


@cache
def _words() -> Mapping[str, tuple[str, ...]]:
    found = tomllib.loads((GRAMMAR / "device_names.toml").read_text(encoding="utf-8"))
    return {name: tuple(words) for name, words in found.items()}


def bundled_device(asked: str, bundled: Iterable[str]) -> str | None:
    """The bundled device that a name in any common spelling means; None where none is, or several could be.

    >>> bundled_device("NVIDIA H100_SXM 80GB", ["h100", "h100-pcie"])
    'h100'
    >>> bundled_device("A100-SXM4-40GB", ["a100-40", "a100-80"])
    'a100-40'
    """
    names = {_joined(name.split("-")): name for name in bundled}
    words = [word for word in re.split(r"[\s_-]+", asked.strip().lower()) if word]
    told = [word for word in words if word not in (*_words()["vendors"], *_words()["forms"])]
    sized = [re.sub(r"(?<=\d)gi?b?$", "", word) for word in told]
    bare = [word for word in told if not _MEMORY.fullmatch(word) or word == told[0]]
    for parts in (words, told, sized, bare):
        for spelled in (_joined(parts), *(_joined([family, *parts]) for family in _words()["families"])):
            if parts and spelled in names:
                return names[spelled]
    return None


def _joined(words: Iterable[str]) -> str:
    return "".join(words)


@dataclass(frozen=True, slots=True)
class Change:
    """field: of a device; factor: what its figure is multiplied by, or None; value: what it is instead, SI."""

    field: str
    factor: Fraction | None
    value: Fraction | None
    words: str


def split_changes(asked: str) -> tuple[str, str | None]:
    """A device and the changes in words behind ` with `, if any."""
    device, found, changes = asked.partition(" with ")
    if not found and asked.rstrip().endswith(" with"):
        return asked.rstrip().removesuffix(" with"), ""
    return device.strip(), changes if found else None


def changes_in(words: str, dimensions: Mapping[str, str]) -> Iterator[Change]:
    """The changes of a text such as `hbm_bandwidth x 1.3, nvlink_bandwidth = 225 GB/s`.

    Raises DataError or UnknownField for a change that cannot be read.
    """
    seen: set[str] = set()
    for part in words.split(","):
        match = _CHANGE.fullmatch(part)
        if match is None:
            example = "hbm_bandwidth x 1.3 or nvlink_bandwidth = 225 GB/s"
            raise DataError(f"with {shortened(part.strip())!r}: expected a change of the device, as {example}")
        field, _, factor, value = match.groups()
        if field not in dimensions:
            raise UnknownField(f"with {field}: a device has no such figure; {did_you_mean(field, dimensions)}")
        if field in seen:
            raise DataError(f"with {shortened(words)!r}: {field} is changed twice; keep one")
        seen.add(field)
        yield _change(field, factor, value, dimensions[field], part.strip())


def _change(field: str, factor: str | None, value: str | None, dimension: str, words: str) -> Change:
    try:
        number = parse_quantity(str(value), dimension) if factor is None else parse_quantity(factor, "1")
    except BadUnit as error:
        raise BadUnit(f"with {words!r}: {error}") from None
    if number <= 0:
        raise DataError(f"with {words!r}: {field} must be above zero")
    return Change(field, number, None, words) if factor is not None else Change(field, None, number, words)
