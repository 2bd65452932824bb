"""Does a pattern of a quantisation config name a module? Each library compares in its own way."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib import import_module
from typing import Any

from symsim.errors import ConfigError, shortened

_ROOTS = ("model", "language_model", "text_model", "transformer", "backbone", "llm", "thinker", "base_model")
"""Words that stand before a text model's own modules, alone or several; towers, encoders and MTP have others."""

_WRAPPERS = (
    "model.language_model.",
    "language_model.model.",
    "model.text_model.",
    "language_model.",
    "model.",
    "backbone.",
    "transformer.",
    "language_model.backbone.",
    "language_model.transformer.",
    "thinker.model.",
    "llm.model.",
)
"""The ways in which checkpoints spell them."""


_NOT = re.compile(r"\^?\(\?!((?:[^()\\]|\\.|\([^()]*\))*)\)")
"""`not this` at the start of an expression, which some checkpoints use to name all modules but a few."""


@lru_cache(maxsize=65536)
def _expression(text: str) -> tuple[Any, tuple[Any, ...]]:
    """What a path must match from its start, and what it must not; by RE2, whose time is linear in path and pattern.

    A checkpoint's patterns are a stranger's, and Python's own matcher takes for ever on some. Raises ConfigError.
    """
    re2 = import_module("re2")  # a third of a millisecond that most checkpoints do not need
    options = re2.Options()
    options.log_errors = False
    unwanted: list[str] = []
    wanted = text
    while found := _NOT.match(wanted):
        unwanted.append(found[1])
        wanted = wanted[found.end() :]
    try:
        return re2.compile(wanted, options), tuple(re2.compile(one, options) for one in unwanted)
    except re2.error as error:
        why = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else error
        raise ConfigError(f"{shortened(text)!r} is not a regular expression that RE2 reads: {why}") from None


def check_expression(text: str, where: str) -> None:
    """Raises ConfigError with the place where a pattern is no regular expression."""
    try:
        _expression(text)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None


def _matches(expression: str, module: str) -> bool:
    wanted, unwanted = _expression(expression)
    return wanted.match(module) is not None and all(one.match(module) is None for one in unwanted)


def _transformers(pattern: str, module: str) -> bool:
    """`should_convert_module` of transformers: a regular expression from the start, or the end of the path."""
    return module.endswith(pattern) or _matches(pattern, module)


def _substring(pattern: str, module: str) -> bool:
    """AutoAWQ and vLLM's `is_layer_skipped_awq`."""
    return pattern in module


def _equal_or_regex(pattern: str, module: str) -> bool:
    """`match_name` of compressed-tensors: the whole path, or after `re:` an expression from its start."""
    if pattern.startswith("re:"):
        return _matches(pattern.removeprefix("re:"), module)
    return pattern == module


def _equal_glob_or_regex(pattern: str, module: str) -> bool:
    """Quark: as compressed-tensors; a wildcard may stand in `exclude` and in `layer_quant_config`."""
    return _equal_or_regex(pattern, module) or fnmatchcase(module, pattern)


def _glob(pattern: str, module: str) -> bool:
    """ModelOpt: a wildcard for the whole path, or a run of its components, which names all modules inside, or `re:`.

    vLLM tests for a substring, TensorRT-LLM for the wildcard alone; whole components give both answers without
    `mlp.gate` naming `mlp.gate_proj`.
    """
    if pattern.startswith("re:"):
        return _matches(pattern.removeprefix("re:"), module)
    return fnmatchcase(module, pattern) or f".{pattern}." in f".{module}."


def _regex(pattern: str, module: str) -> bool:
    """GPTQModel's `dynamic`."""
    return _matches(pattern, module)


MATCHERS: Mapping[str, Callable[[str, str], bool]] = {
    "transformers": _transformers,
    "substring": _substring,
    "equal or re:": _equal_or_regex,
    "equal, glob or re:": _equal_glob_or_regex,
    "glob": _glob,
    "regex": _regex,
}
"""How a library compares a pattern with a module's path, by the name in quantization/methods.toml."""


def core(module: str) -> str:
    """The path without what wraps a text model, which differs between checkpoints and versions of transformers.

    >>> core("language_model.model.layers.3.mlp.gate"), core("backbone.layers.3.mlp.gate"), core("lm_head")
    ('layers.3.mlp.gate', 'layers.3.mlp.gate', 'lm_head')
    """
    first, dot, rest = module.partition(".")
    while dot and first in _ROOTS:
        module = rest
        first, dot, rest = module.partition(".")
    return module


@lru_cache(maxsize=65536)
def module_spellings(module: str) -> tuple[str, ...]:
    """The path as given, without wrapper, and under every wrapper."""
    own = core(module)
    return tuple(dict.fromkeys((module, own, *(wrapper + own for wrapper in _WRAPPERS))))


_LITERAL = re.compile(r"[\w.*-]*")
_LAYER = re.compile(r"[a-z](?<!experts)\.(\d+)\.")


@lru_cache(maxsize=65536)
def layer_named(pattern: str) -> str | None:
    """The index of the one layer that a pattern can name, where its text says so; lists name hundreds of layers.

    >>> layer_named("model.layers.17.self_attn*"), layer_named("model.layers.1*"), layer_named("lm_head")
    ('17', None, None)
    """
    found = _LAYER.search(pattern) if _LITERAL.fullmatch(pattern) else None
    return found and found[1]


def layer_of(module: str) -> str | None:
    """The index of the layer that a module is in.

    >>> layer_of("model.layers.3.mlp.experts.7.up_proj"), layer_of("lm_head")
    ('3', None)
    """
    found = _LAYER.search(module)
    return found and found[1]


@lru_cache(maxsize=65536)
def names_module(how: str, pattern: str, module: str) -> bool:
    """Whether the pattern names the module, in any of its spellings, as the library that is called `how` compares.

    >>> names_module("transformers", "model.layers.*.self_attn", "model.layers.3.self_attn.q_proj")
    True
    >>> names_module("glob", "lm_head", "language_model.lm_head")
    True
    >>> names_module("glob", "mlp.gate", "model.layers.1.mlp.gate_proj")
    False
    """
    matches = MATCHERS[how]
    return any(matches(pattern, spelling) for spelling in module_spellings(module))
