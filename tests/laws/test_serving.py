"""Laws of the forms of serving on affine steps: limits, Little's law, rates, units, and forms that must agree."""

import math
from collections.abc import Mapping
from dataclasses import replace

import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from symsim.publication.requests_latex import FUNCTIONS
from symsim.serving.engines import ServingEngine, closed_loop, decode_engine, exclusive_engine, mixed_engine
from symsim.serving.forms import Check, all_forms, form, letters
from symsim.serving.functions import INDICES, mean
from symsim.serving.lengths import Length
from symsim.serving.outcome import applied
from symsim.serving.pool import Pool, prefill_pool
from symsim.serving.program import compiled_form
from symsim.serving.step_time import StepTime
from symsim.serving.workload import Workload, accepted
from tests.profiles import drawn

EXAMPLES = settings(max_examples=drawn(40), deadline=None)
steps = st.builds(
    StepTime,
    t0=st.floats(0.001, 0.05),
    a=st.floats(1e-6, 1e-4),
    d=st.floats(1e-10, 1e-7),
    p=st.floats(0, 1e-8),
)
kinked = st.builds(StepTime, t0=st.floats(0.001, 0.01), a=st.floats(1e-6, 1e-4), tw=st.floats(0.001, 0.03))
routed = st.builds(replace, kinked, experts=st.integers(2, 256))
works = st.builds(
    Workload,
    input=st.builds(Length, st.sampled_from(["constant", "lognormal"]), st.floats(50, 8000), st.floats(0.1, 1)),
    output=st.builds(Length, st.sampled_from(["constant", "geometric"]), st.floats(4, 1000)),
    hit=st.floats(0, 0.9),
    drafts=st.integers(0, 4),
    acceptance=st.floats(0, 1),
)
loads = st.floats(0.02, 0.9)


def capacity(engine: ServingEngine) -> float:
    """Requests per second at a load of 1."""
    return 1 / (engine.letters["alpha_1"] + engine.letters["N"] * engine.letters["tau"])


@EXAMPLES
@given(steps, works, loads)
def test_little(step: StepTime, work: Workload, load: float) -> None:
    engine = ServingEngine.of(step, work)
    rate = load / (engine.letters["N"] * engine.letters["tau"])
    decode = decode_engine(engine, rate)
    rows = rate * (engine.letters["O"] - 1) * decode.values["tpot_mean"]
    assert decode.values["rows"] == pytest.approx(rows, rel=1e-9)


@EXAMPLES
@given(steps, works, st.floats(0.02, 0.85))
def test_product_form_of_an_affine_step_is_negative_binomial(step: StepTime, work: Workload, load: float) -> None:
    engine = ServingEngine.of(step, work)
    rate = load / (engine.letters["N"] * engine.letters["tau"])
    assume(rate * engine.letters["N"] * engine.letters["t_0"] < 1000)
    closed, summed = (decode_engine(engine, rate, form=name) for name in ("negative-binomial", "product"))
    assert summed.values["tpot_mean"] == pytest.approx(closed.values["tpot_mean"], rel=1e-6)
    assert summed.letters["busy"] == pytest.approx(closed.letters["busy"], rel=1e-6)


@EXAMPLES
@given(st.one_of(steps, kinked, routed), works)
def test_an_idle_engine_takes_a_step_of_one(step: StepTime, work: Workload) -> None:
    engine = ServingEngine.of(step, work)
    known = engine.letters
    alone = step(known["Q"], known["C"]) * known["N"] / (known["O"] - 1)
    rate = 1e-7 * capacity(engine)
    assert decode_engine(engine, rate).values["tpot_mean"] == pytest.approx(alone, rel=1e-3)
    assert mixed_engine(engine, rate).values["tpot_mean"] == pytest.approx(alone, rel=1e-3)


@EXAMPLES
@given(st.one_of(steps, kinked, routed), works, loads, st.floats(1.01, 1.5))
def test_figures_rise_with_the_rate(step: StepTime, work: Workload, load: float, more: float) -> None:
    engine = ServingEngine.of(step, work)
    rate = load * capacity(engine) / more
    less, greater = mixed_engine(engine, rate), mixed_engine(engine, rate * more)
    assume(greater.solved)
    for name in ("ttft_mean", "tpot_mean"):
        assert greater.values[name] >= less.values[name] * (1 - 1e-9)


