"""Checkpoints' own formats in the `roofline` costs, by hand: bytes, peaks, layers that stay in bf16, refusals."""

import json
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import symsim
from symsim.algebra.symbols import substitute
from symsim.cost.kernel_cost import QUANTISABLE
from symsim.errors import ConfigError, DeploymentError
from symsim.formula.breakdown import OpLine, breakdown
from symsim.language.library import load_library
from symsim.language.tree import Clause, Each, Layers, Node, Repeat, Statement, When
from symsim.model.family import find_family
from tests.laws.test_units import OF, dimension
from tests.unit.test_quantization import AWQ, FP8, GPT_OSS, GPTQ, QWEN_STATIC, W8A8, glm_5_2

POINT = {"B": 64, "S": 4096, "O": 2048, "T": 8192}

LLAMA_3_8B = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "vocab_size": 128256,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "intermediate_size": 14336,
}
LLAMA_2_7B = {**LLAMA_3_8B, "vocab_size": 32000, "num_key_value_heads": 32, "intermediate_size": 11008}
QWEN3_32B = {
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "hidden_size": 5120,
    "num_hidden_layers": 64,
    "vocab_size": 151936,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 25600,
}
GPT_OSS_20B = {
    "architectures": ["GptOssForCausalLM"],
    "model_type": "gpt_oss",
    "hidden_size": 2880,
    "num_hidden_layers": 24,
    "vocab_size": 201088,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "intermediate_size": 2880,
    "num_local_experts": 32,
    "num_experts_per_tok": 4,
    "sliding_window": 128,
    "attention_bias": True,
}
GLM_5 = {
    "architectures": ["GlmMoeDsaForCausalLM"],
    "model_type": "glm_moe_dsa",
    "hidden_size": 6144,
    "num_hidden_layers": 78,
    "vocab_size": 154880,
    "num_attention_heads": 64,
    "intermediate_size": 12288,
    "n_routed_experts": 256,
}
MINIMAX_M2 = {
    "architectures": ["MiniMaxM2ForCausalLM"],
    "model_type": "minimax_m2",
    "hidden_size": 3072,
    "num_hidden_layers": 6,
    "vocab_size": 200064,
    "num_attention_heads": 48,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 1536,
    "num_local_experts": 8,
    "num_experts_per_tok": 2,
}
DEEPSEEK_V3 = json.loads((symsim.paths.CONFIGS / "deepseek-v3.json").read_text())


def config(folder: Path, keys: dict[str, Any], quantization: dict[str, Any] | None = None) -> Path:
    stated = {} if quantization is None else {"quantization_config": quantization}
    (folder / "config.json").write_text(json.dumps({**keys, **stated}))
    return folder


def compiled(model: Path, device: str = "b200", **deployment: Any) -> symsim.Costs:
    return symsim.compile(model, device, symsim.Deployment(**deployment), "roofline")


def weights(costs: symsim.Costs) -> Fraction:
    """Bytes of all weights of one copy, exactly."""
    values: dict[Any, Any] = {}
    for step in costs.memory.form.derivation.substituted(costs.compiled.numbers.symbols()).steps:
        values[step.symbol] = substitute(step.expr, values)
        if step.symbol.name == "weights":
            return Fraction(int(values[step.symbol].p), int(values[step.symbol].q))
    raise AssertionError


def lines(costs: symsim.Costs) -> dict[str, OpLine]:
    return {line.name: line for line in breakdown(costs.compiled.decode, costs.tpot.form, POINT)}


# Architecture of the published files, and what of them is no weight of the language model as its config describes it.
PUBLISHED = [
    (GPT_OSS_20B, GPT_OSS, 13_761_264_768, 0, "huggingface.co/openai/gpt-oss-20b, total_size of its safetensors index"),
    (LLAMA_3_8B, AWQ, 5.73e9, 0.001, "huggingface.co/casperhansen/llama-3-8b-instruct-awq: 5.73 GB in two files"),
    (LLAMA_2_7B, AWQ, 3.89e9, 0.001, "huggingface.co/TheBloke/Llama-2-7B-AWQ: 3.89 GB"),
    (LLAMA_2_7B, GPTQ, 3.90e9, 0.003, "huggingface.co/TheBloke/Llama-2-7B-GPTQ, 128 with act order: 3.90 GB"),
]


