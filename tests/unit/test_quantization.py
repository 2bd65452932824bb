"""Quantisation configs of real models and of each library: what is stored how, what stays in bf16, what is refused."""

import json
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symsim.errors import ConfigError, DataError
from symsim.paths import ROOT
from symsim.quantization.formats import elements, stored
from symsim.quantization.layers import Quantization
from symsim.quantization.reader import keys_beside, read_quantization

Q = "model.layers.{layer}.self_attn.q_proj"
UP = "model.layers.{layer}.mlp.up_proj"
EXPERT = "model.layers.{layer}.mlp.experts.7.up_proj"
SHARED = "model.layers.{layer}.mlp.shared_experts.up_proj"
ROUTER = "model.layers.{layer}.mlp.gate"
FP8 = {"activation_scheme": "dynamic", "fmt": "e4m3", "quant_method": "fp8", "weight_block_size": [128, 128]}
W4A4 = {"num_bits": 4, "type": "float", "group_size": 16, "dynamic": False}
PRODUCER = {"name": "modelopt", "version": "0.37.0"}
KV8 = {"dynamic": False, "num_bits": 8, "type": "float"}


def glm_5_2() -> dict[str, Any]:
    kept = ["lm_head", "model.embed_tokens", "model.layers.0*", "model.layers.1.*", "model.layers.2.*"]
    for layer in range(3, 78):
        kept += [f"model.layers.{layer}.mlp.shared_experts*", f"model.layers.{layer}.self_attn*"]
    groups = {"group_0": {"input_activations": W4A4, "weights": W4A4, "targets": ["Linear"]}}
    modelopt = {"quant_algo": "NVFP4", "kv_cache_scheme": KV8, "producer": PRODUCER, "quant_method": "modelopt"}
    return {"config_groups": groups, "ignore": kept, **modelopt}


def minimax_m3() -> dict[str, Any]:
    layers: dict[str, Any] = {}
    for layer in range(60):
        path = f"language_model.model.layers.{layer}"
        layers |= {f"{path}.self_attn.{name}_proj": {"quant_algo": "MXFP8"} for name in "qkvo"}
        if layer < 3:
            layers |= {f"{path}.mlp.{name}_proj": {"quant_algo": "MXFP8"} for name in ("gate", "up", "down")}
            continue
        moe = f"{path}.block_sparse_moe"
        layers[f"{moe}.shared_experts.up_proj"] = {"quant_algo": "MXFP8"}
        nvfp4 = {"quant_algo": "NVFP4", "group_size": 16}
        layers |= {f"{moe}.experts.{expert}.w{i}": nvfp4 for expert in range(4) for i in (1, 2, 3)}
    kept = ["lm_head", "model.embed_tokens", "vision_tower"]
    kept += [f"language_model.model.layers.{layer}.block_sparse_moe.gate" for layer in range(3, 60)]
    stated = {"quant_algo": "MIXED_PRECISION", "kv_cache_quant_algo": None, "quant_method": "modelopt"}
    return {**stated, "exclude_modules": kept, "quantized_layers": layers}


