"""`quantization_config` of a config.json, or the hf_quant_config.json beside it -> Quantization.

Nothing is guessed: a method, a key or a value that is not understood is refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from symsim.errors import ConfigError, did_you_mean
from symsim.inputs.strict_json import Keys, mapping, read_object
from symsim.quantization.layers import Quantization, unquantised
from symsim.quantization.methods import READERS, Method

_KEYS = ("quantization_config", "compression_config")
_BESIDE = "hf_quant_config.json"
_SECTIONS = ("text_config", "llm_config", "language_config")


def read_quantization(
    keys: Mapping[str, Any], origin: str = "config.json", beside: Mapping[str, Any] | None = None
) -> Quantization:
    """What the keys of a config.json say of quantisation; `beside`: those of hf_quant_config.json, where there is one.

    origin: the file as shown in messages. Without either the checkpoint is in 16 bits.
    Raises ConfigError that names the key: a method, an algorithm or a value that is not understood, or two files that
    disagree.

    >>> found = read_quantization({"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}})
    >>> found.format_of("model.layers.3.self_attn.q_proj").name, found.format_of("lm_head").name
    ('fp8 128x128 x fp8', 'bf16 x bf16')
    """
    stated = _stated(keys, origin)
    own = None if stated is None else _read(stated, keys, origin)
    if beside is None:
        return own or unquantised(origin)
    neighbour = _read(Keys("hf_quant_config.json", _flattened(beside)), keys, "hf_quant_config.json")
    if own is None:
        return neighbour
    if not _agree(own, neighbour):
        raise ConfigError(
            f"{origin} says {own.default.name} with a KV cache in {own.kv.name}, hf_quant_config.json beside it "
            f"{neighbour.default.name} with {neighbour.kv.name}; keep the one that describes the weights"
        )
    return own


def _agree(own: Quantization, beside: Quantization) -> bool:
    """Whether both files say the same; ModelOpt's lists no more than what it stored anew of a checkpoint in fp8."""
    if own.method != "fp8" or not beside.listed:
        return (own.default, own.kv, own.formats) == (beside.default, beside.kv, beside.formats)
    return own.kv == beside.kv and all(own.format_of(path) == layer for path, layer in beside.listed.items())


def places(keys: Mapping[str, Any], config: Path | None) -> tuple[str, ...]:
    """Where quantisation is stated: keys of a config.json, or the file beside it."""
    found = [f"{prefix}{key}" for prefix, place in _sections(keys) for key in _KEYS if place.get(key) is not None]
    return (*found, *([_BESIDE] if config is not None and _beside(config).is_file() else []))


def stamp_beside(config: Path) -> tuple[int, int] | None:
    """Time and size of hf_quant_config.json in the folder of a config.json, or None where there is none."""
    path = _beside(config)
    if not path.is_file():
        return None
    stat = path.stat()
    return stat.st_mtime_ns, stat.st_size


def keys_beside(config: Path) -> Mapping[str, Any] | None:
    """The keys of hf_quant_config.json in the folder of a config.json, or None where there is none."""
    path = _beside(config)
    if not path.is_file():
        return None
    return read_object(path, "what is quantised")


def _stated(keys: Mapping[str, Any], origin: str) -> Keys | None:
    """The quantisation of the model or of its text model."""
    found = [
        Keys(f"{origin}: {prefix}{key}", mapping(f"{origin}: {prefix}{key}", place[key]))
        for prefix, place in _sections(keys)
        for key in _KEYS
        if place.get(key) is not None
    ]
    if any(stated.values != found[0].values for stated in found[1:]):
        raise ConfigError(f"{found[0].where} and {found[-1].where} disagree; keep one")
    return found[0] if found else None


def _beside(config: Path) -> Path:
    return config.parent / _BESIDE


def _sections(keys: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """What stands before the keys of the model and of its text model, and these keys."""
    return [("", keys), *((f"{name}.", keys[name]) for name in _SECTIONS if isinstance(keys.get(name), dict))]


def _flattened(keys: Mapping[str, Any]) -> Mapping[str, Any]:
    """hf_quant_config.json keeps what matters under `quantization`."""
    inner = mapping("hf_quant_config.json: quantization", keys.get("quantization", {}))
    return {"quant_method": "modelopt", **inner}


def _read(stated: Keys, keys: Mapping[str, Any], origin: str) -> Quantization:
    method = stated.values.get("quant_method")
    if method is None and "quant_algo" in stated.values:
        method = "modelopt"  # older exports leave quant_method out
    if not isinstance(method, str) or method not in READERS:
        hint = did_you_mean(str(method), READERS)
        raise ConfigError(f"{stated.where}: quant_method = {json.dumps(method)} is not understood; {hint}")
    return READERS[method](Method(method, origin, stated, keys))
