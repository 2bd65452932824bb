"""Keys of a quantisation scheme -> Format of weights, element of activations, Format of the KV cache."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from symsim.errors import did_you_mean
from symsim.inputs.strict_json import Keys
from symsim.paths import QUANTIZATION
from symsim.quantization.formats import Format, elements, stored
from symsim.quantization.layers import BF16, LayerFormat

PACKINGS = (
    "pack-quantized",
    "int-quantized",
    "float-quantized",
    "naive-quantized",
    "nvfp4-pack-quantized",
    "mxfp4-pack-quantized",
    "mxfp8-quantized",
    "mixed-precision",
    "dense",
)
"""How compressed-tensors packs weights; the scheme itself says which format that is."""

_SCHEME = (
    "num_bits",
    "type",
    "strategy",
    "group_size",
    "block_structure",
    "symmetric",
    "dynamic",
    "actorder",
    "observer",
    "observer_kwargs",
    "scale_dtype",
    "zp_dtype",
)
_INTEGERS = {2: "int2", 3: "int3", 4: "int4", 8: "int8"}


@cache
def tables() -> Mapping[str, Any]:
    return tomllib.loads((QUANTIZATION / "methods.toml").read_text(encoding="utf-8"))


def gptq_layer(keys: Keys, changes: Mapping[str, Any]) -> LayerFormat:
    own = Keys(keys.where, {**keys.values, **changes})
    bits = own.whole("bits")
    return LayerFormat(grouped_format(own, bits, own.whole("group_size"), zero_bits=bits, input_bits=32), "bf16")


def grouped_format(keys: Keys, bits: int, group: int, *, zero_bits: int, input_bits: int = 0) -> Format:
    """Packed integers with an fp16 scale for each group of inputs (-1: all) of each output."""
    if bits not in _INTEGERS:
        raise keys.refuse("bits", " or ".join(map(str, _INTEGERS)))
    if group == 0 or group < -1:
        raise keys.refuse("group_size", "a positive number, or -1 for all inputs")
    return stored(_INTEGERS[bits], 1, max(group, 0), 16 + zero_bits, input_bits)


def block_of(keys: Keys, key: str) -> tuple[int, int]:
    """Outputs and inputs that share one scale, such as [128, 128]."""
    match keys.values.get(key):
        case [int() as rows, int() as inputs] if rows > 0 and inputs > 0:
            return rows, inputs
        case _:
            raise keys.refuse(key, "two whole numbers such as [128, 128]")


def group_layer(group: Keys) -> LayerFormat:
    group.only("targets", "weights", "input_activations", "output_activations", "format")
    group.chosen("format", (None, *PACKINGS))
    group.chosen("output_activations", (None,))
    weights = group.section("weights")
    if weights is None:
        raise group.refuse("weights", "an object with num_bits and type")
    return LayerFormat(_weights(weights), _activation(group))


def _weights(keys: Keys) -> Format:
    """compressed-tensors QuantizationArgs of weights. Scales: 16 bits beside packed integers, fp32 else, as loaded."""
    keys.only(*_SCHEME)
    bits, kind = keys.whole("num_bits"), keys.chosen("type", ("int", "float"), "int")
    stated = keys.values.get("group_size")
    group = None if stated == -1 else stated  # -1: all inputs of a channel
    usual = "group" if group else "channel" if stated == -1 else None
    strategy = keys.chosen("strategy", (None, "tensor", "channel", "group", "block", "tensor_group"), usual)
    if strategy == "group" and keys.whole("group_size") < 1:
        raise keys.refuse("group_size", "a positive number with the strategy group")
    if kind == "float" and group:
        return stored(_micro(keys, bits, group))
    if kind == "float" and bits != 8:
        raise keys.refuse("num_bits", "8, or 4 with a group_size of 16 or 32")
    if kind == "int" and bits not in _INTEGERS:
        raise keys.refuse("num_bits", " or ".join(map(str, _INTEGERS)))
    name = "fp8" if kind == "float" else _INTEGERS[bits]
    zero = 0 if keys.chosen("symmetric", (None, True, False)) in (None, True) else bits
    index = 32 if keys.chosen("actorder", (None, False, True, "group", "weight", "static", "dynamic")) == "group" else 0
    match strategy:
        case "group":
            return stored(name, 1, keys.whole("group_size"), 16 + zero, index)
        case "channel":
            return stored(name, 1, 0, 32 + zero)
        case "block":
            rows, inputs = block_of(keys, "block_structure")
            return stored(name, rows, inputs, 32 + zero)
        case "tensor" | None:
            return stored(name, 0, 0, 32 + zero)
        case _:
            raise keys.refuse("strategy", "tensor, channel, group or block")


def _micro(keys: Keys, bits: int, group: int) -> str:
    """The float format that has its own group scales: nvfp4, mxfp4 or mxfp8."""
    for name, kind in elements().items():
        if kind.units_scale and (kind.bits, kind.group) == (bits, group):
            return name
    known = ", ".join(f"{kind.bits} bits by {kind.group}" for kind in elements().values() if kind.units_scale)
    raise keys.refuse("group_size", f"a float format with group scales ({known})")


def _activation(group: Keys) -> str:
    keys = group.section("input_activations")
    if keys is None:
        return "bf16"
    keys.only(*_SCHEME)
    bits, kind = keys.whole("num_bits"), keys.chosen("type", ("int", "float"), "int")
    size = keys.values.get("group_size")
    match (kind, bits):
        case ("float", 8) if size in (None, 128):
            return "fp8"
        case ("float", 4 | 8):
            return _micro(keys, bits, keys.whole("group_size"))
        case ("int", 8):
            return "int8"
        case _:
            raise keys.refuse("num_bits", "8, or 4 of type float")


def kv_scheme(keys: Keys, key: str) -> Format:
    """The KV cache, as compressed-tensors' object or as a name such as "FP8"; absent: not quantised."""
    value = keys.values.get(key)
    if value is None:
        return BF16.weight
    if isinstance(value, str):
        known = {"FP8": "fp8", "INT8": "int8", "NVFP4": "nvfp4"}
        return stored(known[keys.chosen(key, known)])
    scheme = cast(Keys, keys.section(key))
    scheme.only(*_SCHEME)
    bits, kind = scheme.whole("num_bits"), scheme.chosen("type", ("int", "float"), "int")
    if kind == "float" and bits == 4:
        return stored(_micro(scheme, bits, scheme.whole("group_size", default=16)))
    if bits != 8:
        raise scheme.refuse("num_bits", "8, or 4 of type float")
    return stored("fp8" if kind == "float" else "int8")


