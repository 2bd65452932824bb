"""Experts spread otherwise than attention: whole ones on a tensor parallel group, over all replicas, redundant ones."""

from fractions import Fraction
from typing import Any

import pytest

import symsim
from symsim.errors import DeploymentError
from symsim.serving.memory_use import memory_of_stages
from tests.unit.test_parallelism import lines, metric, value


@pytest.mark.parametrize(
    ("how", "derived"),
    [
        ({}, (1, 1, 1, 1)),
        ({"world_size": 8}, (8, 8, 8, 1)),
        ({"tp": 8, "ep": 8}, (8, 1, 8, 1)),  # whole experts on the tensor parallel group
        ({"tp": 4, "ep": 32}, (32, 8, 32, 1)),  # DeepSeek-V3's prefill unit
        ({"tp": 8, "ep": 2}, (8, 1, 2, 4)),
        ({"tp": 8, "dp": 4}, (32, 4, 4, 8)),
        ({"tp": 2, "ep": 8, "moe_tp": 2}, (16, 8, 8, 2)),
        ({"ep": 72}, (72, 72, 72, 1)),
        ({"ep": 144, "pp": 2}, (288, 144, 144, 1)),
        ({"world_size": 8, "tp": 4, "ep": 8}, (8, 2, 8, 1)),
        ({"dp": 8, "moe_tp": 8}, (8, 8, 1, 8)),  # vLLM without expert parallelism: an expert over all of a stage
        ({"moe_tp": 8}, (8, 8, 1, 8)),
        ({"tp": 2, "dp": 4, "moe_tp": 4}, (8, 4, 2, 4)),
        ({"tp": 8, "cp": 2, "pp": 2, "moe_tp": 16}, (32, 1, 1, 16)),
        ({"world_size": 8, "tp": 2, "ep": 2, "moe_tp": 4}, (8, 4, 2, 4)),  # SGLang: --tp-size 8 --dp-size 4 --ep-size 2
    ],
)
def test_degrees_follow_from_each_other(how: dict[str, int], derived: tuple[int, ...]) -> None:
    found = symsim.Deployment(**how)  # type: ignore[arg-type]
    assert (found.world_size, found.dp, found.experts_over, found.experts_split) == derived


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"world_size": 8, "dp": 4}, r"dp = 4 is not world_size / \(pp \* tp \* cp\) = 8"),
        ({"world_size": 8, "tp": 8, "ep": 16}, "ep = 16 does not divide world_size / pp = 8"),
        ({"world_size": 8, "tp": 8, "ep": 4, "moe_tp": 4}, r"ep \* moe_tp = 16 does not divide world_size / pp = 8"),
        ({"tp": 3, "ep": 8}, r"tp \* cp = 3 does not divide ep = 8"),
        ({"redundant_experts": -1}, "redundant_experts = -1 must be zero or more"),
        ({"world_size": 24, "tp": 4, "moe_tp": 6, "ep": 4}, "moe_tp = 6 and tp = 4: one must divide the other"),
        ({"dp": 8, "moe_tp": 3}, r"ep \* moe_tp = 6 does not divide world_size / pp = 8"),
        ({"dp": 4, "moe_tp": 8}, r"ep \* moe_tp = 8 does not divide world_size / pp = 4"),
        ({"tp": 2, "dp": 4, "moe_tp": 4, "comm": "deepep"}, "choose comm = allreduce, or moe_tp up to tp"),
    ],
)
def test_degrees_that_cannot_be(how: dict[str, int], sentence: str) -> None:
    with pytest.raises(DeploymentError, match=sentence):
        symsim.Deployment(**how)  # type: ignore[arg-type]


def test_whole_experts_are_as_wide_as_the_model_says() -> None:
    """128/8 experts of 768 on a GPU: the bytes of --tp 4 --ep 2, whose experts are 192 wide; the same rows a GPU."""
    whole, sliced = (
        symsim.compile("qwen3-30b-a3b", "h20", symsim.Deployment(8, 1, tp=4, ep=ep), "roofline", engine="none")
        for ep in (8, 2)
    )
    point = {"B": 1, "S": 4095, "O": 1}
    assert whole.memory.evaluate(**point) == sliced.memory.evaluate(**point)
    text = whole.tpot.to_text("symbolic")
    assert "ep*moe_tp" in text
    assert "moe_tp" not in sliced.tpot.to_text("symbolic")


