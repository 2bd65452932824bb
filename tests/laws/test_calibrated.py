"""Laws of the cost model calibrated: the roofline as its ideal, levels, intervals, and what was not measured."""

import re
from functools import cache
from itertools import pairwise
from typing import Any

import pytest
import sympy

import symsim
import symsim.calibration
from symsim.algebra.symbols import symbol
from symsim.cost.calibrated import kernel_measures, kernel_seconds_of
from symsim.cost.forms import named_form
from symsim.cost.operators import operators
from symsim.formula.breakdown import numbers
from symsim.formula.program import program
from symsim.model.scope import work_of

MODELS = (
    ("llama-3.3-70b", {"tp": 4}),
    ("deepseek-v3", {"tp": 8, "ep": 8}),
    ("deepseek-v3", {"dp": 8, "ep": 8, "comm": "deepep"}),
    ("qwen3-next-80b-a3b-instruct", {"tp": 2}),
)
SIZES = {"S": 1024, "O": 512}
AT = {"B": 48, "S": 1500, "O": 600}
UNKNOWN = (float("nan"), float("nan"))
"""An interval where there is none: no comparison with it holds."""


@cache
def costs(model: str, device: str = "h100", cost_model: str = "calibrated", **degrees: Any) -> symsim.Costs:
    return symsim.compile(model, device, symsim.Deployment(**degrees), cost_model=cost_model)


@pytest.mark.parametrize(("model", "degrees"), MODELS)
@pytest.mark.parametrize("step", ["decode", "prefill"])
def test_ideal_coefficients_make_every_operator_its_datasheet_roofline(
    model: str, degrees: dict[str, Any], step: str
) -> None:
    compiled = costs(model, "h200", **degrees).compiled
    phase = compiled.phases[step]
    assert phase.fitted
    values = {**compiled.form("ttft").point(T=3000, S=1500), **AT, "C": 1800, "Q": 1, "past": 0}
    for op in phase.graph.ops:
        if op.name not in phase.fitted:
            continue
        cost, fitted = phase.costs[op.name], phase.fitted[op.name][1]
        row = operators().get(op.kernel, operators()[""])
        scope = {**work_of(phase.graph.step.part(op.step), phase.graph.degrees), **op.shape}
        ideal = kernel_seconds_of(fitted, *kernel_measures(row, cost, scope), named_form(fitted.form).ideal())
        compute = sympy.Add(*(flops / symbol(f"peak_{at}") for at, flops in cost.flops.items()))
        terms = (ideal, compute, cost.hbm_bytes / symbol("hbm_bandwidth"), cost.link_bytes / symbol("nvlink_bandwidth"))
        found, *bounds = evaluated(terms, values)
        sent = "all_reduce" in fitted.form or "gather" in fitted.form or "messages" in fitted.form
        assert found == pytest.approx(bounds[2] if sent else max(bounds[:2]), rel=1e-9), op.name


def evaluated(terms: tuple[sympy.Expr, ...], values: dict[str, Any]) -> list[float]:
    steps = tuple((f"x_{i}", term) for i, term in enumerate(terms))
    return [float(found) for found in program(steps, tuple(name for name, _ in steps), "python").run(values, {})]


@pytest.mark.parametrize(("model", "degrees"), MODELS)
def test_all_levels_are_the_same_number(model: str, degrees: dict[str, Any]) -> None:
    tpot = costs(model, **degrees).tpot
    names: dict[str, Any] = {}
    exec(tpot.to_python(), names)
    assert names["tpot"](**AT) == pytest.approx(tpot.evaluate(**AT), rel=1e-12)
    for level in ("model", "numeric"):
        steps = tuple((step.symbol.name, step.expr) for step in tpot.form.level(level).steps)
        (found,) = program(steps, (steps[-1][0],), "python").run({**tpot.form.point(**AT)}, {})
        assert found == pytest.approx(tpot.evaluate(**AT), rel=1e-12), level


@pytest.mark.parametrize(("model", "degrees"), MODELS)
def test_an_interval_holds_the_value_and_widens_with_its_level(model: str, degrees: dict[str, Any]) -> None:
    compiled = costs(model, **degrees)
    for form, at in ((compiled.tpot, AT), (compiled.ttft, {"T": 1500, "S": 1500}), (compiled.tgs_decode, AT)):
        low, high = form.interval(**at) or UNKNOWN
        wide_low, wide_high = form.interval(level=0.98, **at) or UNKNOWN
        assert wide_low < low < form.evaluate(**at) < high < wide_high
        assert high / low < 3


