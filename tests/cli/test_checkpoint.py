"""Quantised checkpoints as users run them: what is read, said, overridden and refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.commands import run
from tests.unit.test_checkpoint import GPT_OSS_20B, LLAMA_3_8B, QWEN3_32B, config
from tests.unit.test_quantization import AWQ, GPT_OSS, QWEN_STATIC


def formula(model: Path, *flags: str, device: str = "h100", cost_model: str = "roofline") -> Any:
    return run("formula", str(model), "--device", device, "--cost-model", cost_model, *flags)


def test_breakdown_shows_the_format_of_every_operator(tmp_path: Path) -> None:
    done = formula(config(tmp_path, GPT_OSS_20B, GPT_OSS), "--breakdown")
    assert done.returncode == 0
    assert "bound by  format " in done.stdout
    routed = next(line for line in done.stdout.splitlines() if line.startswith("full.experts.routed"))
    assert " mxfp4 x bf16 @ bf16 " in routed
    assert "mxfp4 weights are converted to bf16 first" in done.stderr
    found = json.loads(formula(tmp_path, "--breakdown", "--format", "json").stdout)["operators"]
    assert {op["format"] for op in found} == {None, "bf16 x bf16 @ bf16", "mxfp4 x bf16 @ bf16"}


def test_what_is_not_quantised_has_no_column_of_formats(tmp_path: Path) -> None:
    assert " format " not in formula(config(tmp_path, LLAMA_3_8B), "--breakdown").stdout


def test_formats_are_symbols_with_a_source(tmp_path: Path) -> None:
    config(tmp_path, LLAMA_3_8B, AWQ)
    text = formula(tmp_path, "--level", "symbolic").stdout
    row = next(line for line in text.splitlines() if line.strip().startswith("b_int4_g128"))
    assert "bytes of a weight in int4 g128, with its scales" in row
    assert "config.json" in row
    assert r"b_{\mathrm{int4\,g128}}" in formula(tmp_path, "--level", "symbolic", "--format", "latex").stdout


def test_flags_override_the_checkpoint(tmp_path: Path) -> None:
    config(tmp_path, QWEN3_32B, QWEN_STATIC)
    own, bf16 = (
        json.loads(formula(tmp_path, *f, "--breakdown", "--format", "json").stdout) for f in ([], ["--gemm", "bf16"])
    )
    assert own["value"] < bf16["value"]
    assert "gemm bf16 stand in for what" in formula(tmp_path, "--gemm", "bf16").stderr
    assert json.loads(run("cache", str(tmp_path), "--json").stdout)["kv"] == "fp8"
    assert "KV cache fp8 as" in run("cache", str(tmp_path)).stdout
    assert json.loads(run("cache", str(tmp_path), "--kv", "bf16", "--json").stdout)["kv"] == "bf16"


def test_infersim_prints_what_it_did_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    plain = formula(config(tmp_path, QWEN3_32B), device="h800", cost_model="infersim")
    quantised = formula(config(tmp_path, QWEN3_32B, QWEN_STATIC), device="h800", cost_model="infersim")
    assert quantised.stdout == plain.stdout
    assert "the infersim cost model does not read it" in quantised.stderr


@pytest.mark.parametrize(
    ("flags", "stated", "says"),
    [
        (("--gemm", "fp7"), AWQ, "gemm = fp7: "),
        (("--gemm", "checkpoint", "--cost-model", "infersim"), AWQ, "reads no formats of weights; choose bf16 or fp8"),
        ((), {"quant_method": "aqlm"}, 'quant_method = "aqlm" is not understood'),
        ((), {**AWQ, "rotation": "hadamard"}, "rotation"),
        ((), {**AWQ, "group_size": 0}, "group_size"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(
    flags: tuple[str, ...], stated: dict[str, Any], says: str, tmp_path: Path
) -> None:
    done = formula(config(tmp_path, LLAMA_3_8B, stated), *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_broken_file_beside_the_config(tmp_path: Path) -> None:
    config(tmp_path, QWEN3_32B)
    (tmp_path / "hf_quant_config.json").write_text("{")
    done = formula(tmp_path)
    assert (done.returncode, "hf_quant_config.json:1:2: not JSON" in done.stderr) == (2, True)
