"""references/ -> the BibTeX entries that a compiled model rests on."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from symsim.api.costs import Costs
from symsim.paths import REFERENCES


def cited(costs: Costs, libraries: Iterable[str], symbols: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    """What a paper cites, by what for: always, architecture, cost_model, comm, overlap, library (of the tables), and of
    fitted coefficients measured (by whom), runs and kernel. symbols: of its formulas."""
    data, fitted = _cited(), costs.compiled.fitted
    sets = [] if fitted is None else [found for name, (found, _) in fitted.sets.items() if name in symbols]
    engine = None if fitted is None else fitted.engine
    runs = {} if engine is None else engine.sets
    names: Mapping[str, Iterable[str]] = {
        "architecture": costs.compiled.config.keys.get("architectures", ()),
        "cost_model": [costs.compiled.cost_model.name],
        "comm": [costs.compiled.deployment.comm],
        "overlap": [costs.compiled.deployment.overlap],
        "library": tuple(libraries),
        "measured": [one.engine for one in sets],
        "runs": [one.engine for name, one in runs.items() if name in symbols],
    }
    found = {kind: _keys(data[kind], words) for kind, words in names.items()}
    kernels = (key for one in sets for key in kernel_keys(one.kernel))
    return {"always": tuple(data["always"]), **found, "kernel": tuple(dict.fromkeys(kernels))}


def kernel_keys(kernel: str) -> tuple[str, ...]:
    """What is cited for a measured kernel, by its name."""
    words: Mapping[str, list[str]] = _cited()["kernel"]
    return tuple(dict.fromkeys(key for word, keys in words.items() if word in kernel.lower() for key in keys))


def reference(keys: Sequence[str]) -> str:
    r"""A citation of these entries, or nothing.

    >>> print(reference(["vllm", "sglang"]))
    ~\cite{vllm,sglang}
    """
    return f"~\\cite{{{','.join(dict.fromkeys(keys))}}}" if keys else ""


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
