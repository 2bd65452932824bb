"""The solver's answer is feasible and the next value is not; the feasible set is what brute force finds."""

from collections import Counter
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import symsim
from symsim.errors import EmptyTable
from symsim.solve.answer import Status
from tests.laws.drawing import compiled, costs

LIMIT = 3000


def feasible(model: symsim.Costs, tpot_ms: int, s: int, o: int) -> np.ndarray:
    """Brute force: every batch up to LIMIT, both constraints."""
    batch = np.arange(1, LIMIT + 1)
    time = model.tpot.function(["B", "S", "O"])(batch, s, o)
    used = model.memory.function(["B", "S", "O"])(batch, s, o)
    with np.errstate(invalid="ignore"):
        return (time <= tpot_ms / 1000) & (used <= float(model.compiled.numbers.values["hbm_capacity"]))


ENDINGS: Counter[str] = Counter()
"""How the questions that were drawn ended: a law that draws nothing of a kind says nothing about it."""


def test_max_batch_against_brute_force() -> None:
    ENDINGS.clear()
    _max_batch_against_brute_force()
    assert ENDINGS["solved"]
    assert ENDINGS["infeasible"]


@given(costs, st.integers(5, 400), st.integers(1, 30_000), st.integers(1, 4000))
def _max_batch_against_brute_force(model: symsim.Costs, tpot_ms: int, s: int, o: int) -> None:
    query = f"max B subject to TPOT <= {tpot_ms} ms, memory <= capacity with S = {s}, O = {o}"
    try:
        good = feasible(model, tpot_ms, s, o)
    except EmptyTable:
        with pytest.raises(EmptyTable):
            model.solve(query)
        return
    answer = model.solve(query)
    if not good.any():
        assume((answer.value or 0) <= LIMIT)
        assert answer.status is Status.INFEASIBLE
        assert answer.binding
        ENDINGS["infeasible"] += 1
        return
    ENDINGS["solved"] += 1
    assert answer.status is Status.SOLVED
    assert answer.value is not None
    assume(answer.value < LIMIT)
    assert answer.value == np.flatnonzero(good)[-1] + 1
    covered = np.zeros(LIMIT, dtype=bool)
    for low, high in answer.certificate.feasible_set:
        covered[int(low) - 1 : int(high or LIMIT)] = True
    assert (covered == good).all()
    assert set(answer.binding) <= set(answer.slack)
    assert all(room >= 0 for room in answer.slack.values())


LENGTH = 40_000
"""Input lengths that brute force looks at: beyond every measured row and far beyond one iteration of 8192 tokens."""


@given(st.sampled_from((1, 2, 4)), st.integers(50, 6000), st.sampled_from(("", ", hbm_bandwidth = 3 TB/s")))
def test_max_input_length_against_brute_force(deployment: int, budget_ms: int, given_too: str) -> None:
    model = compiled("qwen3-8b", "h20", deployment, "2026-05")
    answer = model.solve(f"max S subject to TTFT <= {budget_ms} ms with T = 8192{given_too}")
    names, values = (["S", "T", "hbm_bandwidth"], (8192, 3e12)) if given_too else (["S", "T"], (8192,))
    good = model.ttft.function(names)(np.arange(1, LENGTH + 1), *values) <= budget_ms / 1000
    covered = np.zeros(LENGTH, dtype=bool)
    for low, high in answer.certificate.feasible_set:
        covered[int(low) - 1 : int(high or LENGTH)] = True
    assert (covered == good).all()
    assert answer.status is (Status.INFEASIBLE if not good.any() else answer.status)
    assert answer.status is not Status.INFEASIBLE or not good.any()


def test_smallest_bandwidth_meets_the_target_and_less_does_not() -> None:
    model = symsim.compile("qwen3-8b", "h800", tables="2025-10", cost_model="infersim")
    target = model.tpot.evaluate(B=64, S=30000, O=2048) * 1.2
    answer = model.solve(f"min hbm_bandwidth subject to TPOT <= {target * 1000:.9f} ms with B = 64, S = 30000")
    assert answer.value is not None
    point = {"B": 64, "S": 30000, "O": 2048}
    assert model.tpot.evaluate(**point, hbm_bandwidth=answer.value) <= target * (1 + 1e-9)
    assert model.tpot.evaluate(**point, hbm_bandwidth=answer.value * 0.999) > target


