"""`quantization_config` of a config.json, or the hf_quant_config.json beside it -> Quantization.

Nothing is guessed: a method, a key or a value that is not understood is refused by name.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, cast

from symsim.errors import ConfigError, did_you_mean
from symsim.formats import Format, elements, stored
from symsim.module_names import core
from symsim.paths import QUANTIZATION, shown
from symsim.quantization import BF16, LayerFormat, Never, Quantization, Rule, unquantised

_KEYS = ("quantization_config", "compression_config")
_SECTIONS = ("text_config", "llm_config", "language_config")
_LM_HEAD = ("re:(.*\\.)?(lm_head|embed_out|output_layer)$",)
_EXPERTS = ("re:(.*\\.)?experts(\\..*)?$",)
_INTEGERS = {2: "int2", 3: "int3", 4: "int4", 8: "int8"}
_FP8_NAMES = (None, "e4m3", "float8_e4m3fn", "float8_e4m3")


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
    neighbour = _read(_Keys("hf_quant_config.json", _flattened(beside)), keys, "hf_quant_config.json")
    if own is None:
        return neighbour
    if (own.default, own.kv, own.formats) != (neighbour.default, neighbour.kv, neighbour.formats):
        raise ConfigError(
            f"{origin} says {own.default.name} with a KV cache in {own.kv.name}, hf_quant_config.json beside it "
            f"{neighbour.default.name} with {neighbour.kv.name}; keep the one that describes the weights"
        )
    return own


def keys_beside(config: Path) -> Mapping[str, Any] | None:
    """The keys of hf_quant_config.json in the folder of a config.json, or None where there is none."""
    path = config.parent / "hf_quant_config.json"
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ConfigError(f"{shown(path)}: not JSON: {error}") from None
    return _mapping(shown(path), found)


@dataclass(frozen=True, slots=True)
class _Keys:
    """Keys of one JSON object, and where it is, for messages."""

    where: str
    values: Mapping[str, Any]

    def refuse(self, key: str, expected: str) -> ConfigError:
        value = json.dumps(self.values.get(key))
        return ConfigError(f"{self.where}: {key} = {value} is not understood; expected {expected}")

    def chosen(self, key: str, choices: Iterable[Any], default: Any = None) -> Any:
        """The value, which must be one of the choices."""
        value = self.values.get(key, default)
        known = list(choices)
        if value not in known:
            raise self.refuse(key, " or ".join(json.dumps(choice) for choice in known))
        return value

    def whole(self, *spellings: str, default: int | None = None) -> int:
        """A whole number under one of the spellings."""
        key = next((name for name in spellings if self.values.get(name) is not None), spellings[0])
        value = self.values.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.refuse(key, "a whole number")
        return value

    def strings(self, *spellings: str) -> tuple[str, ...]:
        """The names under every spelling that is present."""
        found: list[str] = []
        for key in spellings:
            value = self.values.get(key)
            if value is None:
                continue
            if not isinstance(value, list) or not all(isinstance(name, str) for name in cast(list[object], value)):
                raise self.refuse(key, "a list of module names")
            found += cast(list[str], value)
        return tuple(found)

    def section(self, key: str) -> _Keys | None:
        """The object under the key, or None where it is absent."""
        value = self.values.get(key)
        return None if value is None else _Keys(f"{self.where}.{key}", _mapping(f"{self.where}.{key}", value))

    def only(self, *known: str) -> None:
        """Refuse a key that is not known; one that is null says nothing."""
        for key, value in self.values.items():
            if value is not None and key not in known:
                hint = did_you_mean(key, known)
                raise ConfigError(f"{self.where}: {key} = {json.dumps(value)} may change cost; {hint}")


def _mapping(where: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where}: expected a JSON object, found {type(value).__name__}")
    return cast(Mapping[str, Any], value)


def _stated(keys: Mapping[str, Any], origin: str) -> _Keys | None:
    """The quantisation of the model or of its text model."""
    places = [("", keys)]
    places += [(f"{name}.", keys[name]) for name in _SECTIONS if isinstance(keys.get(name), dict)]
    found = [
        _Keys(f"{origin}: {prefix}{key}", _mapping(f"{origin}: {prefix}{key}", place[key]))
        for prefix, place in places
        for key in _KEYS
        if place.get(key) is not None
    ]
    if len({json.dumps(stated.values, sort_keys=True) for stated in found}) > 1:
        raise ConfigError(f"{found[0].where} and {found[1].where} disagree; keep one")
    return found[0] if found else None


def _flattened(keys: Mapping[str, Any]) -> Mapping[str, Any]:
    """hf_quant_config.json keeps what matters under `quantization`."""
    inner = _mapping("hf_quant_config.json: quantization", keys.get("quantization", {}))
    return {"quant_method": "modelopt", **inner}


def _read(stated: _Keys, keys: Mapping[str, Any], origin: str) -> Quantization:
    method = stated.values.get("quant_method")
    if method is None and "quant_algo" in stated.values:
        method = "modelopt"  # older exports leave quant_method out
    if not isinstance(method, str) or method not in READERS:
        hint = did_you_mean(str(method), READERS)
        raise ConfigError(f"{stated.where}: quant_method = {json.dumps(method)} is not understood; {hint}")
    return READERS[method](_Method(method, origin, stated, keys))


@cache
def _tables() -> Mapping[str, Any]:
    return tomllib.loads((QUANTIZATION / "methods.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class _Method:
    """What a reader works on: its keys, the whole config's, and its section of quantization/methods.toml."""

    name: str
    origin: str
    keys: _Keys
    config: Mapping[str, Any]

    def answer(
        self,
        default: LayerFormat,
        rules: Iterable[Rule] = (),
        *,
        read: Iterable[str] = (),
        kv: Format = BF16.weight,
        listed: Mapping[str, LayerFormat] | None = None,
        lm_head: bool = False,
    ) -> Quantization:
        """Refuse keys that nothing read; then the modules kept in bf16 before every other rule."""
        table = _tables()[self.name]
        how = str(table["match"])
        self.keys.only("quant_method", *table["kept"], *table["neutral"], *read)
        kept = [Rule(how, self.patterns(how, *table["kept"]), BF16)]
        if table["lm_head"] == "kept" and not lm_head:
            kept.append(Rule("equal or re:", _LM_HEAD, BF16))
        rules = tuple(rule for rule in (*kept, *rules) if rule.patterns)
        never = Never(tuple(_tables()["never"]["last"]), tuple(_tables()["never"]["ends"]))
        return Quantization(self.name, self.origin, default, kv, rules, listed or {}, never)

    def patterns(self, how: str, *spellings: str) -> tuple[str, ...]:
        """The patterns under the keys, whose expressions must compile."""
        found = self.keys.strings(*spellings)
        for pattern in found:
            if how in ("transformers", "regex") or pattern.startswith("re:"):
                _compiled(pattern.removeprefix("re:"), self.keys.where)
        return found


