"""references/ -> the BibTeX entries that a compiled model rests on."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from symsim.api.costs import Costs
from symsim.paths import REFERENCES


def cited(costs: Costs, libraries: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """What a paper cites, by what for: always, architecture, cost_model, comm, overlap, library (of the tables)."""
    data = _cited()
    names: Mapping[str, Iterable[str]] = {
        "architecture": costs.compiled.config.keys.get("architectures", ()),
        "cost_model": [costs.compiled.cost_model.name],
        "comm": [costs.compiled.deployment.comm],
        "overlap": [costs.compiled.deployment.overlap],
        "library": tuple(libraries),
    }
    found = {kind: _keys(data[kind], words) for kind, words in names.items()}
    return {"always": tuple(data["always"]), **found}


def _keys(by_word: Mapping[str, list[str]], names: Iterable[str]) -> tuple[str, ...]:
    """The keys of the longest word that each name begins with."""
    chosen = [max((word for word in by_word if name.startswith(word)), key=len, default=None) for name in names]
    return tuple(dict.fromkeys(key for word in chosen if word is not None for key in by_word[word]))


def bibliography(keys: Iterable[str]) -> str:
    """BibTeX of these entries, in the order of the file."""
    wanted = set(keys)
    return "\n\n".join(text for key, text in entries().items() if key in wanted)


@cache
def entries() -> Mapping[str, str]:
    """Key -> entry of references.bib."""
    text = (REFERENCES / "references.bib").read_text(encoding="utf-8")
    return {
        found.group(1): found.group() for found in re.finditer(r"^@\w+\{(\w+),.*?^\}", text, re.MULTILINE | re.DOTALL)
    }


@cache
def _cited() -> Mapping[str, Any]:
    return tomllib.loads((REFERENCES / "cited.toml").read_text(encoding="utf-8"))
