"""Readers of libraries that mostly quantise weights alone: AutoRound, torchao, HQQ; and every reader by its name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from symsim.errors import did_you_mean
from symsim.inputs.strict_json import Keys
from symsim.quantization.formats import stored
from symsim.quantization.layers import BF16, LayerFormat, Quantization, Rule
from symsim.quantization.methods import READERS, Method
from symsim.quantization.patterns import check_expression
from symsim.quantization.schemes import grouped_format, tables

_ROUND = ("bits", "group_size", "sym", "data_type", "act_bits", "act_data_type", "extra_config")


def _auto_round(method: Method) -> Quantization:
    """GPTQ's or AWQ's layout without an index for inputs; `extra_config` changes layers by path or expression."""
    keys = method.keys
    own = keys.section("extra_config") or Keys(keys.where, {})
    rules: list[Rule] = []
    for pattern, changes in own.sections():
        changes.only(*_ROUND, *tables()["auto-round"]["layer"])
        layer = _round_layer(Keys(changes.where, {**keys.values, **_stated(changes)}))
        if re.search(r"[\\*+^$|()\[\]]", pattern):
            check_expression(pattern, own.where)
            rules.append(Rule("regex", (pattern,), layer))
        else:
            rules.append(Rule("equal or re:", (pattern,), layer))
    lm_head = any("lm_head" in rule.patterns for rule in rules)
    return method.answer(_round_layer(keys), rules, read=_ROUND, lm_head=lm_head)


def _stated(keys: Keys) -> Mapping[str, Any]:
    return {key: value for key, value in keys.values.items() if value is not None}


def _round_layer(keys: Keys) -> LayerFormat:
    bits = keys.whole("bits")
    if bits >= 16:
        return BF16
    activations = keys.whole("act_bits", default=16)
    kind = str(keys.chosen("data_type", (None, "int", "int_asym_dq", "int_sym", "mx_fp", "mx_fp4", "nv_fp", "nv_fp4")))
    if kind.startswith(("mx_fp", "nv_fp")):
        name = "nvfp4" if kind.startswith("nv") else f"mxfp{bits}"
        return LayerFormat(stored(name), name if activations < 16 else "bf16")
    if activations not in (8, 16):
        raise keys.refuse("act_bits", "16, or 8 of integers")
    weight = grouped_format(keys, bits, keys.whole("group_size", default=128), zero_bits=bits)
    return LayerFormat(weight, "int8" if activations == 8 else "bf16")


def _torchao(method: Method) -> Quantization:
    """One config class for all linear layers, by its name and its group size, or one for each module; older files say
    it in words."""
    keys, read = method.keys, ("quant_type", "quant_type_kwargs")
    if not isinstance(keys.values.get("quant_type"), dict):
        stated = str(keys.values.get("quant_type"))
        return method.answer(_torchao_layer(keys, stated, keys.section("quant_type_kwargs")), read=read)
    section = (keys.section("quant_type") or keys).section("default")
    name, data = _torchao_type(section)
    modules = None if data is None else data.section("module_fqn_to_config") or data.section("fqn_to_config")
    if modules is None:
        return method.answer(_torchao_layer(keys, name, data), read=read)
    default = modules.section("_default")
    rules = [
        Rule(
            "equal or re:",
            (path,),
            BF16 if own is None else _torchao_layer(keys, *_torchao_type(modules.section(path))),
        )
        for path, own in modules.values.items()
        if path != "_default"
    ]
    return method.answer(BF16 if default is None else _torchao_layer(keys, *_torchao_type(default)), rules, read=read)


def _torchao_type(section: Keys | None) -> tuple[str, Keys | None]:
    return ("", None) if section is None else (str(section.values.get("_type")), section.section("_data"))


def _torchao_layer(keys: Keys, name: str, data: Keys | None) -> LayerFormat:
    known: Mapping[str, Mapping[str, Any]] = tables()["torchao"]["types"]
    row = next((row for spelled, row in known.items() if name in (spelled, row["words"])), None)
    if row is None:
        raise keys.refuse("quant_type", f"a described type ({did_you_mean(name, known)})")
    group = None if data is None else data.values.get("group_size")
    group = row.get("inputs", 0) if group is None else group
    if not isinstance(group, int) or isinstance(group, bool) or group < 0:
        raise (data or keys).refuse("group_size", "a positive whole number")
    inputs = group if row["grouped"] else 0
    weight = stored(row["weight"], 1 if inputs or row["rows"] else 0, inputs, row["scale_bits"])
    return LayerFormat(weight, row["activation"])


def _hqq(method: Method) -> Quantization:
    """Groups with a 16-bit scale and zero point each; one setting for all, or one for each name of a linear layer."""
    keys = method.keys
    config = keys.section("quant_config")
    if config is None:
        raise keys.refuse("quant_config", "an object with weight_quant_params")
    read = ("quant_config",)
    if "weight_quant_params" in config.values:
        return method.answer(_hqq_layer(config), read=read)
    rules = [
        Rule("equal or re:", (f"re:(.*\\.)?{re.escape(name)}$",), _hqq_layer(own)) for name, own in config.sections()
    ]
    return method.answer(BF16, rules, read=read)


def _hqq_layer(own: Keys) -> LayerFormat:
    params = own.section("weight_quant_params") or own
    bits, group = params.whole("nbits"), params.values.get("group_size")
    for key in ("scale_quant_params", "zero_quant_params"):
        own.chosen(key, (None,))
    if params.chosen("axis", (None, 0, 1), 1) == 0 and group is not None:
        raise params.refuse("axis", "1: groups of inputs")
    if bits not in (2, 3, 4, 8):
        raise params.refuse("nbits", "2, 3, 4 or 8")
    if group is not None and (not isinstance(group, int) or isinstance(group, bool) or group < 1):
        raise params.refuse("group_size", "a positive whole number")
    return LayerFormat(stored(f"int{bits}", 1, group or 0, 32), "bf16")


EVERY: Mapping[str, Callable[[Method], Quantization]] = {
    **READERS,
    "auto-round": _auto_round,
    "torchao": _torchao,
    "hqq": _hqq,
}
"""`quant_method` -> its reader."""