def _compiled(expression: str, where: str) -> None:
    try:
        re.compile(expression)
    except re.error as error:
        raise ConfigError(f"{where}: {expression!r} is not a regular expression: {error}") from None


def _fp8(method: _Method) -> Quantization:
    """Block or tensor scales; DeepSeek-V4 keeps its routed experts in mxfp4 (`expert_dtype`) and its scales in E8M0."""
    keys = method.keys
    keys.chosen("activation_scheme", ("dynamic", "static"), "dynamic")
    keys.chosen("fmt", _FP8_NAMES)
    keys.chosen("scale_fmt", (None, "ue8m0", "float"))
    for key in ("weight_per_tensor", "act_per_tensor"):
        keys.chosen(key, (None, False, True))
    experts = _Keys(method.origin, method.config).chosen("expert_dtype", (None, "fp4", "fp8"))
    block = keys.values.get("weight_block_size")
    weight = stored("fp8", 0, 0, 32)
    if block is not None:
        if not (isinstance(block, list) and [isinstance(size, int) and size > 0 for size in block] == [True, True]):
            raise keys.refuse("weight_block_size", "two whole numbers such as [128, 128]")
        weight = stored("fp8", *cast(list[int], block), 8 if experts == "fp4" else 32)
    rules = [Rule("equal or re:", _EXPERTS, LayerFormat(stored("mxfp4"), "fp8"))] if experts == "fp4" else []
    read = ("activation_scheme", "fmt", "scale_fmt", "weight_block_size", "weight_per_tensor", "act_per_tensor")
    return method.answer(LayerFormat(weight, "fp8"), rules, read=read)


