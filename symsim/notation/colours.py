"""Colours of pictures and pages, by what they stand for (grammar/colours.toml)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache

from symsim.paths import GRAMMAR


@cache
def colours(ground: str = "light") -> Mapping[str, str]:
    """What is coloured -> its colour on a light or a dark ground, e.g. memory -> #2f6db2."""
    return tomllib.loads((GRAMMAR / "colours.toml").read_text(encoding="utf-8"))[ground]
