"""Questions about requests under load: what they answer holds, and what lies just beyond does not."""

import functools
import itertools
import json
from pathlib import Path

import pytest

import symsim
from symsim import cli
from symsim.errors import SymsimError
from symsim.serving.points import UNKNOWNS
from symsim.solve.answer import Status


@functools.cache
def costs() -> symsim.Costs:
    return symsim.compile("qwen3-8b", "h100", cost_model="roofline")


def test_the_largest_rate_meets_its_targets_and_no_greater_one_does() -> None:
    answer = costs().solve("max rate subject to TTFT_p90 <= 400 ms, TPOT <= 15 ms with S = 2048, O = 256")
    assert answer.value is not None
    at, beyond = (costs().predict(2048, 256, rate=answer.value * more).figures for more in (1, 1.01))
    assert at.ttft["p90"] <= 0.4
    assert at.tpot <= 0.015
    assert beyond.ttft["p90"] > 0.4 or beyond.tpot > 0.015
    assert answer.binding
    assert "requests/s" in answer.sentence
    assert all(room >= 0 for room in answer.slack.values())


def test_the_most_clients() -> None:
    answer = costs().solve("max concurrency subject to tokens/s/user >= 80 with S = 1024, O = 256")
    one, more = (costs().predict(1024, 256, concurrency=answer.value + plus).figures.tpot for plus in (0, 1))
    assert one <= 1 / 80 < more


def test_the_largest_budget_for_a_gap() -> None:
    limits = "TTFT <= 1 s, ITL_p99 <= 60 ms"
    free = costs().solve(f"max budget subject to {limits} with rate = 2, S = 1024, O = 256")
    assert free.value is not None  # hardly ever two prompts at once, and nothing is longer than both
    assert free.value > 100_000  # until activations of an iteration leave caches no room
    assert "all of its 3 places taken" in free.sentence
    tight = costs().solve("max budget subject to ITL_p99 <= 40 ms with rate = 10, S = 2048, O = 256")
    assert tight.status is Status.INFEASIBLE
    assert "even at budget" in tight.sentence


def test_the_fewest_prefill_workers() -> None:
    answer = costs().solve("min x subject to TTFT_p90 <= 200 ms with rate = 60, S = 2048, O = 64, y = 8")
    assert answer.value is not None
    assert answer.value > 1
    fewer = costs().predict(2048, 64, rate=60, prefill=f"{answer.value - 1} x tp=1", decode="8 x tp=1").figures
    assert fewer.sentence or fewer.ttft["p90"] > 0.2


@pytest.mark.parametrize("sizes", ["dp=8,moe_tp=8", "dp=8,ep=8,redundant_experts=8", "tp=8,dcp=2"])
def test_workers_are_deployed_as_the_model_is(sizes: str) -> None:
    how = {name: int(size) for name, size in (one.split("=") for one in sizes.split(","))}
    of = symsim.compile("deepseek-v3", "h200", symsim.Deployment(**how), "roofline")  # type: ignore[arg-type]
    stated = of.predict(2048, 256, rate=4, prefill=f"1 x {sizes}", decode=f"1 x {sizes}").figures.tpot
    assert of.solve("TPOT with rate = 4, S = 2048, O = 256, x = 1, y = 1").value == stated


def test_the_acceptance_that_gives_a_time() -> None:
    answer = costs().solve("solve TPOT = 7 ms for acceptance with concurrency = 8, drafts = 1, S = 1024, O = 256")
    found = costs().predict(1024, 256, concurrency=8, drafts=1, acceptance=answer.value)
    assert found.figures.tpot == pytest.approx(0.007, rel=1e-3)
    assert any("one draft pays from" in sentence for sentence in found.figures.warnings)


def test_what_cannot_be_met_is_said() -> None:
    answer = costs().solve("max rate subject to TPOT <= 1 ms with S = 2048, O = 256")
    assert answer.status is Status.INFEASIBLE
    assert "TPOT <= 1 ms" in answer.sentence


