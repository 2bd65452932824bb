"""What no model has, whatever its family, is refused with the key, its value and what was expected."""

import json
from pathlib import Path
from typing import Any

import pytest

import symsim
from symsim.errors import ConfigError
from symsim.paths import CONFIGS

NONSENSE = [
    ("qwen3-30b-a3b", {"num_experts_per_tok": 10_000}, "num_experts_per_tok = 10000 with num_experts = 128"),
    ("qwen3-30b-a3b", {"num_experts_per_tok": 0}, "num_experts_per_tok = 0 with num_experts = 128"),
    ("mixtral-8x7b-v0.1", {"num_local_experts": 0}, "num_local_experts = 0 is not a whole number of at least 1"),
    ("qwen3-8b", {"hidden_size": 0}, "hidden_size = 0 is not a whole number of at least 1"),
    ("qwen3-8b", {"hidden_size": True}, "hidden_size = true is not a whole number"),
    ("qwen3-8b", {"swa_num_attention_heads": -1}, "swa_num_attention_heads = -1 is not a whole number of at least 0"),
    ("qwen3-8b", {"layer_types": ["full_attention"] * 72}, "layer_types has 72 entries, expected one for each of 36"),
    ("qwen3-8b", {"layer_types": []}, "layer_types has 0 entries, expected one for each of 36"),
    ("qwen3-8b", {"llm_config": {"model_type": "llama", "hidden_size": 64}}, "llm_config = {'model_type': 'llama'"),
    ("qwen3-8b", {"head_dim": True}, "head_dim = true is not a whole number"),
    ("deepseek-v3", {"num_key_value_heads": 1.5}, "num_key_value_heads = 1.5 is not a whole number of at least 0"),
    ("deepseek-v3", {"num_key_value_heads": "8"}, 'num_key_value_heads = "8" is not a whole number of at least 0'),
    ("deepseek-v3", {"num_key_value_heads": {}}, "num_key_value_heads = {} is not a whole number of at least 0"),
    ("deepseek-v3", {"num_key_value_heads": []}, "num_key_value_heads = [] is not a whole number of at least 0"),
    ("deepseek-v3", {"first_k_dense_replace": 62}, "first_k_dense_replace = 62 with num_hidden_layers = 61"),
    ("mimo-v2-flash", {"hybrid_layer_pattern": [0] * 47}, "hybrid_layer_pattern has 47 entries, expected one for each"),
    ("mimo-v2-flash", {"swa_num_attention_heads": 1.5}, "swa_num_attention_heads = 1.5 is not a whole number"),
    ("deepseek-v3.2", {"index_head_dim": 0}, "index_head_dim = 0 is not a whole number of at least 1"),
    ("deepseek-v4-flash", {"hc_mult": 0}, "hc_mult = 0 is not a whole number of at least 1"),
    ("qwen3-next-80b-a3b", {"linear_num_key_heads": 0}, "linear_num_key_heads = 0 is not a whole number of at least 1"),
    ("kimi-k2.5", {"llm_config": {}}, "llm_config and text_config would each be its language model; keep one"),
    ("kimi-k2.5", {"model_type": "mamba2"}, "model_type = mamba2, and its text_config is"),
]


@pytest.mark.parametrize(
    ("model", "change", "says"), NONSENSE, ids=lambda value: value if isinstance(value, str) else ""
)
def test_nonsense_is_refused(model: str, change: dict[str, Any], says: str, tmp_path: Path) -> None:
    config = json.loads((CONFIGS / f"{model}.json").read_text())
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**config, **change}))
    with pytest.raises(ConfigError) as refused:
        symsim.params(path)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [("num_experts", None, "num_experts = 0"), ("num_global_key_value_heads", 0, "num_global_key_value_heads")],
)
def test_nonsense_within_a_language_model_is_refused(key: str, value: Any, says: str, tmp_path: Path) -> None:
    config = json.loads((CONFIGS / "gemma-4-26b-a4b.json").read_text())
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**config, "text_config": {**config["text_config"], key: value}}))
    with pytest.raises(ConfigError, match=says):
        symsim.params(path)


def test_layers_with_a_window_have_heads_of_their_own(tmp_path: Path) -> None:
    config = json.loads((CONFIGS / "mimo-v2-flash.json").read_text())
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**config, "swa_num_attention_heads": config["num_attention_heads"] // 2}))
    assert symsim.params(path).total < symsim.params("mimo-v2-flash").total


def test_lists_of_layers_may_have_those_of_drafts(tmp_path: Path) -> None:
    config = json.loads((CONFIGS / "qwen3-8b.json").read_text())
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**config, "layer_types": ["full_attention"] * 37, "num_nextn_predict_layers": 1}))
    assert len(symsim.params(path).layers) == 36


def test_a_folder_of_graphs_that_is_not_there_is_refused() -> None:
    with pytest.raises(symsim.SymsimError, match="no such folder; --graphs takes one"):
        symsim.params("qwen3-8b", graphs=["nowhere"])