def algorithm(keys: Keys, key: str = "quant_algo") -> LayerFormat:
    table: Mapping[str, Mapping[str, Any]] = tables()["algorithms"]
    name = str(keys.values.get(key)).upper()
    if name not in table:
        raise keys.refuse(key, f"a known algorithm ({did_you_mean(name, (*table, 'MIXED_PRECISION'))})")
    row = {"rows": 0, "inputs": 0, "scale_bits": 0, "input_bits": 0, **table[name]}
    kind = elements()[str(row["weight"])]
    stated = [keys.whole(name) for name in ("group_size", "awq_block_size") if keys.values.get(name) is not None]
    group = next(iter(stated), None)
    if group is not None and group < 1 and (kind.group or row["inputs"]):
        raise keys.refuse("group_size", "a positive whole number")
    if group is not None and kind.group and group != kind.group:
        raise keys.refuse("group_size", f"{kind.group}, which {name} fixes")
    inputs = int(group) if group is not None and row["rows"] == 1 and row["inputs"] else row["inputs"]
    if keys.values.get("has_zero_point"):
        raise keys.refuse("has_zero_point", "false")
    weight = stored(kind.name, row["rows"], inputs, row["scale_bits"], row["input_bits"])
    return LayerFormat(weight, str(row["activation"]))


def quark_layer(keys: Keys) -> LayerFormat:
    keys.only("weight", "input_tensors", "output_tensors", "bias", "target_device")
    weight = keys.section("weight")
    if weight is None:
        return BF16
    inputs = keys.section("input_tensors")
    name, activation = quark_element(weight), "bf16" if inputs is None else quark_element(inputs)
    match weight.chosen("qscheme", ("per_tensor", "per_channel", "per_group")):
        case "per_tensor":
            return LayerFormat(stored(name, 0, 0, 32), activation)
        case "per_channel":
            return LayerFormat(stored(name, 1, 0, 32), activation)
        case _:
            zero = 0 if weight.values.get("symmetric") in (None, True) else elements()[name].bits
            return LayerFormat(stored(name, 1, weight.whole("group_size"), 16 + zero), activation)


def quark_cache(keys: Keys) -> Format:
    """Keys or values of the cache: Quark quantises what their projections put out."""
    output = keys.section("output_tensors")
    if output is None:
        raise keys.refuse("output_tensors", "the format of the cache")
    return stored(quark_element(output))


def quark_element(keys: Keys) -> str:
    known = {"fp8_e4m3": "fp8", "int8": "int8", "int4": "int4", "fp4": "fp4"}
    kind = known[keys.chosen("dtype", known)]
    if kind == "fp4":
        return _micro(keys, 4, keys.whole("group_size"))
    return kind
