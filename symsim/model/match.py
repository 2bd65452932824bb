"""Which model of a graph library serves a config, by the names that the config gives itself."""

from __future__ import annotations

from dataclasses import replace
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Any, cast

from symsim.errors import ConfigError, UnsupportedArchitecture, did_you_mean
from symsim.inputs.config import ModelConfig
from symsim.language.tree import Binding, Library, Model, Name, Named, Node, Number
from symsim.model.config_keys import keys_in, section_of


def find_model(config: ModelConfig, library: Library) -> Model:
    """The model of the library that serves the config: by its architectures, then by its model_type.

    A multimodal config is served by what describes it or its language model. Raises UnsupportedArchitecture with the
    nearest known names; never guesses.
    """
    named = stated_names(config, library)
    if not named:
        raise UnsupportedArchitecture(
            f"{config.path}: neither `architectures` nor `model_type` names a model; is it a model's config.json?"
        )
    _agree(config, library)
    for stated in _levels(config, library):
        stated = _telling(stated, library)
        ends = {name: end_of(name, library) for name in stated}
        end = next(filter(None, ends.values()), None)
        served = {name: library.serving.get(name) for name in stated if ends[name] is None}
        if len({model for model in served.values() if model is not None}) > 1:
            one, other = list(served)[:2]
            raise ConfigError(f"{config.path} says that it is {one} and that it is {other}; keep the one that it is")
        first = library.serving.get(next(iter(served), ""))
        if first is not None and None not in list(served.values())[: max(1, len(served) - 1)]:
            return library.models[first] if end in (None, "logits") else _ended(library.models[first], end, config)
    hint = did_you_mean(named[0], library.serving)
    raise UnsupportedArchitecture(
        f"{config.path}: the {library.name} graphs do not describe {named[0]} ({hint}); graphs/README.md shows how to "
        "add a model, and `symsim new-model` drafts one"
    )


def _telling(stated: list[str], library: Library) -> list[str]:
    """The one of the names of a level that counts, where files are known to have another family's beside it."""
    first, last = stated[:1], stated[-1:]
    if last and last[0] in library.by_model_type:
        return last
    return first if first and first[0] in library.by_architecture else stated


def _agree(config: ModelConfig, library: Library) -> None:
    """Raise ConfigError for a language model that is another than what the config around it says."""
    levels = [[name for name in level if name in library.serving] for level in _levels(config, library)]
    if len(levels) == 2 and all(levels) and library.serving[levels[0][0]] != library.serving[levels[1][0]]:
        outer, inner = levels[0][0], levels[1][0]
        key = "model_type" if config.keys.get("model_type") == outer else "architectures"
        raise ConfigError(
            f"{config.path}: {key} = {outer}, and its {section_of(config, library)} is {inner}; keep the one that it is"
        )


def end_of(architecture: str, library: Library) -> str | None:
    """The block with which an architecture ends that no model is stated for, where its name says that; or none."""
    if architecture in library.serving:
        return None
    ends = library.ends.items()
    return next((end for end, patterns in ends if any(fnmatchcase(architecture, p) for p in patterns)), None)


def _ended(model: Model, end: str, config: ModelConfig) -> Model:
    """The model with another block in place of `logits`; a table that it shares is the embedding's alone."""
    labels = Named("labels", Name("labels", model.span), model.span)
    shape = (labels,) if end.startswith("score") else ()
    body = tuple(
        replace(node, op=end, shape=(*node.shape, *shape)) if isinstance(node, Node) and node.op == "logits" else node
        for node in model.body
    )
    rows = tuple(
        replace(row, choices=(Number(Fraction(0)),), null=None, defaults=()) if row.symbol == "tied" else row
        for row in model.bindings
    )
    scored = Binding("labels", None, (Number(Fraction(_labels(config))),), None, (), model.span)
    keys = model.ignores | {"tie_word_embeddings", "tie_encoder_decoder", "num_labels"}
    return replace(model, end=end, body=body, bindings=(*rows, scored) if shape else rows, ignores=keys)


def _labels(config: ModelConfig) -> int:
    """Scores of a sequence as transformers has them: of a classifier two where nothing is stated, of a reward one."""
    named = config.keys.get("id2label")
    stated = config.keys.get("num_labels", len(cast(Any, named)) if isinstance(named, dict) else None)
    if isinstance(stated, int) and stated > 0:
        return stated
    architectures = str(config.keys.get("architectures"))
    return 2 if "SequenceClassification" in architectures or "ProcessReward" in architectures else 1


def taken_for(config: ModelConfig, library: Library, model: Model) -> tuple[str, ...]:
    """The sentence on an architecture that is not described and is read by its model_type; or none."""
    unknown = [name for name in stated_names(config, library) if end_of(name, library) == "logits"]
    return tuple(
        f"{config.path}: {name} is not described; taken for {model.name} by its model_type" for name in unknown[:1]
    )


def stated_names(config: ModelConfig, library: Library) -> list[str]:
    """Every name by which a config says what it is, the most telling first."""
    return [name for level in _levels(config, library) for name in level]


def _levels(config: ModelConfig, library: Library) -> list[list[str]]:
    """Architectures, then the model_type, of the config, and of its language model where it is a section."""
    nested = section_of(config, library)
    found: list[list[str]] = []
    for keys in [config.keys] if nested is None else [config.keys, keys_in(config, nested)]:
        architectures: Any = keys.get("architectures")
        stated = [*(cast(list[Any], architectures) if isinstance(architectures, list) else []), keys.get("model_type")]
        found.append([name for name in stated if isinstance(name, str)])
    return found
