"""DeepEP messages: rows that one GPU sends for each token when it dispatches, against values derived by hand."""

from fractions import Fraction

import pytest
import sympy

import symsim
from symsim.algebra.symbols import symbol

WIDTH = {"deepseek-v3": 7168, "kimi-k2-instruct": 7168, "qwen3-30b-a3b": 2048}


def rows(model: str, nodes: int, step: str, cost_model: str) -> dict[str, Fraction]:
    """Link -> rows for each token, of which every layer sends as many."""
    layout = symsim.Deployment(8 * nodes, nodes, comm="deepep")
    compiled = symsim.compile(model, "h800", layout, cost_model).compiled
    phase = compiled.prefill if step == "prefill" else compiled.decode
    op = next(op for op in phase.graph.ops if op.kernel.startswith("dispatch"))
    values = {**compiled.numbers.symbols(), symbol("T"): sympy.Integer(1), symbol("B"): sympy.Integer(1)}
    sends = phase.costs[op.name].send.items()
    found = {link: sympy.Add(*sent.values()).xreplace(values) / WIDTH[model] for link, sent in sends}
    return {link: Fraction(int(count.p), int(count.q)) for link, count in found.items() if count}


# model, nodes, step -> rows over each link. Both models choose 8 experts of a token.
ROOFLINE = [
    # 8 experts over 4 nodes: 3 other nodes, each with 1 - (3/4)^8
    ("qwen3-30b-a3b", 4, "prefill", {"rdma": 3 * (1 - Fraction(3, 4) ** 8), "nvlink": 1}),
    ("qwen3-30b-a3b", 1, "prefill", {"nvlink": 1}),
    # experts of 4 of 8 groups, a group on each node: 4 (1 - (3/4)^8) nodes, of which 7/8 are others; never over 4
    ("deepseek-v3", 8, "prefill", {"rdma": Fraction(7, 8) * 4 * (1 - Fraction(3, 4) ** 8), "nvlink": 1}),
    # a group on two nodes: up to 8 of 16
    ("deepseek-v3", 16, "prefill", {"rdma": Fraction(15, 16) * 8 * (1 - Fraction(7, 8) ** 8), "nvlink": 1}),
    # two nodes hold four groups each: no limit
    ("deepseek-v3", 2, "prefill", {"rdma": 1 - Fraction(1, 2) ** 8, "nvlink": 1}),
    # Kimi-K2 has one group: no limit
    ("kimi-k2-instruct", 8, "prefill", {"rdma": 7 * (1 - Fraction(7, 8) ** 8), "nvlink": 1}),
    # low latency: a row for each of 8 experts, the share of the own node over NVLink
    ("qwen3-30b-a3b", 4, "decode", {"rdma": 6, "nvlink": 2}),
    ("qwen3-30b-a3b", 1, "decode", {"nvlink": 8}),
    ("deepseek-v3", 2, "decode", {"rdma": 4, "nvlink": 4}),
]


@pytest.mark.parametrize(("model", "nodes", "step", "expected"), ROOFLINE)
def test_a_token_goes_to_the_nodes_of_its_experts(
    model: str, nodes: int, step: str, expected: dict[str, Fraction]
) -> None:
    assert rows(model, nodes, step, "roofline") == expected


def test_the_reference_counts_every_node_and_no_nvlink() -> None:
    assert rows("qwen3-30b-a3b", 4, "prefill", "infersim") == {"rdma": 3, "nvlink": 1}
    assert rows("qwen3-30b-a3b", 4, "decode", "infersim") == {"rdma": 8}
