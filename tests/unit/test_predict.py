"""Predictions of requests under load on compiled models: their document, their formulas, and what they refuse."""

import functools
import json
import math
import re
from dataclasses import replace
from statistics import NormalDist
from typing import Any

import pytest

import symsim
from symsim import cli
from symsim.errors import SymsimError
from symsim.serving.lengths import Length
from symsim.serving.model_step import step_of
from symsim.serving.workload import Workload

KEYS = [
    "ttft_s",
    "tpot_s",
    "itl_s",
    "e2e_s",
    "request_per_s",
    "output_tok_per_s",
    "output_tok_per_s_per_gpu",
    "total_tok_per_s_per_gpu",
    "running",
    "load",
    "memory",
    "power_w",
    "joule_per_output_token",
    "cost_per_million_output_tokens",
    "intervals",
    "level",
    "binding",
    "assumptions",
    "warnings",
]
WAYS: dict[str, dict[str, Any]] = {
    "open": {"rate": 4.0},
    "closed": {"concurrency": 32},
    "exclusive": {"rate": 4.0, "exclusive_prefill": True},
    "exclusive closed": {"concurrency": 8, "exclusive_prefill": True},
    "drafts": {"concurrency": 32, "drafts": 2, "acceptance": "0.8,0.6"},
    "cached": {"rate": 4.0, "prefix_hit": 0.5},
    "chunks": {"rate": 1.0, "budget": 512},
    "apart": {"rate": 4.0, "prefill": "1 x tp=1", "decode": "1 x tp=2"},
    "apart closed": {"concurrency": 32, "prefill": "2", "decode": "1 x tp=2"},
}


@functools.cache
def costs() -> symsim.Costs:
    return symsim.compile("qwen3-8b", "h100", cost_model="roofline")


@functools.cache
def predicted(way: str) -> symsim.Prediction:
    return costs().predict(1024, 256, price="2.5 $/h", **WAYS[way])


@pytest.mark.parametrize("way", WAYS)
def test_the_document_has_every_figure(way: str) -> None:
    found = predicted(way).as_dict()
    assert list(found) == KEYS
    json.dumps(found, allow_nan=False)
    for figure in ("ttft_s", "tpot_s", "itl_s", "e2e_s"):
        for name, value in found[figure].items():
            assert value is not None, (figure, name)
            assert 0 < value < math.inf
    assert found["ttft_s"]["p50"] <= found["ttft_s"]["p90"] <= found["ttft_s"]["p99"]
    assert found["cost_per_million_output_tokens"] > 0
    for name, (low, high) in found["intervals"].items():
        assert 0 < low <= high, name


@pytest.mark.parametrize("way", WAYS)
def test_formulas_give_the_figures(way: str) -> None:
    found = predicted(way)
    assert found.formula("tpot").evaluate() == pytest.approx(found.figures.tpot, rel=1e-9)
    assert found.formula("ttft").evaluate() == pytest.approx(found.figures.ttft["mean"], rel=1e-9)
    assert "TTFT" in found.formula("ttft").to_latex() or "ttft" in found.formula("ttft").to_text()


@pytest.mark.parametrize("name", ["tpot", "ttft"])
def test_formulas_are_worked_out_again_at_another_load(name: str) -> None:
    costs = symsim.compile("qwen3-8b", "h100", cost_model="calibrated")
    formula = costs.predict(2048, 256, rate=2).formula(name)
    for change, how in (
        ({"rate": 3}, {"rate": 3}),
        ({"concurrency": 8}, {"concurrency": 8}),
        ({"rate": 1.0, "budget": 1024, "hit": 0.5}, {"rate": 1, "budget": 1024, "prefix_hit": 0.5}),
    ):
        figures = costs.predict(2048, 256, **how).figures
        expected = figures.tpot if name == "tpot" else figures.ttft["mean"]
        assert formula.evaluate(**change) == expected
        assert formula.interval(**change) == figures.intervals[f"{name}_s.mean"]
    assert formula.evaluate(S=1000, O=64) == costs.predict(1000, 64, rate=2).formula(name).evaluate(rate=2)
    narrow, wide = (formula.interval(level) for level in (0.5, 0.99))
    assert narrow is not None
    assert wide is not None
    assert wide[0] <= narrow[0] <= formula.evaluate() <= narrow[1] <= wide[1]


