"""Hugging Face config.json -> ModelConfig, and the model of a graph library that serves it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from symsim.errors import ConfigError, UnsupportedArchitecture, did_you_mean
from symsim.paths import CONFIGS, shown
from symsim.tree import Library, Model


@dataclass(frozen=True, slots=True, eq=False)
class ModelConfig:
    """One config.json: where it is from (as shown to the user), its keys, and the file itself.

    Equal to itself only, so that what is read from a config can be cached by it.
    """

    path: str
    keys: Mapping[str, Any]
    file: Path | None = None


def bundled_models() -> tuple[str, ...]:
    """Names of the configs that ship with symsim."""
    return tuple(sorted(path.stem for path in CONFIGS.glob("*.json")))


def load_config(model: str | Path) -> ModelConfig:
    """A bundled name, a path to a config.json, or a folder that holds one.

    Raises ConfigError when there is no such file or it is not a JSON object.
    """
    if str(model).lower() in bundled_models():
        path = CONFIGS / f"{str(model).lower()}.json"
    else:
        path = Path(model)
        path = path / "config.json" if path.is_dir() else path
    if not path.is_file():
        raise ConfigError(
            f"no model {str(model)!r}: neither a bundled name nor a file ({did_you_mean(str(model), bundled_models())})"
        )
    stat = path.stat()
    return _read(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=256)
def _read(path: Path, modified: int, size: int) -> ModelConfig:
    """Cached by the file's time and size, so that sweeps read a config once."""
    name = shown(path)
    try:
        keys = json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ConfigError(f"{name} is not a text file; expected the config.json of a model") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{name}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    if not isinstance(keys, dict):
        raise ConfigError(f"{name}: expected a JSON object with the keys of a model, found {type(keys).__name__}")
    return ModelConfig(name, cast(Mapping[str, Any], keys), path)


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
