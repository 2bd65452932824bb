"""Decode context parallelism: what a tensor parallel group holds alike is held once, and nothing else changes."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sympy import Expr

import symsim
from symsim.cost.kernel_cost import Cost, in_bytes
from symsim.errors import DeploymentError
from tests.laws.families import compiled
from tests.laws.test_parallelism import by_operator, number

ALIKE = {"deepseek-v3": 16, "kimi-k2-instruct": 16, "qwen3-30b-a3b": 4, "qwen3-235b-a22b": 4, "llama-3.1-8b": 2}
"""Model -> the most of 16 ranks that hold the same keys and values."""

cases = st.sampled_from([(name, dcp) for name, most in ALIKE.items() for dcp in (2, 4, 8, 16) if dcp <= most])


@given(cases)
def test_caches_are_shared(case: tuple[str, int]) -> None:
    name, dcp = case
    shared, alone = (compiled(name, symsim.Deployment(tp=16, dcp=degree)) for degree in (dcp, 1))

    def caches(costs: symsim.Costs) -> list[Fraction]:
        residents = costs.compiled.decode.graph.residents
        return [number(in_bytes(item.amount) * item.repeat, costs) for item in residents if item.kind == "cache"]

    assert [amount * dcp for amount in caches(shared)] == caches(alone)


@given(cases, st.integers(1, 512))
def test_flops_and_weights_stay_where_they_are(case: tuple[str, int], batch: int) -> None:
    name, dcp = case
    both = [compiled(name, symsim.Deployment(tp=16, dcp=degree)) for degree in (dcp, 1)]

    def flops(cost: Cost) -> Expr:
        return cost.total_flops

    def weights(cost: Cost) -> Expr:
        return in_bytes(cost.weight)

    for of in (flops, weights):
        shared, alone = (by_operator(c.compiled.decode, c, of, B=batch, C=4096) for c in both)
        assert shared == alone


@pytest.mark.parametrize(("name", "most"), ALIKE.items())
def test_what_differs_cannot_be_shared(name: str, most: int) -> None:
    if most < 16:
        with pytest.raises(DeploymentError, match="dcp shares what tp/G ranks hold alike"):
            compiled(name, symsim.Deployment(tp=16, dcp=2 * most))


def test_sparse_attention_selects_from_the_whole_context() -> None:
    with pytest.raises(DeploymentError, match="sparse attention selects from the whole context"):
        compiled("deepseek-v3.2", symsim.Deployment(tp=8, dcp=8))


def test_dcp_divides_tp() -> None:
    with pytest.raises(DeploymentError, match="dcp = 3 does not divide tp = 8"):
        symsim.Deployment(tp=8, dcp=3)


def test_a_question_may_ask_for_it() -> None:
    costs = symsim.compile("deepseek-v3", "h200", symsim.Deployment(tp=8, gemm="fp8"), "roofline")
    answer = costs.solve("min dcp subject to memory <= capacity with B = 256, S = 4096, O = 1024")
    assert answer.value == 2