def test_formulas_of_workers() -> None:
    costs = symsim.compile("qwen3-8b", "h100", cost_model="roofline")
    formula = costs.predict(2048, 256, rate=20, prefill="3 x tp=1", decode="2 x tp=1").formula("ttft")
    more = costs.predict(2048, 256, rate=20, prefill="4 x tp=1", decode="2 x tp=1").figures.ttft["mean"]
    assert formula.evaluate(x=4) == more
    with pytest.raises(symsim.SymsimError, match="no tempo"):
        formula.evaluate(tempo=3)
    with pytest.raises(symsim.SymsimError, match="prefill queue is unstable"):
        formula.evaluate(rate=2000)


@pytest.mark.parametrize("way", ["closed", "exclusive closed", "drafts", "apart closed"])
def test_clients_are_requests_in_the_system(way: str) -> None:
    found = predicted(way).figures
    assert found.e2e is not None
    assert found.request_rate is not None
    assert found.request_rate * found.e2e == pytest.approx(WAYS[way]["concurrency"], rel=1e-3)


def test_exclusive_engines_have_no_more_places_than_others() -> None:
    mixed, exclusive = (
        costs().predict(4096, 512, concurrency=1000, exclusive_prefill=how).figures for how in (False, True)
    )
    assert exclusive.load["places"] == mixed.load["places"] > 1
    assert exclusive.running <= mixed.running * 1.01
    assert exclusive.request_rate * exclusive.e2e == pytest.approx(1000, rel=1e-3)
    assert exclusive.ttft["mean"] > mixed.ttft["mean"]  # it serves less
    crowded = costs().predict(4096, 512, rate=3.5, exclusive_prefill=True, max_running=8).figures
    assert "there are 8 places" in crowded.sentence


def test_an_idle_deployment_takes_a_step_of_one() -> None:
    found = costs().predict(1024, 256, rate=1e-4)
    alone = costs().step.evaluate(B=1, Q=1, C=1024 + 128, T=0, past=0)
    assert found.figures.tpot == pytest.approx(alone, rel=1e-3)


def test_more_replicas_serve_more() -> None:
    two = symsim.compile("qwen3-8b", "h100", symsim.Deployment(world_size=2), cost_model="roofline")
    one, both = costs().predict(1024, 256, rate=4), two.predict(1024, 256, rate=8)
    assert both.figures.ttft["mean"] == pytest.approx(one.figures.ttft["mean"], rel=1e-9)
    assert both.figures.per_gpu == pytest.approx(one.figures.per_gpu, rel=1e-9)


def test_random_lengths_wait_longer() -> None:
    constant, random = (costs().predict(isl, 256, rate=2).figures.ttft for isl in (2048, "lognormal(2048, 1)"))
    assert random["mean"] > constant["mean"]
    assert random["p99"] > constant["p99"]


def test_a_saturated_pool_is_said_to_be() -> None:
    service = costs().predict(4096, 256, rate=0.1, prefill="1", decode="4").figures.ttft["mean"]
    found = costs().predict(4096, 256, rate=0.95 / service, prefill="1", decode="4")
    assert any("prefill workers are saturated" in sentence for sentence in found.figures.warnings)


WORDS = ["predict", "qwen3-8b", "--device", "h100", "--cost-model", "roofline", "--isl", "1024", "--osl", "256"]


def test_unstable_has_no_figures_but_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*WORDS, "--rate", "1000", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["ttft_s"]["mean"] is None
    assert "unstable" in found["warnings"][0]
    assert list(found) == [*KEYS, "error", "exit"]