KIMI = {
    "config_groups": {
        "group_0": {
            "input_activations": None,
            "output_activations": None,
            "targets": ["Linear"],
            "weights": {
                "actorder": None,
                "block_structure": None,
                "dynamic": False,
                "group_size": 32,
                "num_bits": 4,
                "observer": "minmax",
                "observer_kwargs": {},
                "strategy": "group",
                "symmetric": True,
                "type": "int",
            },
        }
    },
    "format": "pack-quantized",
    "ignore": ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*", "re:.*mlp\\.(gate|up|gate_up|down)_proj.*"],
    "kv_cache_scheme": None,
    "quant_method": "compressed-tensors",
    "quantization_status": "compressed",
}
GPT_OSS = {
    "modules_to_not_convert": [
        "model.layers.*.self_attn",
        "model.layers.*.mlp.router",
        "model.embed_tokens",
        "lm_head",
    ],
    "quant_method": "mxfp4",
}
QWEN_STATIC = {
    "config_groups": {"group_0": {"input_activations": KV8, "weights": KV8}},
    "ignore": ["lm_head"],
    "quant_algo": "FP8",
    "kv_cache_scheme": "FP8",
    "producer": {"name": "modelopt", "version": "0.31.0"},
}
QWEN_FP8 = {**FP8, "modules_to_not_convert": ["lm_head", *(f"model.layers.{i}.mlp.gate" for i in range(48))]}
MINIMAX_M2 = {**FP8, "fmt": "float8_e4m3fn", "modules_to_not_convert": ["gate", "e_score_correction_bias", "lm_head"]}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"}
GPTQ = {"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": True, "sym": True, "lm_head": False}
BNB = {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_quant_type": "nf4"}
FBGEMM = {"quant_method": "fbgemm_fp8", "activation_scale_ub": 1200.0, "modules_to_not_convert": ["lm_head"]}
TOKEN8 = {"num_bits": 8, "type": "int", "symmetric": True, "dynamic": True, "strategy": "token"}
W8A8 = {
    "quant_method": "compressed-tensors",
    "format": "int-quantized",
    "ignore": ["lm_head"],
    "config_groups": {
        "group_0": {
            "targets": ["Linear"],
            "weights": {"num_bits": 8, "type": "int", "strategy": "channel", "symmetric": True},
            "input_activations": TOKEN8,
        }
    },
}
FP8_WEIGHT = {"dtype": "fp8_e4m3", "qscheme": "per_tensor", "is_dynamic": False}
MXFP4_WEIGHT = {"dtype": "fp4", "qscheme": "per_group", "group_size": 32, "scale_format": "e8m0"}
QUARK = {
    "quant_method": "quark",
    "global_quant_config": {"weight": FP8_WEIGHT, "input_tensors": FP8_WEIGHT, "output_tensors": None},
    "exclude": ["lm_head", "re:.*mlp.gate$"],
    "layer_quant_config": {
        "*experts*": {"weight": MXFP4_WEIGHT, "input_tensors": {**MXFP4_WEIGHT, "is_dynamic": True}}
    },
    "kv_cache_quant_config": {"*k_proj": {"output_tensors": FP8_WEIGHT}, "*v_proj": {"output_tensors": FP8_WEIGHT}},
}
V4 = {"expert_dtype": "fp4", "quantization_config": {**FP8, "scale_fmt": "ue8m0"}}
V4_AGAIN = {
    **FP8,
    "scale_fmt": "ue8m0",
    "quant_algo": "MIXED_PRECISION",
    "moe_quant_algo": "NVFP4",
    "group_size": 16,
    "kv_cache_quant_algo": None,
    "producer": PRODUCER,
    "ignore": ["*.attn.*", "*.ffn.shared_experts.*", "head", "mtp.*"],
    "quantized_layers": {f"layers.{i}.mlp.experts": {"quant_algo": "NVFP4", "group_size": 16} for i in range(43)},
}
V4_1 = {**FP8, "weight_block_size": [32, 32], "scale_fmt": "ue8m0", "expert_dtype": "fp4"}


def read(stated: Mapping[str, Any], **others: Any) -> Quantization:
    return read_quantization({"quantization_config": stated, **others}, "config.json")


# config, module, layers, format of weights x activations in them
CASES: list[tuple[str, Quantization, str, range, str]] = [
    ("DeepSeek-V3", read(FP8), Q, range(61), "fp8 128x128 x fp8"),
    ("DeepSeek-V3", read(FP8), EXPERT, range(3, 61), "fp8 128x128 x fp8"),
    ("DeepSeek-V3", read(FP8), ROUTER, range(3, 61), "bf16 x bf16"),
    ("DeepSeek-V3.2", read(FP8), "model.layers.{layer}.self_attn.indexer.weights_proj", range(61), "bf16 x bf16"),
    ("DeepSeek-V4", read_quantization(V4), EXPERT, range(61), "mxfp4 x fp8"),
    ("DeepSeek-V4", read_quantization(V4), SHARED, range(61), "fp8 128x128 x fp8"),
    ("DeepSeek-V4", read_quantization(V4), "layers.{layer}.attn.compressor.wkv", range(61), "bf16 x bf16"),
    ("DeepSeek-V4-NVFP4", read(V4_AGAIN, expert_dtype="fp4"), EXPERT, range(43), "nvfp4 x nvfp4"),
    ("DeepSeek-V4-NVFP4", read(V4_AGAIN, expert_dtype="fp4"), SHARED, range(43), "fp8 128x128 x fp8"),
    ("DeepSeek-V4-NVFP4", read(V4_AGAIN, expert_dtype="fp4"), "mtp.{layer}.mlp.experts.0.w1", range(1), "mxfp4 x fp8"),
    ("DeepSeek-V4.1", read(V4_1), EXPERT, range(40), "mxfp4 x fp8"),
    ("DeepSeek-V4.1", read(V4_1), SHARED, range(40), "fp8 32x32 x fp8"),
    ("Qwen3-30B-A3B-FP8", read(QWEN_FP8), EXPERT, range(48), "fp8 128x128 x fp8"),
    ("Qwen3-30B-A3B-FP8", read(QWEN_FP8), ROUTER, range(48), "bf16 x bf16"),
    ("MiniMax-M2.5", read(MINIMAX_M2), "model.layers.{layer}.block_sparse_moe.gate", range(62), "bf16 x bf16"),
    ("MiniMax-M2.5", read(MINIMAX_M2), Q, range(62), "fp8 128x128 x fp8"),
    ("Qwen3-32B-FP8-Static", read(QWEN_STATIC), UP, range(64), "fp8 per tensor x fp8"),
    ("GLM-5.2-NVFP4", read(glm_5_2()), EXPERT, range(3, 78), "nvfp4 x nvfp4"),
    ("GLM-5.2-NVFP4", read(glm_5_2()), UP, range(3), "bf16 x bf16"),
    ("GLM-5.2-NVFP4", read(glm_5_2()), Q, range(78), "bf16 x bf16"),
    ("GLM-5.2-NVFP4", read(glm_5_2()), SHARED, range(3, 78), "bf16 x bf16"),
    (
        "MiniMax-M3-NVFP4",
        read(minimax_m3()),
        "model.layers.{layer}.block_sparse_moe.experts",
        range(3, 60),
        "nvfp4 x nvfp4",
    ),
    ("MiniMax-M3-NVFP4", read(minimax_m3()), "model.layers.{layer}.block_sparse_moe.gate", range(3, 60), "bf16 x bf16"),
    ("MiniMax-M3-NVFP4", read(minimax_m3()), Q, range(60), "mxfp8 x mxfp8"),
    ("MiniMax-M3-NVFP4", read(minimax_m3()), UP, range(3), "mxfp8 x mxfp8"),
    (
        "Kimi-K2.5",
        read_quantization({"text_config": {"quantization_config": KIMI}}),
        EXPERT,
        range(1, 61),
        "int4 g32 x bf16",
    ),
    ("Kimi-K2.5", read(KIMI), Q, range(61), "bf16 x bf16"),
    ("Kimi-K2.5", read(KIMI), SHARED, range(61), "bf16 x bf16"),
    ("Kimi-K2.5", read(KIMI), UP, range(1), "bf16 x bf16"),
    ("gpt-oss", read(GPT_OSS), "model.layers.{layer}.mlp.experts", range(36), "mxfp4 x bf16"),
    ("gpt-oss", read(GPT_OSS), Q, range(36), "bf16 x bf16"),
    ("AWQ", read(AWQ), Q, range(32), "int4 g128 x bf16"),
    (
        "AWQ",
        read({**AWQ, "modules_to_not_convert": ["gate", "visual"]}),
        "visual.blocks.{layer}.q",
        range(2),
        "bf16 x bf16",
    ),
    ("GPTQ", read(GPTQ), UP, range(32), "int4 g128 x bf16"),
    ("GPTQ", read({**GPTQ, "group_size": -1, "bits": 8}), UP, range(32), "int8 per channel x bf16"),
    ("bitsandbytes 4", read(BNB), UP, range(32), "nf4 g64 x bf16"),
    (
        "bitsandbytes 8",
        read({"quant_method": "bitsandbytes", "load_in_8bit": True}),
        UP,
        range(32),
        "int8 per channel x int8",
    ),
    ("fbgemm", read(FBGEMM), UP, range(126), "fp8 per channel x fp8"),
    ("compressed-tensors W8A8", read(W8A8), UP, range(32), "int8 per channel x int8"),
    ("Quark", read(QUARK), Q, range(32), "fp8 per tensor x fp8"),
    ("Quark", read(QUARK), EXPERT, range(32), "mxfp4 x mxfp4"),
    ("Quark", read(QUARK), ROUTER, range(32), "bf16 x bf16"),
]


@pytest.mark.parametrize(("model", "found", "module", "layers", "expected"), CASES)
def test_format_of_modules(model: str, found: Quantization, module: str, layers: range, expected: str) -> None:
    assert {kind.name: count for kind, count in found.counted(module, layers).items()} == {expected: len(layers)}


@pytest.mark.parametrize("found", {id(case[1]): case[1] for case in CASES}.values(), ids=lambda q: q.method)
def test_lm_head_stays_in_bf16_in_all_of_them(found: Quantization) -> None:
    assert found.format_of("lm_head").name == found.format_of("language_model.lm_head").name == "bf16 x bf16"


KV_CACHES = [
    (glm_5_2(), "fp8"),
    (QWEN_STATIC, "fp8"),
    (minimax_m3(), "bf16"),
    (KIMI, "bf16"),
    (FP8, "bf16"),
    (QUARK, "fp8"),
    ({"quant_method": "modelopt", "quant_algo": "NVFP4", "kv_cache_quant_algo": "NVFP4"}, "nvfp4"),
    ({**W8A8, "kv_cache_scheme": {"num_bits": 8, "type": "int"}}, "int8"),
]


@pytest.mark.parametrize(("stated", "kv"), KV_CACHES)
def test_kv_cache(stated: dict[str, Any], kv: str) -> None:
    assert read(stated).kv.name == kv


# Bits of a weight with its part of the scales, and where they are from.
BITS = [
    (FP8, 8 + Fraction(32, 128 * 128), "one fp32 for each 128 x 128"),
    (QWEN_STATIC, Fraction(8), "one fp32 a tensor"),
    (glm_5_2(), 4 + Fraction(8, 16), "one E4M3 for each 16"),
    (KIMI, 4 + Fraction(16, 32), "one bf16 for each 32, symmetric"),
    (AWQ, 4 + Fraction(16 + 4, 128), "one fp16 and one 4-bit zero point for each 128"),
    (GPTQ, 4 + Fraction(16 + 4, 128), "one fp16 and one 4-bit zero point for each 128"),
    (BNB, 4 + Fraction(32, 64), "QLoRA section 3: 0.5 bits without double quantisation"),
    ({**BNB, "bnb_4bit_use_double_quant": True}, 4 + Fraction(8, 64) + Fraction(32, 64 * 256), "QLoRA: 0.127 bits"),
]


@pytest.mark.parametrize(("stated", "bits", "why"), BITS)
def test_bits_of_a_weight_are_exact(stated: dict[str, Any], bits: Fraction, why: str) -> None:
    assert read(stated).default.weight.bits_per_weight == bits, why


def test_scales_of_deepseek_v4_are_one_byte() -> None:
    assert read_quantization(V4).default.weight.bits_per_weight == 8 + Fraction(8, 128 * 128)
    assert read_quantization(V4).format_of(EXPERT, 5).weight.bits_per_weight == 4 + Fraction(8, 32)
    assert read(V4_1).default.weight.bits_per_weight == 8 + Fraction(8, 32 * 32)


def test_gptq_dynamic_takes_the_first_pattern_that_fits() -> None:
    dynamic = {"-:model\\.layers\\.[01]\\.": {}, "+:.*\\.down_proj": {"bits": 8, "group_size": 32}}
    found = read({**GPTQ, "dynamic": dynamic})
    down = "model.layers.{layer}.mlp.down_proj"
    assert {kind.name: n for kind, n in found.counted(down, range(4)).items()} == {
        "bf16 x bf16": 2,
        "int8 g32 x bf16": 2,
    }
    assert found.format_of(UP, 3).name == "int4 g128 x bf16"


def test_gptq_may_quantise_the_lm_head_and_only_some_modules() -> None:
    assert read({**GPTQ, "lm_head": True}).format_of("lm_head").name == "int4 g128 x bf16"
    found = read({**GPTQ, "modules_in_block_to_quantize": [["self_attn.q_proj", "self_attn.k_proj"], ["mlp.up_proj"]]})
    assert found.format_of(Q, 0).name == "int4 g128 x bf16"
    assert found.format_of("model.layers.0.mlp.down_proj").name == "bf16 x bf16"


def test_own_skip_list_stands_for_the_defaults_of_bitsandbytes() -> None:
    assert read({**BNB, "llm_int8_skip_modules": ["router"]}).format_of("lm_head").name == "nf4 g64 x bf16"


def test_groups_by_name_go_before_the_class() -> None:
    mxfp4 = {"num_bits": 4, "type": "float", "strategy": "group", "group_size": 32}
    experts = {"targets": ["re:.*experts.*"], "weights": mxfp4, "input_activations": mxfp4}
    rest = {"targets": ["Linear"], "weights": KV8, "input_activations": KV8}
    stated = {**W8A8, "format": "mixed-precision", "config_groups": {"group_0": rest, "group_1": experts}}
    assert read(stated).format_of(EXPERT, 3).name == "mxfp4 x mxfp4"
    assert read(stated).format_of(UP, 3).name == "fp8 per tensor x fp8"


def test_wrappers_of_text_models_do_not_matter() -> None:
    found = read({**FP8, "modules_to_not_convert": ["model.language_model.layers.0.linear_attn.in_proj_a"]})
    for path in ("model.layers.0.linear_attn.in_proj_a", "language_model.model.layers.0.linear_attn.in_proj_a"):
        assert found.format_of(path).name == "bf16 x bf16"
    assert found.format_of("model.layers.1.linear_attn.in_proj_a").name == "fp8 128x128 x fp8"


def test_nothing_stated_is_bf16_throughout() -> None:
    found = read_quantization({"hidden_size": 4096})
    assert (found.method, found.format_of(Q, 3).name, found.kv.name) == (None, "bf16 x bf16", "bf16")


def test_file_beside_the_config(tmp_path: Path) -> None:
    beside: dict[str, Any] = {
        "producer": PRODUCER,
        "quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8", "group_size": 16},
    }
    beside["quantization"]["exclude_modules"] = ["lm_head"]
    assert keys_beside(tmp_path / "config.json") is None
    (tmp_path / "hf_quant_config.json").write_text(json.dumps(beside))
    keys = keys_beside(tmp_path / "config.json")
    found = read_quantization({}, beside=keys)
    assert (found.format_of(Q, 0).name, found.kv.name) == ("nvfp4 x nvfp4", "fp8")
    same = {"quant_method": "modelopt", "quant_algo": "NVFP4", "kv_cache_scheme": KV8, "ignore": ["lm_head"]}
    assert read_quantization({"quantization_config": same}, beside=keys).format_of(Q, 0).name == "nvfp4 x nvfp4"
    with pytest.raises(ConfigError, match=r"hf_quant_config\.json beside it"):
        read_quantization({"quantization_config": {**same, "quant_algo": "FP8"}}, beside=keys)


