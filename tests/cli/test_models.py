"""symsim params, flops, cache, new-model, check-model and --graphs, as a user runs them."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from symsim.cli import main
from symsim.command import check_model
from symsim.command.real_counts import RealCounts

FAMILY = """
model acorn for AcornForCausalLM:
    config:
        D = hidden_size
        L = num_hidden_layers
    x = input
    layers L as i:
        attention = gqa(x; D, 4, 2, 8)
        x = attention
    logits = logits(x; D, 100)
"""


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    shown = capsys.readouterr()
    return code, shown.out, shown.err


def document(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    code, out, _ = run(capsys, *words, "--json")
    assert code == 0
    return json.loads(out)


def test_params(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "params", "qwen3-30b-a3b")
    assert {"total", "embedding", "lm_head", "non_embedding", "layers", "not_counted"} <= set(found)
    assert found["total"] == 30532122624
    assert found["layers"] == [{"attention": 18874624, "ffn": 604241920, "norm": 4096}] * 48
    _, out, _ = run(capsys, "params", "deepseek-v3")
    assert "layers 3 to 60" in out


def test_flops(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("flops", "qwen3-30b-a3b", "--phase", "prefill", "--batch", "4", "--seq", "256")
    found = document(capsys, *words)
    assert found["linear"] == 2518461448192
    assert found["attention"] == 206158430208
    assert found["routed_experts"] == 48 * 6 * 4 * 256 * 8 * 2048 * 768
    assert found["total"] == sum(count for kind, count in found.items() if kind != "total")
    assert document(capsys, *words, "--logits", "last", "--causal")["total"] < found["total"]
    _, out, _ = run(capsys, *words)
    assert "2,518,461,448,192" in out


def test_cache(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "cache", "deepseek-v3", "--at", "S=100,O=1")
    assert (found["per_token"], found["per_request"]) == (70272, 101 * 70272)
    assert document(capsys, "cache", "deepseek-v3", "--kv", "fp8")["per_token"] == 35136
    _, out, _ = run(capsys, "cache", "deepseek-v3")
    assert "cache_per_token*(O + S)" in out


def test_a_family_is_text_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.json").write_text(
        json.dumps({"architectures": ["AcornForCausalLM"], "hidden_size": 64, "num_hidden_layers": 3})
    )
    code, out, err = run(capsys, "params", str(tmp_path))
    assert (code, out) == (2, "")
    assert "do not describe AcornForCausalLM" in err
    (tmp_path / "acorn.graph").write_text(FAMILY)
    layer = 64 * 8 * (4 + 2 * 2) + 4 * 8 * 64 + 64
    assert document(capsys, "params", str(tmp_path), "--graphs", str(tmp_path))["total"] == 3 * layer + 64 + 6400
    words = (str(tmp_path), "--graphs", str(tmp_path), "--cost-model", "roofline")
    assert "3*t_layer" in run(capsys, "formula", *words)[1]
    assert run(capsys, "formula", *words, "--metric", "memory", "--format", "json")[0] == 0


def test_a_mistake_in_a_graph_of_ones_own_is_located(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "acorn.graph").write_text(FAMILY + "modle oak for Oak:\n    config:\n        D = hidden_size\n")
    code, out, err = run(capsys, "params", "qwen3-8b", "--graphs", str(tmp_path))
    assert (code, out) == (2, "")
    assert "acorn.graph:11:1" in err


def test_new_model_drafts_what_parses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = {"model_type": "oak", "hidden_size": 64, "num_hidden_layers": 3, "vocab_size": 100, "intermediate_size": 96}
    keys |= {"num_attention_heads": 4, "num_key_value_heads": 2, "leaves": 7}  # type: ignore[dict-item]
    (tmp_path / "config.json").write_text(json.dumps(keys))
    code, out, _ = run(capsys, "new-model", str(tmp_path))
    assert code == 0
    assert "# Does not match yet: leaves = 7 is not described" in out
    (tmp_path / "oak.graph").write_text(out)
    code, _, err = run(capsys, "params", str(tmp_path), "--graphs", str(tmp_path))
    assert code == 2
    assert "oak (" in err
    assert "leaves = 7" in err
    assert document(capsys, "params", str(tmp_path), "--graphs", str(tmp_path), "--fallback")["total"] > 0


@pytest.mark.parametrize("command", ["params", "flops", "cache", "new-model", "check-model"])
def test_no_such_config(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, err = run(capsys, command, "no-such-model")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1


@pytest.mark.parametrize("words", [["--batch", "0"], ["--seq", "0"], ["--past", "-1"]])
def test_impossible_work(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    code, out, err = run(capsys, "flops", "qwen3-8b", *words)
    assert (code, out) == (2, "")
    assert "must be at least" in err


def test_check_model_says_what_is_missing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    code, out, err = run(capsys, "check-model", "qwen3-8b")
    assert (code, out) == (2, "")
    assert "symsim-llm[check]" in err


@pytest.mark.parametrize(("off", "code"), [(0, 0), (5, 1)])
def test_check_model_compares(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], off: int, code: int
) -> None:
    """Against counts of Qwen3-8B by transformers 5.23, a prefill of 4 x 256 tokens; and against others."""
    real = RealCounts(8190735360 - off, 622329856, 622329856, (192946432,) * 36, 15499463229440 + 154618822656)
    monkeypatch.setattr(check_model, "count", lambda *_: real)
    found, out, _ = run(capsys, "check-model", "qwen3-8b", "--batch", "4", "--seq", "256")
    assert found == code
    assert ("+5" in out) is bool(off)
    assert out.count("exact") == 4 - bool(off)


def test_check_model_counts_the_real_class(capsys: pytest.CaptureFixture[str]) -> None:
    """With the `check` extra only: torch and transformers take gigabytes that no other test needs."""
    pytest.importorskip("transformers")
    code, out, _ = run(capsys, "check-model", "qwen3.5-35b-a3b")
    assert code == 0
    assert "34,660,610,688" in out
