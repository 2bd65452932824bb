"""Families against the real classes: every parameter of every layer and every matrix product, as integers.

The counts are data, so neither torch nor transformers are needed here; `symsim check-model` counts them anew.
"""

import functools
import json
from pathlib import Path
from typing import Any

import pytest

import symsim
from symsim.errors import SymsimError
from symsim.inputs.config import ModelConfig
from symsim.language.library import load_library
from symsim.model.family import find_family
from symsim.model.match import find_model
from symsim.pipeline.cache_size import cache
from symsim.pipeline.counts import flops, params
from tests.oracle.counted import compared, records
from tests.oracle.counted import write as write_changed

COUNTED = records("families.json") + records("more_families.json")


@pytest.mark.parametrize("counted", COUNTED, ids=lambda counted: counted["name"])
def test_counts_are_those_of_the_real_class(counted: dict[str, Any]) -> None:
    outcome, words = compared(counted)
    assert outcome == "exact", words


@pytest.mark.parametrize("published", records("remote_code.json"), ids=lambda record: record["name"])
def test_totals_are_those_of_the_checkpoint(published: dict[str, Any], tmp_path: Path) -> None:
    """Families whose class is code beside the checkpoint; two architectures without a language modelling head."""
    path = tmp_path / "config.json"
    path.write_text(json.dumps(published["config"]))
    assert symsim.params(path).total == published["total"]


def test_layers_may_share_keys_and_values(tmp_path: Path) -> None:
    """Hunyuan-Large: 389 billion parameters, 52 active (arXiv:2411.02265, table 1); every other layer has a cache."""
    shared = {"hidden_size": 6400, "num_hidden_layers": 64, "num_attention_heads": 80, "num_key_value_heads": 8}
    experts = {
        "intermediate_size": 18304,
        "num_experts": 16,
        "moe_topk": 1,
        "num_shared_expert": 1,
        "cla_share_factor": 2,
    }
    config = {"architectures": ["HunYuanForCausalLM"], "model_type": "hunyuan", "vocab_size": 129024, **shared}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**config, **experts, "tie_word_embeddings": True, "use_cla": True}))
    assert symsim.params(path).total == 388_701_405_440
    assert cache(path).per_token == 32 * 2 * 8 * 80 * 2


def test_every_family_has_a_record() -> None:
    """A new family asks for its counts, in one of these files; `symsim check-model` prints them."""
    library = load_library("roofline")
    configs = [record["config"] for record in [*COUNTED, *records("hybrids.json"), *records("remote_code.json")]]
    counted = {find_model(ModelConfig("config.json", config), library).name for config in configs}
    assert sorted(set(library.models) - counted) == []


write = functools.partial(write_changed, COUNTED)


REFUSED = [
    ("phi-2", {"use_qkv_norm": True}),
    ("phi-4", {"attention_bias": True}),
    ("phi-4", {"lm_head_bias": True}),
    ("phi-4-mini", {"full_attn_mod": 2}),
    ("mistral-7b-v0.1", {"attention_bias": True}),
    ("falcon-11b", {"ff_factor": 2}),
    ("mpt-7b", {"expansion_ratio": 3}),
    ("mpt-7b", {"no_bias": False}),
    ("mpt-7b", {"attn_config": {"attn_type": "multiquery_attention"}}),
    ("mpt-7b", {"attn_config": {"qk_ln": True}}),
    ("gpt2-xl", {"attention_head_type": "multiquery"}),
    ("gpt2-xl", {"add_cross_attention": True}),
    ("opt-125m", {"learned_embeddings": False}),
    ("gpt-j-6b", {"rotary": False}),
    ("mamba-130m-hf", {"ssm_cfg": {"d_state": 64}}),
    ("starcoder2-3b", {"mlp_type": "gated"}),
    ("command-r7b", {"use_parallel_block": False}),
    ("command-r7b", {"use_qk_norm": True}),
    ("exaone-4.0-32b", {"layer_types": None}),  # its pattern is then the text LLLG
    ("gemma-3-1b", {"use_bidirectional_attention": True}),
    ("phi-4", {"architectures": ["T5ForConditionalGeneration"], "model_type": "t5"}),
]


@pytest.mark.parametrize(("name", "changes"), REFUSED, ids=lambda value: str(value) if isinstance(value, str) else "")
def test_what_is_not_described_is_refused_by_name(name: str, changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SymsimError) as refused:
        find_family(write(tmp_path, name, **changes))
    stated = next(iter(changes))
    words = {"architectures": "T5ForConditionalGeneration", "layer_types": "exaone4"}.get(stated, stated)
    assert words in str(refused.value)