def test_containers_answer_where_all_agree() -> None:
    mixed = {
        "model.layers.0.mlp.experts.0.w1": {"quant_algo": "NVFP4"},
        "model.layers.0.mlp.experts.0.w2": {"quant_algo": "FP8"},
    }
    found = read({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": mixed})
    assert found.format_of("model.layers.0.mlp.experts.0.w1").name == "nvfp4 x nvfp4"
    with pytest.raises(ConfigError, match=r"experts differ in format \(fp8 per tensor x fp8, nvfp4 x nvfp4\)"):
        found.format_of("model.layers.{layer}.mlp.experts", 0)


INT4 = {"num_bits": 4, "type": "int", "strategy": "group"}
REFUSED = [
    ({"quant_method": "aqlm"}, 'quant_method = "aqlm" is not understood; did you mean awq'),
    ({"bits": 4}, "quant_method = null is not understood"),
    ({**FP8, "fmt": "e5m2"}, 'fmt = "e5m2" is not understood; expected null or "e4m3"'),
    ({**FP8, "weight_block_size": [128]}, "weight_block_size = [128] is not understood"),
    ({**FP8, "rotation": "hadamard"}, 'rotation = "hadamard" may change cost'),
    ({**FP8, "modules_to_not_convert": "lm_head"}, "expected a list of module names"),
    ({**FP8, "modules_to_not_convert": ["layers.(0"]}, "'layers.(0' is not a regular expression"),
    ({**AWQ, "bits": 3}, "bits = 3 is not understood; expected 4"),
    ({**GPTQ, "bits": 5}, "bits = 5 is not understood; expected 2 or 3 or 4 or 8"),
    ({**GPTQ, "group_size": 0}, "group_size = 0 is not understood"),
    ({**GPTQ, "dynamic": {"+:.*": {"dtype": "fp8"}}}, 'dtype = "fp8" may change cost'),
    ({**BNB, "load_in_8bit": True}, "either load_in_4bit or load_in_8bit"),
    ({**BNB, "bnb_4bit_quant_type": "nf3"}, 'bnb_4bit_quant_type = "nf3"'),
    ({"quant_method": "modelopt", "quant_algo": "NVFP5"}, "did you mean NVFP4"),
    ({**glm_5_2(), "quant_algo": "FP8"}, "num_bits = 4 is not understood; expected 8, as quant_algo says"),
    ({**glm_5_2(), "group_size": 32}, "group_size = 32 is not understood; expected 16, which NVFP4 fixes"),
    ({**glm_5_2(), "kv_cache_scheme": "FP6"}, 'kv_cache_scheme = "FP6" is not understood'),
    ({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}, "quantized_layers = null"),
    ({**KIMI, "sparsity_config": {"format": "sparse-24-bitmask"}}, "sparsity and rotations are not described"),
    ({**KIMI, "format": "marlin-24"}, 'format = "marlin-24" is not understood'),
    ({**W8A8, "config_groups": {"g": {"targets": ["Embedding"], "weights": KV8}}}, 'targets = ["Embedding"]'),
    ({**W8A8, "config_groups": {"g": {"targets": ["Linear"], "weights": {**W4A4, "group_size": 8}}}}, "4 bits by 16"),
    (
        {**W8A8, "config_groups": {"g": {"targets": ["Linear"], "weights": {**INT4, "group_size": -1}}}},
        "group_size = -1 is not understood; expected a positive number",
    ),
    ({**W8A8, "config_groups": None}, "config_groups = null"),
    ({**QUARK, "global_quant_config": {"weight": {"dtype": "mx6", "qscheme": "per_group"}}}, 'dtype = "mx6"'),
]


@pytest.mark.parametrize(("stated", "says"), REFUSED)
def test_what_is_not_understood_is_refused_by_name(stated: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(stated)
    assert "config.json: quantization_config" in str(caught.value)
    assert says in str(caught.value)


def test_unknown_expert_format_is_refused() -> None:
    with pytest.raises(ConfigError, match=r'config\.json: expert_dtype = "fp6" is not understood'):
        read(FP8, expert_dtype="fp6")
    with pytest.raises(ConfigError, match=r'quantization_config: expert_dtype = "fp6" is not understood'):
        read({**FP8, "expert_dtype": "fp6"})


def test_expert_formats_in_two_places_agree() -> None:
    assert read(V4_1, expert_dtype="fp4") == read(V4_1)
    with pytest.raises(ConfigError, match=r"expert_dtype differs from .*quantization_config\.expert_dtype; keep one"):
        read(V4_1, expert_dtype="fp8")


def test_mixed_precision_by_groups_of_targets() -> None:
    """As ModelOpt exports for compressed-tensors: no list of layers, one group by class and one by expression."""
    eight = {"weights": {"num_bits": 8, "type": "float"}, "input_activations": {"num_bits": 8, "type": "float"}}
    groups = {"group_0": {"targets": ["Linear"], "weights": W4A4, "input_activations": W4A4}}
    groups["group_1"] = {"targets": ["re:.*self_attn.*"], **eight}
    stated = {
        "quant_method": "modelopt",
        "quant_algo": "MIXED_PRECISION",
        "config_groups": groups,
        "ignore": ["lm_head"],
    }
    found = read(stated)
    assert found.format_of("model.layers.3.mlp.up_proj").weight.element.name == "nvfp4"
    assert found.format_of("model.layers.3.self_attn.q_proj").weight.element.name == "fp8"
    assert found.format_of("lm_head").name == "bf16 x bf16"


def test_groups_of_all_inputs_are_channels() -> None:
    groups = {"g": {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "int", "group_size": -1}}}
    channel = {"g": {"targets": ["Linear"], "weights": {"num_bits": 4, "type": "int", "strategy": "channel"}}}
    assert read({**W8A8, "config_groups": groups}) == read({**W8A8, "config_groups": channel})


def test_torchao_by_module() -> None:
    int4 = {"_type": "Int4WeightOnlyConfig", "_version": 1, "_data": {"group_size": 128}}
    int8 = {"_type": "Int8WeightOnlyConfig", "_version": 1, "_data": {}}
    modules = {"_default": int4, "model.layers.0.self_attn.q_proj": int8, "lm_head": None}
    data = {"_type": "ModuleFqnToConfig", "_version": 1, "_data": {"module_fqn_to_config": modules}}
    found = read({"quant_method": "torchao", "quant_type": {"default": data}})
    assert found.format_of("model.layers.0.self_attn.q_proj").weight.element.name == "int8"
    assert found.format_of("model.layers.1.self_attn.q_proj").weight.element.name == "int4"
    assert found.format_of("lm_head").name == "bf16 x bf16"


def listing(*paths: str, algorithm: str = "NVFP4") -> dict[str, Any]:
    """MIXED_PRECISION with these modules in the format of one algorithm."""
    layers = {path: {"quant_algo": algorithm} for path in paths}
    return {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": layers}


ROOTS = ["", "model.", "backbone.", "transformer.", "language_model.model.", "model.language_model.", "thinker.model."]


@pytest.mark.parametrize("asked", ROOTS)
@pytest.mark.parametrize("stated", ROOTS)
def test_modules_are_the_same_under_any_root(asked: str, stated: str) -> None:
    names = ("mixer.experts.0.up_proj", "mixer.experts.1.up_proj", "mlp.gate_proj")
    found = read(listing(*(f"{stated}layers.1.{name}" for name in names)))
    for path in ("layers.1.mixer.experts.*.up_proj", "layers.1.mlp.gate_proj"):
        assert found.mixture(asked + path, None, 2).name == "nvfp4 x nvfp4"
    kept = {"quant_method": "modelopt", "quant_algo": "FP8", "exclude_modules": [f"{stated}layers.1.mlp.gate_proj"]}
    assert read(kept).format_of(f"{asked}layers.1.mlp.gate_proj").name == "bf16 x bf16"


@pytest.mark.parametrize("tower", ["vision_tower.layers.1.mlp.up_proj", "mtp.layers.1.mlp.up_proj"])
def test_towers_and_mtp_are_other_modules(tower: str) -> None:
    assert read(listing("model.layers.1.mlp.up_proj")).format_of(tower).name == "bf16 x bf16"


def test_what_is_listed_stands_for_all_that_is_inside_it() -> None:
    found = read(listing("transformer.h.0.mlp", "model.layers.3.mlp.experts", algorithm="FP8"))
    for path in ("transformer.h.0.mlp.dense_4h_to_h", "model.layers.3.mlp.experts.*.up_proj"):
        assert found.format_of(path).name == "fp8 per tensor x fp8"
    assert found.format_of("transformer.h.1.mlp.dense_4h_to_h").name == "bf16 x bf16"
    fused = read(listing("model.layers.0.mlp.experts.gate_up_proj", "model.layers.0.mlp.experts.down_proj"))
    assert fused.format_of("model.layers.0.mlp.experts.*.up_proj").name == "nvfp4 x nvfp4"


HALF = "1/2 fp8 per tensor x fp8, 1/2 bf16 x bf16"


def test_experts_of_two_formats_have_each_their_share() -> None:
    experts = "model.layers.0.mlp.experts"
    listed = read(listing(*(f"{experts}.{expert}.up_proj" for expert in (0, 2)), algorithm="FP8"))
    assert listed.mixture(f"{experts}.*.up_proj", None, 4).name == HALF
    assert listed.mixture(f"{experts}.*.up_proj", None, 2).name == "fp8 per tensor x fp8"
    assert listed.mixture(f"{experts}.*.down_proj", None, 4).name == "bf16 x bf16"
    for pattern in (r"re:.*experts\.[13]\..*", "*.experts.[13].*"):
        kept = read({"quant_method": "modelopt", "quant_algo": "FP8", "ignore": [pattern.replace("\\\\", "\\")]})
        assert kept.mixture(f"{experts}.*.up_proj", None, 4).name == HALF, pattern


@given(st.sets(st.integers(0, 15)))
def test_shares_of_experts_are_the_experts_that_are_listed(which: set[int]) -> None:
    paths = [f"model.layers.0.mlp.experts.{expert}.up_proj" for expert in which]
    mixture = read(listing(*paths, "lm_head")).mixture("model.layers.0.mlp.experts.*.up_proj", None, 16)
    found = {layer.name: share for layer, share in mixture.parts}
    assert found.get("nvfp4 x nvfp4", 0) == Fraction(len(which), 16)
    assert sum(found.values()) == 1


@pytest.mark.parametrize("silent", [{}, {"kv_cache_quant_algo": None}])
def test_what_one_of_two_files_is_silent_on_the_other_says(silent: dict[str, Any]) -> None:
    layers = {"model.layers.0.mlp.up_proj": {"quant_algo": "FP8"}}
    whole = {"quant_algo": "MIXED_PRECISION", "quantized_layers": layers, "exclude_modules": ["mtp*"]}
    stated = {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}
    for own, beside in (
        ({**stated, "kv_cache_scheme": KV8}, {**whole, **silent}),
        ({**stated, "quantized_layers": layers, **silent}, {**whole, "kv_cache_quant_algo": "FP8"}),
        ({"quant_method": "modelopt", **whole, **silent}, {**whole, "kv_cache_quant_algo": "FP8"}),
    ):
        found = read_quantization({"quantization_config": own}, "config.json", {"quantization": beside})
        assert (found.kv.name, found.format_of(UP, 0).name) == ("fp8", "fp8 per tensor x fp8")
        assert found.origin == "config.json with hf_quant_config.json"


def test_a_cache_that_the_file_beside_blocks_of_fp8_states() -> None:
    beside = {"quant_algo": "FP8_BLOCK_SCALES", "kv_cache_quant_algo": "FP8"}
    assert read_quantization({"quantization_config": FP8}, beside={"quantization": beside}).kv.name == "fp8"


def test_two_caches_contradict_each_other() -> None:
    own = {"quant_method": "modelopt", "quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}
    with pytest.raises(ConfigError, match=r"a KV cache in fp8, .* with nvfp4; keep the one"):
        read_quantization(
            {"quantization_config": own}, beside={"quantization": {**own, "kv_cache_quant_algo": "NVFP4"}}
        )


def test_what_was_quantised_again_agrees_with_the_list_beside_it() -> None:
    keys = {"expert_dtype": "fp4", "quantization_config": V4_AGAIN}
    inner = {key: V4_AGAIN[key] for key in ("quant_algo", "kv_cache_quant_algo", "group_size", "quantized_layers")}
    assert read_quantization(keys, beside={"quantization": inner}) == read_quantization(keys)
    others = {"quantized_layers": {"layers.0.mlp.experts": {"quant_algo": "MXFP8"}}}
    with pytest.raises(ConfigError, match="keep the one that describes the weights"):
        read_quantization(keys, beside={"quantization": {**inner, **others}})
    with pytest.raises(ConfigError, match='moe_quant_algo = "FP8" is not understood; expected nvfp4'):
        read({**V4_AGAIN, "moe_quant_algo": "FP8"})
    with pytest.raises(ConfigError, match="quantized_layers"):
        read({**V4_AGAIN, "quantized_layers": None})


def test_two_places_that_disagree_are_refused() -> None:
    with pytest.raises(ConfigError, match="disagree; keep one"):
        read_quantization({"quantization_config": FP8, "text_config": {"quantization_config": AWQ}})


def test_index_and_placeholder_come_together() -> None:
    with pytest.raises(ConfigError, match="come together"):
        read(FP8).format_of(Q)
    with pytest.raises(ConfigError, match="come together"):
        read(FP8).format_of("lm_head", 3)


def test_every_number_format_has_a_specification() -> None:
    assert all(kind.source for kind in elements().values())
    with pytest.raises(DataError, match="did you mean mxfp4 or nvfp4"):
        stored("xfp4")


SHARED_FILES = ROOT.parent / "shared"


def _real_configs() -> list[tuple[str, Mapping[str, Any]]]:
    found = [(path.stem, json.loads(path.read_text())) for path in sorted((SHARED_FILES / "configs").rglob("*.json"))]
    oracle = SHARED_FILES / "oracle" / "transformers.json"
    if oracle.is_file():
        found += [(record["name"], record["config"]) for record in json.loads(oracle.read_text())["records"]]
    return found


@pytest.mark.skipif(not SHARED_FILES.is_dir(), reason="needs ../shared with real configs")
def test_every_real_config_is_understood() -> None:
    found = {name: read_quantization(keys, name) for name, keys in _real_configs()}
    quantised = {name: answer for name, answer in found.items() if answer.method is not None}
    assert len(quantised) >= 15
    for name, answer in quantised.items():
        assert answer.format_of("lm_head").name == "bf16 x bf16", name
        assert len(answer.formats) > 1, name


ROUND = {
    "quant_method": "auto-round",
    "bits": 4,
    "group_size": 128,
    "sym": True,
    "data_type": "int",
    "packing_format": "auto_round:auto_gptq",
    "autoround_version": "0.6.0",
    "extra_config": {
        "model.layers.0.mlp.up_proj": {"bits": 16, "data_type": "float"},
        ".*self_attn\\.q_proj": {"bits": 8, "group_size": 32},
    },
}
TORCHAO = {"quant_method": "torchao", "quant_type": {"default": {"_type": "Int4WeightOnlyConfig", "_data": {}}}}
HQQ4 = {"weight_quant_params": {"nbits": 4, "group_size": 64, "axis": 1}}
HQQ = {"quant_method": "hqq", "quant_config": HQQ4, "skip_modules": ["lm_head"]}


def torchao(name: str, **data: Any) -> dict[str, Any]:
    return {"quant_method": "torchao", "quant_type": {"default": {"_type": name, "_data": data}}}


WEIGHT_ONLY = [
    (ROUND, "model.layers.1.mlp.up_proj", "int4 g128 x bf16", 4 + Fraction(16 + 4, 128)),
    (ROUND, "model.layers.0.mlp.up_proj", "bf16 x bf16", Fraction(16)),
    (ROUND, "model.layers.3.self_attn.q_proj", "int8 g32 x bf16", 8 + Fraction(16 + 8, 32)),
    ({**ROUND, "quant_method": "intel/auto-round"}, "model.layers.1.mlp.up_proj", "int4 g128 x bf16", None),
    ({**ROUND, "data_type": "mx_fp", "act_bits": 4}, "model.layers.1.mlp.up_proj", "mxfp4 x mxfp4", None),
    (TORCHAO, "model.layers.1.mlp.up_proj", "int4 g128 x bf16", 4 + Fraction(32, 128)),
    (torchao("Int4WeightOnlyConfig", group_size=32), "model.layers.1.mlp.up_proj", "int4 g32 x bf16", Fraction(5)),
    (torchao("Int8WeightOnlyConfig"), "model.layers.1.mlp.up_proj", "int8 per channel x bf16", Fraction(8)),
    (torchao("Float8DynamicActivationFloat8WeightConfig"), "model.layers.1.mlp.up_proj", "fp8 per tensor x fp8", None),
    (
        {"quant_method": "torchao", "quant_type": "int4_weight_only", "quant_type_kwargs": {"group_size": 64}},
        "model.layers.1.mlp.up_proj",
        "int4 g64 x bf16",
        None,
    ),
    (HQQ, "model.layers.1.mlp.up_proj", "int4 g64 x bf16", 4 + Fraction(32, 64)),
    ({**HQQ, "quant_config": {"mlp.up_proj": HQQ4}}, "model.layers.1.mlp.up_proj", "int4 g64 x bf16", None),
    ({**HQQ, "quant_config": {"mlp.up_proj": HQQ4}}, "model.layers.1.mlp.down_proj", "bf16 x bf16", None),
]


@pytest.mark.parametrize(("stated", "module", "name", "bits"), WEIGHT_ONLY)
def test_libraries_that_quantise_weights_alone(
    stated: dict[str, Any], module: str, name: str, bits: Fraction | None
) -> None:
    found = read(stated)
    assert found.format_of(module).name == name
    assert found.format_of("lm_head").name == "bf16 x bf16"
    assert bits is None or found.format_of(module).weight.bits_per_weight == bits


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        (
            torchao("ModuleFqnToConfig"),
            "quant_type = .*ModuleFqnToConfig.* is not understood; expected a described type",
        ),
        (torchao("Int4WeightOnlyConfig", group_size="all"), 'group_size = "all" is not understood'),
        ({**ROUND, "bits": 5}, "bits = 5 is not understood"),
        ({**ROUND, "rotation": "hadamard"}, "rotation = .* may change cost"),
        ({**HQQ, "quant_config": None}, "quant_config = null is not understood"),
        ({**HQQ, "quant_config": {"weight_quant_params": {"nbits": 1, "group_size": 64}}}, "nbits = 1"),
    ],
)
def test_what_these_libraries_say_otherwise_is_refused(stated: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        read(stated)
