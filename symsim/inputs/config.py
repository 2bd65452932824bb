"""Hugging Face config.json -> ModelConfig."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from symsim.errors import ConfigError, did_you_mean
from symsim.paths import CONFIGS, display_path


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
    name = display_path(path)
    try:
        keys = json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ConfigError(f"{name} is not a text file; expected the config.json of a model") from None
    except json.JSONDecodeError as error:
        raise ConfigError(f"{name}:{error.lineno}:{error.colno}: not JSON: {error.msg}") from None
    if not isinstance(keys, dict):
        raise ConfigError(f"{name}: expected a JSON object with the keys of a model, found {type(keys).__name__}")
    return ModelConfig(name, cast(Mapping[str, Any], keys), path)
