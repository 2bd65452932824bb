"""Parameters, FLOPs and cache of a model by itself: by hand, published, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

import symsim
from symsim.errors import SymsimError, UnreadKey, UnsupportedArchitecture
from symsim.inputs.config import load_config

LLAMA_405B = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 16384,
    "num_hidden_layers": 126,
    "num_attention_heads": 128,
    "num_key_value_heads": 8,
    "intermediate_size": 53248,
    "vocab_size": 128256,
}
GEMMA_3_27B = {
    "architectures": ["Gemma3ForConditionalGeneration"],
    "vision_config": {"hidden_size": 1152},
    "text_config": {
        "model_type": "gemma3_text",
        "hidden_size": 5376,
        "num_hidden_layers": 62,
        "num_attention_heads": 32,
        "num_key_value_heads": 16,
        "head_dim": 128,
        "intermediate_size": 21504,
        "sliding_window": 1024,
    },
}
GPT_OSS_120B = {
    "architectures": ["GptOssForCausalLM"],
    "hidden_size": 2880,
    "num_hidden_layers": 36,
    "num_attention_heads": 64,
    "num_key_value_heads": 8,
    "head_dim": 64,
    "intermediate_size": 2880,
    "vocab_size": 201088,
    "num_local_experts": 128,
    "num_experts_per_tok": 4,
    "sliding_window": 128,
}


def written(folder: Path, keys: dict[str, Any]) -> Path:
    (folder / "config.json").write_text(json.dumps(keys))
    return folder


# DeepSeek-V3: "Insights into DeepSeek-V3", arXiv:2505.09343, table 1: 70.272 KB for DeepSeek-V3 and 516.096 KB for
# Llama-3.1-405B in bf16. Qwen3-8B: 2 x 36 layers x 8 heads x 128 x 2 bytes.
@pytest.mark.parametrize(
    ("model", "size"), [("deepseek-v3", 70_272), ("qwen3-8b", 147_456), (LLAMA_405B, 516_096)], ids=str
)
def test_cache_of_a_token(tmp_path: Path, model: Any, size: int) -> None:
    found = symsim.cache(model if isinstance(model, str) else written(tmp_path, model))
    assert (found.per_token, found.windows, found.state) == (size, {}, 0)
    assert symsim.cache(model if isinstance(model, str) else tmp_path, kv="fp8").per_token == size // 2


def test_half_of_gpt_oss_holds_128_tokens(tmp_path: Path) -> None:
    """gpt-oss model card, arXiv:2508.10925, section 2.2: banded windows of 128 tokens alternate with full layers."""
    found = symsim.cache(written(tmp_path, GPT_OSS_120B))
    of_a_layer = 2 * 8 * 64 * 2
    assert found.per_token == 36 * of_a_layer
    assert found.windows == {128: 18 * of_a_layer}
    assert found.per_request(S=4096, O=1024) == 18 * of_a_layer * (4096 + 1024 + 128)
    assert found.per_request(S=64, O=36) == 36 * of_a_layer * 100


def test_five_in_six_layers_of_gemma_3_hold_1024_tokens(tmp_path: Path) -> None:
    """Gemma 3 report, arXiv:2503.19786, section 2: five windowed layers to a global one, windows of 1024 tokens."""
    found = symsim.cache(written(tmp_path, GEMMA_3_27B))
    of_a_layer = 2 * 16 * 128 * 2
    assert (found.per_token, found.windows) == (62 * of_a_layer, {1024: 52 * of_a_layer})
    assert found.per_request(S=32768, O=1) == of_a_layer * (10 * 32769 + 52 * 1024)


def test_a_state_does_not_grow() -> None:
    """Of a delta-net layer: 8192 channels of the convolution for 3 tokens, and 32 states of 128 x 128 in fp32."""
    found = symsim.cache("qwen3-next-80b-a3b")
    assert found.state == 36 * (8192 * 3 * 2 + 32 * 128 * 128 * 4)
    assert found.per_request(S=8, O=8) == 16 * found.per_token + found.state


def test_windows_enter_memory(tmp_path: Path) -> None:
    costs = symsim.compile(written(tmp_path, GPT_OSS_120B), "h200", cost_model="roofline")
    longer = costs.memory.evaluate(B=1, S=4999, O=1) - costs.memory.evaluate(B=1, S=3999, O=1)
    pages = (5008 - 4000) / 16
    assert longer == pytest.approx(pages * 16 * 18 * 2 * 8 * 64 * 2)
    assert "min(128, O + S)" in costs.memory.to_text()


# Qwen3 model cards and DeepSeek-V3 report: activated parameters
@pytest.mark.parametrize(
    ("model", "billions"), [("qwen3-30b-a3b", 3.35), ("qwen3-235b-a22b", 22.2), ("deepseek-v3", 37.55)]
)
def test_active_parameters(model: str, billions: float) -> None:
    assert symsim.params(model).active == pytest.approx(billions * 1e9, rel=0.005)


def test_parts_add_up() -> None:
    found = symsim.params("deepseek-v3.2")
    inside = sum(sum(layer.values()) for layer in found.layers)
    assert found.total == inside + found.embedding + found.lm_head + found.other
    assert found.non_embedding == found.total - found.embedding - found.lm_head
    assert [layer["ffn"] for layer in found.layers[2:4]] == [396361728, 11320164352]


def test_a_tied_embedding_counts_once(tmp_path: Path) -> None:
    found = symsim.params(written(tmp_path, LLAMA_405B | {"tie_word_embeddings": True}))
    assert found.tied
    assert found.embedding == found.lm_head == 16384 * 128256
    assert found.total == symsim.params(written(tmp_path, LLAMA_405B)).total - found.lm_head


PUBLISHED = {
    # id: parameters that Hugging Face states of the files, copies of embedding and LM head in modules for drafts
    "glm-4.5-air": (110_468_824_832, 2),
    "glm-4.5": (358_337_791_296, 2),
    "qwen3-next-80b-a3b": (81_324_862_720, 0),
    "mimo-7b-base": (7_833_409_536, 0),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_modules_for_drafts_are_counted_beside_the_total(name: str) -> None:
    """Correction biases of routers are in the files, and are no parameters: 160 or 128 experts of each routed layer."""
    found = symsim.params(name)
    biases = {"glm-4.5-air": 46 * 128, "glm-4.5": 90 * 160}.get(name, 0)
    published, copies = PUBLISHED[name]
    assert found.drafts is not None
    assert found.total + found.drafts["parameters"] + copies * found.embedding + biases == published


def test_layers_of_a_module_may_be_listed() -> None:
    """Nemotron 3: one layer of attention and one of experts."""
    found = symsim.params("nemotron-3-super-120b-a12b-bf16")
    pattern = load_config("nemotron-3-super-120b-a12b-bf16").keys["hybrid_override_pattern"]
    layers = [sum(found.layers[pattern.rindex(letter)].values()) for letter in "*E"]
    assert found.drafts == {"modules": 1, "parameters": sum(layers) + 2 * 4096**2 + 3 * 4096}


@pytest.mark.parametrize("name", ["qwen3-8b", "mimo-v2-flash", "minimax-m2.5"])
def test_modules_that_are_not_known_are_not_counted(name: str) -> None:
    assert symsim.params(name).drafts is None


def test_a_tower_is_not_counted(tmp_path: Path) -> None:
    assert symsim.params(written(tmp_path, GEMMA_3_27B)).not_counted == ("vision_config",)


def test_a_prompt_without_an_answer_holds_the_cache_of_its_tokens(tmp_path: Path) -> None:
    held = symsim.cache(written(tmp_path, GEMMA_3_27B))
    assert held.per_request(S=131072, O=0) == held.per_request(S=131071, O=1) == 11_173_625_856
    with pytest.raises(SymsimError, match="S = 0 must be a whole number of at least 1"):
        held.per_request(S=0, O=1)


def test_nothing_left_free_is_a_share_of_memory() -> None:
    costs = symsim.compile("qwen3-8b", "h20", cost_model="roofline")
    none = costs.max_batch.evaluate(S=4096, O=2048, reserve_share=0)
    assert none > costs.max_batch.evaluate(S=4096, O=2048)
    answer = costs.solve("max B subject to memory <= capacity with S = 4096, O = 2048, reserve_share = 0")
    assert answer.value == none
    with pytest.raises(SymsimError, match="reserve_share = -1 must be a number above zero"):
        costs.memory.evaluate(B=1, S=1, O=0, reserve_share=-1)


def test_flops_of_a_decode_step_and_of_cached_tokens() -> None:
    """Attention of Qwen3-8B: 36 layers x 4 x 32 heads x 128 for every (query, key) pair."""
    pair = 36 * 4 * 32 * 128
    assert symsim.flops("qwen3-8b", "decode", batch=3, seq=1000)["attention"] == 3 * 1000 * pair
    assert symsim.flops("qwen3-8b", batch=3, seq=10, past=90)["attention"] == 3 * 10 * 100 * pair
    assert symsim.flops("qwen3-8b", batch=3, seq=10, past=90, causal=True)["attention"] == 3 * (900 + 55) * pair
    whole, parts = (symsim.flops("qwen3-8b", seq=100, causal=True), [])
    parts = [symsim.flops("qwen3-8b", seq=50, past=past, causal=True) for past in (0, 50)]
    assert whole["total"] == sum(part["total"] for part in parts)


def test_a_causal_window_keeps_its_tokens(tmp_path: Path) -> None:
    """Of 1..300 keys, a window of 128 keeps 128 at most; windows do not help without the mask."""
    model = written(tmp_path, GPT_OSS_120B)
    pair = 4 * 64 * 64
    kept = sum(min(i, 128) for i in range(1, 301))
    assert symsim.flops(model, seq=300, causal=True)["attention"] == pair * 18 * (kept + 300 * 301 // 2)
    assert symsim.flops(model, seq=300)["attention"] == pair * 36 * 300 * 300
    after = sum(min(i, 128) for i in range(101, 301))
    full = sum(range(101, 301))
    assert symsim.flops(model, seq=200, past=100, causal=True)["attention"] == pair * 18 * (after + full)


def test_logits_of_all_tokens_or_of_the_last() -> None:
    every, last = (symsim.flops("qwen3-8b", batch=2, seq=64, logits=logits) for logits in ("all", "last"))
    assert every["linear"] - last["linear"] == 2 * 2 * 63 * 4096 * 151936


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"frobnicate": 3}, UnreadKey, "does not describe frobnicate = 3"),
        ({"moe_layer_freq": 2}, UnreadKey, "moe_layer_freq = 2"),
        ({"attention_bias": True}, UnreadKey, "attention_bias = True"),
        (
            {"architectures": ["NewForCausalLM"], "model_type": "new"},
            UnsupportedArchitecture,
            "nearest is deepseek_v[23]",
        ),
        ({"num_experts_per_tok": None}, SymsimError, "`num_experts_per_tok`.* is null"),
        ({"first_k_dense_replace": "three"}, SymsimError, "first_k_dense_replace"),
    ],
)
def test_what_is_not_described_is_refused(
    tmp_path: Path, change: dict[str, Any], error: type[SymsimError], says: str
) -> None:
    model = written(tmp_path, dict(load_config("deepseek-v3").keys) | change)
    for count in (symsim.params, symsim.flops, symsim.cache):
        with pytest.raises(error, match=says):
            count(model)
    with pytest.raises(error, match=says):
        symsim.compile(model, "h800", cost_model="roofline")


def test_keys_that_are_off_pass(tmp_path: Path) -> None:
    off = {"attention_bias": False, "num_nextn_predict_layers": 0, "mlp_bias": None, "temperature": 0.6}
    assert symsim.params(written(tmp_path, dict(load_config("deepseek-v3").keys) | off)).total == 671026404352


def test_fallback_goes_on_and_says_so(tmp_path: Path) -> None:
    model = written(tmp_path, dict(load_config("deepseek-v3").keys) | {"frobnicate": 3})
    costs = symsim.compile(model, "h800", cost_model="roofline", fallback=True)
    assert any("frobnicate = 3: fallback" in sentence for sentence in costs.assumptions)
    assert symsim.params(model, fallback=True).total == 671026404352


@pytest.mark.parametrize(
    ("window", "windows"),
    [({"sliding_window": None}, {}), ({}, {4096: 131072}), ({"sliding_window": 1000}, {1000: 131072})],
)
def test_a_null_is_not_an_absent_key(tmp_path: Path, window: dict[str, Any], windows: dict[int, int]) -> None:
    """transformers gives Mistral a window of 4096 where the key is absent, and none where it is null."""
    keys = {"model_type": "mistral", "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32}
    keys |= {"vocab_size": 32000, "intermediate_size": 14336}
    found = symsim.cache(written(tmp_path, keys | window))
    assert (found.per_token, found.windows) == (131072, windows)


def test_layers_that_decide_alike_share_a_compilation(tmp_path: Path) -> None:
    """As many layers as there are: the same graph serves configs with other numbers of each kind, and no others."""
    patterns = (
        ["full_attention", "sliding_attention"] * 18,
        ["sliding_attention", "full_attention", *["full_attention"] * 34],
    )
    phases = []
    for i, kinds in enumerate(patterns):
        (tmp_path / str(i)).mkdir()
        model = written(tmp_path / str(i), GPT_OSS_120B | {"layer_types": kinds})
        phases.append(symsim.compile(model, "h200", cost_model="roofline"))
    assert phases[0].compiled.decode is not phases[1].compiled.decode  # the other kind comes first
    (tmp_path / "2").mkdir()
    model = written(tmp_path / "2", GPT_OSS_120B | {"layer_types": ["full_attention", *["sliding_attention"] * 35]})
    third = symsim.compile(model, "h200", cost_model="roofline")
    assert third.compiled.decode is phases[0].compiled.decode
    assert third.compiled.numbers.values["L_sliding"] == 35
    assert str(third.compiled.numbers.sources["L_sliding"]).endswith("layer_types: 35 of 36 layers")
    point = {"B": 8, "S": 4096, "O": 1024}
    assert third.tpot.evaluate(**point) < phases[0].tpot.evaluate(**point) < phases[1].tpot.evaluate(**point)