def test_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*WORDS, "--concurrency", "16", "--price", "2 $/h", "--quiet"]) == 0
    out = capsys.readouterr().out
    for word in ("TTFT", "TPOT", "ITL", "memory of a GPU", "time of an iteration", "bound  by", "cost", "assumed:"):
        assert word in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "state one of --rate and --concurrency"),
        (["--rate", "2", "--concurrency", "4"], "state one of --rate and --concurrency"),
        (["--rate", "-2"], "must be above zero"),
        (["--rate", "2", "--prefill", "2 x tp=1"], "both --prefill and --decode"),
        (["--rate", "2", "--prefill", "2 y", "--decode", "1"], "is no size of a worker"),
        (["--rate", "2", "--drafts", "2"], "2 drafts need --acceptance"),
        (["--rate", "2", "--drafts", "2", "--acceptance", "often"], "expected a chance"),
        (["--rate", "2", "--drafts", "2", "--acceptance", "1.5"], "must be from 0 to 1"),
        (["--rate", "2", "--drafts", "1", "--acceptance", "length 3"], "up to 2"),
        (["--rate", "2", "--prefix-hit", "1.5"], "hit = 1.5"),
        (["--rate", "2", "--queue", "kingmann"], "did you mean kingman"),
        (["--rate", "2", "--price", "cheap"], "is no price"),
        (["--rate", "2", "--isl", "uniform(1, 2)"], "no family of lengths"),
        (["--rate", "2", "--interval", "90"], "between 0 and 1"),
    ],
)
def test_bad_input_is_one_sentence(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*WORDS, *words]) == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("way", ["open", "closed", "exclusive", "apart closed"])
def test_an_answer_of_one_token_has_no_time_between_tokens(way: str) -> None:
    found = costs().predict(1024, 1, **WAYS[way]).as_dict()
    assert found["ttft_s"]["mean"] > 0
    assert found["e2e_s"]["mean"] == found["ttft_s"]["mean"]
    assert found["tpot_s"]["mean"] is None
    assert found["itl_s"]["p99"] is None


def test_overlapped_batches_are_bound_by_the_device() -> None:
    wide = symsim.Deployment(world_size=128, num_nodes=16, comm="deepep", overlap="two-batch")
    found = (
        symsim.compile("deepseek-v3", "h800", wide, cost_model="roofline").predict(1024, 256, concurrency=8192).figures
    )
    assert found.running == pytest.approx(8192, rel=0.01)
    assert max(found.time, key=lambda name: found.time[name]) != "fixed times"


@pytest.mark.parametrize("way", WAYS)
def test_calibrated_times_are_taken_as_well(way: str) -> None:
    found = symsim.compile("qwen3-8b", "h100", cost_model="calibrated").predict(1024, 256, **WAYS[way]).figures
    assert not found.sentence
    assert found.tpot is not None
    assert 0 < found.tpot < 0.1


@pytest.mark.parametrize("how", [{}, {"prefill": "1 x tp=4,pp=4", "decode": "1 x tp=4,pp=4"}])
def test_pipeline_stages_with_other_layers_are_served_by_the_fullest(how: dict[str, Any]) -> None:
    """DeepSeek's dense layers are all in the first stage, so each stage has memory of its own."""
    costs = symsim.compile("deepseek-v3", "h200", symsim.Deployment(tp=4, pp=4))
    memory = costs.predict(1024, 256, concurrency=8, **how).figures.memory
    largest = costs.memory.evaluate(B=2, S=1024, O=256)
    assert memory["free"] is not None
    assert memory["weights"] is not None
    assert 0 < memory["free"] < 141e9 - memory["weights"]
    assert memory["weights"] < largest


def test_modules_for_drafts_are_held_beside_the_model() -> None:
    """One more layer of DeepSeek-V3: 1/8 of its weights, and one more latent of each token."""
    costs = symsim.compile("deepseek-v3", "h200", symsim.Deployment(tp=8))
    load = {"isl": 1024, "osl": 1024, "concurrency": 16}
    plain, drafting = (costs.predict(**load, **more).as_dict() for more in ({}, {"drafts": 1, "acceptance": 0.8}))
    held = drafting["memory"]["weights"] - plain["memory"]["weights"]
    assert held - 2 * (2 * 7168**2 + 3 * 7168) == pytest.approx(11.5e9 / 8, rel=0.02)
    assert drafting["memory"]["kv_tokens"] == pytest.approx(
        (plain["memory"]["free"] + plain["memory"]["cache"] - held) / (62 * 576 * 2), rel=0.01
    )
    assert any("num_nextn_predict_layers" in sentence for sentence in drafting["assumptions"])


def test_the_memory_of_unknown_modules_is_said_not_to_be_counted() -> None:
    costs = symsim.compile("qwen3-8b", "h100")
    found = costs.predict(isl=1024, osl=1024, concurrency=16, drafts=1, acceptance=0.8)
    assert any(
        "no module for drafts that is known is stated" in sentence for sentence in found.as_dict()["assumptions"]
    )


