"""The published table to the digit, and the worked example published with it."""

import pytest

import symsim
from symsim.infersim.published import compare_published

# set-up, tokens/GPU/s that InferSim's README prints
PUBLISHED = {
    "DeepSeek-V3 prefill": 9034,
    "DeepSeek-V3 decode": 2675,
    "Qwen3-30B-A3B bf16 prefill": 17350,
    "Qwen3-30B-A3B bf16 decode": 2632,
    "Qwen3-8B fp8 prefill": 16328,
    "Qwen3-8B fp8 decode": 2581,
}


@pytest.mark.parametrize("found", compare_published(), ids=lambda found: found.name)
def test_published_throughput_to_the_digit(found: symsim.infersim.published.PublishedFigure) -> None:
    assert round(found.ours) == found.reference == PUBLISHED[found.name]


def test_every_published_setup_is_compared() -> None:
    assert {found.name for found in compare_published()} == set(PUBLISHED)


# Qwen3-30B-A3B bf16 decode on 4 H20, batch 100, vintage 2025-10, as published in InferSim's README
WORKED = [
    ("model_weights", "Per GPU params size (GB)", "15.19"),
    ("kv_cache", "KV cache space (GB)", "60.81"),
    ("kv_cache", "Target per-token KV cache size (KB)", "103.79"),
    ("kv_cache", "Current per-token KV cache size (KB)", "96.00"),
    ("flops", "Per-token total (GFLOPs)", "9.46"),
    ("decoding", "QKV_proj latency (us)", "31.03"),
    ("decoding", "O_proj latency (us)", "16.95"),
    ("decoding", "Attn core MFU", "0.15"),
    ("decoding", "Attn core latency (us)", "361.77"),
    ("decoding", "KV loading latency (us)", "298.02"),
    ("decoding", "Routed experts/FFN MFU", "0.18"),
    ("decoding", "Routed experts/FFN latency (us)", "269.28"),
    ("decoding", "Experts loading latency (us)", "85.83"),
    ("decoding", "Comm before MoE/FFN (us)", "4.24"),
    ("decoding", "Comm after MoE/FFN (us)", "4.24"),
    ("decoding", "TPOT (ms)", "38.00"),
]


@pytest.mark.parametrize(("section", "label", "printed"), WORKED, ids=[label for _, label, _ in WORKED])
def test_worked_example(section: str, label: str, printed: str) -> None:
    report = symsim.simulate("qwen3-30b-a3b", world_size=4, decode_bs=100, decode_only=True, tables="2025-10")
    assert f"{getattr(report, section)[label]:.2f}" == printed


def test_later_tables_move_the_same_setup() -> None:
    prefill = symsim.simulate("qwen3-30b-a3b", max_prefill_tokens=16384, prefill_only=True)
    decode = symsim.simulate("qwen3-30b-a3b", world_size=4, decode_bs=100, decode_only=True)
    assert (round(prefill.prefilling["Throughput (TGS)"]), round(decode.decoding["Throughput (TGS)"])) == (
        17252,
        3161,
    )
