"""Regimes of requests by brute force: what a piece says binds is what binds at every point of it, and no piece is left
out; and prices at which two devices cost the same, by bisection of the cost itself.
"""

import functools
import itertools

import pytest

import symsim
from symsim.serving.load_regimes import binding_limits
from symsim.serving.points import figures_at


@functools.cache
def costs(model: str, device: str, tp: int = 1, cost_model: str = "roofline") -> symsim.Costs:
    return symsim.compile(model, device, symsim.Deployment(tp=tp), cost_model=cost_model)


CASES = (
    (("qwen3-8b", "h100"), {"S": 2048.0, "O": 256.0}),
    (("qwen3-8b", "h100", 1, "calibrated"), {"S": 8192.0, "O": 64.0, "budget": 2048.0}),
    (("qwen3-30b-a3b", "h100"), {"S": 512.0, "O": 512.0, "budget": 512.0}),
    (("qwen3-8b", "h100"), {"S": 2048.0, "O": 128.0, "x": 2.0, "y": 1.0}),
)


@pytest.mark.parametrize(("subject", "at"), CASES, ids=str)
def test_what_binds_at_a_rate_is_what_its_piece_says(subject: tuple[str, ...], at: dict[str, float]) -> None:
    compiled = costs(*subject).compiled
    pieces = costs(*subject).load_regimes("rate", **at).pieces
    low, high = pieces[0].low, pieces[-1].high
    assert len(pieces) > 1
    assert pieces[-1].limits == ("unstable",)
    for i in range(80):
        rate = low * (high / low) ** ((i + 0.5) / 80)
        piece = next(one for one in pieces if one.low <= rate < one.high)
        close = min(abs(rate / end - 1) for end in (piece.low, piece.high)) < 1e-4
        assert close or binding_limits(figures_at(compiled, {**at, "rate": rate}, ())) == piece.limits


@pytest.mark.parametrize(("subject", "at"), CASES[:2], ids=str)
def test_what_binds_changes_at_a_border(subject: tuple[str, ...], at: dict[str, float]) -> None:
    compiled = costs(*subject).compiled
    for before, after in itertools.pairwise(costs(*subject).load_regimes("rate", **at).pieces):
        assert before.high == after.low
        assert before.limits != after.limits
        found = (figures_at(compiled, {**at, "rate": before.high * (1 + side)}, ()) for side in (-1e-4, 1e-4))
        assert tuple(map(binding_limits, found)) == (before.limits, after.limits)


@pytest.mark.parametrize("clients", [16, 64])
def test_the_price_at_which_two_devices_cost_the_same_is_the_root_of_their_costs(clients: int) -> None:
    here, there = costs("qwen3-8b", "h100"), costs("qwen3-8b", "h200")
    asked = f"with concurrency = {clients}, S = 2048, O = 256"
    cost = here.solve(f"cost {asked}, price = 2 $/h").value
    root = there.solve(f"solve cost = {cost} $ for price {asked}").value
    served = [one.predict(2048, 256, concurrency=clients).figures.per_gpu for one in (here, there)]
    assert root > 2.1
    assert root == pytest.approx(2 * served[1] / served[0], rel=1e-3)
    assert there.solve(f"cost {asked}, price = {1.01 * root} $/h").value > cost
    assert there.solve(f"cost {asked}, price = {0.99 * root} $/h").value < cost