@EXAMPLES
@given(steps, works, loads)
def test_time_in_other_units(step: StepTime, work: Workload, load: float) -> None:
    """Milliseconds in place of seconds: times are a thousandfold, counts and loads as they were."""
    longer = StepTime(**{name: 1000 * getattr(step, name) for name in ("t0", "a", "d", "p", "tw")})
    one, other = ServingEngine.of(step, work), ServingEngine.of(longer, work)
    rate = load * capacity(one)
    seconds, milliseconds = mixed_engine(one, rate, budget=1e5), mixed_engine(other, rate / 1000, budget=1e5)
    assert seconds.solved == milliseconds.solved
    for name, value in seconds.values.items():
        scale = 1 if name == "rows" else 1000
        assert milliseconds.values[name] == pytest.approx(scale * value, rel=1e-6, abs=1e-9)
    for name, value in seconds.load.items():
        assert milliseconds.load[name] == pytest.approx(value, rel=1e-9)


@EXAMPLES
@given(steps, works, loads)
def test_an_endless_budget_is_none(step: StepTime, work: Workload, load: float) -> None:
    engine = ServingEngine.of(step, work)
    rate = load * capacity(engine)
    without, with_one = mixed_engine(engine, rate), mixed_engine(engine, rate, budget=1e12)
    assert with_one.values["ttft_mean"] == pytest.approx(without.values["ttft_mean"], rel=1e-5)


@EXAMPLES
@given(steps, works, st.floats(0.02, 0.8))
def test_without_prefill_work_an_engine_only_decodes(step: StepTime, work: Workload, load: float) -> None:
    engine = ServingEngine.of(step, work)
    free = replace(engine, letters={**engine.letters, "alpha_1": 0.0, "alpha_2": 0.0, "alpha_3": 0.0})
    rate = load / (engine.letters["N"] * engine.letters["tau"])
    mixed, decode = mixed_engine(free, rate), decode_engine(engine, rate)
    assert mixed.values["tpot_mean"] == pytest.approx(decode.values["tpot_mean"], rel=1e-9)


@EXAMPLES
@given(st.one_of(steps, kinked, routed), works, st.integers(1, 300))
def test_a_closed_loop_is_one_cycle(step: StepTime, work: Workload, clients: int) -> None:
    """Clients are as many as requests in a cycle: both sides of Little's law agree."""
    engine = ServingEngine.of(step, work)
    found = closed_loop(engine, clients)
    cycle = found.values["ttft_mean"] + (engine.letters["O"] - 1) * found.values["tpot_mean"]
    assert found.values["rate"] * cycle == pytest.approx(clients, rel=1e-9)


@EXAMPLES
@given(steps, works, st.integers(1, 300))
def test_conditioning_of_an_affine_closed_loop_changes_nothing(step: StepTime, work: Workload, clients: int) -> None:
    engine = ServingEngine.of(step, replace(work, input=Length("constant", work.input.mean)))
    plain, conditioned = (closed_loop(engine, clients, form=name) for name in ("arrival-theorem", "conditioned"))
    for name in ("ttft_mean", "tpot_mean", "rate"):
        assert conditioned.values[name] == pytest.approx(plain.values[name], rel=1e-9)


@EXAMPLES
@given(st.floats(0.05, 0.95), st.integers(2, 40), st.floats(0.01, 2))
def test_round_robin_of_constant_service_is_one_queue(load: float, workers: int, service: float) -> None:
    step, work = StepTime(t0=service, a=0), Workload(input=Length("constant", 10), output=Length("constant", 1))
    pools = [Pool(rate=load * workers / service, workers=workers, router=router) for router in (None, "round-robin")]
    one, turn = (prefill_pool(pool, step, work) for pool in pools)
    assert one.values == turn.values


@EXAMPLES
@given(st.floats(0.05, 0.95), st.integers(1, 40))
def test_larger_pools_never_wait_longer(load: float, workers: int) -> None:
    step, work = StepTime(t0=0.1, a=0), Workload(input=Length("constant", 10), output=Length("constant", 1))
    pools = [Pool(rate=10 * load * count, workers=count) for count in (workers, 2 * workers)]
    small, large = (prefill_pool(pool, step, work).values["ttft_mean"] for pool in pools)
    assert 0.1 <= large <= small * (1 + 1e-9)


@EXAMPLES
@given(st.integers(0, 8), st.floats(0, 1))
def test_accepted_drafts(drafts: int, chance: float) -> None:
    """mu is 1 without drafts, k + 1 where all are accepted, and increases in k, concave."""
    work = Workload(input=Length("constant", 9), output=Length("constant", 9), drafts=drafts, acceptance=chance)
    mu = [accepted(replace(work, drafts=drafts + more))["mu"] for more in range(3)]
    assert 1 <= mu[0] <= drafts + 1
    assert -1e-12 <= mu[2] - mu[1] <= mu[1] - mu[0] + 1e-12
    sure = accepted(replace(work, acceptance=1.0))
    assert sure["mu"] == drafts + 1
    assert sure["mu_2"] == (drafts + 1) ** 2


