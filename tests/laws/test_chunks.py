"""Laws of prompts that are longer than an iteration: in `roofline` they take the time of all their chunks."""

import functools
import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symsim
from symsim.errors import SymsimError
from symsim.formula.breakdown import breakdown
from symsim.formula.grid import gridded
from tests.laws.families import CONFIGS, config_of

FAMILIES = ["deepseek-v3.2", "qwen3-next-80b-a3b", *CONFIGS]
EXAMPLES = settings(max_examples=4, deadline=None)
families = st.sampled_from(FAMILIES)
lengths, sizes = st.integers(1, 40_000), st.integers(64, 8192)


@functools.cache
def costs_of(family: str, cost_model: str = "roofline") -> symsim.Costs:
    return symsim.compile(config_of(family) if family in CONFIGS else family, "b200", cost_model=cost_model)


def step_time(costs: symsim.Costs, **at: int) -> float:
    """A chunk by itself: the iteration that holds no decodes beside it."""
    whole = {"B": 0, "Q": 1, "C": 1, **at}
    return costs.step.evaluate(**{name: value for name, value in whole.items() if name in costs.step.symbols})


def chunk_by_chunk(costs: symsim.Costs, length: int, size: int) -> float:
    return math.fsum(step_time(costs, T=min(size, length - past), past=past) for past in range(0, length, size))


@EXAMPLES
@given(families, lengths, sizes)
def test_it_is_the_sum_of_the_steps_of_its_chunks(family: str, length: int, size: int) -> None:
    costs, longer = costs_of(family), length + size
    expected = pytest.approx(chunk_by_chunk(costs, longer, size), rel=1e-12)
    assert costs.ttft.evaluate(S=longer, T=size) == expected
    assert costs.ttft.form.in_chunks({"S": longer, "T": size}).evaluate(S=longer, T=size) == expected
    assert costs.ttft.function(["S", "T"])([longer, size], [size, size])[0] == expected
    assert costs.tgs_prefill.evaluate(S=longer, T=size) == pytest.approx(longer / chunk_by_chunk(costs, longer, size))


@EXAMPLES
@given(families, lengths, sizes, st.integers(1, 9))
def test_a_cached_prefix_saves_the_time_of_its_chunks(family: str, length: int, size: int, cached: int) -> None:
    costs, longer = costs_of(family), length + size
    rest = {"S": longer, "T": size, "past": cached * size}
    found = costs.ttft_cached.evaluate(**rest)
    saved = chunk_by_chunk(costs, cached * size, size)
    assert found == pytest.approx(costs.ttft.evaluate(S=cached * size + longer, T=size) - saved, rel=1e-9)
    if longer < 64 * size:
        assert costs.ttft_cached.form.in_chunks(rest).evaluate(**rest) == pytest.approx(found, rel=1e-12)
    assert costs.ttft_cached.function(["S", "past", "T"])([longer] * 2, [cached * size, 0], size) == pytest.approx(
        [found, costs.ttft.evaluate(S=longer, T=size)], rel=1e-12
    )
    scope: dict[str, object] = {}
    exec(costs.ttft_cached.to_python(), scope)
    assert scope["ttft_cached"](**rest) == pytest.approx(found, rel=1e-12)  # type: ignore[operator]


@EXAMPLES
@given(families, st.lists(lengths, min_size=1, max_size=3), st.lists(sizes, min_size=1, max_size=3))
def test_arrays_and_programs_give_what_points_give(family: str, many: list[int], few: list[int]) -> None:
    formula = costs_of(family).ttft
    expected = np.array([[formula.evaluate(S=length, T=size) for size in few] for length in many])
    axes = {"S": np.array(many, dtype=float), "T": np.array(few, dtype=float)}
    (grid,) = gridded(formula.form, ["S", "T"]).values(axes).values()
    scope: dict[str, object] = {}
    exec(formula.to_python(), scope)
    run = scope["ttft"]
    printed = [[run(S=length, T=size) for size in few] for length in many]  # type: ignore[operator]
    for found in (grid, np.array(printed), formula.function(["S", "T"])(axes["S"][:, None], axes["T"])):
        assert found == pytest.approx(expected, rel=1e-12)
    one_size = formula.function(["S", "T"])(axes["S"], few[0])
    assert one_size == pytest.approx(expected[:, 0], rel=1e-12)


@EXAMPLES
@given(families, st.integers(1, 8192), st.integers(1, 4))
def test_ranks_of_a_context_share_every_chunk(family: str, size: int, chunks: int) -> None:
    costs = symsim.compile("qwen3-30b-a3b", "b200", symsim.Deployment(world_size=2, cp=2), "roofline")
    length = 2 * size * chunks
    steps = [step_time(costs, T=size, past=2 * size * i) for i in range(chunks)] if chunks > 1 else []
    found = costs.ttft.evaluate(S=length, T=size)
    assert not steps or found == pytest.approx(math.fsum(steps), rel=1e-12)
    assert costs.ttft.form.chunk_count({"S": length, "T": size}) == chunks