@pytest.mark.parametrize(("keys", "stated", "published", "within", "source"), PUBLISHED)
def test_weights_take_what_published_files_do(
    keys: dict[str, Any], stated: dict[str, Any], published: float, within: float, source: str, tmp_path: Path
) -> None:
    found = weights(compiled(config(tmp_path, keys, stated)))
    assert abs(found - published) <= within * published, source


def test_deepseek_v3_with_its_prediction_layer_is_the_published_checkpoint(tmp_path: Path) -> None:
    """688.6 GB (huggingface.co/deepseek-ai/DeepSeek-V3): 61 layers, and one of multi-token prediction, a sparse layer
    with a projection of two hidden states, three norms, and an embedding and an LM head of its own in the files.
    """
    costs = compiled(config(tmp_path, DEEPSEEK_V3, FP8), "h200")
    one = weights(costs) - weights(compiled(config(tmp_path, {**DEEPSEEK_V3, "num_hidden_layers": 60}, FP8), "h200"))
    ends = 2 * 129280 * 7168 * 2
    assert float(weights(costs)) == pytest.approx(673.15e9, rel=1e-5)
    assert float(weights(costs) + one + ends + (2 * 7168 * 7168 + 3 * 7168) * 2) == pytest.approx(688.59e9, rel=1e-4)


def test_gpt_oss_by_hand(tmp_path: Path) -> None:
    """Experts take 4 bits and an 8-bit scale for 32 of them; everything else is in bf16."""
    costs = compiled(config(tmp_path, GPT_OSS_20B, GPT_OSS))
    experts = 24 * 32 * 3 * 2880 * 2880
    rest = symsim.params(config(tmp_path, GPT_OSS_20B)).total - experts
    assert weights(costs) == experts * Fraction(17, 32) + rest * 2
    assert costs.compiled.numbers.values["b_mxfp4"] == Fraction(17, 32)
    assert "config.json: OCP Microscaling" in str(costs.compiled.numbers.sources["b_mxfp4"])
    routed = lines(costs)["sliding.experts.routed"]
    assert (routed.format, lines(costs)["full.attention.qkv_proj"].format) == (
        "mxfp4 x bf16 @ bf16",
        "bf16 x bf16 @ bf16",
    )


NVFP4 = {"quant_method": "modelopt", "quant_algo": "NVFP4", "exclude_modules": ["lm_head"]}
PEAKS = [
    (LLAMA_3_8B, W8A8, "h100", "int8 per channel x int8 @ int8"),
    (LLAMA_3_8B, AWQ, "h100", "int4 g128 x bf16 @ bf16"),
    (LLAMA_3_8B, GPTQ, "a100-80", "int4 g128 x bf16 @ bf16"),
    (QWEN3_32B, QWEN_STATIC, "h100", "fp8 per tensor x fp8 @ fp8"),
    (QWEN3_32B, QWEN_STATIC, "mi300x", "fp8 per tensor x fp8 @ fp8"),
    (QWEN3_32B, QWEN_STATIC, "a100-80", "fp8 per tensor x fp8 @ bf16"),
    (QWEN3_32B, FP8, "b200", "fp8 128x128 x fp8 @ fp8"),
    (QWEN3_32B, NVFP4, "b200", "nvfp4 x nvfp4 @ fp4"),
    (QWEN3_32B, NVFP4, "h100", "nvfp4 x nvfp4 @ bf16"),
    (QWEN3_32B, NVFP4, "mi300x", "nvfp4 x nvfp4 @ bf16"),
]


@pytest.mark.parametrize(("keys", "stated", "device", "expected"), PEAKS)
def test_peak_of_each_format_and_device(
    keys: dict[str, Any], stated: dict[str, Any], device: str, expected: str, tmp_path: Path
) -> None:
    costs = compiled(config(tmp_path, keys, stated), device)
    found = lines(costs)
    peak = expected.rpartition(" ")[2]
    projection = costs.compiled.decode.costs["layer.attention.qkv_proj"]
    assert found["layer.attention.qkv_proj"].format == expected
    assert found["logits.lm_head"].format == "bf16 x bf16 @ bf16"
    assert set(projection.flops) == {peak}
    assert f"peak_{peak}" in costs.tpot.symbols
    stores_other = not expected.startswith(f"{peak} ") and not (peak == "fp4" and expected.startswith("nvfp4"))
    assert any("are converted to" in note for note in costs.notes) == (peak == "bf16" and stores_other)


