"""A reader for each `quant_method`: its keys -> Quantization."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, cast

from symsim.errors import ConfigError
from symsim.inputs.strict_json import Keys
from symsim.quantization.formats import Format, stored
from symsim.quantization.layers import BF16, LayerFormat, Never, Quantization, Rule
from symsim.quantization.patterns import check_expression, core
from symsim.quantization.schemes import (
    PACKINGS,
    algorithm,
    block_of,
    gptq_layer,
    group_layer,
    grouped_format,
    kv_scheme,
    quark_cache,
    quark_layer,
    tables,
)

LM_HEAD = ("re:(.*\\.)?(lm_head|embed_out|output_layer)$",)
_EXPERTS = ("re:(.*\\.)?experts(\\..*)?$",)
_FP8_NAMES = (None, "e4m3", "float8_e4m3fn", "float8_e4m3")


def never() -> Never:
    """What no library converts by itself."""
    return Never(*(tuple(tables()["never"][key]) for key in ("last", "ends", "inside")))


@dataclass(frozen=True, slots=True)
class Method:
    """What a reader works on: its keys, the whole config's, and its section of quantization/methods.toml."""

    name: str
    origin: str
    keys: Keys
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
        table = tables()[self.name]
        how = str(table["match"])
        self.keys.only("quant_method", *table["kept"], *table["neutral"], *read)
        kept = [Rule(how, self.patterns(how, *table["kept"]), BF16)]
        if table["lm_head"] == "kept" and not lm_head:
            kept.append(Rule("equal or re:", LM_HEAD, BF16))
        rules = tuple(rule for rule in (*kept, *rules) if rule.patterns)
        return Quantization(self.name, self.origin, default, kv, rules, listed or {}, never())

    def patterns(self, how: str, *spellings: str) -> tuple[str, ...]:
        """The patterns under the keys, whose expressions must compile."""
        found = self.keys.strings(*spellings)
        for pattern in found:
            if how in ("transformers", "regex") or pattern.startswith("re:"):
                check_expression(pattern.removeprefix("re:"), self.keys.where)
        return found


_FP8 = ("activation_scheme", "fmt", "scale_fmt", "weight_block_size", "weight_per_tensor", "act_per_tensor")
_MODELOPT = ("quant_algo", "group_size", "kv_cache_scheme", "kv_cache_quant_algo", "config_groups", "quantized_layers")


def _fp8(method: Method) -> Quantization:
    """Block or tensor scales; DeepSeek-V4 keeps its routed experts in mxfp4 and its scales in E8M0."""
    keys = method.keys
    keys.chosen("activation_scheme", ("dynamic", "static"), "dynamic")
    keys.chosen("fmt", _FP8_NAMES)
    keys.chosen("scale_fmt", (None, "ue8m0", "float"))
    for key in ("weight_per_tensor", "act_per_tensor"):
        keys.chosen(key, (None, False, True))
    experts = _expert_dtype(method)
    rows, inputs = block_of(keys, "weight_block_size") if keys.values.get("weight_block_size") else (0, 0)
    weight = stored("fp8", rows, inputs, 8 if experts == "fp4" else 32)
    rules = [Rule("equal or re:", _EXPERTS, LayerFormat(stored("mxfp4"), "fp8"))] if experts == "fp4" else []
    if keys.values.get("moe_quant_algo") is None:
        return method.answer(LayerFormat(weight, "fp8"), rules, read=(*_FP8, "expert_dtype"))
    again = (*_MODELOPT, "moe_quant_algo", "ignore", "producer")
    return method.answer(
        LayerFormat(weight, "fp8"),
        (*_quantised_again(keys), *rules),
        read=(*_FP8, "expert_dtype", *again),
        kv=kv_scheme(keys, "kv_cache_quant_algo"),
    )


def _quantised_again(keys: Keys) -> list[Rule]:
    """Layers of an fp8 checkpoint that ModelOpt listed and stored anew, as NVIDIA's DeepSeek-V4 with experts in nvfp4.

    What it ignores stays as it was. vLLM and SGLang know such a checkpoint by `moe_quant_algo` beside quant_method fp8.
    """
    keys.chosen("quant_algo", ("MIXED_PRECISION",))
    layers, wanted = keys.section("quantized_layers"), algorithm(keys, "moe_quant_algo")
    if layers is None or not layers.values:
        raise keys.refuse("quantized_layers", "the layers that MIXED_PRECISION quantises")
    paths: dict[LayerFormat, list[str]] = {}
    for path, layer in _quantized_layers(layers).items():
        paths.setdefault(layer, []).append(path)
    if list(paths) != [wanted]:
        raise keys.refuse(
            "moe_quant_algo", f"{', '.join(layer.weight.name for layer in paths)}, as quantized_layers says"
        )
    return [Rule("glob", tuple(found), layer) for layer, found in paths.items()]