@EXAMPLES
@given(steps, works, loads)
def test_mixing_is_never_slower_than_taking_turns(step: StepTime, work: Workload, load: float) -> None:
    engine = ServingEngine.of(step, replace(work, drafts=0))
    rate = load * capacity(engine)
    turns = exclusive_engine(engine, rate)
    assume(turns.solved)
    fluid = applied("mixed_tpot", {**engine.letters, "rate": rate}, name="fluid").value
    mixed = applied("mixed_iteration", {**engine.letters, "rate": rate}).values["X"]
    assert mixed * engine.letters["N"] / (engine.letters["O"] - 1) <= turns.values["tpot_mean"] * (1 + 1e-6)
    assert fluid is not None


@EXAMPLES
@given(st.floats(0.02, 0.85), st.integers(1, 200))
def test_more_places_wait_less(load: float, places: int) -> None:
    step, work = (
        StepTime(t0=0.01, a=1e-5, d=1e-8),
        Workload(input=Length("constant", 500), output=Length("geometric", 90)),
    )
    engine = ServingEngine.of(step, work)
    rate = load * places / (engine.letters["N"] * step(places, places * engine.letters["C"]))
    some, more, all_of_them = (decode_engine(engine, rate, places=p).letters for p in (places, places + 5, math.inf))
    assert some["W_slot"] >= more["W_slot"] >= all_of_them["W_slot"] == 0


def test_every_letter_and_every_source_is_stated() -> None:
    for found in all_forms():
        assert found.source, found.place
        assert found.meaning
        for step in found.steps:
            assert step.symbol.name in letters()


def test_every_form_compiles_from_its_parameters_alone() -> None:
    for found in all_forms():
        known = {*found.params, *(step.symbol.name for step in found.steps), *INDICES, "t"}
        for line in found.body:
            expr = line.condition if isinstance(line, Check) else line.expr
            assert {s.name for s in expr.free_symbols} <= known, found.place
        compiled_form(found)


@EXAMPLES
@given(st.floats(0.01, 0.9))
def test_implicit_forms_are_differentiated_through_their_equation(load: float) -> None:
    """Of B = lambda N t(B) with an affine step: dB/dlambda by the implicit function theorem."""
    t_0, tau, n, rate = 0.01, 1e-4, 100.0, load / (100 * 1e-4)
    equation = next(step for step in form("decode_tpot", "self").steps if step.solved)
    symbols: Mapping[str, sympy.Symbol] = {s.name: s for s in equation.expr.free_symbols}  # pyright: ignore
    affine = equation.expr.replace(sympy.Function("t", positive=True), lambda rows, *_: t_0 + tau * rows)
    slope = sympy.diff(affine, symbols["rate"]) / (1 - sympy.diff(affine, symbols["B"]))
    rows = rate * n * t_0 / (1 - load)
    at = {symbols["rate"]: rate, symbols["N"]: n, symbols["Q"]: 1, symbols["B"]: rows}
    assert float(slope.subs(at)) == pytest.approx(n * t_0 / (1 - load) ** 2, rel=1e-9)


@EXAMPLES
@given(st.floats(0.05, 0.97), st.integers(1, 300))
def test_the_rest_of_a_mean_is_summed_in_closed_form(load: float, places: int) -> None:
    """From where all places are taken weights fall by one factor: as summing term by term gives it."""

    def ratio(n: int) -> float:
        return load * places / min(n, places)

    for value in (lambda n: min(n, places), lambda n: max(0, n - places), lambda n: min(1, max(0, n - places + 1))):
        weight, total, summed = 1.0, 1.0, float(value(0))
        for n in range(1, 20_000):
            weight *= ratio(n)
            total, summed = total + weight, summed + weight * value(n)
        assert mean(ratio, value) == pytest.approx(summed / total, rel=1e-9, abs=1e-12)


@EXAMPLES
@given(st.one_of(steps, kinked, routed), works, loads, st.floats(1.1, 4))
def test_decode_knows_outputs_by_their_mean_alone(step: StepTime, work: Workload, load: float, spread: float) -> None:
    """A processor-sharing queue: any law of answers with one mean, context and number of steps gives one TPOT."""
    engine = ServingEngine.of(step, replace(work, drafts=0))
    other = replace(engine, letters={**engine.letters, "O_2": spread * engine.letters["O_2"]})
    rate = load * capacity(engine)
    assert decode_engine(engine, rate).values == decode_engine(other, rate).values


@EXAMPLES
@given(works, st.floats(0.001, 0.05), st.floats(0.1, 50))
def test_steps_of_one_length_hold_a_poisson_number(work: Workload, step: float, expected: float) -> None:
    """Where a sequence more costs nothing, sequences do not see each other: n is Poisson, an idle engine exp(-B)."""
    engine = ServingEngine.of(StepTime(t0=step, a=0), work)
    rate = expected / (engine.letters["N"] * step)
    found = decode_engine(engine, rate, form="product")
    assert found.values["rows"] == pytest.approx(expected, rel=1e-9)
    assert found.letters["busy"] == pytest.approx(-math.expm1(-expected), rel=1e-9)