def test_layers_that_stay_in_bf16_are_kinds_of_their_own(tmp_path: Path) -> None:
    """GLM-5.2-NVFP4: routed experts and the dense layers' projections; layers 0 to 2 and all attention stay in bf16."""
    costs = compiled(config(tmp_path, GLM_5, glm_5_2()), world_size=8)
    found = lines(costs)
    assert {kind.name: len(kind.layers) for kind in costs.compiled.sizes.kinds} == {"dense": 3, "sparse": 75}
    assert found["sparse.experts.routed"].format == "nvfp4 x nvfp4 @ fp4"
    assert found["dense.ffn.ffn.gate_up_proj"].format == "bf16 x bf16 @ bf16"
    assert found["sparse.experts.shared.gate_up_proj"].format == "bf16 x bf16 @ bf16"
    assert (costs.compiled.deployment.kv, costs.compiled.numbers.values["b_kv"]) == ("fp8", 1)


def test_alike_layers_split_where_their_formats_differ(tmp_path: Path) -> None:
    kept = {**FP8, "modules_to_not_convert": ["model.layers.0.", "model.layers.31.mlp"]}
    costs = compiled(config(tmp_path, LLAMA_3_8B, kept), "h100")
    assert {kind.name: kind.layers for kind in costs.compiled.sizes.kinds} == {
        "layer_bf16": (0,),
        "layer_fp8": tuple(range(1, 31)),
        "layer_bf16_fp8": (31,),
    }
    assert costs.compiled.numbers.values["L_fp8"] == 30
    assert "config.json: 30 of 32 layers" in str(costs.compiled.numbers.sources["L_fp8"])
    linear = 4096 * (2 * 4096 + 2 * 1024)
    ffn = 3 * 4096 * 14336
    fp8 = 30 * (linear + ffn) + linear
    total = symsim.params(config(tmp_path, LLAMA_3_8B)).total
    assert weights(costs) == (total - fp8) * 2 + fp8 * (1 + Fraction(4, 128 * 128))


