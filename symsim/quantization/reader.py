"""`quantization_config` of a config.json, or the hf_quant_config.json beside it -> Quantization.

Nothing is guessed: a method, a key or a value that is not understood is refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from symsim.errors import ConfigError, did_you_mean
from symsim.inputs.strict_json import Keys, mapping, read_object
from symsim.quantization.layers import BF16, Quantization, unquantised
from symsim.quantization.methods import Method
from symsim.quantization.weight_only import EVERY

_KEYS = ("quantization_config", "compression_config")
_BESIDE = "hf_quant_config.json"
_SECTIONS = ("text_config", "llm_config", "language_config")


def read_quantization(
    keys: Mapping[str, Any], origin: str = "config.json", beside: Mapping[str, Any] | None = None
) -> Quantization:
    """What the keys of a config.json say of quantisation; `beside`: those of hf_quant_config.json, where there is one.

    origin: the file as shown in messages. Without either the checkpoint is in 16 bits.
    Raises ConfigError that names the key: a method, an algorithm or a value that is not understood, or two files that
    disagree; what one of them says and the other does not holds.

    >>> found = read_quantization({"quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}})
    >>> found.format_of("model.layers.3.self_attn.q_proj").name, found.format_of("lm_head").name
    ('fp8 128x128 x fp8', 'bf16 x bf16')
    """
    stated = _stated(keys, origin)
    if beside is None:
        return unquantised(origin) if stated is None else _read(stated, keys, origin)
    other = Keys(_BESIDE, _flattened(beside))
    if stated is None:
        return _read(other, keys, _BESIDE)
    own, neighbour = _read(_completed(stated, other), keys, origin), _read(_completed(other, stated), keys, _BESIDE)
    if not _agree(own, neighbour):
        raise ConfigError(
            f"{origin} says {_told(own)} with a KV cache in {own.kv.name}, {_BESIDE} beside it "
            f"{_told(neighbour)} with {neighbour.kv.name}; keep the one that describes the weights"
        )
    if own.kv == neighbour.kv and _completed(stated, other) == stated:
        return own
    kv = own.kv if own.kv != BF16.weight else neighbour.kv
    return replace(own, kv=kv, origin=f"{origin} with {_BESIDE}")


_SYNONYMS = {
    "ignore": "exclude_modules",
    "exclude_modules": "ignore",
    "kv_cache_scheme": "kv_cache_quant_algo",
    "kv_cache_quant_algo": "kv_cache_scheme",
}
"""Keys of ModelOpt's files that say one thing."""


def _completed(stated: Keys, other: Keys) -> Keys:
    """What is stated, and from the other file of ModelOpt what it is silent on: silence is no contradiction."""
    if not (_of_modelopt(stated) and _of_modelopt(other)):
        return stated
    said = {name for key, value in stated.values.items() if value is not None for name in (key, _SYNONYMS.get(key))}
    missing = {key: value for key, value in other.values.items() if key not in said}
    return Keys(stated.where, {**stated.values, **missing})


def _of_modelopt(stated: Keys) -> bool:
    method = stated.values.get("quant_method")
    return method == "modelopt" or (method is None and "quant_algo" in stated.values)


def _told(found: Quantization) -> str:
    """The formats of linear layers, the default first."""
    rest = sorted(layer.name for layer in found.formats - {found.default})
    return ", ".join((found.default.name, *rest))


def _agree(own: Quantization, beside: Quantization) -> bool:
    """Whether both files say the same; ModelOpt's lists no more than what it stored anew of a checkpoint in fp8."""
    if BF16.weight not in (own.kv, beside.kv) and own.kv != beside.kv:
        return False
    if own.method != "fp8" or not beside.listed:
        return (own.default, own.formats - {BF16}) == (beside.default, beside.formats - {BF16})
    return all(own.format_of(path) == layer for path, layer in beside.listed.items())


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
    method = method.removeprefix("intel/") if isinstance(method, str) else method
    if not isinstance(method, str) or method not in EVERY:
        hint = did_you_mean(str(method), EVERY)
        raise ConfigError(f"{stated.where}: quant_method = {json.dumps(method)} is not understood; {hint}")
    return EVERY[method](Method(method, origin, stated, keys))
