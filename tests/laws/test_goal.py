"""Goals that are metrics: the best there is, found by looking at everything."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symsim
from symsim.errors import DeploymentError, QuerySyntaxError
from symsim.solve import movement, whole
from symsim.solve.answer import Status

COSTS = symsim.compile("qwen3-8b", "h20", cost_model="roofline")
DEGREES = (1, 2, 4, 8, 16)


def brute_force(most: float, length: int, metric: str) -> tuple[float, int, int]:
    """The best value of a metric over tp and B where TPOT and memory hold, and where it is."""
    found: list[tuple[float, int, int]] = []
    for tp in DEGREES:
        try:
            costs = symsim.compile("qwen3-8b", "h20", symsim.Deployment(tp=tp), cost_model="roofline")
        except DeploymentError:
            continue
        capacity = costs.memory.form.bound.values["hbm_capacity"]
        at = {"S": length, "O": 512}
        batch = 1
        while costs.memory.evaluate(B=batch, **at) <= capacity:
            if costs.tpot.evaluate(B=batch, **at) <= most:
                found.append((costs.metric(metric).evaluate(B=batch, **at), -tp, batch))
            batch += 1
    value, tp, batch = max(found)
    return value, -tp, batch


@settings(max_examples=4, deadline=None)
@given(st.integers(8, 40), st.sampled_from([4096, 16384]))
def test_the_best_is_that_of_all_deployments_and_batches(milliseconds: int, length: int) -> None:
    limits = f"TPOT <= {milliseconds} ms, memory <= capacity"
    answer = COSTS.solve(f"max tokens/s/GPU over B, tp subject to {limits} with S = {length}, O = 512")
    value, tp, batch = brute_force(milliseconds / 1000, length, "tgs_decode")
    assert answer.value == pytest.approx(value, rel=1e-12)
    assert answer.at == {"tp": tp, "B": batch}


def test_without_sizes_it_is_the_best_batch() -> None:
    """Throughput grows with the batch, so that its best is where a limit binds."""
    limits = "subject to TPOT <= 20 ms, memory <= capacity with S = 4096, O = 1024"
    best, largest = COSTS.solve(f"max tgs {limits}"), COSTS.solve(f"max B {limits}")
    assert best.at == {"B": largest.value}
    assert best.binding == largest.binding
    assert best.slack == largest.slack


def test_a_batch_that_is_stated_stays() -> None:
    answer = COSTS.solve("min TPOT over tp subject to memory <= capacity with B = 16, S = 4096, O = 1024")
    assert answer.at["B"] == 16
    smallest = symsim.compile("qwen3-8b", "h20", symsim.Deployment(tp=answer.at["tp"]), cost_model="roofline")
    assert answer.value == smallest.tpot.evaluate(B=16, S=4096, O=1024)


def test_a_metric_at_a_mean_context_is_its_formula_there() -> None:
    assert COSTS.solve("TPOT where C = 1024, B = 4").value == COSTS.tpot.evaluate(B=4, C=1024)
    best = COSTS.solve("max tgs over tp subject to TPOT <= 20 ms with C = 1k, B = 16")
    smaller = symsim.compile("qwen3-8b", "h20", symsim.Deployment(tp=best.at["tp"]), cost_model="roofline")
    assert best.value == smaller.tgs_decode.evaluate(B=16, C=1024)


def test_workload_that_a_metric_does_not_depend_on_is_left_out_and_said_to_be() -> None:
    answer = COSTS.solve("TTFT at T = 2048, B = 8, S = 2048")
    assert answer.value == COSTS.ttft.evaluate(T=2048, S=2048)
    assert answer.warnings == ("TTFT does not depend on B: left out",)


def test_where_nothing_is_feasible_it_says_what_would_help() -> None:
    answer = COSTS.solve("max tgs subject to TPOT <= 1 ms with S = 4096, O = 1024")
    assert answer.status is Status.INFEASIBLE
    assert answer.levers["hbm_bandwidth"] > 1
    stated = COSTS.solve("max tgs over tp subject to TPOT <= 1 ms with B = 16, S = 4096, O = 1024")
    assert "even at B = 16" in stated.sentence
    assert not math.isnan(stated.slack["TPOT <= 1 ms"])


def test_a_user_and_a_gpu_are_two_rates() -> None:
    at = {"B": 32, "S": 4096, "O": 1024}
    assert COSTS.tps_user.evaluate(**at) == pytest.approx(1 / COSTS.tpot.evaluate(**at), rel=1e-12)
    by_time = COSTS.solve("max B subject to TPOT <= 20 ms with S = 4k, O = 1k")
    assert COSTS.solve("max B s.t. 1/TPOT >= 50 with s = 4096 and o = 1024").value == by_time.value
    assert COSTS.solve("max B s.t. tok/s/user > 50 tok/s with S = 4096, O = 1024").value == by_time.value


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("max tgs", "B has no bound that is any use; add one, e.g. memory <= capacity"),
        ("max tgs over D, B subject to memory <= capacity", "tgs over D, B: expected sizes of the deployment"),
        ("max tgs over T subject to memory <= capacity", "tgs does not depend on T"),
        ("max B over tp subject to TPOT <= 50 ms", "B is itself the unknown; `over` names those of a metric"),
        ("solve TPOT = 50 ms for tgs", "tgs is a metric; an equation is solved for an input"),
        ("max B subject to tgs >= 50 tok/s/user", "tgs_decode counts tokens/s of a GPU; bound tokens/s/user by 50"),
        ("max B subject to TPOT <= 50 ms with s = 1, S = 2", "S is given twice"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(question: str, said: str) -> None:
    with pytest.raises(QuerySyntaxError, match="query:1:") as caught:
        COSTS.solve(question)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("model", "question"),
    [
        ("qwen3-30b-a3b", "max B subject to TPOT <= 30 ms, memory <= capacity with S = 4096, O = 512"),
        ("qwen3-30b-a3b", "max S subject to TPOT <= 30 ms with B = 8, O = 512"),
        ("gpt-oss-120b", "min B subject to tok/s/GPU >= 200 tok/s with S = 9000, O = 512"),
        ("qwen3-8b", "max O subject to TPOT <= 20 ms with B = 8, S = 4096"),
    ],
)
def test_batches_and_lengths_of_fitted_models_are_certified(model: str, question: str) -> None:
    """Fitted steps grow with the batch and with contexts, also where experts are touched and pages are counted."""
    answer = symsim.compile(model, "h200", symsim.Deployment(tp=2)).solve(question)
    assert answer.status is Status.SOLVED
    assert answer.binding


def test_what_nothing_certifies_is_looked_at_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = symsim.compile("qwen3-30b-a3b", "h100", symsim.Deployment(tp=2))
    questions = [
        "max B subject to TPOT <= 30 ms, memory <= capacity with S = 4096, O = 512",
        "min B subject to tok/s/GPU >= 800 tok/s with S = 1024, O = 512",
        "solve TPOT = 30 ms for B with S = 4096, O = 512",
        "max B subject to TPOT <= 1 ms with S = 4096, O = 512",
    ]
    certified = [costs.solve(question) for question in questions]
    monkeypatch.setattr(movement, "direction", lambda *_: None)
    monkeypatch.setattr(whole, "LOOKED_AT", 2**13)
    for question, known in zip(questions, certified, strict=True):
        found = costs.solve(question)
        assert (found.status, found.value, found.binding) == (known.status, known.value, known.binding)
    assert costs.solve("max B subject to TPOT >= 1 ms").status is Status.UNBOUNDED


@pytest.mark.parametrize("limits", ["TPOT <= 30 ms, memory <= capacity", "TPOT <= 30 ms"])
def test_a_scan_of_deployments_finds_what_each_by_itself_has(limits: str) -> None:
    costs = symsim.compile("qwen3-30b-a3b", "h100")
    given = f"subject to {limits} with S = 4096, O = 512"
    answer = costs.solve(f"max tokens/s/GPU over B, tp, ep {given}")
    each = [
        costs.solve(f"max tokens/s/GPU {given}, tp = {tp}, ep = {ep}").value
        for tp, ep in ((1, 1), (1, 8), (2, 2), (4, 1), (4, 4), (8, 8), (2, 16))
    ]
    assert answer.value == pytest.approx(max(value for value in each if value), rel=1e-12)
    alone = costs.solve(f"max tokens/s/GPU {given}, tp = {answer.at['tp']}, ep = {answer.at['ep']}")
    assert (alone.value, alone.at["B"]) == (answer.value, answer.at["B"])