@pytest.mark.parametrize(("model", "waits"), [("qwen3-30b-a3b", True), ("qwen3-8b", False)])
def test_attention_replicas_that_share_experts_wait_for_the_longest(model: str, waits: bool) -> None:
    """Constant lengths: contexts are spread evenly from S to S + O. A dense model's replicas do not wait."""
    costs = symsim.compile(model, "h200", symsim.Deployment(tp=1, dp=8), cost_model="roofline")
    step = step_of(costs.compiled, Workload(input=Length("constant", 1000), output=Length("constant", 1200)))
    spread = 1200 / math.sqrt(12) / 1600
    largest = NormalDist().inv_cdf((8 - 3 / 8) / (8 + 1 / 4))
    assert step.wait == pytest.approx(largest * spread if waits else 0.0)
    rows, context = 32 * step.layout.replicas, 1600.0
    even = replace(step, wait=0.0)
    longest = context * (1 + step.wait / math.sqrt(32))
    assert step(rows, rows * context, 0.0) == pytest.approx(even(rows, rows * longest, 0.0))
    assert (step(rows, rows * context, 0.0) > even(rows, rows * context, 0.0)) is waits


def test_only_cost_models_without_fitted_times_have_no_error_of_their_own() -> None:
    for cost_model, expected in (("calibrated", False), ("roofline", True)):
        costs = symsim.compile("qwen3-8b", "h100", cost_model=cost_model)
        told = costs.predict(isl=1024, osl=256, concurrency=8).as_dict()["warnings"]
        assert any("states no error of its own" in sentence for sentence in told) is expected


def test_what_is_not_served_is_told_what_would_serve_it() -> None:
    crowded = symsim.compile("llama-3.3-70b", "h100").predict(isl=2000, osl=500, rate=5)
    assert "with world_size = 2, tp = 2 there is room for 9 sequences" in crowded.figures.warnings
    replicas = symsim.compile("llama-3.3-70b", "h100", symsim.Deployment(dp=8)).predict(isl=2000, osl=500, rate=5)
    assert "with world_size = 2, tp = 2 there is room for 9 sequences" in replicas.figures.warnings
    fast = symsim.compile("qwen3-8b", "h100", cost_model="roofline")
    *_, way = fast.predict(isl=2000, osl=500, rate=60).figures.warnings
    copies = int(way.split()[0])
    assert way == f"{copies} such deployments, {copies} GPUs, would serve this rate"
    *_, pairs = fast.predict(isl=2000, osl=500, rate=60, copies=2).figures.warnings
    assert pairs == f"{copies + copies % 2} such deployments, {copies + copies % 2} GPUs, would serve this rate"
    assert not fast.predict(isl=2000, osl=500, rate=60 / copies).figures.sentence
    assert fast.predict(isl=2000, osl=500, rate=60 / (copies - 1)).figures.sentence


@pytest.mark.parametrize("load", [{"concurrency": 200}, {"rate": 0.38}])
def test_requests_that_wait_for_room_are_told_what_a_narrower_cache_serves(load: dict[str, float]) -> None:
    on_h100 = symsim.compile("qwen3-8b", "h100")
    figures = on_h100.predict(30000, 500, **load).figures
    found = re.fullmatch(
        r"a cache in fp8 \(--kv fp8\) holds (\d+) sequences, not (\d+): (\S+) requests/s, .*", figures.helps
    )
    assert found is not None
    assert figures.helps == figures.warnings[-1]
    narrow = symsim.compile("qwen3-8b", "h100", symsim.Deployment(kv="fp8")).predict(30000, 500, **load).figures
    assert int(found[1]) > int(found[2])
    assert float(found[3]) == pytest.approx(narrow.request_rate, rel=1e-3)
    assert narrow.request_rate >= figures.request_rate
    assert not narrow.helps  # there is no narrower one


def test_no_narrower_cache_is_named_where_nothing_waits_for_room() -> None:
    on_h100 = symsim.compile("qwen3-8b", "h100")
    assert not on_h100.predict(2048, 512, rate=2).figures.helps
    assert not on_h100.predict(30000, 500, concurrency=200, max_running=4).figures.helps


