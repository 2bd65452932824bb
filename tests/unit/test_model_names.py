"""Ids of checkpoints as people write them, and the bundled configs that answer."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import symsim
from symsim.errors import ConfigError
from symsim.inputs.config import load_config
from symsim.inputs.hub import cached, from_hub
from symsim.inputs.model_names import bundled, resolve
from symsim.paths import CONFIGS

READ_AS = {
    "meta-llama/Llama-3.3-70B-Instruct": "llama-3.3-70b-instruct",
    "llama-3.3-70b": "llama-3.3-70b-instruct",
    "Llama3_3-70B": "llama-3.3-70b-instruct",
    "meta-llama/Llama-2-7b-hf": "llama-2-7b",
    "meta-llama/Llama-3.1-70B-Instruct": "llama-3.1-70b",
    "codellama/CodeLlama-34b-Instruct-hf": "codellama-34b",
    "mistralai/Mixtral-8x7B-Instruct-v0.1": "mixtral-8x7b-v0.1",
    "mistralai/Mistral-Nemo-Instruct-2407": "mistral-nemo-instruct-2407",
    "01-ai/Yi-34B": "yi-34b",
    "Qwen/Qwen2.5-7B-Instruct": "qwen2.5-7b",
    "Qwen/Qwen3-235B-A22B": "qwen3-235b-a22b",
    "qwen3-235b": "qwen3-235b-a22b",
    "Qwen/Qwen3-235B-A22B-Instruct-2507": "qwen3-235b-a22b",
    "Qwen/Qwen3-235B-A22B-Instruct-2507-FP8": "qwen3-235b-a22b-fp8",
    "Qwen/Qwen3-32B-AWQ": "qwen3-32b-awq",
    "Qwen/Qwen3-14B-AWQ": "qwen3-14b-awq",
    "Qwen/Qwen3-14B-FP8": "qwen3-14b-fp8",
    "Qwen/Qwen3-8B-FP8": "qwen3-8b-fp8",
    "Qwen/Qwen3.5-35B-A3B-FP8": "qwen3.5-35b-a3b-fp8",
    "Qwen/Qwen3.5-9B": "qwen3.5-9b",
    "deepseek-ai/DeepSeek-R1-0528": "deepseek-r1",
    "deepseek-r1-0528": "deepseek-r1",
    "deepseek-ai/DeepSeek-V3.2": "deepseek-v3.2",
    "openai/gpt-oss-120b": "gpt-oss-120b",
    "gpt-oss-20b-mxfp4": "gpt-oss-20b",
    "zai-org/GLM-4.5-Air": "glm-4.5-air",
    "zai-org/GLM-4.5-Air-FP8": "glm-4.5-air-fp8",
    "zai-org/GLM-4.6": "glm-4.6",
    "zai-org/GLM-4.6-FP8": "glm-4.6-fp8",
    "zai-org/GLM-5.2-FP8": "glm-5.2-fp8",
    "RedHatAI/Llama-4-Scout-17B-16E-Instruct-FP8-dynamic": "llama-4-scout-17b-16e-instruct-fp8-dynamic",
    "moonshotai/Kimi-K2-Thinking": "kimi-k2-thinking",
    "moonshotai/Kimi-K2-Instruct-0905": "kimi-k2-instruct",
    "kimi-k2": "kimi-k2-instruct",
    "moonshotai/Kimi-K2-Base": "kimi-k2-instruct",
    "qwen3-next": "qwen3-next-80b-a3b",
    "gemma3:27b": "gemma-3-27b-it",
    "QWEN3_8B": "qwen3-8b",
}
"""Every id of published runs of serving benchmarks, and common spellings of others."""


@pytest.mark.parametrize("id", READ_AS)
def test_an_id_is_read_as_the_checkpoint_of_its_sizes_and_format(id: str) -> None:
    for spelled in (id, id.upper(), id.replace("-", "_")):
        assert resolve(spelled).name == READ_AS[id]
    assert resolve(resolve(id).name) == resolve(id)


@pytest.mark.parametrize("name", bundled())
def test_a_bundled_checkpoint_is_found_by_its_name_and_its_id(name: str) -> None:
    found = bundled()[name]
    assert resolve(name).checkpoint == found
    assert resolve(found.id).checkpoint.config == found.config
    assert load_config(name).keys["_source"]


def test_the_index_and_the_files_agree() -> None:
    assert {path.stem for path in CONFIGS.glob("*.json")} - {"index"} == {row.config for row in bundled().values()}
    assert len(bundled()) >= 120


@pytest.mark.parametrize("name", ["qwen3-8b", "deepseek-v3", "gpt-oss-20b", "llama-2-7b", "glm-4.5-air"])
def test_the_index_has_what_is_counted(name: str) -> None:
    counted = symsim.params(name)
    assert (bundled()[name].total, bundled()[name].active) == (counted.total, counted.active)


@pytest.mark.parametrize(
    ("id", "said"),
    [
        ("mistral-7b", "may be any of mistral-7b-instruct-v0.2 .*, mistral-7b-v0.1 .*say which"),
        ("DeepSeek-V3-bf16", r"in that format; there is deepseek-v3 \(fp8 128x128"),
        ("Qwen3-30B-A3B-AWQ", r"in that format; there is qwen3-30b-a3b \(bf16\)"),
        ("Qwen3-32B-GGUF", r"in that format; there is qwen3-32b \(bf16\)"),
        ("yi-9b", "did you mean yi-6b"),
        ("Mistral-7B-v0.9", "did you mean mistral-7b"),
    ],
)
def test_what_is_not_bundled_is_refused_with_the_nearest(id: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_config(id)


def test_a_recipe_puts_a_model_in_its_format() -> None:
    plain, found = load_config("qwen3-14b"), load_config("Qwen/Qwen3-14B-AWQ")
    assert {**found.keys, "quantization_config": None} == {**plain.keys, "quantization_config": None}
    assert found.keys["quantization_config"]["quant_method"] == "awq"
    assert (found.path, found.name) == ("configs/qwen3-14b.json as awq", "qwen3-14b-awq")
    assert load_config("qwen3-14b-awq") is found


def test_ids_that_are_not_bundled_are_read_from_the_local_cache(tmp_path: Path) -> None:
    folder = tmp_path / "hub" / "models--someone--New-1B"
    for revision, layers in (("old", 1), ("new", 2)):
        snapshot = folder / "snapshots" / revision
        snapshot.mkdir(parents=True)
        (snapshot / "config.json").write_text(json.dumps({"num_hidden_layers": layers}))
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("old\n")
    assert cached("someone/New-1B", {"HF_HOME": str(tmp_path)}) == folder / "snapshots" / "old" / "config.json"
    assert cached("someone/Other", {"HF_HOME": str(tmp_path)}) is None


def test_without_the_extra_a_sentence_says_how(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(ConfigError, match=r"not bundled; `pip install 'symsim-llm\[hub\]'` reads other ids"):
        from_hub("someone/New-1B", "not bundled")


def test_a_hub_that_is_out_of_reach_is_asked_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    closed = SimpleNamespace(ENDPOINT="http://127.0.0.1:9")
    library = SimpleNamespace(constants=closed, hf_hub_download=lambda *_, **__: pytest.fail("asked of what is closed"))
    monkeypatch.setitem(sys.modules, "huggingface_hub", library)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    for proxy in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(proxy, raising=False)
    with pytest.raises(ConfigError, match=r"not bundled; Hugging Face cannot be reached .*give the path"):
        from_hub("someone/New-1B", "not bundled")


@pytest.mark.parametrize("id", ["unsloth/gpt-oss-20b-BF16", "moonshotai/Kimi-K2-Instruct-bf16", "deepseek-v3-fp16"])
def test_weights_in_bf16_are_not_those_that_are_multiplied_by_bf16(id: str) -> None:
    with pytest.raises(ConfigError, match="is bundled in that format"):
        load_config(id)