def test_letters_of_the_formulas_are_symbols_of_questions() -> None:
    for letters in (
        "max lambda subject to TPOT <= 12 ms with S = 2048, O = 256",
        "max K subject to ITL_max <= 60 ms with lambda = 2, h = 0.1, S = 2048, O = 256",
    ):
        words = letters.replace("lambda", "rate").replace("K", "budget").replace("h =", "hit =")
        assert costs().solve(letters).value == costs().solve(words).value


@pytest.mark.parametrize("load", ["B = 64", "rate = 4", "concurrency = 32"])
def test_drafts_pay_from_the_break_even_acceptance_on(load: str) -> None:
    query = f"min acceptance subject to speedup >= 1 with {load}, k = 1, S = 1024, O = 256"
    found = costs().solve(query).value
    assert found is not None
    for more, faster in ((0.02, True), (-0.02, False)):
        at = costs().solve(f"max speedup with {load}, k = 1, a = {found + more}, S = 1024, O = 256").value
        assert at is not None
        assert (at > 1) == faster


def test_break_even_in_a_batch_has_a_closed_form() -> None:
    answer = costs().solve("min acceptance subject to speedup >= 1 with B = 64, k = 1, S = 1024, O = 256")
    assert answer.closed_form is not None
    assert answer.closed_form.startswith("acceptance = -1 + t_1/t_0 = ")
    assert float(answer.closed_form.split(" = ")[2].split()[0]) == pytest.approx(answer.value, rel=0.01)


def test_the_best_workers_are_the_fewest() -> None:
    answer = costs().solve("best x:y subject to TTFT_p90 <= 1 s, TPOT <= 12 ms with rate = 40, S = 2048, O = 128")
    x, y = int(answer.at["x"]), int(answer.at["y"])
    assert answer.value == x + y
    assert answer.closed_form is not None
    for a, b in ((x - 1, y), (x, y - 1)):
        if a and b:
            fewer = costs().predict(2048, 128, rate=40, prefill=f"{a} x tp=1", decode=f"{b} x tp=1").figures
            assert fewer.sentence or fewer.ttft["p90"] > 1 or fewer.tpot > 0.012


def test_gpus_come_in_whole_copies() -> None:
    two = symsim.compile("qwen3-8b", "h100", symsim.Deployment(tp=2), cost_model="roofline")
    answer = two.solve("min world_size subject to TTFT_p99 <= 3 s, TPOT <= 20 ms with rate = 20, S = 2048, O = 256")
    assert answer.value is not None
    assert answer.value % 2 == 0
    share = 20 / (answer.value / 2)
    assert two.predict(2048, 256, rate=share).figures.ttft["p99"] <= 3


def test_the_fewest_gpus_are_those_of_whole_copies() -> None:
    limits = "subject to TTFT_p99 <= 3 s, TPOT <= 20 ms with rate = 20, S = 2048, O = 256"
    gpus, copies = (costs().solve(f"min {name} {limits}") for name in ("GPUs", "world_size"))
    assert gpus.value == copies.value
    assert gpus.value is not None


def test_workers_that_cannot_be_enough_are_called_by_the_name_that_is_asked_for() -> None:
    answer = costs().solve("min x subject to TTFT_p90 <= 10 ms with rate = 20, S = 2048, O = 128")
    assert answer.status is Status.INFEASIBLE
    assert answer.sentence.startswith("no x does: even at x = 4,096 and y = 4,096 TTFT_p90 <= 10 ms fails")


def test_a_bare_bound_of_energy_is_in_joules() -> None:
    bare, joules = (
        costs().solve(f"min rate subject to J/token <= {bound} with S = 2048, O = 512") for bound in ("0.5", "500 mJ")
    )
    assert bare.value == joules.value
    assert bare.value is not None


def test_goals_may_be_metrics() -> None:
    answer = costs().solve(
        "max tokens/s/GPU over concurrency, budget subject to TTFT_p90 <= 2 s, TPOT <= 15 ms with S = 2048, O = 512"
    )
    found = costs().predict(2048, 512, concurrency=answer.at["concurrency"], budget=answer.at["budget"]).figures
    assert found.per_gpu == answer.value
    assert found.tpot <= 0.015
    cheapest = costs().solve("min cost subject to TPOT <= 15 ms with S = 2048, O = 512")
    assert cheapest.at["concurrency"] > 1
    nothing = costs().solve("min cost over budget subject to TPOT <= 1 ms with rate = 1, S = 2048, O = 512")
    assert nothing.status is Status.INFEASIBLE
    assert "does; nearest, at budget = " in nothing.sentence
    assert "TPOT <= 1 ms fails: it is " in nothing.sentence