def mixed(**listed: str) -> dict[str, Any]:
    """MIXED_PRECISION over MiniMax-M2: attention in MXFP8 and experts in NVFP4, but for what is listed otherwise."""
    layers = {f"model.layers.{i}.self_attn.{n}_proj": {"quant_algo": "MXFP8"} for i in range(6) for n in "qkvo"}
    layers |= {
        f"model.layers.{i}.block_sparse_moe.experts.{e}.w{n}": {"quant_algo": "NVFP4"}
        for i in range(1, 6)
        for e in range(8)
        for n in (1, 2, 3)
    }
    layers |= {path: {"quant_algo": name} for path, name in listed.items()}
    return {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION", "quantized_layers": layers}


def test_listed_layers_by_the_names_of_the_family(tmp_path: Path) -> None:
    costs = compiled(config(tmp_path, MINIMAX_M2, mixed()))
    found = lines(costs)
    assert {kind.name: len(kind.layers) for kind in costs.compiled.sizes.kinds} == {"layer_bf16": 1, "layer_nvfp4": 5}
    assert found["layer_nvfp4.experts.routed"].format == "nvfp4 x nvfp4 @ fp4"
    assert found["layer_bf16.experts.routed"].format == "bf16 x bf16 @ bf16"
    assert found["layer_bf16.attention.o_proj"].format == "mxfp8 x mxfp8 @ fp8"


@pytest.mark.parametrize(
    ("path", "says"),
    [
        (
            "self_attn.q_proj",
            "attention.qkv_proj multiplies by these weights at once, and the checkpoint stores them in",
        ),
        ("self_attn.q_proj", "self_attn.q_proj fp8 per tensor x fp8, self_attn.k_proj mxfp8 x mxfp8"),
    ],
)
def test_formats_that_one_operator_cannot_have_are_refused(path: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=says):
        compiled(config(tmp_path, MINIMAX_M2, mixed(**{f"model.layers.3.{path}": "FP8"})))


def test_experts_of_one_operator_may_have_two_formats(tmp_path: Path) -> None:
    model = config(tmp_path, MINIMAX_M2, mixed(**{"model.layers.3.block_sparse_moe.experts.5.w1": "FP8"}))
    costs, plain = compiled(model), compiled(config(tmp_path, MINIMAX_M2, mixed()))
    found = lines(costs)["layer_nvfp4_fp8.experts.routed"]
    assert found.format == "23/24 nvfp4 x nvfp4, 1/24 fp8 per tensor x fp8 @ fp4, fp8"
    elements = MINIMAX_M2["hidden_size"] * MINIMAX_M2["intermediate_size"]
    assert weights(costs) - weights(plain) == elements * (1 - Fraction(9, 16))


def test_a_format_that_no_operator_has_is_said(tmp_path: Path) -> None:
    costs = compiled(config(tmp_path, MINIMAX_M2, mixed(**{"model.layers.3.self_attn.out_proj": "FP8"})))
    assert any("no operator of minimax_m2 has the format fp8 per tensor x fp8" in note for note in costs.notes)


def test_own_precision_overrides_the_checkpoint(tmp_path: Path) -> None:
    plain = compiled(config(tmp_path, QWEN3_32B), "h100")
    quantised = config(tmp_path, QWEN3_32B, QWEN_STATIC)
    own = compiled(quantised, "h100", gemm="bf16", kv="bf16")
    for metric in ("tpot", "ttft", "memory", "max_batch", "tgs_decode"):
        form, other = plain.metric(metric).form.derivation, own.metric(metric).form.derivation
        assert [(s.symbol, s.expr) for s in form.steps] == [(s.symbol, s.expr) for s in other.steps]
    assert own.compiled.numbers.values == plain.compiled.numbers.values
    assert any("gemm bf16 and kv bf16 stand in for what" in note for note in own.notes)
    assert lines(compiled(quantised, "h100", gemm="fp8"))["layer.attention.o_proj"].hbm_bytes < (
        lines(own)["layer.attention.o_proj"].hbm_bytes
    )


def test_infersim_reads_no_formats_and_says_so(tmp_path: Path) -> None:
    model = config(tmp_path, QWEN3_32B, QWEN_STATIC)
    costs = symsim.compile(model, "h800", cost_model="infersim")
    assert (costs.compiled.deployment.gemm, costs.compiled.deployment.kv) == ("bf16", "bf16")
    assert any("infersim cost model does not read it" in note and "quantization_config" in note for note in costs.notes)
    with pytest.raises(DeploymentError, match="gemm = checkpoint: the infersim cost model reads no formats"):
        symsim.compile(model, "h800", symsim.Deployment(gemm="checkpoint"), cost_model="infersim")


def test_a_checkpoint_in_16_bits_is_bf16(tmp_path: Path) -> None:
    costs = compiled(config(tmp_path, LLAMA_3_8B), gemm="checkpoint", kv="checkpoint")
    assert (costs.compiled.deployment.gemm, costs.compiled.deployment.kv, costs.notes) == ("bf16", "bf16", ())


def test_hf_quant_config_beside_the_config(tmp_path: Path) -> None:
    config(tmp_path, QWEN3_32B)
    beside = {"producer": {"name": "modelopt"}, "quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8"}}
    (tmp_path / "hf_quant_config.json").write_text(json.dumps(beside))
    costs = compiled(tmp_path, "h100")
    assert lines(costs)["layer.attention.o_proj"].format == "fp8 per tensor x fp8 @ fp8"
    assert symsim.cache(tmp_path).per_token == 2 * 8 * 128 * 64
    assert symsim.cache(tmp_path, kv="bf16").per_token == 2 * 8 * 128 * 64 * 2


def test_a_checkpoint_is_read_once_until_its_files_change(tmp_path: Path) -> None:
    config(tmp_path, QWEN3_32B)
    plain = find_family(tmp_path).quantization
    assert find_family(tmp_path).quantization is plain
    (tmp_path / "hf_quant_config.json").write_text(json.dumps({"quantization": {"quant_algo": "FP8"}}))
    assert find_family(tmp_path).quantization.default.name == "fp8 per tensor x fp8"
    config(tmp_path, QWEN3_32B, {"quant_method": "mxfp4"})
    (tmp_path / "hf_quant_config.json").unlink()
    assert find_family(tmp_path).quantization.method == "mxfp4"


def test_nvfp4_cache_takes_its_scales(tmp_path: Path) -> None:
    stated = {"quant_method": "modelopt", "quant_algo": "NVFP4", "kv_cache_quant_algo": "NVFP4"}
    assert symsim.cache(config(tmp_path, QWEN3_32B, stated)).per_token == 2 * 8 * 128 * 64 * 9 // 16