def _expert_dtype(method: Method) -> str | None:
    """What routed experts are stored in: DeepSeek-V4 says it beside quantization_config, DeepSeek-V4.1 inside."""
    places = (Keys(method.origin, method.config), method.keys)
    found = {keys.chosen("expert_dtype", (None, "fp4", "fp8")) for keys in places} - {None}
    if len(found) > 1:
        raise ConfigError(f"{method.origin}: expert_dtype differs from {method.keys.where}.expert_dtype; keep one")
    return found.pop() if found else None


def _mxfp4(method: Method) -> Quantization:
    """Routed experts only, activations in bf16."""
    return method.answer(BF16, [Rule("equal or re:", _EXPERTS, LayerFormat(stored("mxfp4"), "bf16"))])


def _fbgemm_fp8(method: Method) -> Quantization:
    return method.answer(LayerFormat(stored("fp8", 1, 0, 32), "fp8"))


def _bitsandbytes(method: Method) -> Quantization:
    """4 bits with an fp32 scale for each 64, itself in 8 bits for each 256 of them when quantised twice; or 8 bits."""
    keys = method.keys
    four, eight = (keys.chosen(f"load_in_{bits}bit", (None, False, True)) for bits in (4, 8))
    if bool(four) == bool(eight):
        raise ConfigError(f"{keys.where}: expected either load_in_4bit or load_in_8bit to be true")
    read = ("load_in_4bit", "load_in_8bit", "bnb_4bit_quant_type", "bnb_4bit_use_double_quant")
    own_list = keys.values.get("llm_int8_skip_modules") is not None  # stands for the defaults, lm_head among them
    if eight:
        return method.answer(LayerFormat(stored("int8", 1, 0, 32), "int8"), read=read, lm_head=own_list)
    kind = keys.chosen("bnb_4bit_quant_type", ("nf4", "fp4"), "fp4")
    twice = keys.chosen("bnb_4bit_use_double_quant", (None, False, True))
    scale = 8 + Fraction(32, 256) if twice else Fraction(32)
    weight = stored("nf4" if kind == "nf4" else "bnb_fp4", 1, 64, scale)
    return method.answer(LayerFormat(weight, "bf16"), read=read, lm_head=own_list)


def _awq(method: Method) -> Quantization:
    """Groups of inputs with an fp16 scale and a packed zero point, which the layout has even where it is unused."""
    keys = method.keys
    bits = keys.whole("bits", "w_bit")
    if bits != 4:
        raise keys.refuse("bits" if "bits" in keys.values else "w_bit", "4")
    weight = grouped_format(keys, bits, keys.whole("group_size", "q_group_size"), zero_bits=bits)
    return method.answer(LayerFormat(weight, "bf16"), read=("bits", "w_bit", "group_size", "q_group_size"))


def _gptq(method: Method) -> Quantization:
    """As AWQ, with an int32 group index for each input; `dynamic` changes or skips modules, the first that fits."""
    keys = method.keys
    base = gptq_layer(keys, {})
    dynamic = keys.section("dynamic") or Keys(keys.where, {})
    rules: list[Rule] = []
    for pattern, own in dynamic.sections():
        sign, expression = (pattern[:1], pattern[2:]) if pattern[:2] in ("+:", "-:") else ("+", pattern)
        check_expression(expression, dynamic.where)
        own.only("bits", "group_size", "sym", "desc_act", "mse", "pack_dtype")
        rules.append(Rule("regex", (expression,), BF16 if sign == "-" else gptq_layer(keys, own.values)))
    default = base
    if keys.values.get("modules_in_block_to_quantize") is not None:
        rules, default = [*rules, Rule("equal or re:", _path_ends(keys), base)], BF16
    lm_head = bool(keys.chosen("lm_head", (None, False, True)))
    read = ("bits", "group_size", "dynamic", "lm_head", "modules_in_block_to_quantize")
    return method.answer(default, rules, read=read, lm_head=lm_head)


def _path_ends(keys: Keys) -> tuple[str, ...]:
    """`modules_in_block_to_quantize`: only these, named by the end of their path, in one list or in lists of lists."""
    key = "modules_in_block_to_quantize"
    value = keys.values[key]
    if not isinstance(value, list):
        raise keys.refuse(key, "a list of lists of module names")
    found: list[str] = []
    for block in cast(list[Any], value):
        found += [block] if isinstance(block, str) else Keys(keys.where, {key: block}).strings(key)
    return tuple(f"re:(.*\\.)?{re.escape(name)}$" for name in found)