def test_a_stated_point_is_an_answer() -> None:
    answer = costs().solve("min J/token with rate = 4, S = 2048, O = 256")
    assert answer.value == costs().predict(2048, 256, rate=4).figures.energy


def test_the_price_at_which_tokens_cost_so_much() -> None:
    for load in ({"rate": 2}, {"concurrency": 32}):
        (name, number), *_ = load.items()
        answer = costs().solve(f"max price subject to cost <= 3 with {name} = {number}, isl = 2048, osl = 512")
        assert answer.value is not None
        assert costs().predict(2048, 512, price=answer.value, **load).figures.cost == pytest.approx(3, rel=1e-3)
        assert answer.closed_form is not None
        assert answer.closed_form.startswith("price = ")
        assert float(answer.closed_form.split(" = ")[2].split()[0]) * 3600 == pytest.approx(answer.value, rel=1e-3)
    solved = costs().solve("solve cost = 3 $ for price with rate = 2, S = 2048, O = 512")
    assert solved.value == pytest.approx(costs().solve(f"max price subject to cost <= 3 with {_LOAD}").value, rel=1e-3)


_LOAD = "rate = 2, S = 2048, O = 512"


def test_a_stated_metric_is_worked_out() -> None:
    at = costs().predict(2048, 256, rate=4).figures
    assert costs().solve("J/token at rate = 4, S = 2048, O = 256").value == at.energy
    assert costs().solve("TTFT_p90 with lambda = 4, S = 2048, O = 256").value == at.ttft["p90"]
    step = costs().solve("TPOT at S = 2048, O = 256")
    assert step.value == costs().tpot.evaluate(B=step.assumed["B"], S=2048, O=256)
    unstable = costs().solve("TPOT at rate = 400, S = 2048, O = 256")
    assert unstable.status is Status.INFEASIBLE
    assert "unstable" in unstable.sentence


def test_an_equation_that_ends_where_nothing_is_served() -> None:
    answer = costs().solve("solve J/token = 0.5 J for rate with S = 2048, O = 256")
    assert answer.value is not None
    assert costs().predict(2048, 256, rate=answer.value).figures.energy == pytest.approx(0.5, rel=1e-3)


def test_what_no_constraint_bounds_has_no_largest_value() -> None:
    waiting = costs().solve("max concurrency subject to TPOT <= 100 ms with S = 4096, O = 512")
    assert waiting.status is Status.UNBOUNDED
    assert "wait for one" in waiting.sentence
    places = costs().solve("max concurrency subject to TPOT <= 100 ms, memory <= capacity with S = 4096, O = 512")
    at, more = (costs().predict(4096, 512, concurrency=places.value + n).figures.load["places"] for n in (0, 1))
    assert at <= 1 < more
    half = costs().solve("max concurrency subject to memory <= 50 % of capacity with S = 4096, O = 512")
    assert half.value is not None
    assert places.value is not None
    assert half.value < places.value
    hit = costs().solve("max hit subject to TTFT_p90 <= 1 s with rate = 1, S = 4096, O = 256")
    assert "no constraint binds" in hit.sentence


def test_workers_of_the_other_kind_are_the_fewest_that_do() -> None:
    answer = costs().solve("min x subject to TTFT_p90 <= 200 ms with rate = 60, S = 2048, O = 256")
    assert "beside y = 3, the fewest" in answer.sentence
    assert answer.assumed["y"] == 3
    one = costs().predict(2048, 256, rate=60, prefill=f"{answer.value} x tp=1", decode="2 x tp=1").figures
    assert one.sentence


