"""Tensor parallelism leaves whole blocks and groups of a quantised checkpoint, or is refused as engines refuse it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import symsim
from symsim.errors import DeploymentError
from symsim.formula.breakdown import breakdown
from symsim.quantization.formats import stored

FP8 = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}
AWQ = {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True}
NVFP4 = {"quant_method": "modelopt", "quant_algo": "NVFP4"}
QWEN3_235B: dict[str, Any] = {
    "architectures": ["Qwen3MoeForCausalLM"],
    "model_type": "qwen3_moe",
    "hidden_size": 4096,
    "num_hidden_layers": 2,
    "num_attention_heads": 64,
    "num_key_value_heads": 4,
    "head_dim": 128,
    "intermediate_size": 12288,
    "moe_intermediate_size": 1536,
    "num_experts": 128,
    "num_experts_per_tok": 8,
    "norm_topk_prob": True,
    "decoder_sparse_step": 1,
    "mlp_only_layers": [],
    "vocab_size": 151936,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
}
QWEN2_72B: dict[str, Any] = {
    "architectures": ["Qwen2ForCausalLM"],
    "model_type": "qwen2",
    "hidden_size": 8192,
    "num_hidden_layers": 2,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "intermediate_size": 29568,
    "vocab_size": 152064,
    "hidden_act": "silu",
    "tie_word_embeddings": False,
    "use_sliding_window": False,
}

DEEPSEEK_V2_LITE: dict[str, Any] = {
    "architectures": ["DeepseekV2ForCausalLM"],
    "model_type": "deepseek_v2",
    "hidden_size": 2048,
    "num_hidden_layers": 2,
    "num_attention_heads": 16,
    "kv_lora_rank": 512,
    "q_lora_rank": None,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "intermediate_size": 16384,
    "moe_intermediate_size": 2048,
    "n_routed_experts": 64,
    "n_shared_experts": 1,
    "num_experts_per_tok": 6,
    "first_k_dense_replace": 1,
    "vocab_size": 102400,
}


def compiled(folder: Path, keys: dict[str, Any], stated: dict[str, Any] | None, **deployment: Any) -> symsim.Costs:
    quantised = {} if stated is None else {"quantization_config": stated}
    (folder / "config.json").write_text(json.dumps({**keys, **quantised}))
    fallback = deployment.pop("fallback", False)
    return symsim.compile(folder, "h200", symsim.Deployment(**deployment), cost_model="roofline", fallback=fallback)


REFUSED = [
    (
        QWEN3_235B,
        FP8,
        {"tp": 8},
        r"routed: 1536/8 = 192 is no multiple of 128, .* tp = 4 or expert parallelism \(ep = 8",
    ),
    (QWEN2_72B, AWQ, {"tp": 8}, r"down_proj: 29568/8 = 3696 is no multiple of 128, the block of int4 g128.* choose "),
    (DEEPSEEK_V2_LITE, FP8, {"tp": 16}, r"q_proj: 3072/16 = 192 is no multiple of 128, .* choose tp = 8"),
    (QWEN2_72B, FP8, {"tp": 2}, r"down_proj: 29568/2 = 14784 is no multiple of 128, .* choose tp = 1"),
]


@pytest.mark.parametrize(("keys", "stated", "degrees", "says"), REFUSED)
def test_a_cut_block_is_refused_with_what_would_do(
    keys: dict[str, Any], stated: dict[str, Any], degrees: dict[str, int], says: str, tmp_path: Path
) -> None:
    with pytest.raises(DeploymentError, match=says):
        compiled(tmp_path, keys, stated, **degrees)
    plain = compiled(tmp_path, keys, None, **degrees)
    assert plain.tpot.evaluate(B=1, S=1, O=1) > 0
    assert compiled(tmp_path, keys, stated, gemm="bf16", **degrees).tpot.evaluate(B=1, S=1, O=1) > 0
    counted = compiled(tmp_path, keys, stated, fallback=True, **degrees)
    assert any("counted all the same" in note for note in counted.compiled.assumptions)


@pytest.mark.parametrize(
    ("kv_heads", "says"),
    [(8, r"k_proj: 512/8 = 64 is no .* tp = 4 cuts none"), (2, "128 on 8 GPUs: 64 of each is no ")],
)
def test_a_cut_block_of_merged_matrices_is_warned_of(kv_heads: int, says: str, tmp_path: Path) -> None:
    """Heads of 64: each GPU has a KV head at least, as vLLM's QKVParallelLinear holds them."""
    narrow = {**QWEN3_235B, "head_dim": 64, "num_key_value_heads": kv_heads}
    notes = compiled(tmp_path, narrow, FP8, tp=8, ep=8).compiled.assumptions
    assert re.search(says, "\n".join(notes))
    assert not any("k_proj" in note for note in compiled(tmp_path, narrow, AWQ, tp=8, ep=8).compiled.assumptions)