def _mxfp4(method: _Method) -> Quantization:
    """Routed experts only, activations in bf16."""
    return method.answer(BF16, [Rule("equal or re:", _EXPERTS, LayerFormat(stored("mxfp4"), "bf16"))])


def _fbgemm_fp8(method: _Method) -> Quantization:
    return method.answer(LayerFormat(stored("fp8", 1, 0, 32), "fp8"))


def _bitsandbytes(method: _Method) -> Quantization:
    """4 bits with an fp32 scale for each 64, itself in 8 bits for each 256 of them when quantised twice; or 8 bits."""
    keys = method.keys
    four, eight = (keys.chosen(f"load_in_{bits}bit", (None, False, True)) for bits in (4, 8))
    if bool(four) == bool(eight):
        raise ConfigError(f"{keys.where}: expected either load_in_4bit or load_in_8bit to be true")
    read = ("load_in_4bit", "load_in_8bit", "bnb_4bit_quant_type", "bnb_4bit_use_double_quant")
    if eight:
        return method.answer(LayerFormat(stored("int8", 1, 0, 32), "int8"), read=read)
    kind = keys.chosen("bnb_4bit_quant_type", ("nf4", "fp4"), "fp4")
    twice = keys.chosen("bnb_4bit_use_double_quant", (None, False, True))
    scale, once = (8 + Fraction(32, 256), 32) if twice else (Fraction(32), 0)
    weight = stored("nf4" if kind == "nf4" else "bnb_fp4", 1, 64, scale, tensor_bits=once)
    return method.answer(LayerFormat(weight, "bf16"), read=read)


def _awq(method: _Method) -> Quantization:
    """Groups of inputs with an fp16 scale and a packed zero point, which the layout has even where it is unused."""
    keys = method.keys
    bits = keys.whole("bits", "w_bit")
    if bits != 4:
        raise keys.refuse("bits" if "bits" in keys.values else "w_bit", "4")
    weight = _grouped(keys, bits, keys.whole("group_size", "q_group_size"), zero_bits=bits)
    return method.answer(LayerFormat(weight, "bf16"), read=("bits", "w_bit", "group_size", "q_group_size"))


def _gptq(method: _Method) -> Quantization:
    """As AWQ, with an int32 group index for each input; `dynamic` changes or skips modules, the first that fits."""
    keys = method.keys
    base = _gptq_layer(keys, {})
    dynamic = keys.section("dynamic") or _Keys(keys.where, {})
    rules: list[Rule] = []
    for pattern, changes in dynamic.values.items():
        sign, expression = (pattern[:1], pattern[2:]) if pattern[:2] in ("+:", "-:") else ("+", pattern)
        _compiled(expression, dynamic.where)
        own = _Keys(f"{dynamic.where}.{pattern}", _mapping(dynamic.where, changes or {}))
        own.only("bits", "group_size", "sym", "desc_act", "mse", "pack_dtype")
        rules.append(Rule("regex", (expression,), BF16 if sign == "-" else _gptq_layer(keys, own.values)))
    default = base
    blocks = keys.values.get("modules_in_block_to_quantize")
    if blocks is not None:  # only these, by the end of their path
        if not isinstance(blocks, list):
            raise keys.refuse("modules_in_block_to_quantize", "a list of lists of module names")
        inside = tuple(
            name for block in cast(list[Any], blocks) for name in ([block] if isinstance(block, str) else block)
        )
        ends = tuple(f"re:(.*\\.)?{re.escape(name)}$" for name in inside)
        rules, default = [*rules, Rule("equal or re:", ends, base)], BF16
    lm_head = bool(keys.chosen("lm_head", (None, False, True)))
    read = ("bits", "group_size", "dynamic", "lm_head", "modules_in_block_to_quantize")
    return method.answer(default, rules, read=read, lm_head=lm_head)


