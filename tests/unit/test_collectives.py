"""Collectives that span nodes: what moves inside of a node and what between nodes, by hand."""

import pytest

import symsim
from symsim.formula.breakdown import OpLine
from tests.unit.test_parallelism import POINT, lines

GATHER = "sparse.dispatch."
SCATTER = "sparse.combine."


def sent(found: dict[str, OpLine], start: str) -> dict[str, float]:
    return {name.rpartition(".")[2]: line.link_bytes for name, line in found.items() if name.startswith(start)}


def test_an_all_reduce_over_two_nodes() -> None:
    """64 rows of 8192 in bf16 over 16 GPUs: 7/8 of them inside, an eighth across and back, 7/8 inside again."""
    rows = 64 * 8192 * 2
    found = lines("llama-3.1-70b", tp=8)
    assert found["layer.ffn.out.all_reduce"].link_bytes == 2 * 7 / 8 * rows
    costs = symsim.compile("llama-3.1-70b", "h800", symsim.Deployment(16, 4, tp=8), "roofline")
    assert costs.compiled.deployment.num_nodes == 4
    found = lines("llama-3.1-70b", world_size=16, num_nodes=4, tp=8)
    parts = [found[f"layer.ffn.out.{name}"] for name in ("scatter", "across", "all_reduce")]
    assert [part.link_bytes for part in parts] == [3 / 4 * rows, 2 * (1 / 2) * rows / 4, 3 / 4 * rows]
    assert [part.seconds for part in parts] == pytest.approx(
        [part.link_bytes / (rate * 0.8) for part, rate in zip(parts, (200e9, 50e9, 200e9), strict=True)]
    )


def test_one_gpu_a_node_is_a_flat_ring() -> None:
    found = lines("llama-3.1-70b", world_size=4, num_nodes=4, tp=4)
    assert found["layer.ffn.out.all_reduce"].link_bytes == 2 * 3 / 4 * 64 * 8192 * 2
    assert "layer.ffn.out.across" not in found


def test_attention_ranks_gather_between_nodes_and_inside_of_them() -> None:
    """32 ranks on 4 nodes: each gets 3 others' rows over RDMA and, over NVLink, 4 ranks' from each of 7."""
    rows = POINT["B"] * 7168 * 2
    found = lines("deepseek-v3", world_size=32)
    assert sent(found, GATHER) == {"across": 3 * rows, "send": 7 * 4 * rows}
    assert sent(found, SCATTER) == {"inside": 7 * 4 * rows, "send": 3 * rows}
    across = next(line for name, line in found.items() if name.startswith(GATHER) and name.endswith("across"))
    assert across.seconds == pytest.approx(across.link_bytes / (50e9 * 0.8))


@pytest.mark.parametrize(("gpus", "nodes"), [(16, 2), (16, 4), (32, 4), (64, 8)])
def test_as_much_is_sent_as_by_flat_rings(gpus: int, nodes: int) -> None:
    """With one bandwidth hierarchy gains nothing: 2 (p - 1)/p V of an all-reduce, (p - 1) V/p of a gather."""
    summed = lines("llama-3.1-8b", world_size=gpus, num_nodes=nodes, tp=min(gpus, 16), dp=gpus // min(gpus, 16))
    tp = min(gpus, 16)
    total = sum(line.link_bytes for name, line in summed.items() if name.startswith("layer.ffn.out."))
    assert total == pytest.approx(2 * (tp - 1) / tp * POINT["B"] * 4096 * 2)
    gathered = lines("deepseek-v3", world_size=gpus, num_nodes=nodes)
    assert sum(sent(gathered, GATHER).values()) == pytest.approx((gpus - 1) * POINT["B"] * 7168 * 2)
