"""Narrower formats cost no more: of kernels that were measured, those are counted that an engine takes with them."""

from typing import Any

import pytest

import symsim
from symsim.tables.coefficients import coefficients_of, spellings

ENGINES = ("vllm", "sglang", "trtllm")
CARDS = ("h100", "h200", "h20", "b200", "gb200")
LONG = {"B": 64, "S": 8192, "O": 1024}
PROMPT = {"S": 8192, "T": 8192}


def compiled(model: str, device: str, engine: str, **deployment: Any) -> symsim.Costs:
    return symsim.compile(model, device, symsim.Deployment(engine=engine, **deployment))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("device", CARDS)
@pytest.mark.parametrize(("model", "degrees"), [("qwen3-8b", {}), ("deepseek-v3", {"tp": 8})])
def test_a_cache_in_fp8_makes_no_long_context_slower(
    model: str, degrees: dict[str, Any], device: str, engine: str
) -> None:
    """It was 2.7 times as slow with latents on Hopper, prompts 2.5 times with SGLang: other kernels were counted."""
    wide, narrow = (compiled(model, device, engine, kv=kv, **degrees) for kv in ("bf16", "fp8"))
    assert narrow.tpot.evaluate(**LONG) < wide.tpot.evaluate(**LONG)
    assert narrow.ttft.evaluate(**PROMPT) < 1.02 * wide.ttft.evaluate(**PROMPT)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("device", CARDS)
def test_weights_in_fp8_make_no_batch_slower(device: str, engine: str) -> None:
    wide, narrow = (compiled("qwen3-30b-a3b", device, engine, gemm=gemm) for gemm in ("bf16", "fp8"))
    assert narrow.tpot.evaluate(**LONG | {"S": 1024}) < 0.9 * wide.tpot.evaluate(**LONG | {"S": 1024})
    assert narrow.ttft.evaluate(**PROMPT) < wide.ttft.evaluate(**PROMPT)


def test_mxfp4_experts_of_tensorrt_llm_multiply_in_mxfp8_on_blackwell() -> None:
    """Those that were measured with bf16 activations take three times as long as others' of the same."""
    own, others = (compiled("gpt-oss-120b", "b200", engine) for engine in ("trtllm", "sglang"))
    assert 0.8 < own.tpot.evaluate(B=16, S=1000, O=200) / others.tpot.evaluate(B=16, S=1000, O=200) < 1.1


def test_a_kernel_in_another_format_multiplies_at_its_peak() -> None:
    """SGLang's prompts attend in the format of the cache; decodes read it, and multiply in bf16."""
    costs = compiled("qwen3-8b", "h100", "sglang", kv="fp8").compiled
    peaks = {
        step: {str(name) for name in phase.fitted["layer.attention.core"][0].free_symbols if "peak" in str(name)}
        for step, phase in costs.phases.items()
    }
    assert peaks == {"prefill": {"peak_fp8"}, "decode": {"peak_bf16"}}


def test_an_engine_that_needs_an_option_for_the_kernel_that_is_counted_says_so() -> None:
    def said(model: str, engine: str, kv: str, device: str = "h200") -> bool:
        costs = compiled(model, device, engine, kv=kv, tp=8)
        return any("--attention-backend flashmla" in note for note in costs.compiled.notes)

    assert said("deepseek-v3", "sglang", "fp8")
    assert not said("deepseek-v3", "vllm", "fp8")
    assert not said("deepseek-v3", "sglang", "bf16")
    assert not said("deepseek-v3", "sglang", "fp8", "b200")
    assert not said("deepseek-v3", "sglang", "fp8", "mi300x"), "its kernels are others, whichever stand in"
    assert not said("deepseek-v3.2", "sglang", "fp8"), "sparse latent attention has kernels of its own"
    assert not said("llama-3.3-70b", "sglang", "fp8")


@pytest.mark.parametrize("row", [row for rows in spellings()["engine"].values() for row in rows], ids=str)
def test_every_kernel_that_an_engine_is_said_to_take_was_measured(row: dict[str, Any]) -> None:
    known = {"table", "dtype", "kv", "on", "kernel", "as", "cache", "note"}
    assert row.keys() <= known
    files, architectures = spellings()["device"], spellings()["architecture"]
    measured = {
        architectures[files[one.device]]
        for one in coefficients_of(row["table"])
        if (one.kernel, one.dtype) == (row["kernel"], row.get("as", row["dtype"]))
        and one.kv_dtype in ("", row.get("cache", row.get("kv", one.kv_dtype)))
        and one.device in files
    }
    assert measured >= set(row["on"])
