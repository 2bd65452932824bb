"""The fullest of ep ranks: what it gets more than the mean, by the draw and by popularity."""

from statistics import NormalDist

import pytest
from hypothesis import given
from hypothesis import strategies as st

import symsim
from symsim.errors import DeploymentError
from symsim.formula.breakdown import breakdown

E, K = 128, 8
"""Qwen3-30B-A3B."""

RANKS = st.sampled_from([2, 4, 8, 16, 32])
SPREADS = st.sampled_from([None, 0, 0.1, 0.3, 1.0])


def phi(ranks: int, tokens: int, spread: float) -> float:
    """spec: 1 + z sqrt(G/(G - 1) [(G - 1)(E - k)/(m k (E - 1)) + c^2 (G/E)(E - E/G)/(E - 1)]), Blom's z."""
    z = NormalDist().inv_cdf((ranks - 0.375) / (ranks + 0.25))
    draw = (ranks - 1) * (E - K) / (tokens * K * (E - 1))
    popular = spread**2 * (ranks / E) * (E - E / ranks) / (E - 1)
    return 1 + z * (ranks / (ranks - 1) * (draw + popular)) ** 0.5


def compiled(ranks: int, spread: float | None, **how: object) -> symsim.Costs:
    deployment = symsim.Deployment(ep=ranks, expert_imbalance=spread, **how)  # type: ignore[arg-type]
    return symsim.compile("qwen3-30b-a3b", "h800", deployment, "roofline")


def experts(ranks: int, batch: int, spread: float | None, **how: object) -> dict[str, tuple[float, float]]:
    """Operator -> FLOPs and bytes on links, of the fullest rank."""
    costs = compiled(ranks, spread, **how)
    found = breakdown(costs.compiled.decode, costs.tpot.form, {"B": batch, "S": 1024, "O": 1024})
    return {line.name.rpartition("layer.")[2]: (line.flops, line.link_bytes) for line in found}


@given(RANKS, st.integers(1, 512), st.sampled_from([0, 0.3, 1.0]))
def test_rows_of_the_fullest_rank(ranks: int, batch: int, spread: float) -> None:
    even, fullest = (experts(ranks, batch, c, comm="deepep") for c in (None, spread))
    more = phi(ranks, ranks * batch, spread)
    assert fullest["experts.routed"][0] == pytest.approx(more * even["experts.routed"][0], rel=1e-6)
    for message in ("dispatch.send", "combine.send"):
        assert fullest[message][1] == pytest.approx(more * even[message][1], rel=1e-6)


@given(RANKS, SPREADS, st.integers(1, 256))
def test_more_ranks_and_more_variation_are_slower(ranks: int, spread: float | None, batch: int) -> None:
    at = {"B": batch, "S": 1024, "O": 1024}
    assert phi(2 * ranks, 64, spread or 0) >= phi(ranks, 64, spread or 0) - 1e-12
    own, more = (compiled(ranks, c).tpot.evaluate(**at) for c in (spread, (spread or 0) + 0.2))
    assert own <= more


def test_many_tokens_of_even_experts_are_balanced() -> None:
    even, fullest = (experts(8, 10**7, c)["experts.routed"][0] for c in (None, 0))
    assert fullest == pytest.approx(even, rel=1e-3)


def test_one_rank_has_every_token() -> None:
    """tp alone: every GPU has a part of each expert."""
    at = {"B": 64, "S": 1024, "O": 1024}
    even, counted = (
        symsim.compile("qwen3-30b-a3b", "h800", symsim.Deployment(tp=4, expert_imbalance=c), "roofline").tpot
        for c in (None, 0.5)
    )
    assert counted.evaluate(**at) == pytest.approx(even.evaluate(**at))


@given(RANKS, st.sampled_from([0.1, 0.4]), st.sampled_from([0, 0.7, 2.0]))
def test_another_variation_is_compiled_for_it(ranks: int, one: float, other: float) -> None:
    at = {"B": 64, "S": 1024, "O": 1024}
    expected = compiled(ranks, other).tpot.evaluate(**at)
    assert compiled(ranks, one).tpot.evaluate(**at, expert_imbalance=other) == pytest.approx(expected, rel=1e-12)


def test_another_number_of_ranks_is_another_formula() -> None:
    with pytest.raises(symsim.SymsimError, match="was derived for"):
        compiled(8, 0, world_size=16).tpot.evaluate(B=64, S=1024, O=1024, ep=4)


def test_a_question_holds_beside_its_bound() -> None:
    costs = compiled(8, 0.3)
    answer = costs.solve("max B subject to TPOT <= 30 ms with S = 1024, O = 1024")
    assert answer.value is not None
    value = int(answer.value)
    assert costs.tpot.evaluate(B=value, S=1024, O=1024) <= 0.03 < costs.tpot.evaluate(B=value + 1, S=1024, O=1024)


@pytest.mark.parametrize(
    ("model", "cost_model", "spread", "sentence"),
    [
        ("qwen3-8b", "roofline", 0, "expert_imbalance = 0: the model has no experts to spread"),
        ("qwen3-30b-a3b", "infersim", 0, "the infersim cost model spreads tokens evenly over experts"),
        ("qwen3-30b-a3b", "roofline", -0.5, "expert_imbalance = -0.5 must be zero or more"),
    ],
)
def test_imbalance_that_cannot_be(model: str, cost_model: str, spread: float, sentence: str) -> None:
    with pytest.raises(DeploymentError, match=sentence):
        symsim.compile(model, "h800", symsim.Deployment(expert_imbalance=spread), cost_model)