def _gptq_layer(keys: _Keys, changes: Mapping[str, Any]) -> LayerFormat:
    own = _Keys(keys.where, {**keys.values, **changes})
    bits = own.whole("bits")
    return LayerFormat(_grouped(own, bits, own.whole("group_size"), zero_bits=bits, input_bits=32), "bf16")


def _grouped(keys: _Keys, bits: int, group: int, *, zero_bits: int, input_bits: int = 0) -> Format:
    """Packed integers with an fp16 scale for each group of inputs (-1: all) of each output."""
    if bits not in _INTEGERS:
        raise keys.refuse("bits", " or ".join(map(str, _INTEGERS)))
    if group == 0 or group < -1:
        raise keys.refuse("group_size", "a positive number, or -1 for all inputs")
    return stored(_INTEGERS[bits], 1, max(group, 0), 16 + zero_bits, input_bits)


def _compressed_tensors(method: _Method) -> Quantization:
    """Groups of targets, each with weights and activations; a target by name or expression goes before a class."""
    keys = method.keys
    keys.chosen("format", (None, *_PACKINGS))
    for key in ("sparsity_config", "transform_config"):
        section = keys.section(key)
        if section is not None and any(section.values.values()) and section.values.get("format") != "dense":
            raise keys.refuse(key, "none: sparsity and rotations are not described")
    groups = keys.section("config_groups")
    if groups is None:
        raise keys.refuse("config_groups", "groups of targets with their weights")
    default, rules = BF16, list[Rule]()
    for name in groups.values:
        group = cast(_Keys, groups.section(name))
        group.only("targets", "weights", "input_activations", "output_activations", "format")
        group.chosen("format", (None, *_PACKINGS))
        group.chosen("output_activations", (None,))
        layer = _group(group)
        targets = group.strings("targets")
        named = tuple(target for target in targets if target not in _CLASSES)
        for target in (target for target in named if target.startswith("re:")):
            _compiled(target.removeprefix("re:"), group.where)
        rules.append(Rule("equal or re:", named, layer))
        if "Linear" in targets:
            if default is not BF16:
                raise ConfigError(f"{groups.where}: two groups target Linear; expected one")
            default = layer
    kv = _kv_scheme(keys, "kv_cache_scheme")
    read = ("config_groups", "format", "kv_cache_scheme", "sparsity_config", "transform_config")
    return method.answer(default, rules, read=read, kv=kv)


_PACKINGS = ("pack-quantized", "int-quantized", "float-quantized", "naive-quantized", "nvfp4-pack-quantized")
_PACKINGS += ("mxfp4-pack-quantized", "mxfp8-quantized", "mixed-precision", "dense")
_CLASSES = ("Linear", "LinearBase", "FusedMoE")
_SCHEME = ("num_bits", "type", "strategy", "group_size", "block_structure", "symmetric", "dynamic", "actorder")
_SCHEME += ("observer", "observer_kwargs", "scale_dtype", "zp_dtype")


def _group(group: _Keys) -> LayerFormat:
    weights = group.section("weights")
    if weights is None:
        raise group.refuse("weights", "an object with num_bits and type")
    return LayerFormat(_weights(weights), _activation(group))


def _weights(keys: _Keys) -> Format:
    """compressed-tensors QuantizationArgs of weights. Scales: 16 bits beside packed integers, fp32 else, as loaded."""
    keys.only(*_SCHEME)
    bits, kind = keys.whole("num_bits"), keys.chosen("type", ("int", "float"), "int")
    group = keys.values.get("group_size")
    strategy = keys.chosen(
        "strategy", (None, "tensor", "channel", "group", "block", "tensor_group"), "group" if group else None
    )
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
            block = keys.values.get("block_structure")
            if not (isinstance(block, list) and [isinstance(size, int) for size in block] == [True, True]):
                raise keys.refuse("block_structure", "two whole numbers such as [128, 128]")
            return stored(name, *cast(list[int], block), 32 + zero)
        case "tensor" | None:
            return stored(name, 0, 0, 32 + zero)
        case _:
            raise keys.refuse("strategy", "tensor, channel, group or block")