def test_non_monotone_tables_give_the_whole_feasible_set() -> None:
    model = symsim.compile(
        "deepseek-v3",
        "h800",
        symsim.Deployment(world_size=128, num_nodes=16, gemm="fp8", comm="deepep", overlap="two-batch"),
        tables="2025-10",
        cost_model="infersim",
    )
    answer = model.solve("max B subject to TPOT <= 50 ms, memory <= capacity with S = 4096, O = 2048")
    assert (answer.value, answer.binding) == (66, ("TPOT <= 50 ms",))
    assert answer.certificate.feasible_set == ((1, 13), (16, 23), (32, 41), (64, 66))
    assert answer.certificate.value_at is not None
    assert answer.certificate.value_next is not None
    assert answer.certificate.value_at <= 0.05 < answer.certificate.value_next


def test_memory_alone_has_a_closed_form() -> None:
    answer = symsim.compile("qwen3-8b", "h20", cost_model="infersim").solve(
        "max B subject to memory <= capacity with S = 4096, O = 2048"
    )
    fixed = 13_891_534_848  # bytes of the weights in bf16, less the embedding, which infersim does not count
    kept = f"{fixed} + reserve_encoder + reserve_runtime - memory_max"
    assert answer.closed_form == f"B = floor(-({kept})/(147456*(O + S)))"
    assert answer.latex is not None
    assert "lfloor" in answer.latex
    assert answer.value == symsim.compile("qwen3-8b", "h20", cost_model="infersim").max_batch.evaluate(S=4096, O=2048)


def test_infeasible_names_the_constraint_and_by_how_much() -> None:
    answer = symsim.compile("qwen3-8b", "h20", cost_model="infersim").solve(
        "max B subject to TPOT <= 1 ms, memory <= capacity"
    )
    assert answer.status is Status.INFEASIBLE
    assert answer.binding == ("TPOT <= 1 ms",)
    assert "TPOT <= 1 ms fails: even at B = 1 it is 8.4" in answer.sentence
    assert answer.assumed == {"O": 2048, "S": 4096}