def _compressed_tensors(method: Method) -> Quantization:
    """Groups of targets, each with weights and activations; a target by name or expression goes before a class."""
    keys = method.keys
    keys.chosen("format", (None, *PACKINGS))
    for key in ("sparsity_config", "transform_config"):
        section = keys.section(key)
        if section is not None and any(section.values.values()) and section.values.get("format") != "dense":
            raise keys.refuse(key, "none: sparsity and rotations are not described")
    groups = keys.section("config_groups")
    if groups is None:
        raise keys.refuse("config_groups", "groups of targets with their weights")
    default, rules = _by_group(groups)
    kv = kv_scheme(keys, "kv_cache_scheme")
    read = ("config_groups", "format", "kv_cache_scheme", "sparsity_config", "transform_config")
    return method.answer(default, rules, read=read, kv=kv)


def _by_group(groups: Keys) -> tuple[LayerFormat, tuple[Rule, ...]]:
    """The format of what only a class of layers names, and the rules of the targets that are named; those by path go
    before those by expression."""
    default, exact, patterns = BF16, list[Rule](), list[Rule]()
    for _, group in groups.sections():
        layer = group_layer(group)
        whole, paths, expressions = _targets(group)
        exact.append(Rule("equal or re:", paths, layer))
        patterns.append(Rule("equal or re:", expressions, layer))
        if whole and default is not BF16:
            raise ConfigError(f"{groups.where}: two groups target Linear; expected one")
        default = layer if whole else default
    return default, (*exact, *patterns)


def _targets(group: Keys) -> tuple[bool, tuple[str, ...], tuple[str, ...]]:
    """Whether a group is for every linear layer, the paths it names, and its expressions."""
    targets = group.strings("targets")
    expressions = tuple(target for target in targets if target.startswith("re:"))
    for expression in expressions:
        check_expression(expression.removeprefix("re:"), group.where)
    paths = tuple(target for target in targets if target not in expressions and target != "Linear")
    if not targets or any(path[:1].isupper() for path in paths):
        raise group.refuse("targets", "Linear, module paths, or expressions after `re:`")
    return "Linear" in targets, paths, expressions


def _modelopt(method: Method) -> Quantization:
    """`quant_algo` by name; MIXED_PRECISION lists every quantised layer by its path, or states groups of targets."""
    keys = method.keys
    newer = keys.values.get("kv_cache_scheme") is not None
    kv = kv_scheme(keys, "kv_cache_scheme" if newer else "kv_cache_quant_algo")
    if str(keys.values.get("quant_algo")).upper() == "MIXED_PRECISION":
        layers, groups = keys.section("quantized_layers"), keys.section("config_groups")
        if (layers is None or not layers.values) and groups is not None and groups.values:
            default, rules = _by_group(groups)
            return method.answer(default, rules, read=_MODELOPT, kv=kv)
        if layers is None or not layers.values:
            raise keys.refuse("quantized_layers", "the layers that MIXED_PRECISION quantises")
        return method.answer(BF16, read=_MODELOPT, kv=kv, listed=_quantized_layers(layers))
    layer = algorithm(keys)
    for _, group in (keys.section("config_groups") or Keys(keys.where, {})).sections():
        weights = group.section("weights")
        if weights is not None and weights.values.get("num_bits") != layer.weight.element.bits:
            raise weights.refuse("num_bits", f"{layer.weight.element.bits}, as quant_algo says")
    return method.answer(layer, read=_MODELOPT, kv=kv)


def _quantized_layers(layers: Keys) -> Mapping[str, LayerFormat]:
    """Path -> format; layers that say the same share one value, for there are tens of thousands."""
    known: dict[str, LayerFormat] = {}
    found: dict[str, LayerFormat] = {}
    for path, own in layers.sections():
        text = repr(own.values)
        if text not in known:
            own.only("quant_algo", "group_size", "awq_block_size", "has_zero_point", "pre_quant_scale")
            known[text] = algorithm(own)
        found[core(path)] = known[text]
    return found


def _quark(method: Method) -> Quantization:
    """One config for all layers, and others for the layers that patterns name."""
    keys = method.keys
    whole = keys.section("global_quant_config")
    if whole is None:
        raise keys.refuse("global_quant_config", "an object with weight and input_tensors")
    if keys.values.get("layer_type_quant_config"):
        raise keys.refuse("layer_type_quant_config", "nothing: formats by class of layer are not described")
    layers = keys.section("layer_quant_config") or Keys(keys.where, {})
    rules = [Rule("equal, glob or re:", (name,), quark_layer(layer)) for name, layer in layers.sections()]
    caches = keys.section("kv_cache_quant_config") or Keys(keys.where, {})
    kinds = {quark_cache(cache) for _, cache in caches.sections()}
    if len(kinds) > 1:
        raise keys.refuse("kv_cache_quant_config", "one format for keys and values")
    read = ("global_quant_config", "layer_quant_config", "layer_type_quant_config", "kv_cache_quant_config")
    kv = kinds.pop() if kinds else BF16.weight
    return method.answer(quark_layer(whole), rules, read=read, kv=kv)


READERS: Mapping[str, Callable[[Method], Quantization]] = {
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
