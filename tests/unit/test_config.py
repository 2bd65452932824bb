"""Model configs: both spellings, nothing silently defaulted, every mistake named with its file and key."""

import json
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

import symsim
from symsim.cli import main
from symsim.errors import ConfigError, MissingConfigKey, SymsimError, UnsupportedArchitecture
from symsim.inputs.config import load_config


@pytest.fixture
def deepseek() -> dict[str, Any]:
    return dict(load_config("deepseek-v3").keys)


def write(folder: Path, keys: Any) -> Path:
    path = folder / "config.json"
    path.write_text(keys if isinstance(keys, str) else json.dumps(keys))
    return path


def test_both_spellings_of_experts_give_the_same_report(tmp_path: Path, deepseek: dict[str, Any]) -> None:
    renamed = dict(deepseek)
    renamed["num_routed_experts"] = renamed.pop("n_routed_experts")
    renamed["num_shared_experts"] = renamed.pop("n_shared_experts")
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first = symsim.simulate(write(tmp_path / "a", deepseek), world_size=32, num_nodes=4)
    second = symsim.simulate(write(tmp_path / "b", renamed), world_size=32, num_nodes=4)
    assert first.as_dict() == second.as_dict()
    assert "Shared expert latency (us)" in first.decoding


def test_a_folder_that_holds_a_config(tmp_path: Path, deepseek: dict[str, Any]) -> None:
    write(tmp_path, deepseek)
    assert symsim.compile(tmp_path, "h20", cost_model="infersim").compiled.sizes.values["E"] == 256


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        (
            {"kv_lora_rank": ...},
            MissingConfigKey,
            ["`kv_lora_rank`", "models.graph", "did you mean q_lora_rank"],
        ),
        ({"kv_lora_rank": None}, MissingConfigKey, ["`kv_lora_rank`"]),
        ({"num_experts": 128}, ConfigError, ["n_routed_experts = 256", "num_experts = 128", "disagree"]),
        ({"hidden_size": -1}, ConfigError, ["hidden_size = -1"]),
        ({"hidden_size": 0}, ConfigError, ["hidden_size = 0"]),
        ({"hidden_size": 71.5}, ConfigError, ["hidden_size = 71.5"]),
        ({"hidden_size": True}, ConfigError, ["hidden_size = true"]),
        ({"hidden_size": "7168"}, ConfigError, ['hidden_size = "7168"']),
        (
            {"architectures": ["DeepseekV9ForCausalLM"]},
            UnsupportedArchitecture,
            ["did you mean DeepseekV3ForCausalLM"],
        ),
        (
            {"architectures": ..., "model_type": ...},
            UnsupportedArchitecture,
            ["is it a model's config.json?"],
        ),
    ],
)
def test_bad_keys_are_named(
    tmp_path: Path,
    deepseek: dict[str, Any],
    change: dict[str, Any],
    error: type[SymsimError],
    says: list[str],
) -> None:
    keys = {key: value for key, value in (deepseek | change).items() if value is not ...}
    path = write(tmp_path, keys)
    with pytest.raises(error) as caught:
        symsim.compile(path, "h20", cost_model="infersim")
    for words in [str(path), *says]:
        assert words in str(caught.value)