def test_messages_of_whole_experts() -> None:
    """All-reduce of 64 tokens, 2048 wide, over 4 GPUs; 2 attention ranks gather and scatter 128 rows over 8 of them."""
    inside = lines("qwen3-30b-a3b", tp=4, ep=4)
    assert not any(name.endswith("dispatch.send") for name in inside)
    across = lines("qwen3-30b-a3b", tp=4, ep=8)
    gather = next(line for name, line in across.items() if name.endswith("dispatch.send"))
    assert gather.link_bytes == pytest.approx(128 * 2048 * 2 / 2)
    sums = [line for name, line in across.items() if name.endswith("all_reduce") and "experts" in name]
    assert [line.link_bytes for line in sums] == [pytest.approx(64 * 2048 * 2 * 2 * 3 / 4)]


def weights(model: str, **how: Any) -> float:
    """Bytes of weights on a GPU."""
    costs = symsim.compile(model, "h800", symsim.Deployment(**how), "roofline")
    return memory_of_stages(costs.compiled, 1.0)[0]["weights"]


def test_mixtral_as_vllm_shares_its_experts_without_expert_parallelism() -> None:
    """`--data-parallel-size 8`: each GPU has 14336/8 of every expert, for 2 experts of each of all 512 tokens."""
    found = lines("mixtral-8x7b", dp=8, moe_tp=8)
    routed = found["layer.experts.routed"]
    assert routed.flops == 512 * 2 * 3 * 2 * 4096 * 1792
    # Bytes of all 8 experts' weights, and of 1024 rows that three products and an activation read and write.
    assert routed.hbm_bytes == pytest.approx(2 * (8 * 3 * 4096 * 1792 + 1024 * (2 * 4096 + 6 * 1792)), rel=1e-12)
    for message in ("layer.dispatch.send", "layer.combine.send"):
        assert found[message].link_bytes == 512 * 4096 * 2 * 7 / 8
    assert not any("all_reduce" in name for name in found)
    layer = 4096 * (4096 + 1024 + 1024 + 4096) + 4096 * 8 + 2 * 4096 + 8 * 3 * 4096 * 1792
    assert weights("mixtral-8x7b", dp=8, moe_tp=8) == 2 * (32 * layer + 2 * 32000 * 4096 + 4096)


def test_deepseek_v3_as_vllm_shares_its_experts_without_expert_parallelism() -> None:
    """`-tp 2 -dp 8` on two nodes: 64 tokens of 8 replicas, 128 of 2048 columns of 256 experts; between nodes first."""
    found = lines("deepseek-v3", tp=2, dp=8, moe_tp=16, num_nodes=2)
    assert found["sparse.experts.routed"].flops == 512 * 8 * 3 * 2 * 7168 * 128
    assert found["sparse.experts.shared.down_proj"].flops == 64 * 2 * 7168 * 1024
    row = 7168 * 2
    across, inside = 2 * 64 * row / 2, 512 * row * 3 / 4
    assert [found[f"sparse.dispatch.{name}"].link_bytes for name in ("across", "send")] == [across, inside]
    assert [found[f"sparse.combine.{name}"].link_bytes for name in ("inside", "send")] == [inside, across]
    assert found["sparse.experts.out.all_reduce"].link_bytes == 2 * 64 * row / 2
    assert weights("deepseek-v3", tp=2, dp=8, moe_tp=16) == weights("deepseek-v3", tp=2, dp=8, ep=16)


