"""Laws of serving on the steps of real models: what holds of affine steps holds of theirs, and no input breaks them."""

import functools
import json
import math
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import symsim
from symsim.errors import SymsimError
from symsim.serving.aggregated import deployed
from symsim.serving.ask import asked
from symsim.serving.disaggregated import Disaggregated, at_rates
from symsim.serving.engines import ServingEngine, closed_loop, decode_engine, mixed_engine
from symsim.serving.model_step import ModelStep, engine_of, step_of
from symsim.serving.points import figures_at
from symsim.serving.prediction import Figures, predicted_apart
from tests.profiles import drawn

EXAMPLES = settings(max_examples=drawn(12), deadline=None)
MODELS = {
    "dense": ("qwen3-8b", "h100", {}, "calibrated"),
    "experts": ("qwen3-30b-a3b", "h200", {"tp": 2}, "calibrated"),
    "roofline": ("qwen3-8b", "h100", {"tp": 2}, "roofline"),
    "attention-dp": ("qwen3-30b-a3b", "h200", {"dp": 4, "ep": 4}, "calibrated"),
}
names = st.sampled_from(sorted(MODELS))
inputs = st.integers(1, 20_000)
outputs = st.integers(2, 2000)
hits = st.floats(0, 1)
loads = st.floats(0.02, 0.8)


@functools.cache
def costs(name: str) -> symsim.Costs:
    model, device, sizes, cost_model = MODELS[name]
    return symsim.compile(model, device, symsim.Deployment(**sizes), cost_model=cost_model)


def served_by(name: str, isl: int, osl: int, **how: Any) -> tuple[ModelStep, ServingEngine]:
    work = asked(isl, osl, rate=1, **how).work
    step = step_of(costs(name).compiled, work)
    return step, engine_of(step, work, budget=16384)


def capacity(engine: ServingEngine) -> float:
    return 1 / (engine.letters["alpha_1"] + engine.letters["N"] * engine.letters["tau"])


@EXAMPLES
@given(names, inputs, outputs, st.integers(1, 300), st.integers(1, 8))
def test_a_mixed_iteration_is_a_decode_step_or_prompts_or_saves_time(
    name: str, isl: int, osl: int, rows: int, prompts: int
) -> None:
    """Weights are read once: the iteration takes no longer than both by themselves, and no less than either. Prefill
    alone takes all experts for read, which short prompts do not."""
    assume(prompts * isl >= 1024)
    step, engine = served_by(name, isl, osl)
    context = rows * engine.letters["C"]
    decode, prefill = step(rows, context, 0.0), step(0.0, 0.0, prompts * isl)
    both = step(rows, context, prompts * isl)
    assert both <= (decode + prefill) * 1.01
    assert both >= max(decode, prefill) * 0.95


@EXAMPLES
@given(names, inputs, outputs, loads)
def test_little(name: str, isl: int, osl: int, load: float) -> None:
    engine = served_by(name, isl, osl)[1]
    rate = load * capacity(engine)
    for found in (mixed_engine(engine, rate, budget=1e6), decode_engine(engine, rate)):
        assume(found.solved)
        rows = rate * (osl - 1) * found.values["tpot_mean"]
        assert found.values["rows"] == pytest.approx(rows, rel=1e-9)


@EXAMPLES
@given(names, inputs, outputs)
def test_an_idle_engine_takes_a_step_of_one(name: str, isl: int, osl: int) -> None:
    step, engine = served_by(name, isl, osl)
    alone, rate = step(1, engine.letters["C"], 0.0), 1e-7 * capacity(engine)
    for found in (mixed_engine(engine, rate), decode_engine(engine, rate)):
        assert found.values["tpot_mean"] == pytest.approx(alone, rel=1e-3)


@EXAMPLES
@given(names, inputs, outputs, st.integers(1, 200))
def test_a_closed_loop_is_one_cycle(name: str, isl: int, osl: int, clients: int) -> None:
    found = closed_loop(served_by(name, isl, osl)[1], clients, budget=16384)
    cycle = found.values["ttft_mean"] + (osl - 1) * found.values["tpot_mean"]
    assert found.values["rate"] * cycle == pytest.approx(clients, rel=1e-6)


@EXAMPLES
@given(names, st.integers(100, 32_000), outputs, st.integers(256, 8192), st.integers(1, 400), st.integers(1, 100))
def test_more_users_wait_longer_and_are_served_no_less(
    name: str, isl: int, osl: int, budget: int, users: int, more: int
) -> None:
    """However small chunks are. The last tokens of a prompt may take an iteration of their own beside one user more,
    which weights are read for."""
    step, engine = served_by(name, isl, osl)
    few, many = (closed_loop(engine, n, budget=budget * step.layout.replicas).values for n in (users, users + more))
    assert many["ttft_mean"] >= few["ttft_mean"] * (1 - 1e-6)
    assert many["tpot_mean"] >= few["tpot_mean"] * 0.998
    assert many["rate"] >= few["rate"] * 0.99