@pytest.mark.parametrize(("text", "says"), [("{oops", ":1:2: not JSON"), ("[1]", "expected a JSON object")])
def test_what_is_no_config(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        symsim.compile(write(tmp_path, text), "h20", cost_model="infersim")


def test_a_binary_file_is_no_config(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(ConfigError, match="not a text file"):
        symsim.compile(path, "h20", cost_model="infersim")


@pytest.mark.parametrize(
    "extra",
    [{"use_sliding_window": True}, {"mlp_only_layers": [0]}, {"decoder_sparse_step": 2}, {"frobnicate": 3}],
)
def test_a_key_that_may_change_cost_is_reported(tmp_path: Path, extra: dict[str, Any]) -> None:
    path = write(tmp_path, dict(load_config("qwen3-30b-a3b").keys) | extra)
    (key, value), *_ = extra.items()
    assert any(f"{key} = {value!r}" in note for note in symsim.compile(path, "h20", cost_model="infersim").notes)


def test_expected_values_are_not_reported(tmp_path: Path) -> None:
    same = {"use_sliding_window": False, "mlp_only_layers": [], "decoder_sparse_step": 1}
    path = write(tmp_path, dict(load_config("qwen3-30b-a3b").keys) | same)
    assert not any("does not understand" in note for note in symsim.compile(path, "h20", cost_model="infersim").notes)


def test_a_missing_file_gets_the_bundled_names() -> None:
    with pytest.raises(ConfigError, match="did you mean qwen3-8b"):
        symsim.compile("qwen3-8bb", "h20", cost_model="infersim")


@pytest.mark.parametrize("layers", [10**9, 20_000])
def test_layers_without_end_are_refused_before_they_are_listed(
    tmp_path: Path, deepseek: dict[str, Any], layers: int
) -> None:
    deepseek["num_hidden_layers"] = layers
    with pytest.raises(ConfigError, match=rf"{layers:,} layers: .* at most 10,000 are"):
        symsim.params(write(tmp_path, deepseek))


def test_more_kinds_of_layers_than_can_be_lowered_are_refused(tmp_path: Path, deepseek: dict[str, Any]) -> None:
    path = write(tmp_path, deepseek)  # dense and routed layers: two kinds
    with mock.patch("symsim.model.layer_kinds.MOST_KINDS", 1), pytest.raises(ConfigError, match="more than 1 kinds"):
        symsim.params(path)
    assert len(symsim.params(path).layers) == deepseek["num_hidden_layers"]


def with_keys(folder: Path, **keys: Any) -> Path:
    return write(folder, {**load_config("qwen3-8b").keys, **keys})


@pytest.mark.parametrize(
    "key", ["_attn_implementation_autoset", "moe_router_dtype", "some_new_dropout", "audio_token_id"]
)
def test_keys_of_a_neutral_class_are_named_and_change_nothing(key: str, tmp_path: Path, capsys: Any) -> None:
    path = with_keys(tmp_path, **{key: "float32"})
    assert symsim.params(path) == symsim.params("qwen3-8b")
    assert main(["params", str(path)]) == 0
    assert f"by their names these keys change no cost: {key}\n" in capsys.readouterr().err
    assert any(key in sentence for sentence in symsim.compile(path, "h20", cost_model="roofline").notes)


def test_an_architecture_that_is_not_described_is_what_its_model_type_is(tmp_path: Path, capsys: Any) -> None:
    path = with_keys(tmp_path, architectures=["NewThinkerForCausalLM"])
    assert symsim.params(path).total == symsim.params("qwen3-8b").total
    assert main(["params", str(path)]) == 0
    assert "NewThinkerForCausalLM is not described; taken for qwen3 by its model_type" in capsys.readouterr().err


@pytest.mark.parametrize(
    "stray", [{"num_experts": 9}, {"intermediate_size": 77}, {"sliding_window": 128}, {"num_attention_heads": 5}]
)
def test_sizes_around_a_language_model_that_are_not_its_own_are_refused(stray: dict[str, Any], tmp_path: Path) -> None:
    keys = load_config("qwen3-vl-32b-instruct").keys
    inner = next(name for name, value in keys.items() if name.endswith("text_config") and isinstance(value, dict))
    assert symsim.params(write(tmp_path, {**keys, "num_hidden_layers": keys[inner]["num_hidden_layers"]})).total > 0
    with pytest.raises(SymsimError, match=f"{next(iter(stray))} = .* beside {inner}"):
        symsim.params(write(tmp_path, {**keys, **stray}))


@pytest.mark.parametrize("name", ["EagleQwen3ForCausalLM", "Qwen3ForTokenClassification", "Qwen3ForCausalLMEagle3"])
def test_heads_that_are_not_described_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedArchitecture, match=name):
        symsim.params(with_keys(tmp_path, architectures=[name]))


@pytest.mark.parametrize("key", ["kv_cache_dtype", "mlp_gate_type", "qk_rope_dim", "dropout_layers", "router_layers"])
def test_keys_that_may_change_cost_are_refused(key: str, tmp_path: Path) -> None:
    with pytest.raises(SymsimError, match=key):
        symsim.params(with_keys(tmp_path, **{key: 3}))