@pytest.mark.parametrize("degrees", [{"tp": 4}, {"tp": 8, "ep": 8}, {"tp": 8, "ep": 2}, {"dp": 8, "ep": 8}])
def test_whole_blocks_and_whole_experts_are_loaded(degrees: dict[str, int], tmp_path: Path) -> None:
    assert compiled(tmp_path, QWEN3_235B, FP8, **degrees).memory.evaluate(B=1, S=1, O=1) > 0


def test_a_group_that_engines_pad_may_be_cut(tmp_path: Path) -> None:
    for stated in (NVFP4, {"quant_method": "mxfp4"}):
        assert compiled(tmp_path, QWEN3_235B, stated, tp=8).memory.evaluate(B=1, S=1, O=1) > 0
    with pytest.raises(DeploymentError, match=r"1512/2 = 756 is no multiple of 16, the block of nvfp4"):
        compiled(tmp_path, {**QWEN3_235B, "moe_intermediate_size": 1512}, NVFP4, tp=2)
    narrow = {**QWEN3_235B, "moe_intermediate_size": 1512}
    assert compiled(tmp_path, narrow, {"quant_method": "mxfp4"}, tp=2).memory.evaluate(B=1, S=1, O=1) > 0


@given(st.integers(1, 40), st.sampled_from([2, 4, 8]), st.sampled_from([32, 64, 128]))
def test_a_shard_is_refused_where_the_width_of_a_gpu_is_no_multiple_of_the_group(
    tmp_path_factory: pytest.TempPathFactory, width: int, tp: int, group: int
) -> None:
    folder = tmp_path_factory.mktemp("model")
    keys = {**QWEN2_72B, "intermediate_size": 32 * tp * width}
    if (32 * width) % group == 0:
        assert compiled(folder, keys, {**AWQ, "group_size": group}, tp=tp).memory.evaluate(B=1, S=1, O=1) > 0
    else:
        with pytest.raises(DeploymentError, match="is no multiple of"):
            compiled(folder, keys, {**AWQ, "group_size": group}, tp=tp)


@pytest.mark.parametrize(
    ("name", "rows", "inputs", "whole"),
    [
        ("fp8", 128, 128, 128),
        ("fp8", 0, 0, 1),
        ("fp8", 1, 0, 1),
        ("int4", 1, 32, 32),
        ("nvfp4", 0, 0, 16),
        ("mxfp4", 0, 0, 1),
    ],
)
def test_what_must_be_whole_of_a_format(name: str, rows: int, inputs: int, whole: int) -> None:
    assert stored(name, rows, inputs, 32).whole == whole


def test_heads_of_an_indexer_are_held_by_several_gpus_as_kv_heads_are(tmp_path: Path) -> None:
    """MiniMax-M3: 4 heads of the indexer on 8 GPUs, one of them and the shared key on each, as on 4 GPUs."""
    lines = (Path(__file__).parents[1] / "oracle" / "hybrids.json").read_text().splitlines()
    m3 = next(line for line in lines if line.startswith('{"name":"minimax_m3-M3-NVFP4"'))
    held: list[Any] = []
    for tp in (4, 8):
        costs = compiled(tmp_path, json.loads(m3.rstrip(","))["config"], None, tp=tp, gemm="bf16")
        index = [
            line
            for line in breakdown(costs.compiled.decode, costs.tpot.form, {"B": 1, "S": 64, "O": 64})
            if line.name.endswith(("index_proj", "scores"))
        ]
        held.append({(line.name, line.hbm_bytes) for line in index})
    assert held[0]
    assert held[0] == held[1]
    with pytest.raises(DeploymentError, match="must divide"):
        compiled(tmp_path, {**json.loads(m3.rstrip(","))["config"]}, None, tp=3, gemm="bf16")