def test_infeasible_says_what_would_make_it_feasible() -> None:
    model = symsim.compile(
        "deepseek-v3", "h800", symsim.Deployment(128, 16, gemm="fp8", comm="deepep"), cost_model="infersim"
    )
    least = model.tpot.evaluate(B=1, S=4096, O=2048)
    answer = model.solve(f"max B subject to TPOT <= {least * 990:.6f} ms")
    assert answer.nearest == 1
    assert answer.levers
    for name, factor in answer.levers.items():
        changed = {name: float(model.compiled.numbers.values[name]) * factor}
        assert model.tpot.evaluate(B=1, S=4096, O=2048, **changed) <= least * 0.99 * (1 + 1e-6)
    alone = symsim.compile("deepseek-v3", "h800", symsim.Deployment(gemm="fp8"), cost_model="infersim").solve(
        "max B subject to memory <= capacity"
    )
    assert alone.sizes == {"world_size": 16}
    for gpus, fits in ((8, False), (16, True)):
        other = symsim.compile(
            "deepseek-v3", "h800", symsim.Deployment(gpus, max(1, gpus // 8), gemm="fp8"), cost_model="infersim"
        )
        used = other.memory.evaluate(B=1, S=4096, O=2048)
        assert (used <= float(other.compiled.numbers.values["hbm_capacity"])) is fits


def test_limits_from_both_sides_beyond_every_table() -> None:
    model = symsim.compile("qwen3-8b", "h20", cost_model="infersim")
    answer = model.solve("min B subject to TGS >= 2888 tokens/s, TPOT <= 100 s with S = 4096, O = 2048")
    (low, high), *_ = answer.certificate.feasible_set[::-1]
    assert high is not None
    for batch, good in ((low - 1, False), (low, True), (high, True), (high + 1, False)):
        tgs = model.tgs_decode.evaluate(B=int(batch), S=4096, O=2048)
        tpot = model.tpot.evaluate(B=int(batch), S=4096, O=2048)
        assert (tgs >= 2888 and tpot <= 100) is good


def test_the_largest_size_tried_is_called_so() -> None:
    answer = symsim.compile("deepseek-v3", "h800", symsim.Deployment(16, 2), cost_model="infersim").solve(
        "max tp subject to TPOT <= 900 ms"
    )
    assert "largest value tried" in answer.sentence


def test_weights_larger_than_memory_are_infeasible() -> None:
    answer = symsim.compile("deepseek-v3", "h20", cost_model="infersim").solve("max B subject to memory <= capacity")
    assert answer.status is Status.INFEASIBLE
    assert "TB too much" in answer.sentence


def test_the_smallest_deployment_that_fits_and_the_next_smaller_does_not() -> None:
    model = symsim.compile(
        "deepseek-v3", "h800", symsim.Deployment(32, 4, gemm="fp8", comm="deepep"), cost_model="infersim"
    )
    answer = model.solve("min world_size subject to memory <= capacity with B = 64, S = 4096, O = 2048")
    point = {"B": 64, "S": 4096, "O": 2048}
    capacity = float(model.compiled.numbers.values["hbm_capacity"])
    for gpus, fits in ((32, True), (16, False)):
        other = symsim.compile(
            "deepseek-v3", "h800", symsim.Deployment(gpus, gpus // 8, gemm="fp8", comm="deepep"), cost_model="infersim"
        )
        assert (other.memory.evaluate(**point) <= capacity) is fits
    assert (answer.value, answer.certificate.feasible_set) == (32, ((32, 256),))


def test_a_capacity_is_solved_for_where_it_is_the_bound() -> None:
    for cost_model in ("infersim", "roofline"):
        model = symsim.compile("qwen3-8b", "h20", cost_model=cost_model)
        answer = model.solve("min hbm_capacity subject to memory <= capacity with B = 64, S = 4096, O = 2048")
        assert answer.value is not None
        used = model.memory.evaluate(B=64, S=4096, O=2048, **_given(model, answer.value))
        assert used == pytest.approx(answer.value, rel=1e-9)


def _given(model: symsim.Costs, capacity: float) -> dict[str, float]:
    return {"hbm_capacity": capacity} if "hbm_capacity" in model.memory.symbols else {}


def test_the_figure_of_a_kernel_is_solved_for() -> None:
    model = symsim.compile(
        "deepseek-v3", "h800", symsim.Deployment(32, 4, gemm="fp8", comm="deepep"), cost_model="infersim"
    )
    answer = model.solve("min mfu_mla_decode subject to TPOT <= 60 ms with B = 64, S = 4096, O = 2048")
    core = next(t for t in symsim.compare(model, model, B=64, S=4096, O=2048).terms if t.name == "t_core")
    others = model.tpot.evaluate(B=64, S=4096, O=2048) - 61 * core.value_a
    assert answer.value is not None
    flops = 2 * 64 * 128 * 5120 * 1088
    seconds = flops / (989e9 * 1024 * answer.value)
    assert others + 61 * seconds == pytest.approx(0.06, rel=1e-9)
    impossible = model.solve("min mfu_mla_decode subject to TPOT <= 10 ms with B = 64, S = 4096, O = 2048")
    assert impossible.status is Status.INFEASIBLE


def test_levers_gain_ten_percent() -> None:
    ENDINGS.clear()
    _levers_gain_ten_percent()
    assert ENDINGS["lever"]


@given(costs, st.integers(20, 400), st.integers(500, 20_000))
def _levers_gain_ten_percent(model: symsim.Costs, tpot_ms: int, s: int) -> None:
    try:
        answer = model.solve(f"max B subject to TPOT <= {tpot_ms} ms with S = {s}, O = 1000")
    except EmptyTable:
        return
    assume(answer.value is not None)
    target = -(-int(answer.value or 0) * 11 // 10)
    for name, factor in answer.levers.items():
        changed = {name: float(model.compiled.numbers.values[name]) * factor}
        assert model.tpot.evaluate(B=target, S=s, O=1000, **changed) <= tpot_ms / 1000 * (1 + 1e-9)
        ENDINGS["lever"] += 1


def test_an_answer_in_closed_form_is_printed_in_the_remaining_symbols() -> None:
    answer = symsim.compile("qwen3-8b", "h20", cost_model="infersim").solve(
        "max B subject to TPOT <= 30 ms with S = 4096, O = 2048"
    )
    assert answer.latex is not None
    assert answer.latex.startswith(r"B = \left\lfloor{\frac{\mathrm{TPOT}_{\max} - t_{\mathrm{sched}}}{")


def test_throughput_is_certified_too() -> None:
    model = symsim.compile("qwen3-30b-a3b", "h20", symsim.Deployment(world_size=4), cost_model="infersim")
    answer = model.solve("min B subject to TGS >= 2500 tokens/s with S = 4096, O = 2048")
    rates = [model.tgs_decode.evaluate(B=b, S=4096, O=2048) for b in (78, 79)]
    assert answer.value == 79
    assert rates[0] < 2500 <= rates[1]


def test_an_equation_without_a_root_says_so() -> None:
    answer = symsim.compile("qwen3-8b", "h20", cost_model="infersim").solve(
        "solve TPOT = 1 ms for hbm_bandwidth with B = 1"
    )
    assert answer.status is Status.INFEASIBLE


def test_ways_out_are_searched_over_all_sizes_together() -> None:
    model = symsim.compile("qwen3-8b", "h20", cost_model="roofline")
    answer = model.solve("max B subject to TPOT <= 3 ms, memory <= capacity")
    assert answer.sizes == {"world_size": 2, "tp": 2}
    other = symsim.compile("qwen3-8b", "h20", symsim.Deployment(2, tp=2), cost_model="roofline")
    assert other.solve("max B subject to TPOT <= 3 ms, memory <= capacity").status is Status.SOLVED


def test_lengths_of_very_long_iterations_are_counted_piece_by_piece() -> None:
    model = symsim.compile("qwen3-8b", "h20", cost_model="infersim")
    limit = model.ttft.evaluate(S=5_000_000, T=10**9)
    answer = model.solve(f"max S subject to TTFT <= {limit * 1000:.6f} ms with T = 1000000000")
    assert answer.value is not None
    point = {"T": 10**9}
    assert model.ttft.evaluate(S=answer.value, **point) <= limit * (1 + 1e-9)
    assert model.ttft.evaluate(S=answer.value + 1, **point) > limit * (1 - 1e-9)


def test_equal_constraints_count_once() -> None:
    model = symsim.compile("qwen3-8b", "h20", cost_model="infersim")
    many = ", ".join(["TPOT <= 50 ms"] * 300)
    assert model.solve(f"max B subject to {many}") == model.solve("max B subject to TPOT <= 50 ms")


def test_a_bound_of_nothing_is_infeasible(recwarn: pytest.WarningsRecorder) -> None:
    answer = symsim.compile("qwen3-8b", "h20", cost_model="infersim").solve("max B subject to TPOT <= 0 ms")
    assert (answer.status, len(recwarn)) == (Status.INFEASIBLE, 0)


def test_a_peak_is_one_figure_of_the_device() -> None:
    model = symsim.compile("qwen3-8b", "h20", cost_model="infersim")
    answer = model.solve("min peak_bf16 subject to TTFT <= 2 s with S = 16384, T = 16384")
    assert answer.closed_form is not None
    assert model.ttft.evaluate(S=16384, T=16384, peak_bf16=answer.value or 0.0) == pytest.approx(2, rel=1e-9)
    assert "peak_w" not in answer.closed_form


@pytest.mark.parametrize("cost_model", ["infersim", "roofline"])
@pytest.mark.parametrize(("metric", "question"), [("tpot", "TPOT <= 60 ms with B = 4"), ("ttft", "TTFT <= 400 ms")])
def test_a_default_may_be_asked_for(cost_model: str, metric: str, question: str) -> None:
    """The border of an MFU that stands in for rows that are not there; as a formula of the others, too."""
    model = symsim.compile("deepseek-v3", "b200", symsim.Deployment(tp=8), cost_model=cost_model)
    answer = model.solve(f"min default_mfu subject to {question}")
    point = {"B": 4, "S": 4096, "O": 2048} if metric == "tpot" else {"S": 4096, "T": 4096}
    formula = model.metric(metric)
    limit = 0.06 if metric == "tpot" else 0.4
    assert answer.value is not None
    assert 0 < answer.value < 1
    assert answer.closed_form is not None
    assert formula.evaluate(**point, default_mfu=answer.value) == pytest.approx(limit)
    assert formula.evaluate(**point, default_mfu=0.99 * answer.value) > limit


@pytest.mark.parametrize("name", ["hbm_efficiency", "default_mfu"])
def test_no_more_than_all_of_it_is_reached(name: str) -> None:
    """A share above 1 is no answer, whatever a formula would give for it."""
    model = symsim.compile("qwen3-8b", "h100", cost_model="roofline")
    at_most = model.tpot.evaluate(B=64, S=4096, O=2048, **{name: 1.0})
    answer = model.solve(f"min {name} subject to TPOT <= {900 * at_most} ms")
    assert answer.status is Status.INFEASIBLE
    assert f"even at {name} = 1 it is" in answer.sentence
    solved = model.solve(f"min {name} subject to TPOT <= {1010 * at_most} ms").value
    assert solved is not None
    assert 0 < solved <= 1


@pytest.mark.parametrize(
    ("model", "sizes"),
    [("llama-3.1-405b", {"tp": 16}), ("llama-3.1-405b", {"tp": 8, "pp": 2}), ("deepseek-v3", {"tp": 8, "ep": 8})],
)
def test_sizes_may_be_stated_in_a_question(model: str, sizes: dict[str, Any]) -> None:
    """As if the model had been deployed so, whatever it was compiled for."""
    question = "max B subject to memory <= capacity, TPOT <= 80 ms with S = 4096"
    stated = ", ".join(f"{name} = {value}" for name, value in sizes.items())
    asked = symsim.compile(model, "h200", cost_model="roofline").solve(f"{question}, {stated}")
    there = symsim.compile(model, "h200", symsim.Deployment(**sizes), cost_model="roofline").solve(question)
    assert asked.value == there.value
    assert asked.value is not None
    assert asked.closed_form == there.closed_form


def test_whether_an_answer_fits_is_judged_where_the_question_deploys_it() -> None:
    model = symsim.compile("llama-3.1-405b", "h100", cost_model="roofline")
    assert model.solve("max B subject to TPOT <= 200 ms with S = 1024, O = 1024, tp = 2").warnings
    assert not model.solve("min default_mfu subject to TPOT <= 1 s with B = 1, S = 1024, O = 1024, tp = 16").warnings


def test_what_would_help_keeps_the_sizes_that_a_question_states() -> None:
    question = "max B subject to memory <= capacity with S = 1024, O = 1024"
    answer = symsim.compile("llama-3.1-405b", "h100", cost_model="roofline").solve(f"{question}, tp = 4")
    assert answer.status is Status.INFEASIBLE
    assert answer.sizes["tp"] == 4
    helping: dict[str, Any] = dict(answer.sizes)
    other = symsim.compile("llama-3.1-405b", "h100", symsim.Deployment(**helping), cost_model="roofline")
    assert other.solve(question).status is Status.SOLVED


def test_ways_out_are_searched_over_formats_and_smaller_deployments_too() -> None:
    model = symsim.compile("qwen3-8b", "h100")
    answer = model.solve("max B subject to memory <= capacity with S = 600000, O = 1000")
    assert answer.status is Status.INFEASIBLE
    assert answer.formats == {"kv": "fp8"}
    narrower = symsim.compile("qwen3-8b", "h100", symsim.Deployment(kv="fp8"))
    assert narrower.solve("max B subject to memory <= capacity with S = 600000, O = 1000").status is Status.SOLVED
    shared = symsim.compile("deepseek-v3", "h200", symsim.Deployment(tp=8, ep=8))
    split = shared.solve("max B subject to memory <= capacity with S = 3000000, O = 1000").sizes
    assert split["dcp"] > 1  # a latent cache is held whole by every rank of tp, unless it is shared
    whole = symsim.compile("deepseek-v3", "h200", symsim.Deployment(**{"tp": 8, "ep": 8, **split}))
    assert whole.solve("max B subject to memory <= capacity with S = 3000000, O = 1000").status is Status.SOLVED
    many = symsim.compile("qwen3-8b", "h100", symsim.Deployment(tp=8, pp=2))
    fewer = many.solve("min B subject to tok/s/GPU >= 100 tok/s, TPOT <= 8 ms with S = 1000, O = 100")
    assert fewer.status is Status.SOLVED or fewer.sizes["world_size"] < 16


def test_the_batch_of_a_goal_is_told_as_what_it_is() -> None:
    model = symsim.compile("qwen3-30b-a3b", "h100")
    answer = model.solve("max tokens/s/GPU over B, dp subject to TPOT <= 30 ms, memory <= capacity")
    dp, batch = int(answer.at["dp"]), int(answer.at["B"])
    assert dp > 1
    assert answer.batch == f"B = {batch:,} an attention replica, {dp} replicas: {dp * batch:,} requests"


@pytest.mark.parametrize(("bound", "hopeless"), [("1 ms", True), ("5.5 ms", False)])
def test_launches_that_take_twice_a_limit_are_named_and_no_deployment_meets_it(bound: str, hopeless: bool) -> None:
    costs = symsim.compile("qwen3-8b", "h100")
    answer = costs.solve(f"max B subject to TPOT <= {bound} with S = 1024, O = 256")
    assert answer.status is Status.INFEASIBLE
    assert ("launches and the host's, whatever the hardware" in answer.sentence) is hopeless
    assert (answer.tried == 0) is hopeless
    if hopeless:
        for deployment in (symsim.Deployment(tp=2), symsim.Deployment(tp=8), symsim.Deployment(gemm="fp8", kv="fp8")):
            assert symsim.compile("qwen3-8b", "h100", deployment).tpot.evaluate(B=1, S=1024, O=256) > 0.001


ALIKE = {
    "max B subject to TPOT <= 20 ms, memory <= capacity with S = 4096, O = 1024": (
        "max batch size where 20 ms >= TPOT & memory <= 100 % for ISL = 4,096, OSL = 1k",
        "Maximise b, given 50 <= 1/TPOT; capacity >= memory using s = 4k, o = 1,024",
    ),
    "solve TPOT = 12 ms for hbm_bandwidth with B = 8": (
        "HBM bandwidth such that TPOT = 12 msec with batch = 8",
        "solve hbm_bandwidth for TPOT = 0.012 sec at B = 8",
    ),
    "TPOT at B = 64": ("What is the TPOT at B = 64?", "tpot with batch = 64"),
    "max tgs subject to TPOT <= 20 ms": ("max throughput s.t. tokens/s/user >= 50", "max tok/s/gpu under TPOT < 20 ms"),
}


@pytest.mark.parametrize("question", ALIKE)
def test_words_of_people_ask_the_same(question: str) -> None:
    model = symsim.compile("qwen3-8b", "h200")
    expected = model.solve(question)
    assert expected.value is not None
    for other in ALIKE[question]:
        assert model.solve(other).value == pytest.approx(expected.value, rel=1e-9)


def test_workload_that_nothing_depends_on_is_left_out_and_told() -> None:
    model = symsim.compile("qwen3-8b", "h200")
    asked = "max B subject to TPOT <= 20 ms with S = 4096"
    answer = model.solve(f"{asked}, T = 8192")
    assert answer.value == model.solve(asked).value
    assert "TPOT does not depend on T: left out" in answer.warnings


def test_room_at_a_bound_that_is_met_exactly_is_none() -> None:
    model = symsim.compile("qwen3-8b", "h100")
    answer = model.solve("min hbm_bandwidth subject to TPOT <= 12 ms with B = 8, S = 4096, O = 1024")
    assert answer.slack == {"TPOT <= 12 ms": 0.0}
