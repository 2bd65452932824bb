"""An id of a checkpoint, as people write it -> the bundled config that has its sizes and its format, by rule.

What the words of an id mean is text, configs/names.toml; what is bundled is configs/index.json, with the figures that
bundling/bundle.py counted. Nothing else is read to resolve a name.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from symsim.errors import ConfigError, did_you_mean, shortened
from symsim.paths import CONFIGS


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundled:
    """A bundled checkpoint. total, active: parameters, of one token; format: `weights x activations`; context: tokens.

    config: the name of the file that has its sizes, another checkpoint's where those are the same.
    """

    name: str
    id: str
    config: str
    total: int
    active: int
    format: str
    context: int | None

    @property
    def file(self) -> Path:
        """Its minimal config.json."""
        return CONFIGS / f"{self.config}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """What answers for an id: a bundled checkpoint, in the format of a recipe where its own is another."""

    checkpoint: Bundled
    recipe: str | None = None

    @property
    def name(self) -> str:
        """An id that is read as this again."""
        return self.checkpoint.name if self.recipe is None else f"{self.checkpoint.name}-{self.recipe}"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Words:
    """The words of an id: whose, what it is, how it was tuned, its number format."""

    vendor: str
    model: tuple[str, ...]
    tuned: frozenset[str]
    formats: frozenset[str]


def bundled_name(id: str) -> str:
    """The name of a checkpoint on the command line and of its file, from its Hugging Face id.

    >>> bundled_name("meta-llama/Meta-Llama-3.1-8B"), bundled_name("meta-llama/Llama-2-7b-hf")
    ('llama-3.1-8b', 'llama-2-7b')
    """
    return id.rpartition("/")[2].lower().removeprefix("meta-").removeprefix("nvidia-").removesuffix("-hf")


@cache
def bundled() -> Mapping[str, Bundled]:
    """The bundled checkpoints by name."""
    rows: Mapping[str, dict[str, Any]] = json.loads((CONFIGS / "index.json").read_text(encoding="utf-8"))
    found: dict[str, Bundled] = {}
    for name, row in rows.items():
        config = row.get("same", name)
        figures = {key: rows[config][key] for key in ("total", "active", "format", "context")}
        found[name] = Bundled(name=name, id=row["id"], config=config, **figures)
    return found


def checkpoint_id(name: str) -> str:
    """The Hugging Face id of a bundled checkpoint, its name where it is of a recipe.

    >>> checkpoint_id("llama-3.3-70b-instruct")
    'meta-llama/Llama-3.3-70B-Instruct'
    """
    found = bundled().get(name)
    return name if found is None else found.id


def resolve(id: str) -> Resolved:
    """The bundled checkpoint that an id names: in any case, with or without its vendor and how it was tuned.

    Raises ConfigError where none has these sizes in this format, with the nearest, or where several may be meant.

    >>> resolve("meta-llama/Llama-3.3-70B-Instruct").name, resolve("Qwen/Qwen3-14B-AWQ").name
    ('llama-3.3-70b-instruct', 'qwen3-14b-awq')
    """
    if id.lower() in bundled():
        return Resolved(checkpoint=bundled()[id.lower()])
    asked, id = id_words(id), shortened(id)
    same = _of_the_same_sizes(asked)
    if not same:
        raise ConfigError(f"no model {id!r}: neither a bundled name nor a file ({_nearest(id)})")
    answers = {item.name: item for item in _in_the_format(asked, same)}
    if not answers:
        there = _stated(checkpoint for _, checkpoint in same)
        raise ConfigError(f"no model {id!r} is bundled in that format; there is {there}")
    if len({(item.checkpoint.config, item.recipe) for item in answers.values()}) > 1:
        raise ConfigError(f"{id!r} may be any of {_stated(item.checkpoint for item in answers.values())}; say which")
    return next(iter(answers.values()))


def recipe_config(recipe: str) -> Mapping[str, Any]:
    """The `quantization_config` that a publisher writes; see configs/names.toml."""
    return _recipes()[recipe]["quantization_config"]


def _recipes() -> Mapping[str, Any]:
    return _rules()["recipes"]


@cache
def _rules() -> Mapping[str, Any]:
    return tomllib.loads((CONFIGS / "names.toml").read_text(encoding="utf-8"))


_SIZE = re.compile(r"\d+[bmtk]|\d+x\d+b|a\d+b|\d+e|\d+bit|w\d+a\d+")
_DATE = re.compile(r"2[3-9](0[1-9]|1[0-2])|(0[1-9]|1[0-2])[0-3]\d|20[2-3]\d")
_OPTIONAL = re.compile(r"a\d+b|\d+e")
"""Sizes that an id may leave out: active parameters and the number of experts."""


def id_words(id: str) -> _Words:
    """Split an id.

    >>> id_words("RedHatAI/Llama-4-Scout-17B-16E-Instruct-FP8-dynamic").model
    ('llama', '4', 'scout', '17b', '16e')
    >>> id_words("llama3_3-70B").model == id_words("Llama-3.3-70b").model, sorted(id_words("Qwen3-32B-FP8").formats)
    (True, ['fp8'])
    """
    vendor, _, own = id.lower().rpartition("/")
    parts = [part for chunk in re.findall(r"[a-z0-9]+", own) for part in _parts(chunk)]
    formats = frozenset(part for part in parts if part in _rules()["formats"])
    tuned = frozenset(part for part in parts if part in _rules()["tuned"] or _DATE.fullmatch(part))
    model: list[str] = []
    glue = False
    for part in parts:
        if part in formats or part in tuned:
            continue
        letters = part.isalpha() and part != "v"
        if glue and letters:
            model[-1] += part  # code-llama is codellama
        else:
            model.append(part)
        glue = letters
    return _Words(vendor=vendor.rpartition("/")[2], model=tuple(model), tuned=tuned, formats=formats)


def _parts(chunk: str) -> list[str]:
    """A size or a format is one word; else letters and numbers are apart, and so is the v of a version."""
    if _SIZE.fullmatch(chunk) or chunk in _rules()["formats"] or chunk in _rules()["tuned"]:
        return [chunk]
    return [part for run in re.findall(r"\d+[bmtk]?(?![a-z])|[a-z]+|\d+", chunk) for part in _version(run)]


def _version(run: str) -> list[str]:
    return [run[:-1], "v"] if len(run) > 1 and run.endswith("v") and run.isalpha() else [run]


@cache
def _spellings() -> Sequence[tuple[_Words, Bundled]]:
    """Every checkpoint under its name, its id and the ids of its variants."""
    variants: Mapping[str, Sequence[str]] = _rules()["variants"]
    return [
        (id_words(spelled), checkpoint)
        for checkpoint in bundled().values()
        for spelled in dict.fromkeys((checkpoint.id, checkpoint.name, *variants.get(checkpoint.name, ())))
    ]


def _of_the_same_sizes(asked: _Words) -> list[tuple[_Words, Bundled]]:
    """Those that the words name whole; else those that have them and a size or version that may be left out."""
    whole = [(spelled, found) for spelled, found in _spellings() if spelled.model == asked.model]
    return whole or [(spelled, found) for spelled, found in _spellings() if asked.model in _shorter(spelled.model)]


def _shorter(model: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """An id without its active size, without its version `v0.1` at the end, and without both."""
    total = tuple(word for word in model if not _OPTIONAL.fullmatch(word))
    for spelled in (model, total):
        yield spelled
        if "v" in spelled[2:]:
            yield spelled[: spelled.index("v", 2)]


def _in_the_format(asked: _Words, same: list[tuple[_Words, Bundled]]) -> Iterator[Resolved]:
    """The nearest of the same sizes that are in the format of the id, or that a recipe puts in it."""
    plain = frozenset(("bf16", "fp16"))
    own = [(spelled, found) for spelled, found in same if spelled.formats - plain == asked.formats - plain]
    if asked.formats & plain:
        own = [(spelled, found) for spelled, found in own if found.format.startswith("bf16")]
    if own:
        yield from (Resolved(checkpoint=found) for found in _closest(asked, own))
        return
    unnamed = [(spelled, found) for spelled, found in same if not spelled.formats - plain]
    stored = [(s, found) for s, found in unnamed if asked.formats <= set(re.findall(r"[a-z0-9]+", found.format))]
    if asked.formats & plain:  # of weights, not of what they are multiplied by
        stored = [(spelled, found) for spelled, found in stored if found.format.startswith("bf16")]
    if stored or asked.formats & plain:
        yield from (Resolved(checkpoint=found) for found in _closest(asked, stored))
        return
    for recipe, row in _recipes().items():
        if set(asked.formats) not in [set(spelled) for spelled in row["words"]]:
            continue
        ours = [(spelled, found) for spelled, found in unnamed if _writes(row, asked, spelled, found)]
        yield from (Resolved(checkpoint=found, recipe=recipe) for found in _closest(asked, ours))


def _writes(row: Mapping[str, Any], asked: _Words, spelled: _Words, found: Bundled) -> bool:
    """Whether the publisher writes this model so: one in bf16, and dense where the recipe is for those."""
    vendor = asked.vendor or found.id.partition("/")[0].lower()
    whose = "vendors" not in row or vendor in row["vendors"]
    return whose and found.format.startswith("bf16") and (found.total == found.active or not row.get("dense", False))


def _closest(asked: _Words, found: list[tuple[_Words, Bundled]]) -> Iterator[Bundled]:
    """Those whose vendor and tuning differ least from what is asked; any of them if they differ alike."""

    def distance(spelled: _Words) -> tuple[int, bool]:
        return len(spelled.tuned ^ asked.tuned), bool(asked.vendor) and spelled.vendor != asked.vendor

    least = min((distance(spelled) for spelled, _ in found), default=None)
    yield from dict.fromkeys(checkpoint for spelled, checkpoint in found if distance(spelled) == least)


def _nearest(id: str) -> str:
    """The sentence with the bundled names that are nearest; only those, for all of them are a page."""
    sentence = did_you_mean(bundled_name(id), bundled())
    return sentence if sentence.startswith("did you mean") else "`symsim list models` prints what is"


def _stated(found: Iterator[Bundled]) -> str:
    return ", ".join(f"{item.name} ({item.format})" for item in dict.fromkeys(found))
