"""Hugging Face config.json -> ModelConfig."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from symsim.errors import ConfigError, did_you_mean, shortened
from symsim.inputs.strict_json import read_object
from symsim.paths import CONFIGS, display_path, is_file


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
        path = path if is_file(path) else path / "config.json"
    if not is_file(path):
        name, hint = shortened(str(model)), did_you_mean(str(model), bundled_models())
        raise ConfigError(f"no model {name!r}: neither a bundled name nor a file ({hint})")
    stat = path.stat()
    return _read(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=256)
def _read(path: Path, modified: int, size: int) -> ModelConfig:
    """Cached by the file's time and size, so that sweeps read a config once."""
    return ModelConfig(display_path(path), read_object(path, "the keys of a model"), path)
