"""quantization/kv_cache.toml -> the formats that a KV cache is stored in, and the layouts of rows stored in parts."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

from symsim.errors import DeploymentError, did_you_mean
from symsim.paths import QUANTIZATION

PARTS = ("kv_latent", "kv_slot", "kv_rope")
"""What graphs tell apart in a row: latents of sparse attention, compressed keys that are the values too, and the
elements with a rotary position."""


@dataclass(frozen=True, slots=True)
class CacheLayout:
    """parts: part of a row -> bytes of an element, when the cache is in `format`; others are as the cache is."""

    name: str
    format: str | None
    parts: Mapping[str, Fraction]
    meaning: str
    source: str


@cache
def _table() -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    return tomllib.loads((QUANTIZATION / "kv_cache.toml").read_text(encoding="utf-8"))


def _bytes(row: Mapping[str, Any]) -> Fraction:
    """Bytes of an element with its part of a scale."""
    return Fraction(row["bits"], 8) + Fraction(row.get("scale_bits", 0), 8 * row.get("group", 1))


@cache
def kv_formats() -> Mapping[str, Fraction]:
    """Format -> bytes of an element, with its scale.

    >>> kv_formats()["q8_0"], kv_formats()["fp4"]
    (Fraction(17, 16), Fraction(9, 16))
    """
    return {name: _bytes(row) for name, row in _table()["format"].items()}


@cache
def kv_layouts() -> Mapping[str, CacheLayout]:
    """The layouts there are by name, the default first."""
    return {
        name: CacheLayout(
            name,
            row.get("format"),
            {part: _bytes(of) for part, of in row.get("parts", {}).items()},
            row["meaning"],
            row["source"],
        )
        for name, row in _table()["layout"].items()
    }


def kv_layout(name: str | None, kv: str) -> CacheLayout:
    """The layout of a cache in the format `kv`: as named, else the default where it is of this format, else plain.

    Raises DeploymentError for a name that is not there, or of another format.
    """
    layouts = kv_layouts()
    if name is None:
        return next(layout for layout in layouts.values() if layout.format in (kv, None))
    if name not in layouts:
        raise DeploymentError(f"kv_layout = {name!r} is not one of {', '.join(layouts)}; {did_you_mean(name, layouts)}")
    found = layouts[name]
    if found.format not in (kv, None):
        raise DeploymentError(f"kv_layout = {name} is of a cache in {found.format}, and this one is in {kv}")
    return found