# bf16: 2 bytes x (keys and values) x KV heads x head dim x layers; windows apart
CACHES = [
    ("gemma-2b", 2 * 2 * 1 * 256 * 18, {}),
    ("falcon-7b", 2 * 2 * 1 * 64 * 32, {}),
    ("falcon-40b", 2 * 2 * 8 * 64 * 60, {}),
    ("starcoder", 2 * 2 * 1 * 128 * 40, {}),
    ("mpt-7b", 2 * 2 * 32 * 128 * 32, {}),
    ("llama-3.1-405b", 516_096, {}),
    ("mistral-7b-v0.1", 2 * 2 * 8 * 128 * 32, {4096: 2 * 2 * 8 * 128 * 32}),
    ("olmo-3-7b", 2 * 2 * 32 * 128 * 32, {4096: 2 * 2 * 32 * 128 * 24}),
    ("command-r7b", 2 * 2 * 8 * 128 * 32, {4096: 2 * 2 * 8 * 128 * 24}),
    ("exaone-4.0-32b", 2 * 2 * 8 * 128 * 64, {4096: 2 * 2 * 8 * 128 * 48}),
    ("gemma-3-1b", 2 * 2 * 1 * 256 * 26, {512: 2 * 2 * 1 * 256 * 22}),
]


@pytest.mark.parametrize(
    ("name", "per_token", "windows"), CACHES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_cache_follows_kv_heads_and_windows(name: str, per_token: int, windows: dict[int, int], tmp_path: Path) -> None:
    found = cache(write(tmp_path, name))
    assert (found.per_token, found.windows) == (per_token, windows)


def test_recurrent_state_is_all_that_mamba_caches(tmp_path: Path) -> None:
    found = cache(write(tmp_path, "mamba-130m-hf"))
    assert (found.per_token, found.windows) == (0, {})
    assert found.state == 24 * (1536 * 3 * 2 + 1536 * 16 * 4)


def operators(path: Path, tp: int) -> list[str]:
    """The operators of a decode step, by their last names, layer by layer."""
    costs = symsim.compile(path, "h800", symsim.Deployment(world_size=2, tp=tp), "roofline")
    return [op.name for op in costs.compiled.decode.graph.ops]


@pytest.mark.parametrize(
    ("name", "norms"),
    [("phi-2", 1), ("gpt-j-6b", 1), ("command-r", 1), ("stablelm-2-12b", 1), ("gpt-neox-20b", 2), ("falcon-11b", 1)],
)
def test_side_by_side_layers_have_their_norms_and_one_all_reduce(name: str, norms: int, tmp_path: Path) -> None:
    layer = [op for op in operators(write(tmp_path, name), tp=2) if op.startswith("layer.")]
    assert sum(op.endswith("norm") for op in layer) == norms
    assert [op for op in layer if op.endswith("all_reduce")] == ["layer.sum.sum.all_reduce"]


@pytest.mark.parametrize("name", ["redpajama-incite-7b", "falcon-rw-1b", "opt-125m", "olmo-7b-hf", "glm-4-9b-0414"])
def test_layers_in_turn_have_two_all_reduces(name: str, tmp_path: Path) -> None:
    layer = [op for op in operators(write(tmp_path, name), tp=2) if op.startswith("layer.")]
    assert sum(op.endswith("all_reduce") for op in layer) == 2
    assert sum(op.endswith("norm") for op in layer) == (4 if name == "glm-4-9b-0414" else 2)


@pytest.mark.parametrize("name", ["gpt2-xl", "opt-350m", "bloom-560m", "mpt-7b", "starcoder", "falcon-rw-1b"])
def test_no_rotary_positions_where_there_are_none(name: str, tmp_path: Path) -> None:
    assert not any(op.endswith("rope") for op in operators(write(tmp_path, name), tp=1))


def test_full_layers_of_command_r7b_have_no_rotary_positions(tmp_path: Path) -> None:
    found = operators(write(tmp_path, "command-r7b"), tp=1)
    assert "sliding.attention.rope" in found
    assert "full.attention.rope" not in found


def test_narrow_embeddings_of_opt_are_projected_at_both_ends(tmp_path: Path) -> None:
    found = operators(write(tmp_path, "opt-350m"), tp=1)
    assert {"embedding.project", "logits.project"} <= set(found)
    assert "embedding.project" not in operators(write(tmp_path, "opt-125m"), tp=1)


def test_keys_that_cost_nothing_are_passed_over(tmp_path: Path) -> None:
    carried = {
        "transformers.js_config": {"kv_cache_dtype": {"q4f16": "float16"}},
        "is_llama_config": True,
        "rope_interleaved": False,
        "_num_labels": 1,
        "output_past": True,
        "use_mrope": False,
        "lm_head_bias": False,
        "repetition_penalty": 1.1,
    }
    assert find_family(write(tmp_path, "llama-3.2-1b", **carried)).assumptions == ()


def test_an_embedding_model_without_a_mask_multiplies_all_pairs(tmp_path: Path) -> None:
    masked = flops(write(tmp_path, "qwen2.5-7b"), seq=1024, causal=True)["attention"]
    unmasked = flops(write(tmp_path, "qwen2.5-7b", is_causal=False), seq=1024, causal=True)["attention"]
    assert unmasked * 1025 == masked * 2048


def test_experts_of_images_are_held_but_met_by_no_token_of_text(tmp_path: Path) -> None:
    smaller = {"moe_intermediate_size": [1536, 256]}
    full, less = write(tmp_path, "ernie-4.5-vl-28b-a3b"), write(tmp_path / "less", "ernie-4.5-vl-28b-a3b", **smaller)
    assert params(full).total - params(less).total == 27 * 64 * 3 * 2560 * 256
    assert flops(full, seq=128)["total"] == flops(less, seq=128)["total"]


def test_the_thinker_of_an_omni_model_is_what_is_counted(tmp_path: Path) -> None:
    thinker = next(record["config"] for record in COUNTED if record["name"] == "qwen3_omni_thinker: small")
    whole = {
        "architectures": ["Qwen3OmniMoeForConditionalGeneration"],
        "model_type": "qwen3_omni_moe",
        "thinker_config": thinker,
        "talker_config": {"text_config": {"hidden_size": 64}},
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps(whole))
    found = params(path)
    assert found.total == params(write(tmp_path / "thinker", "qwen3_omni_thinker: small")).total
    assert found.not_counted == ("talker_config",)


def nemotron(tmp_path: Path, layer: int, part: str, **changes: Any) -> Path:
    """Llama-Nemotron with other keys in one part of a layer."""
    record = next(record["config"] for record in COUNTED if record["name"] == "llama-3.3-nemotron-super-49b")
    blocks = json.loads(json.dumps(record["block_configs"]))
    blocks[layer][part] |= changes
    return write(tmp_path, "llama-3.3-nemotron-super-49b", block_configs=blocks)


def test_keys_within_a_list_of_layers_are_read_or_refused(tmp_path: Path) -> None:
    usual = params(nemotron(tmp_path, 0, "ffn"))
    assert params(nemotron(tmp_path, 0, "ffn", no_op=True)).layers[0]["ffn"] == 0
    mapped = params(nemotron(tmp_path, 0, "attention", replace_with_linear=True)).layers[0]
    assert mapped["ffn"] - usual.layers[0]["ffn"] == 8192**2
    assert cache(nemotron(tmp_path, 0, "attention", window_length=4096)).windows == {4096: 2 * 2 * 8 * 128}
    with pytest.raises(SymsimError, match=r"block_configs\.attention\.num_sink_tokens = "):
        params(nemotron(tmp_path, 3, "attention", num_sink_tokens=4))


def test_a_number_stands_for_the_sizes_of_all_layers(tmp_path: Path) -> None:
    name = "hunyuan_v1_moe: small"
    alike, listed = write(tmp_path, name, moe_topk=3), write(tmp_path / "listed", name, moe_topk=[3, 3, 3, 3])
    assert flops(alike, seq=128) == flops(listed, seq=128)
    assert flops(alike, seq=128)["routed_experts"] > flops(write(tmp_path, name), seq=128)["routed_experts"]
    for wrong in ([3, 3], "3", True):
        with pytest.raises(SymsimError, match=r"moe_topk|no number"):
            params(write(tmp_path, name, moe_topk=wrong))


def test_latent_attention_without_a_latent_is_refused(tmp_path: Path) -> None:
    config = next(record["config"] for record in COUNTED if record["name"] == "deepseek-vl2-tiny")
    latent = {**config["language_config"], "use_mla": True}
    with pytest.raises(SymsimError, match="use_mla = 1 with kv_lora_rank = 0"):
        params(write(tmp_path, "deepseek-vl2-tiny", language_config=latent))


def test_a_list_says_which_layers_of_exaone_have_experts(tmp_path: Path) -> None:
    path = write(tmp_path, "exaone_moe: small", is_moe_layer=[True, False, False, True])
    wide = [layer["ffn"] for layer in params(path).layers]
    assert wide[0] == wide[3] != wide[1] == wide[2]
