"""Two ways to serve the same requests: their figures are those of predictions, their terms those of the forms."""

import functools
import json

import pytest

import symsim
from symsim import cli

WORKERS = ["--prefill", "3 x tp=1", "--decode", "2 x tp=1"]


@functools.cache
def costs(device: str = "h100") -> symsim.Costs:
    return symsim.compile("qwen3-8b", device, cost_model="roofline")


def compared(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    common = ["--cost-model", "roofline", "--quiet", "--model", "qwen3-8b", "--isl", "2048", "--osl", "256", "--json"]
    assert cli.main(["compare", *words, *common]) == 0
    return json.loads(capsys.readouterr().out)


def figure(found: dict[str, object], name: str) -> tuple[float, float]:
    return next((one["a"], one["b"]) for one in found["figures"] if one["name"] == name)  # pyright: ignore


def test_two_queues(capsys: pytest.CaptureFixture[str]) -> None:
    found = compared(capsys, "--queue", "aic", "--queue", "cosmetatos", "--device", "h100", "--rate", "20", *WORKERS)
    for side, queue in enumerate(("aic", "cosmetatos")):
        at = costs().predict(2048, 256, rate=20, queue=queue, prefill=WORKERS[1], decode=WORKERS[3]).figures
        assert figure(found, "TTFT")[side] == at.ttft["mean"]
    terms = {(term["quantity"], term["name"]): term for term in found["terms"]}  # pyright: ignore
    assert terms["wait", "W"]["written_a"] == "4*s/5"
    most = terms["served_rate", "rate_max"]
    assert most["a"] < most["b"]
    service = figure(found, "TTFT")[0] / 1.8
    assert terms["wait", "W"]["a"] == pytest.approx(0.8 * service)


def test_the_conventions_of_aic_serve_less() -> None:
    how = {"prefill": WORKERS[1], "decode": WORKERS[3]}
    rate = costs().predict(2048, 256, rate=20, **how).figures.served.forms["served_rate"].value * 0.95
    assert not costs().predict(2048, 256, rate=rate, **how).figures.sentence
    assert "conventions of aic" in costs().predict(2048, 256, rate=rate, queue="aic", **how).figures.sentence


def test_beside_decodes_or_apart(capsys: pytest.CaptureFixture[str]) -> None:
    found = compared(
        capsys, "aggregated", "disaggregated", "--device", "h100", "--rate", "20", *WORKERS, "--crossover", "O"
    )
    assert figure(found, "GPUs") == (5, 5)
    assert figure(found, "TPOT")[0] == costs().predict(2048, 256, rate=4).figures.tpot
    for at, smaller in found["crossings"]:  # pyright: ignore
        for length, side in ((at - 1, "B" if smaller == "A" else "A"), (at, smaller)):
            one = costs().predict(2048, length, rate=4).figures.tpot
            apart = costs().predict(2048, length, rate=20, prefill=WORKERS[1], decode=WORKERS[3]).figures.tpot
            assert (one <= apart) == (side == "A")


def test_the_price_at_which_two_devices_cost_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    found = compared(capsys, "h100", "h200", "--concurrency", "64")
    a, b = figure(found, "tokens/s/GPU")
    assert f"up to {b / a:.4g} times" in found["sentences"][0]  # pyright: ignore
    rent = 2.0
    cost = [
        costs(device).predict(2048, 256, concurrency=64, price=price).figures.cost
        for device, price in (("h100", rent), ("h200", rent * b / a))
    ]
    assert cost[0] == pytest.approx(cost[1])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--queue", "aic"], "compare two"),
        (["aic", "cosmetatos"], "state --prefill and --decode"),
        (["aggregated", "disaggregated"], "state --prefill and --decode"),
        (["aggregated", "disaggregated", *WORKERS, "--crossover", "T"], "expected one of rate"),
        (["aggregated", "disaggregated", *WORKERS, "--crossover", "O", "--tp", "2"], "no whole copies of 2"),
    ],
)
def test_what_cannot_be_compared(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    common = ["--cost-model", "roofline", "--quiet", "--model", "qwen3-8b", "--isl", "2048", "--osl", "256"]
    assert cli.main(["compare", *words, "--device", "h100", "--rate", "2", *common]) == 2
    assert sentence in capsys.readouterr().err