@pytest.mark.parametrize(
    ("how", "why", "setting"),
    [
        ({"budget": 128, "rate": 5}, "its token budget of 128 full", "a token budget of 256 (--budget), or 2 such"),
        ({"max_running": 4, "rate": 2}, "all of its 4 places taken", "more than 4 sequences at once (--max-running)"),
    ],
)
def test_what_an_engine_may_be_started_with_is_named_first(how: dict[str, Any], why: str, setting: str) -> None:
    on_h100 = symsim.compile("qwen3-8b", "h100")
    figures = on_h100.predict(2048, 512, **how).figures
    assert why in figures.sentence
    assert figures.helps.startswith(setting)
    wider = {**how, "budget": 256} if "budget" in how else {"rate": how["rate"]}
    assert not on_h100.predict(2048, 512, **wider).figures.sentence


@pytest.mark.parametrize(
    ("how", "shown"),
    [
        (["--rate", "2"], ["load   engine ", "(prefill ", "of the highest rate", "sequences at once on an engine"]),
        (["--concurrency", "8"], ["load   token budget ", "places ", "time of an iteration"]),
        (
            ["--rate", "2", "--prefill", "1", "--decode", "1"],
            ["load   prefill workers ", "memory of a GPU of decode workers", "decode workers"],
        ),
    ],
)
def test_the_screen_says_what_is_loaded_and_whose_memory_it_is(
    how: list[str], shown: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main([*WORDS, *how, "--quiet"]) == 0
    out = capsys.readouterr().out
    assert "rho" not in out
    for words in shown:
        assert words in out


def test_the_budget_of_prefill_workers_is_that_of_their_side() -> None:
    apart = costs().predict(1024, 256, rate=2, prefill="1 x tp=1", decode="1 x tp=2").figures
    alone = costs().predict(1024, 256, rate=2).figures
    told = [[one for one in of.assumptions if "token budget" in one] for of in (apart, alone)]
    assert told[0] == told[1]


@pytest.mark.parametrize(
    ("model", "load", "x", "y", "way"),
    [
        ("qwen3-8b", 40, 2, 1, "4 x tp=1 to prefill and 2 x tp=1 to decode, 6 GPUs, would serve this rate"),
        ("llama-3.3-70b", 1, 1, 1, "prefill workers: with world_size = 2, tp = 2 there is room for 10 sequences"),
    ],
)
def test_workers_that_do_not_serve_are_told_what_would(model: str, load: float, x: int, y: int, way: str) -> None:
    on_h100 = symsim.compile(model, "h100", cost_model="roofline")
    apart = {"prefill": f"{x} x tp=1", "decode": f"{y} x tp=1"}
    figures = on_h100.predict(isl=2000, osl=256, rate=load, **apart).figures
    assert figures.sentence
    assert figures.helps == figures.warnings[-1] == way


def test_the_workers_that_are_named_serve_and_fewer_do_not() -> None:
    def served(x: int, y: int) -> bool:
        found = costs().predict(isl=2000, osl=256, rate=40, prefill=f"{x} x tp=1", decode=f"{y} x tp=1")
        return not found.figures.sentence

    assert served(4, 2)
    assert not served(3, 2)
    assert not served(4, 1)


def test_memory_that_lacks_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    crowded = symsim.compile("llama-3.3-70b", "h100", cost_model="roofline")
    memory = crowded.predict(isl=2000, osl=500, rate=5).as_dict()["memory"]
    assert memory["free"] < 0
    amounts = [value for name, value in memory.items() if name != "kv_tokens"]
    assert sum(amounts) == pytest.approx(float(crowded.compiled.numbers.values["hbm_capacity"]))
    words = ["llama-3.3-70b", "--device", "h100", "--cost-model", "roofline", "--quiet"]
    assert cli.main(["predict", *words, "--isl", "2000", "--osl", "500", "--rate", "5"]) == 1
    out = capsys.readouterr().out
    assert "memory of a GPU, of 85.5 GB\n" in out
    assert re.search(rf"\n  lacks +#+ +{-memory['free'] / 1e9:.1f} GB, 79%\n", out)
    assert "free" not in out
    cli.main(["report", *words, "--at", "S=2000,O=500,B=4"])
    assert re.search(r"\n  lacks +#+ +71 GB, 83%\n", capsys.readouterr().out)


@pytest.mark.parametrize("notation", ["python", "c", "javascript", "excel"])
def test_roots_are_no_program(notation: str) -> None:
    formula = costs().predict(2048, 256, rate=4).formula("ttft")
    with pytest.raises(SymsimError, match="roots of equations"):
        getattr(formula, f"to_{notation}")()