def _micro(keys: _Keys, bits: int, group: int) -> str:
    """The float format that has its own group scales: nvfp4, mxfp4 or mxfp8."""
    for name, kind in elements().items():
        if kind.units_scale and (kind.bits, kind.group) == (bits, group):
            return name
    known = ", ".join(f"{kind.bits} bits by {kind.group}" for kind in elements().values() if kind.units_scale)
    raise keys.refuse("group_size", f"a float format with group scales ({known})")


def _activation(group: _Keys) -> str:
    keys = group.section("input_activations")
    if keys is None:
        return "bf16"
    keys.only(*_SCHEME)
    bits, kind, size = (
        keys.whole("num_bits"),
        keys.chosen("type", ("int", "float"), "int"),
        keys.values.get("group_size"),
    )
    match (kind, bits):
        case ("float", 8) if size in (None, 128):
            return "fp8"
        case ("float", 4 | 8):
            return _micro(keys, bits, keys.whole("group_size"))
        case ("int", 8):
            return "int8"
        case _:
            raise keys.refuse("num_bits", "8, or 4 of type float")


def _kv_scheme(keys: _Keys, key: str) -> Format:
    """The KV cache, as compressed-tensors' object or as a name such as "FP8"; absent: not quantised."""
    value = keys.values.get(key)
    if value is None:
        return BF16.weight
    if isinstance(value, str):
        known = {"FP8": "fp8", "INT8": "int8", "NVFP4": "nvfp4"}
        return stored(known[keys.chosen(key, known)])
    scheme = cast(_Keys, keys.section(key))
    scheme.only(*_SCHEME)
    bits, kind = scheme.whole("num_bits"), scheme.chosen("type", ("int", "float"), "int")
    if kind == "float" and bits == 4:
        return stored(_micro(scheme, bits, scheme.whole("group_size", default=16)))
    if bits != 8:
        raise scheme.refuse("num_bits", "8, or 4 of type float")
    return stored("fp8" if kind == "float" else "int8")


def _modelopt(method: _Method) -> Quantization:
    """`quant_algo` by name; MIXED_PRECISION lists every quantised layer by its path."""
    keys = method.keys
    kv = _kv_scheme(
        keys, "kv_cache_scheme" if keys.values.get("kv_cache_scheme") is not None else "kv_cache_quant_algo"
    )
    read = ("quant_algo", "group_size", "kv_cache_scheme", "kv_cache_quant_algo", "config_groups", "quantized_layers")
    if str(keys.values.get("quant_algo")).upper() == "MIXED_PRECISION":
        layers = keys.section("quantized_layers")
        if layers is None or not layers.values:
            raise keys.refuse("quantized_layers", "the layers that MIXED_PRECISION quantises")
        return method.answer(BF16, read=read, kv=kv, listed=_quantized_layers(layers))
    layer = _algorithm(keys)
    for group in (keys.section("config_groups") or _Keys("", {})).values.values():
        weights = _Keys(f"{keys.where}.config_groups", _mapping(keys.where, group)).section("weights")
        if weights is not None and weights.values.get("num_bits") != layer.weight.element.bits:
            raise weights.refuse("num_bits", f"{layer.weight.element.bits}, as quant_algo says")
    return method.answer(layer, read=read, kv=kv)


def _quantized_layers(layers: _Keys) -> Mapping[str, LayerFormat]:
    """Path -> format; layers that say the same share one value, for there are tens of thousands."""
    known: dict[str, LayerFormat] = {}
    found: dict[str, LayerFormat] = {}
    for path, said in layers.values.items():
        text = repr(said)
        if text not in known:
            own = _Keys(f"{layers.where}.{path}", _mapping(f"{layers.where}.{path}", said))
            own.only("quant_algo", "group_size", "awq_block_size", "has_zero_point", "pre_quant_scale")
            known[text] = _algorithm(own)
        found[core(path)] = known[text]
    return found


