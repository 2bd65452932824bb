"""The modules for multi-token prediction that a checkpoint has beside its layers, and what layers those have.

A module joins the hidden state with the embedding of the next token, norms both, and has layers as the model has them,
a norm, and the model's embedding and LM head (DeepSeek-V3, arXiv:2412.19437, section 2.2). The keys that state them
are grammar/sizes.toml.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from symsim.model.config_keys import keys_in, section_of
from symsim.model.family import Family
from symsim.model.plausible import rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafter:
    """modules: how many; layers: the layers of the model that those of one module are like; key: where it is stated;
    width: of the hidden state."""

    modules: int
    layers: tuple[int, ...]
    key: str
    width: int

    @property
    def joined(self) -> int:
        """Parameters of a module besides those of its layers: the joining matrix and three norms."""
        return 2 * self.width**2 + 3 * self.width


def drafter_of(family: Family) -> Drafter | None:
    """The modules that the config states; None where it states none, or layers that are like none of the model's."""
    section = section_of(family.config, family.library)
    keys = family.config.keys if section is None else keys_in(family.config, section)
    name, known = family.model.name, rules()
    stated = next(((key, keys[key]) for key in known["drafts"] if keys.get(key)), ("", 0))
    key, modules = ("the family", known["draft_modules"][name]) if name in known["draft_modules"] else stated
    layers = _layers(keys, sum(len(kind.layers) for kind in family.sizes.kinds))
    if name in known["draft_like"]:
        layers = (known["draft_like"][name],)
    if not isinstance(modules, int) or modules < 1 or not layers or "D" not in family.sizes.values:
        return None
    return Drafter(modules=modules, layers=layers, key=key, width=family.sizes.values["D"])


def _layers(keys: Mapping[str, Any], count: int) -> tuple[int, ...]:
    """The last layer, or the last one of each sort that the config lists for a module."""
    for listed, ours in rules()["draft_layers"].items():
        if not keys.get(listed):
            continue
        named = [list(cast(Any, keys.get(key) or ())) for key in (listed, ours)]
        found = [max((i for i, sort in enumerate(named[1][:count]) if sort == own), default=-1) for own in named[0]]
        return () if -1 in found else tuple(found)
    return (count - 1,) if count else ()
