"""Experts spread otherwise than attention: whole ones on a tensor parallel group, over all replicas, redundant ones."""

from fractions import Fraction

import pytest

import symsim
from symsim.errors import DeploymentError
from tests.unit.test_parallelism import lines


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
        ({"world_size": 8, "tp": 2, "moe_tp": 4, "ep": 2}, "moe_tp = 4 must divide tp = 2"),
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


def test_the_reference_shares_every_expert_over_tp() -> None:
    with pytest.raises(DeploymentError, match="the infersim cost model shares every expert over tp"):
        symsim.compile("qwen3-30b-a3b", "h800", symsim.Deployment(tp=4, ep=4), "infersim")