@EXAMPLES
@given(st.sampled_from(["dense", "experts", "roofline"]), st.integers(100, 100_000), st.integers(256, 8192))
def test_one_user_waits_for_the_chunks_of_a_prompt(name: str, isl: int, budget: int) -> None:
    """As the formula of TTFT has it: each chunk attends to those before it."""
    alone = closed_loop(served_by(name, isl, 200)[1], 1, budget=budget).values["ttft_mean"]
    assert alone == pytest.approx(costs(name).ttft.evaluate(S=isl, T=min(isl, budget)), rel=0.025)


def test_the_most_users_within_a_time_are_those_of_brute_force() -> None:
    at = {"S": 8000.0, "O": 500.0, "budget": 512.0}
    found = [figures_at(costs("dense").compiled, {**at, "concurrency": n}, ()).figures for n in range(1, 65)]
    for metric, limit, value in (
        ("TTFT", 400, lambda one: one.ttft["mean"]),
        ("TTFT_p90", 900, lambda one: one.ttft["p90"]),
        ("TPOT", 20, lambda one: one.tpot),
    ):
        within = [value(one) <= limit / 1000 for one in found]
        most = within.index(False)
        assert not any(within[most:])
        answer = costs("dense").solve(f"max users for {metric} <= {limit} ms, S = 8000, O = 500, budget = 512")
        assert answer.value == most


@EXAMPLES
@given(names, inputs, outputs, hits, loads, st.floats(1.02, 1.3), st.sampled_from([None, 512, 2048]))
def test_times_rise_with_the_rate(
    name: str, isl: int, osl: int, hit: float, load: float, more: float, budget: int | None
) -> None:
    most, how = capacity(served_by(name, isl, osl, prefix_hit=hit)[1]), {"prefix_hit": hit, "budget": budget}
    at, beyond = (costs(name).predict(isl, osl, rate=load * most * x, **how).figures for x in (1, more))
    assume(not at.sentence)
    if not beyond.sentence:
        assert beyond.tpot >= at.tpot * (1 - 1e-6)
        assert beyond.ttft["mean"] >= at.ttft["mean"] * 0.99  # two forms meet where a budget begins to bind


@EXAMPLES
@given(names, st.integers(64, 20_000), outputs, st.integers(1, 300), st.integers(1, 100))
def test_a_first_token_comes_no_sooner_with_more_users(name: str, isl: int, osl: int, users: int, more: int) -> None:
    """But for prompts of few tokens, which are less work than the decodes that they stand for."""
    few, many = (costs(name).predict(isl, osl, concurrency=n).figures for n in (users, users + more))
    assert many.ttft["mean"] >= few.ttft["mean"] * 0.98  # two forms meet where a budget begins to bind


@EXAMPLES
@given(names, inputs, outputs, loads)
def test_what_is_cached_is_not_computed(name: str, isl: int, osl: int, load: float) -> None:
    """More of a prompt in the cache makes no answer slower; all of it leaves one token to compute."""
    rate = load * capacity(served_by(name, isl, osl)[1])
    none, half, whole = (costs(name).predict(isl, osl, rate=rate, prefix_hit=hit).figures for hit in (0, 0.5, 1))
    assume(not none.sentence)
    assert none.ttft["mean"] * 1.02 >= half.ttft["mean"]
    assert half.ttft["mean"] * 1.02 >= whole.ttft["mean"]
    assert none.tpot * 1.02 >= half.tpot >= whole.tpot * 0.98


@EXAMPLES
@given(names, st.integers(1, 8), st.integers(1, 64))
def test_no_drafts_are_none_and_sure_ones_are_all_taken(name: str, drafts: int, clients: int) -> None:
    how = {"concurrency": clients, "acceptance": 1.0}
    plain, none, sure = (costs(name).predict(500, 200, **{**how, "drafts": k}).figures for k in (0, 0, drafts))
    assert plain.tpot == none.tpot
    assert sure.served.letters["mu"] == drafts + 1
    never = costs(name).predict(500, 200, concurrency=clients, drafts=drafts, acceptance=0.0).figures
    assert never.tpot >= plain.tpot


def apart(x: int, y: int, rate: float) -> Figures:
    side = deployed(costs("dense").compiled, asked(1000, 200, rate=rate, prefill="tp=1", decode="tp=1"))
    return predicted_apart(Disaggregated(x=x, y=y, prefill=side, decode=side))