def test_more_clients_than_places_are_no_better() -> None:
    """Of points that are as good the least is named: beyond the places of the cache clients only wait."""
    cheapest = costs().solve("min cost with S = 4096, O = 512")
    figures = costs().predict(4096, 512, concurrency=cheapest.at["concurrency"]).figures
    assert figures.load["places"] < 1.1
    more = costs().predict(4096, 512, concurrency=10 * cheapest.at["concurrency"]).figures
    assert more.cost == pytest.approx(figures.cost, rel=1e-9)


def test_the_largest_budget_for_the_longest_gap() -> None:
    answer = costs().solve("max budget subject to ITL_max <= 60 ms with rate = 2, S = 1024, O = 256")
    assert answer.value is not None
    at, beyond = (
        costs().predict(1024, 256, rate=2, budget=int(answer.value) + more).figures.served.letters["t_K"]
        for more in (0, 1)
    )
    assert at <= 0.06 < beyond


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("max rate subject to TTFT_p95 <= 1 s", "did you mean ttft_p9"),
        ("max budget subject to TPOT <= 1 s", "needs a rate or a concurrency"),
        ("max rate subject to TPOT <= 1 s with tempo = 4", "has no tempo"),
        ("min cost over rate with rate = 4", "one of both"),
        ("max price subject to cost <= 3 with rate = 4, price = 2 $/h", "is stated, and price is asked for"),
        ("min cost over S with rate = 4", "cannot be searched over S"),
        ("max rate subject to TPOT <= 1 s with k = 1", "drafts need an acceptance"),
        ("min cost with rate = 4, world_size = 3, tp = 2", "no multiple of the 2 GPUs"),
        ("max T subject to TPOT <= 1 s with rate = 4", "cannot be solved for T"),
    ],
)
def test_bad_questions(question: str, sentence: str) -> None:
    with pytest.raises(SymsimError, match=sentence):
        costs().solve(question)


