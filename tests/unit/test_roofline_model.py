"""The `roofline` cost model by hand: what it counts that the reference leaves out or counts otherwise."""

import pytest

import symsim
from symsim.formula.breakdown import OpLine, breakdown

POINT = {"B": 64, "S": 4096, "O": 2048, "T": 8192}


def lines(model: str, metric: str = "tpot", deployment: symsim.Deployment | None = None) -> dict[str, OpLine]:
    costs = symsim.compile(model, "h800", deployment, "roofline")
    phase = costs.compiled.prefill if metric == "ttft" else costs.compiled.decode
    return {line.name: line for line in breakdown(phase, costs.metric(metric).form, POINT)}


def test_units_are_decimal_but_for_the_memory_that_the_driver_reports() -> None:
    bound = symsim.compile("deepseek-v3", "h800", cost_model="roofline").compiled.numbers.values
    assert (bound["peak_bf16"], bound["hbm_bandwidth"], bound["hbm_capacity"]) == (
        989 * 10**12,
        3350 * 10**9,
        81559 * 2**20,
    )


def test_first_layers_are_dense() -> None:
    found = lines("deepseek-v3")
    assert found["dense.ffn.ffn.gate_up_proj"].times == 3
    assert found["sparse.experts.routed"].times == 58
    assert found["dense.ffn.ffn.gate_up_proj"].flops == 2 * 64 * 7168 * 2 * 18432


def test_embedding_router_norms_and_lm_head_are_counted() -> None:
    found = lines("deepseek-v3")
    assert found["logits.lm_head"].flops == 2 * 64 * 7168 * 129280
    assert found["sparse.router.scores"].flops == 2 * 64 * 7168 * 256
    assert found["embedding.embed"].hbm_bytes == 2 * 64 * 7168 * 2
    assert found["dense.attention.norm"].hbm_bytes == (4 * 64 + 1) * 7168 * 2


def test_prefill_expands_latents_and_counts_causal_pairs_exactly() -> None:
    found = lines("deepseek-v3", "ttft")
    pairs = 8192 * 4097 / 2  # two sequences of 4096: the sum of 1..4096, twice
    assert found["dense.attention.kv_b_proj"].flops == 2 * 8192 * 512 * 128 * (128 + 128)
    assert found["dense.attention.heads"].flops == 2 * 128 * (192 + 128) * pairs
    assert not any(name.endswith("q_absorb") for name in found)
    assert any(name.endswith("q_absorb") for name in lines("deepseek-v3"))


def test_only_full_layers_of_a_hybrid_read_context() -> None:
    costs = symsim.compile("qwen3-next-80b-a3b", "h20", cost_model="roofline")
    found = {line.name: line for line in breakdown(costs.compiled.decode, costs.tpot.form, POINT)}
    context = 4096 + 1024
    rows = 2 * 64 * context * 2 * 256 * 2
    assert found["full.attention.core"].times == 12
    assert found["full.attention.core"].hbm_bytes == rows + 2 * 64 * 16 * 256 * 2 + 2 * 64 * 2 * 256 * 2
    assert "C" not in {s.name for s in costs.compiled.decode.costs["linear.attention.core"].hbm_bytes.free_symbols}


@pytest.mark.parametrize("model", ["qwen3-8b", "qwen3-30b-a3b"])
def test_a_tp_all_reduce_is_a_ring(model: str) -> None:
    found = lines(model, deployment=symsim.Deployment(4, tp=4))
    width = 4096 if model == "qwen3-8b" else 2048
    assert found["layer.attention.out.all_reduce"].link_bytes == 2 * 3 / 4 * 64 * width * 2
    assert found["layer.attention.out.all_reduce"].bound == "link"


def test_a_dense_model_sends_nothing_between_replicas() -> None:
    assert all(line.link_bytes == 0 for line in lines("qwen3-8b", deployment=symsim.Deployment(8)).values())


def test_few_tokens_touch_few_experts() -> None:
    """64 tokens pick 8 of 256 experts each: 1 - (1 - 8/256)^64 of the experts are read."""
    found = lines("deepseek-v3")["sparse.experts.routed"]
    weights = 3 * 256 * 7168 * 2048 * (1 + 4 / 128**2)  # fp8, a scale of 4 bytes for each block of 128x128
    moved = 64 * 8 * (2 * 7168 + 6 * 2048) * 2
    assert found.hbm_bytes == pytest.approx(weights * (1 - (1 - 8 / 256) ** 64) + moved, rel=1e-12)


def test_both_overlapped_batches_do_all_their_work() -> None:
    """Dense layers and the LM head cannot be overlapped: they take twice as long for two batches."""
    how = {"world_size": 32, "num_nodes": 4, "comm": "deepep"}
    plain, paired = (
        symsim.compile("deepseek-v3", "h800", symsim.Deployment(**how, overlap=overlap), "roofline")  # type: ignore[arg-type]
        for overlap in ("none", "two-batch")
    )
    point = {"B": 64, "S": 4096, "O": 1024}
    assert plain.tpot.evaluate(**point) < paired.tpot.evaluate(**point) < 2 * plain.tpot.evaluate(**point)
    names = {str(s) for s in paired.tpot.form.derivation.result.expr.args}
    assert {"2*t_embedding", "2*t_logits"} <= names


def test_memory_is_what_the_weights_need() -> None:
    """DeepSeek-V3 has 671.03e9 parameters without multi-token prediction."""
    bf16 = symsim.Deployment(gemm="bf16")
    used = symsim.compile("deepseek-v3", "h800", bf16, "roofline", engine="none").memory.evaluate(B=1, S=1, O=1)
    assert used == pytest.approx(2 * 671.03e9, rel=1e-4)


def test_a_share_of_the_capacity_bounds_as_its_bytes_do() -> None:
    costs = symsim.compile("qwen3-8b", "rtx4090", cost_model="roofline")
    share = costs.solve("max S subject to memory <= 0.9*capacity with B = 1, O = 1")
    as_bytes = costs.solve(f"max S subject to memory <= {24564 * 2**20 * 9 // 10} B with B = 1, O = 1")
    assert share.value == as_bytes.value
    with pytest.raises(symsim.SymsimError, match="which is asked for"):
        costs.solve("min hbm_capacity subject to memory <= 0.9*capacity with B = 1, S = 1, O = 1")
