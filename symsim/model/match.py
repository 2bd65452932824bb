"""Which model of a graph library serves a config, by the names that the config gives itself."""

from __future__ import annotations

from typing import Any, cast

from symsim.errors import ConfigError, UnsupportedArchitecture, did_you_mean
from symsim.inputs.config import ModelConfig
from symsim.language.tree import Library, Model


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
    for stated in _levels(config, library):
        served = {name: library.serving.get(name) for name in stated}
        if len({model for model in served.values() if model is not None}) > 1:
            one, other = list(served)[:2]
            raise ConfigError(f"{config.path} says that it is {one} and that it is {other}; keep the one that it is")
        first = library.serving.get(next(iter(served), ""))
        if first is not None and None not in list(served.values())[: max(1, len(served) - 1)]:
            return library.models[first]
    hint = did_you_mean(named[0], library.serving)
    raise UnsupportedArchitecture(
        f"{config.path}: the {library.name} graphs do not describe {named[0]} ({hint}); graphs/README.md shows how to "
        "add a model, and `symsim new-model` drafts one"
    )


def stated_names(config: ModelConfig, library: Library) -> list[str]:
    """Every name by which a config says what it is, the most telling first."""
    return [name for level in _levels(config, library) for name in level]


def _levels(config: ModelConfig, library: Library) -> list[list[str]]:
    """Architectures, then the model_type, of the config, and of its language model where it is a section."""
    nested = section_of(config, library)
    found: list[list[str]] = []
    for keys in [config.keys] if nested is None else [config.keys, config.keys[nested]]:
        architectures: Any = keys.get("architectures")
        stated = [*(cast(list[Any], architectures) if isinstance(architectures, list) else []), keys.get("model_type")]
        found.append([name for name in stated if isinstance(name, str)])
    return found


def section_of(config: ModelConfig, library: Library) -> str | None:
    """Where a multimodal config keeps its language model, if it is one."""
    return next((name for name in sorted(library.sections) if isinstance(config.keys.get(name), dict)), None)