@pytest.mark.parametrize("model", ["mixtral-8x7b", "deepseek-v3"])
@pytest.mark.parametrize("cost_model", ["roofline", "calibrated"])
def test_of_one_replica_it_is_what_a_tensor_parallel_group_shares(model: str, cost_model: str) -> None:
    stated, usual = (
        symsim.compile(model, "h200", symsim.Deployment(8, tp=8, **how), cost_model)
        for how in ({"ep": 1, "moe_tp": 8}, {})
    )
    for name in ("tpot", "ttft", "memory", "max_batch", "tgs_decode", "tgs_prefill"):
        one, other = stated.metric(name), usual.metric(name)
        assert one.expr == other.expr
        assert value(one) == value(other)


def test_a_formula_of_shared_experts_holds_for_other_degrees() -> None:
    """tp = 4 in place of 2 on 8 GPUs: two replicas then gather, not four; an expert is over all GPUs in both."""
    one, other = (metric("mixtral-8x7b", "tpot", world_size=8, tp=tp, moe_tp=8) for tp in (2, 4))
    point = {"B": 64, "S": 4096, "O": 512}
    assert one.evaluate(**point, tp=4) == pytest.approx(other.evaluate(**point), rel=1e-12)
    with pytest.raises(symsim.SymsimError, match="tpot was derived for"):
        one.evaluate(**point, tp=8)


def test_blocks_of_a_format_are_whole_where_an_expert_is_over_replicas() -> None:
    with pytest.raises(DeploymentError, match=r"2048/32 = 64 is no multiple of 128.*choose moe_tp = 16 or expert"):
        symsim.compile("deepseek-v3", "h800", symsim.Deployment(dp=32, moe_tp=32), "roofline")


def test_messages_of_the_prefill_unit() -> None:
    """Each of 4 GPUs sends a quarter of 8192 tokens, in fp8, to other nodes' experts; the rows are gathered back."""
    found = lines("deepseek-v3", "ttft", tp=4, ep=32, comm="deepep")
    dispatch = found["sparse.dispatch.send"]
    # groups of experts: 2 on each of 4 nodes, a token may choose 4 of 8: all nodes may hold some
    expected = 2048 * 7168 * (Fraction(3, 4) * 4 * (1 - Fraction(3, 4) ** 8) + 1)
    assert dispatch.link_bytes == pytest.approx(float(expected))
    gather = next(line for name, line in found.items() if name.startswith("sparse.combine.") and name.endswith("out"))
    assert gather.link_bytes == pytest.approx(8192 * 7168 * 2 * 3 / 4)


def test_redundant_experts_are_held_beside_the_others() -> None:
    """32 of them: (256 + 32)/32 = 9 experts a GPU in place of 8, in 58 layers of 3 * 7168 * 2048 weights each."""
    plain, more = (
        symsim.compile("deepseek-v3", "h800", symsim.Deployment(32, redundant_experts=r, gemm="bf16"), "roofline")
        for r in (0, 32)
    )
    point = {"B": 1, "S": 1024, "O": 1024}
    extra = more.memory.evaluate(**point) - plain.memory.evaluate(**point)
    assert extra == pytest.approx(58 * 3 * 7168 * 2048 * 2)
    with pytest.raises(DeploymentError, match=r"ep = 32\) must divide E \+ redundant_experts"):
        symsim.compile("deepseek-v3", "h800", symsim.Deployment(32, redundant_experts=16), "roofline")


@pytest.mark.parametrize("how", [{"moe_tp": 2, "tp": 2}, {"redundant_experts": 8}])
def test_a_dense_model_has_no_experts(how: dict[str, int]) -> None:
    (name, value) = next(iter(how.items()))
    with pytest.raises(DeploymentError, match=f"{name} = {value}: the model has no experts to spread"):
        symsim.compile("qwen3-8b", "h800", symsim.Deployment(**how), "roofline")  # type: ignore[arg-type]


@pytest.mark.parametrize("how", [{"tp": 4, "ep": 4}, {"dp": 4, "moe_tp": 4}])
def test_the_reference_shares_every_expert_over_tp(how: dict[str, int]) -> None:
    with pytest.raises(DeploymentError, match="the infersim cost model shares every expert over tp"):
        symsim.compile("qwen3-30b-a3b", "h800", symsim.Deployment(**how), "infersim")  # type: ignore[arg-type]