def _algorithm(keys: _Keys) -> LayerFormat:
    table: Mapping[str, Mapping[str, Any]] = _tables()["algorithms"]
    name = str(keys.values.get("quant_algo")).upper()
    if name not in table:
        raise keys.refuse("quant_algo", f"a known algorithm ({did_you_mean(name, (*table, 'MIXED_PRECISION'))})")
    row = {"rows": 0, "inputs": 0, "scale_bits": 0, "input_bits": 0, **table[name]}
    kind = elements()[str(row["weight"])]
    group = keys.values.get("group_size") or keys.values.get("awq_block_size")
    if group is not None and kind.group and group != kind.group:
        raise keys.refuse("group_size", f"{kind.group}, which {name} fixes")
    inputs = int(group) if group is not None and row["rows"] == 1 and row["inputs"] else row["inputs"]
    if keys.values.get("has_zero_point"):
        raise keys.refuse("has_zero_point", "false")
    weight = stored(kind.name, row["rows"], inputs, row["scale_bits"], row["input_bits"])
    return LayerFormat(weight, str(row["activation"]))


def _quark(method: _Method) -> Quantization:
    """One config for all layers, and others for the layers that patterns name."""
    keys = method.keys
    whole = keys.section("global_quant_config")
    if whole is None:
        raise keys.refuse("global_quant_config", "an object with weight and input_tensors")
    for key in ("layer_type_quant_config",):
        if keys.values.get(key):
            raise keys.refuse(key, "nothing: formats by class of layer are not described")
    layers = keys.section("layer_quant_config") or _Keys(keys.where, {})
    rules = [Rule("glob", (name,), _quark_layer(cast(_Keys, layers.section(name)))) for name in layers.values]
    caches = keys.section("kv_cache_quant_config") or _Keys(keys.where, {})
    kinds = {_quark_cache(cast(_Keys, caches.section(name))) for name in caches.values}
    if len(kinds) > 1:
        raise keys.refuse("kv_cache_quant_config", "one format for keys and values")
    read = ("global_quant_config", "layer_quant_config", "layer_type_quant_config", "kv_cache_quant_config")
    kv = kinds.pop() if kinds else BF16.weight
    return method.answer(_quark_layer(whole), rules, read=read + ("kv_cache_post_rope",), kv=kv)


def _quark_layer(keys: _Keys) -> LayerFormat:
    keys.only("weight", "input_tensors", "output_tensors", "bias", "target_device")
    weight = keys.section("weight")
    if weight is None:
        return BF16
    inputs = keys.section("input_tensors")
    name, activation = _quark_element(weight), "bf16" if inputs is None else _quark_element(inputs)
    match weight.chosen("qscheme", ("per_tensor", "per_channel", "per_group")):
        case "per_tensor":
            return LayerFormat(stored(name, 0, 0, 32), activation)
        case "per_channel":
            return LayerFormat(stored(name, 1, 0, 32), activation)
        case _:
            zero = 0 if weight.values.get("symmetric") in (None, True) else elements()[name].bits
            return LayerFormat(stored(name, 1, weight.whole("group_size"), 16 + zero), activation)


def _quark_cache(keys: _Keys) -> Format:
    """Keys or values of the cache: Quark quantises what their projections put out."""
    output = keys.section("output_tensors")
    if output is None:
        raise keys.refuse("output_tensors", "the format of the cache")
    return stored(_quark_element(output))


def _quark_element(keys: _Keys) -> str:
    known = {"fp8_e4m3": "fp8", "int8": "int8", "int4": "int4", "fp4": "fp4", "mx": "mx"}
    kind = known[keys.chosen("dtype", known)]
    if kind == "fp4":
        return _micro(keys, 4, keys.whole("group_size"))
    if kind == "mx":
        raise keys.refuse("dtype", "fp4 with a group_size, or fp8_e4m3")
    return kind


READERS: Mapping[str, Callable[[_Method], Quantization]] = {
    "fp8": _fp8,
    "mxfp4": _mxfp4,
    "fbgemm_fp8": _fbgemm_fp8,
    "bitsandbytes": _bitsandbytes,
    "awq": _awq,
    "gptq": _gptq,
    "compressed-tensors": _compressed_tensors,
    "modelopt": _modelopt,
    "quark": _quark,
}
"""`quant_method` -> its reader."""
