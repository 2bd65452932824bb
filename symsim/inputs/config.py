"""Hugging Face config.json -> ModelConfig."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from symsim.errors import ConfigError, shortened
from symsim.inputs.hub import from_hub
from symsim.inputs.model_names import Resolved, bundled, recipe_config, resolve
from symsim.inputs.strict_json import read_object
from symsim.paths import display_path, is_file


@dataclass(frozen=True, slots=True, eq=False)
class ModelConfig:
    """One config.json: where it is from (as shown to the user), its keys, the file itself, and its bundled name.

    Equal to itself only, so that what is read from a config can be cached by it.
    """

    path: str
    keys: Mapping[str, Any]
    file: Path | None = None
    name: str | None = None


def load_config(model: str | Path) -> ModelConfig:
    """A bundled name, the id of a checkpoint, a path to a config.json, or a folder that holds one.

    Raises ConfigError when there is no such file or it is not a JSON object, or when an id is not known.
    """
    name = str(model)
    path = Path(model) if is_file(Path(model)) else Path(model) / "config.json"
    if name.lower() not in bundled() and (is_file(path) or _is_path(model)):
        if not is_file(path):
            raise ConfigError(f"no model {shortened(name, 240)!r}: no such file, nor a folder with a config.json")
        return _read(path, *_stamp(path))
    try:
        found = resolve(name)
    except ConfigError as error:
        path = from_hub(name, str(error))
        return _read(path, *_stamp(path))
    return _bundled(found, *_stamp(found.checkpoint.file))


def _is_path(model: str | Path) -> bool:
    """Whether it can only be meant as a file: by its type, its ending or its beginning."""
    return isinstance(model, Path) or model.endswith(".json") or model.startswith(("/", "./", "../", "~"))


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=256)
def _bundled(found: Resolved, modified: int, size: int) -> ModelConfig:
    """Cached as `_read` is."""
    config = _read(found.checkpoint.file, modified, size)
    if found.recipe is None:
        return replace(config, name=found.name)
    keys = {**config.keys, "quantization_config": recipe_config(found.recipe)}
    return replace(config, path=f"{config.path} as {found.recipe}", keys=keys, name=found.name)


@lru_cache(maxsize=256)
def _read(path: Path, modified: int, size: int) -> ModelConfig:
    """Cached by the file's time and size, so that sweeps read a config once."""
    return ModelConfig(display_path(path), read_object(path, "the keys of a model"), path)