def test_only_what_was_fitted_has_an_interval() -> None:
    assert costs("llama-3.3-70b", cost_model="roofline", tp=4).tpot.interval(**AT) is None
    assert costs("llama-3.3-70b", tp=4).memory.interval(B=4, S=100, O=100) is None
    with pytest.raises(symsim.SymsimError, match="between 0 and 1"):
        costs("llama-3.3-70b", tp=4).tpot.interval(level=2, **AT)


def test_a_kernel_takes_longer_with_every_sequence_and_token() -> None:
    tpot = costs("llama-3.3-70b", tp=4).tpot
    for name in ("B", "S", "O"):
        seconds = [tpot.evaluate(**{**AT, name: AT[name] * times}) for times in (1, 2, 3, 5, 9)]
        assert seconds == sorted(seconds)


def test_the_largest_batch_is_certified() -> None:
    answer = costs("llama-3.3-70b", tp=4).solve("max B subject to TPOT <= 40 ms with S = 2048, O = 512")
    tpot = costs("llama-3.3-70b", tp=4).tpot
    assert answer.value is not None
    assert tpot.evaluate(B=answer.value, S=2048, O=512) <= 0.04 < tpot.evaluate(B=answer.value + 1, S=2048, O=512)


def test_every_coefficient_has_a_unit_a_meaning_and_a_source() -> None:
    tpot = costs("llama-3.3-70b", tp=4).tpot
    fitted = {name: info for name, info in tpot.symbols.items() if info.kind == "calibration"}
    assert {"ec_gemm", "em_attention_decode", "a0_all_reduce"} <= set(fitted)
    for name, info in fitted.items():
        assert info.unit in ("s", "1", "B", "tokens")
        assert info.meaning
        source = tpot.form.bound.sources[name]
        assert source.how == "fitted"
        assert source.file.startswith("calibration/")


def test_a_device_without_measurements_says_so() -> None:
    assert not [note for note in costs("qwen3-8b").compiled.notes if "coefficients" in note]
    assert any("h100_sxm's coefficients" in note for note in costs("qwen3-8b", "h800").compiled.notes)
    assert any("no moe" in note for note in costs("qwen3-8b", "b300").compiled.notes)
    uncalibrated = costs("qwen3-8b", "tpu-v6e")
    assert any("uncalibrated" in note for note in uncalibrated.compiled.notes)
    low, high = uncalibrated.tpot.interval(**AT) or UNKNOWN
    assert high / low > 15


def test_runs_say_how_much_slower_another_devices_kernels_are() -> None:
    by_runs = costs("qwen3-8b", "mi300x")
    assert any("set-ups of engines on its architecture" in note for note in by_runs.compiled.notes)
    low, high = by_runs.tpot.interval(**AT) or UNKNOWN
    assert 1.5 < high / low < 8


def test_gemms_of_a_device_are_its_own_where_they_were_measured() -> None:
    """H20 reaches most of its peak, a seventh of H100's."""
    for device, least, most in (("h20", 0.85, 1.0), ("h800", 0.55, 0.85)):
        seconds, _, _ = symsim.calibration.kernel_seconds(
            "gemm", device=device, engine="infersim", kernel="DeepGEMM", dtype="fp8_block", m=8192, n=6144, k=4096
        )
        peak = {"h20": 296e12, "h800": 1979e12}[device]
        assert least < 2 * 8192 * 6144 * 4096 / seconds / peak < most


def test_an_iteration_without_a_prompt_is_a_decode_step() -> None:
    """Kernels that an iteration does not hold take no time, their launches neither; it is asked about no logits."""
    compiled = costs("llama-3.3-70b", tp=4)
    iteration = compiled.compiled.form("iteration")
    at = {"B": 32, "Q": 1, "C": 2000, "S": 1000, "past": 0}
    alone, with_prompt = (
        iteration.evaluate(**{k: v for k, v in at.items() if k in iteration.symbols}, T=t) for t in (0, 512)
    )
    assert alone == pytest.approx(compiled.tpot.evaluate(B=32, C=2000), rel=1e-6)
    assert with_prompt > alone