@EXAMPLES
@given(st.integers(1, 2), st.integers(1, 2), loads)
def test_twice_the_workers_take_twice_the_requests(x: int, y: int, load: float) -> None:
    """At a load of each worker that stays what it is, nobody waits longer, where caches go over the same links;
    large pools wait least."""
    rate = load * 10 * min(x, y)
    one, two, many = apart(x, y, rate), apart(2 * x, 2 * y, 2 * rate), apart(64 * x, 64 * y, 64 * rate)
    assume(not one.sentence)
    assert two.ttft["mean"] <= one.ttft["mean"] * (1 + 1e-9)
    assert two.tpot == pytest.approx(one.tpot, rel=1e-6)
    service = many.served.letters["s"]
    assert many.ttft["mean"] - many.served.letters["W"] >= service * (1 - 1e-9)
    assert many.served.letters["W"] <= one.served.letters["W"] + 1e-12
    assert sum(count for count, _ in Disaggregated(x=x, y=y, prefill=_side(), decode=_side()).sides) == x + y


@functools.cache
def _side() -> Any:
    return deployed(costs("dense").compiled, asked(1000, 200, rate=1, prefill="tp=1", decode="tp=1"))


def test_pools_that_cannot_serve_say_so() -> None:
    found = at_rates(Disaggregated(x=1, y=1, prefill=_side(), decode=_side()))(1e4)
    assert not found.solved
    assert "unstable" in found.sentence


EXTREME = st.fixed_dictionaries(
    {},
    optional={
        "budget": st.sampled_from([1, 64, 2048, 10**6]),
        "prefix_hit": st.sampled_from([0.0, 0.999, 1.0]),
        "max_running": st.sampled_from([1, 64]),
        "exclusive_prefill": st.just(True),
        "drafts": st.sampled_from([1, 8]),
        "prefill": st.sampled_from(["1 x tp=1", "3 x tp=2"]),
    },
)


@EXAMPLES
@given(
    names,
    st.sampled_from([1, 2, 131_072, 10**6, "lognormal(4096, 0)", "lognormal(100, 3)", "geometric(1)"]),
    st.sampled_from([1, 2, 32_768, "geometric(300)", "lognormal(300, 2)", "geometric(1)"]),
    st.one_of(
        st.builds(lambda rate: {"rate": rate}, st.sampled_from([1e-6, 1.0, 1e5])),
        st.builds(lambda clients: {"concurrency": clients}, st.sampled_from([1, 3, 10**5])),
    ),
    EXTREME,
)
def test_no_load_breaks_a_prediction(name: str, isl: Any, osl: Any, load: Any, how: dict[str, Any]) -> None:
    """Figures within their intervals, in order, or a sentence; never both, and never a traceback."""
    how |= {"decode": "2 x tp=2"} if "prefill" in how else {}
    how |= {"acceptance": 0.5} if "drafts" in how else {}
    try:
        found = costs(name).predict(isl, osl, **load, **how)
    except SymsimError:
        return
    document = found.as_dict()
    json.dumps(document, allow_nan=False)
    if found.figures.sentence:
        assert document["ttft_s"]["mean"] is None
        return
    assert 0 < document["ttft_s"]["p50"] <= document["ttft_s"]["p90"] <= document["ttft_s"]["p99"]
    low, high = document["intervals"]["ttft_s.mean"]
    assert low <= document["ttft_s"]["mean"] <= high
    if document["tpot_s"]["mean"] is None:
        assert any("one token" in warning for warning in document["warnings"])
        return
    assert 0 < document["itl_s"]["p50"] <= document["itl_s"]["p99"] < math.inf
    low, high = document["intervals"]["tpot_s.mean"]
    assert low <= document["tpot_s"]["mean"] <= high


@pytest.mark.parametrize("how", [{"tp": 4}, {"tp": 4, "pp": 2}, {"tp": 2, "pp": 4}, {"tp": 4, "dp": 2}])
@pytest.mark.parametrize("isl", [1000, 6000, 20_000])
def test_one_user_waits_for_all_stages_as_the_formula_has_it(how: dict[str, int], isl: int) -> None:
    """A prompt passes every stage, its chunks one after the other: more stages do not make it sooner."""
    on_stages = symsim.compile("llama-3.3-70b", "h100", symsim.Deployment(**how), "roofline")
    alone = on_stages.predict(isl, 200, concurrency=1).figures.ttft["mean"]
    assert alone == pytest.approx(on_stages.ttft.evaluate(S=isl, T=min(isl, 8192)), rel=0.01)