@pytest.mark.parametrize(
    ("stated", "says"),
    [
        ({"quant_method": "aqlm"}, 'quant_method = "aqlm" is not understood'),
        ({**AWQ, "bits": 5}, "bits"),
        ({**FP8, "rotation": "hadamard"}, "rotation"),
    ],
)
def test_what_is_not_understood_is_refused(stated: dict[str, Any], says: str, tmp_path: Path) -> None:
    model = config(tmp_path, LLAMA_3_8B, stated)
    with pytest.raises(ConfigError, match=says):
        compiled(model)
    assert compiled(model, gemm="bf16", kv="bf16").tpot.evaluate(B=1, S=1, O=1) > 0
    counted = symsim.params(model)
    assert counted.checkpoint_bytes is None
    assert re.search(says, str(counted.checkpoint))
    assert counted.total == symsim.params(config(tmp_path, LLAMA_3_8B)).total


NARROWER = ["bf16", "W8A16", "W4A16_AWQ"]
"""bf16 activations throughout, so all are multiplied at the bf16 peak."""


@given(st.sampled_from(["h100", "b200", "a100-80", "mi300x"]), st.integers(1, 512), st.integers(1, 16384))
def test_narrower_weights_never_take_longer_at_an_equal_peak(
    tmp_path_factory: pytest.TempPathFactory, device: str, batch: int, length: int
) -> None:
    folder = tmp_path_factory.mktemp("narrow")
    found: list[tuple[float, Fraction]] = []
    for name in NARROWER:
        stated = None if name == "bf16" else {"quant_method": "modelopt", "quant_algo": name}
        costs = compiled(config(folder, LLAMA_3_8B, stated), device)
        found.append((costs.tpot.evaluate(B=batch, S=length, O=1024), weights(costs)))
    assert found == sorted(found, reverse=True)


def _written(body: tuple[Statement, ...]) -> list[Node | Clause]:
    """The nodes and the residents of a body, whatever is decided."""
    found: list[Node | Clause] = []
    for statement in body:
        match statement:
            case Node() | Clause():
                found.append(statement)
            case When():
                found += _written((*statement.body, *statement.otherwise))
            case Each() | Repeat() | Layers():
                found += _written(statement.body)
            case _:
                pass
    return found


def _quantisable(rule: object) -> bool:
    return any(f"precision=Name(name='{name}'" in repr(rule) for name in QUANTISABLE)


LIBRARY = load_library("roofline")


@pytest.mark.parametrize("name", [*LIBRARY.blocks, *LIBRARY.models])
def test_every_weight_that_may_be_quantised_names_its_modules(name: str) -> None:
    """In blocks, and in what models write themselves: whose weights they are decides their format."""
    kernels = {name for name, kernel in LIBRARY.kernels.items() if _quantisable(kernel.body)}
    assert {"gemm", "bmm", "grouped_gemm", "gemm_listed"} <= kernels
    body = LIBRARY.blocks[name].body if name in LIBRARY.blocks else LIBRARY.models[name].body
    written = _written(body)
    assert written
    held = [it for it in written if (it.op in kernels if isinstance(it, Node) else _quantisable(it.cost))]
    assert not [str(it.span) for it in held if not it.modules]


def test_every_step_has_the_unit_that_it_states(tmp_path: Path) -> None:
    costs = compiled(config(tmp_path, MINIMAX_M2, mixed()))
    for metric in ("tpot", "ttft", "memory"):
        formula = costs.metric(metric)
        units = {name: OF[info.unit] for name, info in formula.symbols.items()}
        for step in formula.form.derivation.steps:
            assert dimension(step.expr, units) in (OF[step.unit], None)
            units[step.symbol.name] = OF[step.unit]


def test_questions_about_peaks_of_formats_and_sensitivities(tmp_path: Path) -> None:
    costs = compiled(config(tmp_path, MINIMAX_M2, mixed()))
    most = costs.solve("max B subject to TPOT <= 20 ms, memory <= capacity with S = 4096, O = 1024")
    assert isinstance(most.value, int)
    named = {found.name for found in symsim.sensitivities(costs, "ttft", T=8192, S=4096)}
    assert {"peak_fp4", "peak_fp8"} <= named