@EXAMPLES
@given(st.sampled_from(["S", "T"]), st.integers(100, 3000), st.sampled_from(["llama", "mistral", "mixtral"]))
def test_the_largest_is_that_of_brute_force(variable: str, microseconds: int, family: str) -> None:
    costs, fixed = costs_of(family), {"S": "T = 2048", "T": "S = 6000"}[variable]
    answer = costs.solve(f"max {variable} subject to TTFT <= {microseconds} us with {fixed}")
    points = np.arange(1, 20_001)
    at = {"S": points, "T": 2048} if variable == "S" else {"S": 6000, "T": points}
    good = costs.ttft.function(list(at))(*at.values()) <= microseconds / 1e6
    covered = np.zeros(len(points), dtype=bool)
    for low, high in answer.certificate.feasible_set:
        covered[int(low) - 1 : int(high or len(points))] = True
    assert (covered == good).all()


@EXAMPLES
@given(families, st.integers(2, 6), st.sampled_from(["hbm_bandwidth", "peak_bf16"]))
def test_it_answers_to_figures_of_the_device(family: str, chunks: int, figure: str) -> None:
    costs, at = costs_of(family), {"S": 1000 * chunks - 300, "T": 1000}
    if figure not in costs.ttft.symbols:
        return
    value = float(costs.compiled.numbers.values[figure])
    here, more = (costs.ttft.evaluate(**at, **{figure: value * by}) for by in (1, 1.1))
    (found,) = costs.sensitivities("ttft", [figure], **at)
    assert found.gain == pytest.approx(more / here - 1, rel=1e-9, abs=1e-12)
    pieces = costs.regimes("ttft", figure, value / 2, value * 2, **at).pieces
    for piece in pieces:
        assert piece.value_high == pytest.approx(costs.ttft.evaluate(**at, **{figure: piece.high}), rel=1e-9)


def test_pieces_along_the_length_end_where_a_chunk_begins() -> None:
    costs = costs_of("qwen3-30b-a3b")
    found = costs.regimes("ttft", "S", 3000, 9000, T=4096)
    for piece in found.pieces:
        for at, value in ((piece.low, piece.value_low), (piece.high, piece.value_high)):
            assert value == pytest.approx(costs.ttft.evaluate(S=at, T=4096), rel=1e-9)
    assert {4097, 8193} <= {piece.low for piece in found.pieces}


def test_operators_add_up_over_the_chunks() -> None:
    costs, at = costs_of("deepseek-v3.2"), {"S": 10_000, "T": 4096}
    lines = breakdown(costs.compiled.phase_at("ttft", 3), costs.ttft.form, at, cut=True)
    assert math.fsum(line.seconds * line.times for line in lines) == pytest.approx(costs.ttft.evaluate(**at), rel=1e-12)


def test_the_reference_times_one_iteration() -> None:
    costs = costs_of("qwen3-30b-a3b", "infersim")
    assert costs.ttft.form.cut is None
    with pytest.raises(SymsimError, match="no chunks of one"):
        _ = costs.metric("chunk")


REFUSED: Mapping[str, tuple[dict[str, int], str]] = {
    "compare": ({"S": 10_000_000, "T": 1}, "chunks"),
    "sensitivities": ({"S": 100_000, "T": 64}, "at most 512 of them are looked into"),
}


@pytest.mark.parametrize("question", REFUSED)
def test_more_chunks_than_can_be_looked_into_are_refused(question: str) -> None:
    at, message = REFUSED[question]
    costs = costs_of("llama")
    with pytest.raises(SymsimError, match=message):
        _ = costs.compare(costs, "ttft", **at) if question == "compare" else costs.sensitivities("ttft", **at)


def test_what_a_text_says_of_one_iteration_is_not_compared_elsewhere() -> None:
    costs = costs_of("llama")
    with pytest.raises(SymsimError, match="S <= T"):
        symsim.verify(costs.ttft.to_latex("symbolic"), costs, "ttft", S=8192, T=4096)
    assert symsim.verify(costs.ttft.to_latex("symbolic"), costs, "ttft", S=4096, T=4096).equal
    with pytest.raises(SymsimError, match="as many chunks all over it"):
        costs.regime_map("ttft", ("S", "T"), ((None, None), (None, None)))
    with pytest.raises(SymsimError, match="no end of S is known"):
        costs.solve("max S subject to tgs_prefill >= 100 tokens/s")
