"""Questions about requests under load: what they answer holds, and what lies just beyond does not."""

import functools

import pytest

import symsim
from symsim import cli
from symsim.errors import SymsimError
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
    answer = costs().solve("max budget subject to TTFT <= 1 s, ITL_p99 <= 60 ms with rate = 2, S = 1024, O = 256")
    assert answer.status in (Status.SOLVED, Status.INFEASIBLE)
    assert answer.sentence


def test_the_fewest_prefill_workers() -> None:
    answer = costs().solve("min x subject to TTFT_p90 <= 200 ms with rate = 60, S = 2048, O = 64, y = 8")
    assert answer.value is not None
    assert answer.value > 1
    fewer = costs().predict(2048, 64, rate=60, prefill=f"{answer.value - 1} x tp=1", decode="8 x tp=1").figures
    assert fewer.sentence or fewer.ttft["p90"] > 0.2


def test_the_acceptance_that_gives_a_time() -> None:
    answer = costs().solve("solve TPOT = 7 ms for acceptance with concurrency = 8, drafts = 1, S = 1024, O = 256")
    found = costs().predict(1024, 256, concurrency=8, drafts=1, acceptance=answer.value)
    assert found.figures.tpot == pytest.approx(0.007, rel=1e-3)
    assert any("drafts pay from" in sentence for sentence in found.figures.warnings)


def test_what_cannot_be_met_is_said() -> None:
    answer = costs().solve("max rate subject to TPOT <= 1 ms with S = 2048, O = 256")
    assert answer.status is Status.INFEASIBLE
    assert "TPOT <= 1 ms" in answer.sentence


@pytest.mark.parametrize(
    ("question", "sentence"),
    [
        ("max rate subject to TTFT_p95 <= 1 s", "did you mean ttft_p9"),
        ("max budget subject to TPOT <= 1 s", "needs a rate or a concurrency"),
        ("max rate subject to TPOT <= 1 s with tempo = 4", "has no tempo"),
        ("max B subject to TPOT <= 1 s with rate = 4", "cannot be solved for B"),
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
    assert capsys.readouterr().out == "no rate does: TPOT <= 1 ms\n"