def test_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["solve", "qwen3-8b", "--device", "h100", "--cost-model", "roofline", "--quiet"]
    assert cli.main([*words, "max rate subject to TTFT_p90 <= 2 s, TPOT <= 50 ms with S = 4096, O = 512"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("rate = ")
    assert "TTFT_p90 <= 2 s: binds, room" in out
    assert cli.main([*words, "max rate subject to TPOT <= 1 ms with S = 2048, O = 256"]) == 1
    said = "no rate does: even at rate = 0.0001 requests/s TPOT <= 1 ms fails: it is 5.772 ms.\n"
    assert capsys.readouterr().out == said + "  TPOT <= 1 ms: fails by 4.772 ms\n  feasible with tp = 8\n"


def test_regimes_along_the_rate() -> None:
    found = costs().load_regimes("rate", S=4096, O=512)
    limits = [piece.limits for piece in found.pieces]
    assert limits[-1] == ("unstable",)
    assert limits[0] == ("weights and caches bind (HBM)",)
    assert any("cache binds" in one for one in limits)
    for piece, after in itertools.pairwise(found.pieces):
        assert piece.high == after.low
        assert piece.limits != after.limits
        at, beyond = (costs().predict(4096, 512, rate=piece.high * more).figures for more in (0.999, 1.001))
        assert bool(beyond.sentence) == (after.limits == ("unstable",))
        assert not at.sentence


def test_regimes_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["regimes", "qwen3-8b", "--device", "h100", "--cost-model", "roofline", "--quiet"]
    assert cli.main([*words, "--along", "concurrency", "--at", "S=2048,O=256", "--range", "1:256"]) == 0
    assert "cache binds" in capsys.readouterr().out
    assert cli.main([*words, "--along", "lambda", "--at", "S=2048,O=256", "--range", "1:20", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["variable"] == "rate"
    assert document["pieces"][-1]["limits"] == ["unstable"]


@pytest.mark.parametrize("along", ["budget", "hit", "max_running"])
def test_regimes_along_other_symbols_have_their_rate_stated(along: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["regimes", "qwen3-8b", "--device", "h100", "--cost-model", "roofline", "--quiet", "--json"]
    assert cli.main([*words, "--along", along, "--at", "S=2048,O=256,rate=2"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["variable"] == along
    assert document["at"]["rate"] == 2
    pieces = document["pieces"]
    assert pieces[-1]["high"] <= UNKNOWNS[along].high
    for piece in pieces:
        how = {"prefix_hit" if along == "hit" else along: piece["low"]}
        figures = costs().predict(2048, 256, rate=2, **how).figures
        assert bool(figures.sentence) == (piece["limits"] == ["unstable"])
    assert len({tuple(piece["limits"]) for piece in pieces}) == len(pieces)


def test_the_limit_of_sequences_is_told_from_the_cache() -> None:
    pieces = costs().load_regimes("max_running", S=4096, O=512, rate=1.5).pieces
    binding = [piece.limits for piece in pieces]
    assert any("max_running binds" in limits for limits in binding)
    assert not any("cache binds" in limits for limits in binding)


def test_a_budget_that_serves_is_found_however_large() -> None:
    """The least budgets serve nothing at all: prompts of so high a rate need larger ones."""
    pieces = costs().load_regimes("budget", S=4096, O=512, rate=2.8).pieces
    assert pieces[0].limits == ("unstable",)
    assert pieces[0].high > 128
    assert "prompts in chunks" in pieces[1].limits
    assert any(piece.limits == ("tokens bind (compute)",) for piece in pieces)
    assert pieces[-1].limits == ("unstable",)  # activations of so large an iteration leave caches no room


def test_sweep_of_requests(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sweep", "qwen3-8b", "--device", "h100,h200", "--cost-model", "roofline", "--quiet"]
    grid = ["--over", "rate=1:4", "--over", "S=2048", "--over", "O=256", "--subject-to", "TPOT <= 10 ms", "--pareto"]
    assert cli.main([*words, *grid, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["points"] == 8
    for row in document["rows"]:
        device = symsim.compile("qwen3-8b", row["device"], cost_model="roofline")
        assert row["tpot"] == device.predict(2048, 256, rate=row["rate"]).figures.tpot
        assert (row["reason"] is None) == (row["tpot"] <= 0.010)
    rates = [(point["per_user"], point["per_gpu"]) for point in document["front"]]
    assert rates == sorted(rates, key=lambda pair: (-pair[0], pair[1]))
    assert cli.main([*words, *grid]) == 0
    assert "Pareto front" in capsys.readouterr().out


def test_a_sweep_of_requests_is_written_as_a_table(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    words = ["sweep", "qwen3-8b", "--device", "h100", "--cost-model", "roofline", "--quiet", "--over", "rate=0.5,1"]
    assert cli.main([*words, "--over", "S=1024", "--over", "O=64", "--out", str(tmp_path / "load.parquet")]) == 0
    assert parquet.read_table(tmp_path / "load.parquet").column("rate").to_pylist() == [0.5, 1.0]


@pytest.mark.parametrize(
    "question",
    [
        "max rate subject to TPOT <= 15 ms with S = 2048, O = 256",
        "max concurrency subject to tokens/s/user >= 80 with S = 1024, O = 256",
        "min hit subject to TTFT_p90 <= 100 ms with rate = 3, S = 4096, O = 256",
    ],
)
def test_answers_have_a_spread(question: str) -> None:
    calibrated = symsim.compile("qwen3-8b", "h100", cost_model="calibrated")
    widths: list[float] = []
    for of in (costs(), calibrated):
        answer = of.solve(question)
        assert answer.value is not None
        assert answer.spread is not None
        low, high = answer.spread
        assert 0 <= low <= answer.value * 1.03
        assert high >= answer.value * 0.97
        widths.append((high - low) / answer.value)
    assert widths[0] < widths[1]  # kernels and engines add their own errors


def test_the_spread_of_a_rate_is_where_other_times_would_bind() -> None:
    calibrated = symsim.compile("qwen3-8b", "h100", cost_model="calibrated")
    answer = calibrated.solve("max rate subject to TPOT <= 15 ms with S = 2048, O = 256")
    assert answer.spread is not None
    figures = calibrated.predict(2048, 256, rate=answer.value).figures
    slow = figures.intervals["tpot_s.mean"][1] / figures.tpot
    assert calibrated.predict(2048, 256, rate=answer.spread[0]).figures.tpot * slow == pytest.approx(0.015, rel=0.05)
