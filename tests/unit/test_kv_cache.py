"""Formats and layouts of the KV cache: bytes by hand, where engines say them."""

from pathlib import Path

import pytest

import symsim
from symsim.errors import SymsimError

LLAMA_3_8B = 2 * 32 * 8 * 128
"""Elements of a token: keys and values of 32 layers, 8 heads of 128."""


@pytest.mark.parametrize(
    ("kv", "numerator", "denominator"),
    [
        ("bf16", 2, 1),
        ("fp8", 1, 1),
        ("int8", 1, 1),
        ("q8_0", 34, 32),  # llama.cpp: 34 B for 32
        ("q4_0", 18, 32),
        ("fp4", 9, 16),  # NVFP4: 16 of 4 bits and a scale
        ("int4", 68, 128),  # a head of 128 with scale and zero point
    ],
)
def test_a_token_takes_its_elements_and_their_scales(kv: str, numerator: int, denominator: int) -> None:
    assert symsim.cache("llama-3-8b", kv=kv).per_token * denominator == LLAMA_3_8B * numerator


def test_a_row_of_sparse_latent_attention_in_fp8() -> None:
    """512 fp8, 4 fp32 scales and 64 bf16, the indexer's key of 128 and its scale: sgl-project/sglang issue 11309."""
    found = symsim.cache("deepseek-v3.2", kv="fp8")
    assert (found.per_token, found.layout) == (61 * (656 + 132), "ds_mla")
    plain = symsim.cache("deepseek-v3.2", kv="fp8", kv_layout="plain")
    assert (plain.per_token, plain.layout) == (61 * (576 + 132), "plain")
    assert symsim.cache("deepseek-v3.2", kv="bf16").per_token == 61 * (2 * 576 + 132)


def test_latents_of_dense_attention_have_no_layout() -> None:
    """vLLM and SGLang keep them in fp8 whole, a scale for the tensor."""
    found = symsim.cache("deepseek-v3", kv="fp8")
    assert (found.per_token, found.layout) == (61 * 576, None)


def test_slots_of_compressed_attention_in_fp8(tmp_path: Path) -> None:
    """448 fp8, 64 bf16, 8 B of scales: vllm-project/vllm issue 56893; 20 layers of 4 tokens an entry, 21 of 128, 2 of
    a window only."""
    ratios = [0, 0, *(4 if i % 2 == 0 else 128 for i in range(2, 43))]
    (tmp_path / "config.json").write_text(
        '{"architectures": ["DeepseekV4ForCausalLM"], "model_type": "deepseek_v4", "hidden_size": 4096, '
        '"num_hidden_layers": 43, "vocab_size": 129280, "num_attention_heads": 64, "num_key_value_heads": 1, '
        f'"head_dim": 512, "qk_rope_head_dim": 64, "compress_ratios": {ratios}, "moe_intermediate_size": 2048}}'
    )
    found = symsim.cache(tmp_path, kv="fp8")
    entries = ratios.count(4) * (584 + 132) / 4 + ratios.count(128) * 584 / 128
    assert found.windows == {128: 43 * 584}
    assert found.per_token == 43 * 584 + entries
    assert found.layout == "ds_mla"


def test_a_cache_in_a_layout_is_streamed_as_it_is_held() -> None:
    plain, packed = (
        symsim.compile("deepseek-v3.2", "h200", symsim.Deployment(8, tp=8, kv="fp8", kv_layout=layout), "roofline")
        for layout in ("plain", None)
    )
    point = {"B": 16, "S": 1024, "O": 1024}
    assert packed.tpot.evaluate(**point) > plain.tpot.evaluate(**point)
    grown = packed.memory.evaluate(**point) - plain.memory.evaluate(**point)
    assert grown == pytest.approx(16 * 2048 * 61 * 80)


@pytest.mark.parametrize(
    ("model", "words", "said"),
    [
        ("deepseek-v3.2", {"kv": "bf16", "kv_layout": "ds_mla"}, "a cache in fp8, and this one is in bf16"),
        ("deepseek-v3.2", {"kv": "fp8", "kv_layout": "dsmla"}, "not one of ds_mla, plain; did you mean ds_mla"),
        ("qwen3-8b", {"kv": "int9"}, "kv = 'int9' is not one of bf16, fp8, int8"),
    ],
)
def test_what_is_no_layout_or_format_is_refused(model: str, words: dict[str, str], said: str) -> None:
    with pytest.raises(SymsimError, match=said):
        symsim.cache(model, **words)  # type: ignore[arg-type]


def test_infersim_counts_a_cache_in_bf16_or_fp8() -> None:
    with pytest.raises(SymsimError, match="infersim cost model counts a cache in bf16 or fp8"):
        symsim.compile("qwen3-8b", "h20", symsim.Deployment(kv="int8"), "infersim")


PROMPT = {"S": 8192, "T": 8192}


def prefilled(device: str, kv: str) -> symsim.Costs:
    return symsim.compile("qwen3-8b", device, symsim.Deployment(kv=kv), "roofline")  # type: ignore[arg-type]


def test_attention_multiplies_in_fp8_where_the_cache_is_and_the_device_can() -> None:
    bf16, fp8, int8 = (prefilled("h100", kv) for kv in ("bf16", "fp8", "int8"))
    multiplied = {costs: set(costs.compiled.prefill.costs["layer.attention.core"].flops) for costs in (bf16, fp8, int8)}
    assert multiplied == {bf16: {"bf16"}, fp8: {"fp8"}, int8: {"bf16"}}
    assert bf16.ttft.evaluate(**PROMPT) == pytest.approx(int8.ttft.evaluate(**PROMPT), rel=1e-3)
    assert fp8.ttft.evaluate(**PROMPT) < 0.98 * int8.ttft.evaluate(**PROMPT)


def test_what_the_device_has_no_units_for_is_converted_and_said() -> None:
    for device, kv, said in (
        ("a100-80", "fp8", "has no fp8 units: keys and values in fp8 are converted to bf16 first"),
        ("h100", "int4", "keys and values in int4 are converted to bf16, in which attention multiplies"),
        ("h100", "fp8", "attention multiplies in fp8, as the cache is stored"),
    ):
        assert any(said in note for note in prefilled(device, kv).compiled.notes)
    assert not any("attention" in note for note in prefilled("h100", "bf16").compiled.notes)
    sparse = symsim.compile("deepseek-v3.2", "h200", symsim.Deployment(8, tp=8, kv="fp8"), "roofline")
    assert not any("attention multiplies" in note for note in sparse.compiled.notes)


def test_measured_shares_of_attention_are_of_the_bf16_peak() -> None:
    """H20 has rows by the format of the cache; what is converted is multiplied as bf16 is."""
    costs = {kv: prefilled("h20", kv) for kv in ("bf16", "fp8", "int8")}
    assert costs["fp8"].ttft.evaluate(**PROMPT) == pytest.approx(costs["bf16"].ttft.evaluate(**PROMPT), rel=1e-3)
    assert costs["int8"].tpot.evaluate(B=64, S=4096, O=512) <= costs["bf16"].tpot.evaluate(B=64, S=4096, O=512)