def test_requests_under_load_are_answered() -> None:
    found = costs("llama-3.3-70b", tp=4).predict(isl=1000, osl=300, concurrency=16).as_dict()
    assert costs("llama-3.3-70b", tp=4).tpot.evaluate(B=16, S=1000, O=300) < found["tpot_s"]["mean"] < 0.05


def _whole(sentence: str, word: str) -> int:
    """The number behind a word."""
    return int(sentence.split(word)[1].split()[0].strip(",").replace(",", ""))


def test_an_answer_says_up_to_where_it_is_sure_and_possible() -> None:
    """At the sure end the high end of the interval meets the limit, at the possible one the low end."""
    query = "max B subject to TPOT <= 25 ms with S = 1500, O = 600"
    compiled = costs("llama-3.3-70b", tp=4)
    answer = compiled.solve(query)
    (sentence,) = [warning for warning in answer.warnings if "sure up to" in warning]
    sure, possible = (_whole(sentence, word) for word in ("up to", "possible to"))
    assert answer.value is not None
    assert sure < answer.value < possible
    value = compiled.tpot.evaluate(B=int(answer.value), S=1500, O=600)
    low, high = (end / value for end in compiled.tpot.interval(B=int(answer.value), S=1500, O=600) or UNKNOWN)
    for batch, factor in ((sure, high), (possible, low)):
        here, beyond = (factor * compiled.tpot.evaluate(B=b, S=1500, O=600) for b in (batch, batch + 1))
        assert here <= 0.025 < beyond
    assert not [w for w in costs("llama-3.3-70b", cost_model="roofline", tp=4).solve(query).warnings if "sure" in w]


def test_an_answer_of_which_nothing_is_sure_says_what_is_possible() -> None:
    compiled = costs("qwen3-8b", "h100")
    one, low = compiled.tpot.evaluate(B=1, **SIZES), compiled.tpot.interval(B=1, **SIZES)
    assert low is not None
    answer = compiled.solve(f"max B subject to TPOT <= {1.1 * one * 1e3:.3f} ms with S = 1024, O = 512")
    (sentence,) = [warning for warning in answer.warnings if "possible" in warning]
    assert 1.1 * one < low[1], "at one sequence the high end of the interval is above the limit"
    assert sentence.startswith(f"B = {answer.value:g}, sure of none, possible to ")


def test_what_is_sure_of_a_device_has_its_unit() -> None:
    answer = costs("qwen3-8b", "h100").solve("min hbm_bandwidth subject to TPOT <= 6 ms with B = 16, S = 1024, O = 512")
    (sentence,) = [warning for warning in answer.warnings if "sure from" in warning]
    shown = re.fullmatch(
        r"hbm_bandwidth = ([\d.]+) TB/s, sure from ([\d.]+) TB/s, possible from ([\d.]+) TB/s at 90 %", sentence
    )
    assert shown is not None, sentence
    value, sure, possible = map(float, shown.groups())
    assert possible < value < sure


def test_a_least_value_is_sure_from_above() -> None:
    """Answers are longer than needed for a slow step where the high end of the interval is meant, and at the low end
    they need to be longer still."""
    compiled = costs("qwen3-8b", "h100")
    answer = compiled.solve("min O subject to TPOT >= 60 ms with B = 64, S = 4096")
    (sentence,) = [warning for warning in answer.warnings if "sure from" in warning]
    sure, possible = (_whole(sentence, word) for word in ("sure from", "possible from"))
    assert answer.value is not None
    assert 1 <= possible < answer.value < sure
    at = {"B": 64, "S": 4096, "O": int(answer.value)}
    low = compiled.tpot.interval(**at)[0] / compiled.tpot.evaluate(**at)  # pyright: ignore[reportOptionalSubscript]
    before, here = (low * compiled.tpot.evaluate(B=64, S=4096, O=length) for length in (sure - 1, sure))
    assert before < 0.06 <= here


def test_a_metric_that_is_asked_for_has_its_interval() -> None:
    compiled = costs("qwen3-8b", "h100")
    (sentence,) = compiled.solve("TPOT with B = 64, S = 1024, O = 512").warnings
    ends = compiled.tpot.interval(B=64, **SIZES)
    assert ends is not None
    shown = re.fullmatch(r"TPOT = [\d.]+ ms, ([\d.]+) ms to ([\d.]+) ms at 90 %", sentence)
    assert shown is not None, sentence
    assert [float(end) / 1e3 for end in shown.groups()] == pytest.approx(ends, rel=1e-3)