@EXAMPLES
@given(steps, works)
def test_decode_is_stable_where_large_batches_are(step: StepTime, work: Workload) -> None:
    engine = ServingEngine.of(step, work)
    most = 1 / (engine.letters["N"] * engine.letters["tau"])
    assume(engine.letters["t_0"] / engine.letters["tau"] < 1000)
    assert decode_engine(engine, 0.97 * most).solved
    over = decode_engine(engine, 1.001 * most)
    assert not over.solved
    assert not over.values
    assert "unstable" in over.sentence


@EXAMPLES
@given(steps, works, loads)
def test_long_answers_do_not_see_prompts_come(step: StepTime, work: Workload, load: float) -> None:
    """Answers so long that prefill is no work: clustering goes, and mixing is decoding."""
    long = replace(work, output=Length("constant", 1e9), drafts=0)
    engine = ServingEngine.of(replace(step, d=0.0), long)
    rate = load * capacity(engine)
    mixed, decode = mixed_engine(engine, rate).values, decode_engine(engine, rate).values
    assert mixed["tpot_mean"] == pytest.approx(decode["tpot_mean"], rel=0.01)


@EXAMPLES
@given(steps, works, st.floats(0.02, 0.6), st.floats(1, 20))
def test_a_budget_that_does_not_bind_is_no_matter_to_decodes(
    step: StepTime, work: Workload, load: float, more: float
) -> None:
    engine = ServingEngine.of(step, work)
    rate = load * capacity(engine)
    budgets = [factor * 40 * (work.input.mean + 1000) for factor in (1, more)]
    one, other = (mixed_engine(engine, rate, budget=budget) for budget in budgets)
    assume(one.solved and one.load["rho_budget"] < 0.8)
    assert one.values["tpot_mean"] == pytest.approx(other.values["tpot_mean"], rel=1e-9)


@EXAMPLES
@given(steps, works, loads)
def test_what_is_wholly_cached_waits_for_an_iteration(step: StepTime, work: Workload, load: float) -> None:
    """One token is left to compute: TTFT is what an arrival waits for, and its own iteration."""
    cached = replace(work, input=Length("constant", work.input.mean), hit=1.0)
    engine = ServingEngine.of(step, cached)
    found = mixed_engine(engine, load * capacity(engine))
    assert engine.letters["S_new"] == pytest.approx(1)
    letters = found.letters
    waited = letters["D"] + (0.5 + letters["rho_p"]) * letters["X_0"]
    assert found.values["ttft_mean"] == pytest.approx(waited + engine.letters["alpha_1"], rel=1e-9)
    assert engine.letters["alpha_1"] <= (step.a + step.p * (work.input.mean + 1)) * (1 + 1e-9)


@EXAMPLES
@given(steps, works, loads)
def test_no_hit_is_no_cache(step: StepTime, work: Workload, load: float) -> None:
    plain = replace(work, hit=0.0)
    rate = load * capacity(ServingEngine.of(step, plain))
    never = replace(work, hit=0.9, hitting=0.0)
    one, other = (mixed_engine(ServingEngine.of(step, of), rate).values for of in (plain, never))
    assert one == pytest.approx(other)


@EXAMPLES
@given(st.floats(0.05, 0.95), st.integers(1, 8), st.floats(0, 0.05))
def test_a_transfer_that_takes_no_time_is_none(load: float, workers: int, seconds: float) -> None:
    waits = [applied("link_wait", {"rate": load * workers, "x": workers, "t_kv": t}) for t in (0.0, seconds)]
    assert waits[0].value == 0
    assert waits[1].value is not None
    assert waits[1].value >= 0


@EXAMPLES
@given(
    st.floats(50, 100), st.floats(300, 1000), st.floats(0, 1), st.floats(0, 1), st.floats(0, 1), st.floats(0.25, 0.7)
)
def test_power_is_between_idle_and_limit(
    idle: float, limit: float, compute: float, memory: float, links: float, share: float
) -> None:
    known = {"power_idle": idle, "power_max": limit, "f_m": share, "f_l": 0.3, "u_f": compute, "u_m": memory}
    found = applied("step_power", {**known, "u_l": links}).value
    bound = applied("step_power", {"power_max": limit}, name="tdp").value
    assert found is not None
    assert bound == limit
    assert idle <= found <= limit
    more = applied("step_power", {**known, "u_l": links, "u_f": min(1.0, compute + 0.1)}).value
    assert more is not None
    assert more >= found


def test_a_letter_of_forms_stands_for_one_thing() -> None:
    taken = [*(of.latex for of in letters().values()), *INDICES, *FUNCTIONS.values(), "E_n"]
    assert sorted(taken) == sorted(set(taken))
