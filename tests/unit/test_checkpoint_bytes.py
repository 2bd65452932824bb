"""Bytes of published checkpoints as `symsim params` counts them, beside the sizes of their files."""

import json
from pathlib import Path
from typing import Any

import pytest

import symsim
from symsim.paths import CONFIGS
from tests.commands import run

# bundled checkpoint, bytes of its tensors, share by which the count may differ, where the bytes are from
PUBLISHED = [
    ("gpt-oss-20b", 13_761_264_768, 0.0, "total_size of its model.safetensors.index.json"),
    ("gpt-oss-120b", 65_248_815_744, 0.0, "total_size of its model.safetensors.index.json"),
    ("qwen3-32b-awq", 19_325_298_688, 0.0, "sum over the headers of its four safetensors files"),
    ("kimi-k2-thinking", 594e9, 0.005, "594 GB on its Hugging Face page"),
    ("nemotron-3.5-lightning-30b-a3b-nvfp4", 18_873_074_560, 0.002, "sum over tensors without MTP, by hand"),
]


@pytest.mark.parametrize(("model", "held", "share", "source"), PUBLISHED)
def test_bytes_of_a_published_checkpoint(model: str, held: float, share: float, source: str) -> None:
    assert symsim.params(model).as_dict()["checkpoint_bytes"] == pytest.approx(held, rel=share, abs=0), source


def test_bytes_of_llama_405b_by_hand() -> None:
    """FFNs of layers 1 to 124 in fp8 with an fp32 scale a row, all else in bf16, as its quantization_config says."""
    counted = symsim.params("llama-3.1-405b-fp8")
    found, total = counted.as_dict()["checkpoint"], counted.total
    ffn = 3 * 16384 * 53248
    scales = 4 * (2 * 53248 + 16384)
    assert found["fp8 per channel"] + found["fp32"] == 124 * (ffn + scales)
    assert found["bf16"] == 2 * (total - 124 * ffn)


@pytest.mark.parametrize(("dtype", "width"), [("bfloat16", 2), ("float16", 2), ("float32", 4), (None, 2)])
def test_weights_that_are_not_quantised_have_the_dtype_of_the_config(
    dtype: str | None, width: int, tmp_path: Path
) -> None:
    keys: dict[str, Any] = json.loads((CONFIGS / "qwen3-8b.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**keys, "torch_dtype": dtype}))
    found = symsim.params(tmp_path)
    assert found.checkpoint_bytes == width * found.total


def test_scales_and_indices_of_gptq_are_held_and_moved(tmp_path: Path) -> None:
    """Channel-wise GPTQ: of each matrix an fp16 scale with a 4-bit zero an output, and an int32 index an input."""
    gptq = {"quant_method": "gptq", "bits": 4, "group_size": -1, "sym": True, "desc_act": True}
    keys: dict[str, Any] = json.loads((CONFIGS / "qwen3-8b.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**keys, "quantization_config": gptq}))
    matrices = [(4096, 4096), (4096, 1024), (4096, 1024), (4096, 4096), (4096, 12288), (4096, 12288), (12288, 4096)]
    held = 36 * sum(inputs * outputs / 2 + outputs * 20 / 8 + inputs * 4 for inputs, outputs in matrices)
    elements = 36 * sum(inputs * outputs for inputs, outputs in matrices)
    counted = symsim.params(tmp_path)
    fused = 36 * (4096 * 2 + 4096) * 4  # one index for what shares its input: engines keep q, k, v and gate, up as one
    assert counted.checkpoint_bytes == held + 2 * (counted.total - elements) - fused


def test_formats_are_printed_and_in_json() -> None:
    told = run("params", "qwen3-32b-awq").stdout
    assert "checkpoint, bytes (19.33 GB)     19,325,298,688" in told
    assert "  in int4 g128                   16,212,295,680" in told
    found = json.loads(run("params", "qwen3-32b-awq", "--json").stdout)
    assert found["checkpoint_bytes"] == sum(found["checkpoint"].values()) == 19_325_298_688