def test_the_most_throughput_and_the_fewest_gpus_are_known_within_ends() -> None:
    compiled = costs("qwen3-8b", "h100")
    best = compiled.solve("max tgs_decode subject to TPOT <= 10 ms with S = 1000, O = 100")
    (sentence,) = [warning for warning in best.warnings if "sure" in warning]
    shown = re.fullmatch(
        r"tgs_decode = (\S+) tokens/s, sure up to (\S+) tokens/s, possible to (\S+) tokens/s at 90 %", sentence
    )
    assert shown is not None, sentence
    value, sure, possible = map(float, shown.groups())
    assert sure < value < possible
    fewest = compiled.solve("min tp subject to TPOT <= 4.5 ms with B = 16, S = 1000, O = 100")
    (sentence,) = [warning for warning in fewest.warnings if "possible" in warning]
    at = {"B": 16, "S": 1000, "O": 100}
    slow = [tp for tp in (1, 2, 4, 8) if (costs("qwen3-8b", "h100", tp=tp).tpot.interval(**at) or UNKNOWN)[1] <= 4.5e-3]
    fast = [tp for tp in (1, 2, 4, 8) if (costs("qwen3-8b", "h100", tp=tp).tpot.interval(**at) or UNKNOWN)[0] <= 4.5e-3]
    said = f"sure from {slow[0]}" if slow else "sure of none"
    assert sentence == f"tp = {fewest.value:g}, {said}, possible from {fast[0]} at 90 %"


@pytest.mark.parametrize(("limit", "seconds"), [("300 ms", 0.3), ("2 s", 2.0)])
def test_prompts_of_several_iterations_have_sure_and_possible_lengths(limit: str, seconds: float) -> None:
    """Their time is a sum over chunks, which ends scale as they do the time of one."""
    compiled = costs("llama-3.3-70b", tp=4)
    answer = compiled.solve(f"max S subject to TTFT <= {limit} with T = 2048")
    (sentence,) = [warning for warning in answer.warnings if "sure up to" in warning]
    sure, possible = (_whole(sentence, word) for word in ("up to", "possible to"))
    assert answer.value is not None
    assert 2048 < sure < answer.value < possible
    at = {"S": int(answer.value), "T": 2048}
    low, high = (end / compiled.ttft.evaluate(**at) for end in compiled.ttft.interval(**at) or ())
    for length, factor in ((sure, high), (possible, low)):
        here, beyond = (factor * compiled.ttft.evaluate(S=s, T=2048) for s in (length, length + 1))
        assert here <= seconds < beyond


def test_what_a_question_left_out_may_be_what_is_too_much() -> None:
    """An iteration of 4,096 tokens takes too long whatever the length of a prompt: fewer of them would do."""
    compiled = costs("llama-3.3-70b", tp=4)
    answer = compiled.solve("max S subject to TTFT <= 100 ms")
    assert answer.value is None
    assert answer.nearest is not None
    (tokens,) = answer.workload.values()
    assert (
        compiled.ttft.evaluate(S=answer.nearest, T=tokens)
        <= 0.1
        < compiled.ttft.evaluate(S=answer.nearest, T=tokens + 1)
    )
    assert not compiled.solve("max S subject to TTFT <= 100 ms with T = 4096").workload


def test_dispatched_experts_do_not_wait_for_tokens_of_other_ranks() -> None:
    """Per GPU, experts spread wider have fewer weights to read and as many rows: they never take much longer."""
    times: list[float] = []
    for ep in (8, 16, 32, 64):
        deployment = symsim.Deployment(world_size=ep, ep=ep, comm="deepep")
        costs = symsim.compile("deepseek-v3", "h200", deployment, "calibrated", engine="none")
        values = costs.tpot.form.point(B=64, S=4096, O=1024)
        steps = {step.symbol.name: step.expr for step in costs.tpot.form.derivation.steps}
        (seconds,) = numbers((steps["t_routed"],), values, costs.tpot.form.context)
        times.append(seconds)
    assert all(after <= 1.05 * before for before, after in pairwise(times)), times
