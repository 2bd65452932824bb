"""What the reference crashes on is refused in a sentence, and taken on with a stated assumption when asked."""

import pytest

import symsim
from symsim.tables.bind import bind
from symsim.tables.table import TableContext

CASES = [
    # model, flags, what is refused, what is assumed
    (
        "qwen3-next-80b-a3b",
        {"device_type": "H800"},
        "no rows of mfu/gdn_",
        "fallback, times of H20 x 1.194 used (the ratio of hbm_bandwidth)",
    ),
    (
        "qwen3-8b",
        {"device_type": "H800", "use_fp8_kv": True},
        "no fp8 KV rows",
        "fallback, rows of bf16 KV used",
    ),
    (
        "qwen3-8b",
        {"device_type": "H800", "decode_bs": 1, "target_isl": 1024, "target_osl": 1},
        "has MFU 0.000",
        "mfu/gqa_decode.csv:623 has MFU 0.000: fallback, 0.000486 from its latency used",
    ),
    (
        "qwen3-8b",
        {"world_size": 3, "tp_size": 3},
        "must divide",
        "num_attention_heads (H = 32), as graphs/infersim/attention_blocks.graph:6 requires: fallback, padded to 33",
    ),
    (
        "qwen3-30b-a3b",
        {"world_size": 3},
        "must divide",
        "num_experts (E = 128), as graphs/infersim/expert_blocks.graph:15 requires: fallback, padded to 129",
    ),
]


@pytest.mark.parametrize(("model", "flags", "refused", "assumed"), CASES)
def test_refused_or_assumed(model: str, flags: dict[str, object], refused: str, assumed: str) -> None:
    with pytest.raises(symsim.SymsimError, match=refused) as caught:
        symsim.simulate(model, decode_only=True, **flags)  # type: ignore[arg-type]
    assert "--fallback" in str(caught.value)
    report = symsim.simulate(model, decode_only=True, fallback=True, **flags)  # type: ignore[arg-type]
    assert report.decoding["TPOT (ms)"] > 0
    assert any(warning.endswith(assumed) for warning in report.warnings), report.warnings


def test_a_recomputed_row_is_its_flops_in_its_latency() -> None:
    figures = (("peak_bf16", 989e12),)
    found = bind(
        "mfu_gqa_decode",
        (32, 8, 128),
        TableContext(device="H800", vintage="2026-05", kv="bf16", cost_model="infersim", figures=figures),
    )
    assert found(1, 1024) == pytest.approx(4 * 32 * 128 * 1024 / (34.938e-6 * 989e12), rel=1e-12)


def test_padding_counts_the_fullest_gpu() -> None:
    padded = symsim.compile("qwen3-8b", "h20", symsim.Deployment(3, tp=3), fallback=True, cost_model="infersim")
    assert padded.assumptions
    core = next(op for op in padded.compiled.decode.graph.ops if op.name.endswith("core"))
    sizes = {name: size.xreplace(padded.compiled.numbers.symbols()) for name, size in core.shape.items()}
    assert (sizes["h"], sizes["g"]) == (11, 3)  # 32 query and 8 KV heads over 3 GPUs


@pytest.mark.parametrize("model", ["qwen3-8b", "deepseek-v3"])
def test_nothing_changes_where_nothing_is_missing(model: str) -> None:
    deployment = symsim.Deployment(8, tp=2, gemm="fp8")
    plain, ready = (
        symsim.compile(model, "h20", deployment, fallback=allowed, cost_model="infersim") for allowed in (False, True)
    )
    assert ready.assumptions == ()
    assert ready.tpot.expr == plain.tpot.expr
    assert ready.tpot.evaluate(B=64, S=4096, O=1024) == plain.tpot.evaluate(B=64, S=4096, O=1024)


def test_every_stand_in_is_in_the_output() -> None:
    costs = symsim.compile("qwen3-8b", "h200", cost_model="infersim")
    (sentence, *_) = costs.tpot.form.stand_ins
    assert "default 0.4 used" in sentence
    assert sentence in costs.tpot.to_text()
    assert sentence in costs.tpot.to_json()["in_place_of_tables"]
    assert sentence in costs.tpot.to_python()
    assert sentence in costs.solve("max B subject to TPOT <= 50 ms").defaults
