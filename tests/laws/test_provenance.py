"""Every number says where it is from, and what it says is there: config keys are keys of the config."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

import symsim
from tests.laws.families import BUNDLED, CONFIGS, compiled

EIGHT = symsim.Deployment(world_size=8, tp=2, gemm="bf16", kv="bf16")


def _keys(found: Mapping[str, Any], inside: str = "") -> Iterator[str]:
    """Keys as graph text names them: those of a section also with its name before them."""
    for key, value in found.items():
        yield key
        yield f"{inside}{key}"
        if isinstance(value, dict):
            yield from _keys(value, f"{inside}{key}.")


@pytest.mark.parametrize("model", [*BUNDLED, *CONFIGS])
def test_config_keys_are_keys_of_the_config(model: str) -> None:
    costs = compiled(model, EIGHT)
    there = set(_keys(costs.compiled.config.keys))
    named = 0
    for metric in ("tpot", "ttft", "memory"):
        for step in costs.metric(metric).to_json("symbolic")["steps"]:
            assert set(step["config_keys"]) <= there, (metric, step["name"])
            named += len(step["config_keys"])
    assert named > 10, "a formula that names no keys proves nothing"
    for name, source in costs.compiled.sizes.sources.items():
        assert set(source.keys) <= there, name
        assert source.how in ("key", "null", "default", "computed"), name
        assert source.how not in ("key", "null") or source.keys, name


def test_a_count_of_layers_names_what_decides_it() -> None:
    sources = compiled("qwen3-next-80b-a3b", EIGHT).compiled.sizes.sources
    assert "full_attention_interval" in sources["L_full"].keys
    assert sources["L_full"].note.startswith("12 of 48 layers")


def test_a_computed_default_names_the_keys_it_is_computed_from(tmp_path: Any) -> None:
    path = tmp_path / "config.json"
    keys = dict(CONFIGS["llama"])
    del keys["head_dim"]
    path.write_text(json.dumps(keys))
    source = symsim.compile(path, "h800", EIGHT, "roofline").compiled.sizes.sources["d"]
    assert (source.how, set(source.keys)) == ("default", {"hidden_size", "num_attention_heads"})
    assert str(source).endswith("config.json: default of head_dim")
