"""Tails of the time to first token: waits that are spread evenly, and a benchmark whose clients start at once."""

import itertools
from pathlib import Path
from typing import Any

import pytest

import symsim
from symsim.errors import SymsimError
from tests.unit.test_engine_times import engine_file, llama

LOAD: dict[str, Any] = {"isl": 4000, "osl": 500, "concurrency": 32}


def test_a_poll_makes_the_longest_waits_twice_the_mean(tmp_path: Path) -> None:
    bare = llama(engine_file(tmp_path)).predict(**LOAD).as_dict()["ttft_s"]
    slow = llama(engine_file(tmp_path, poll_steps="20")).predict(**LOAD).as_dict()["ttft_s"]
    more = {name: slow[name] - bare[name] for name in slow}
    assert more["p50"] == pytest.approx(more["mean"], rel=0.01), "while they wait the engine has fewer others"
    assert more["p90"] == pytest.approx(1.8 * more["mean"], rel=0.01)
    assert more["p99"] == pytest.approx(1.98 * more["mean"], rel=0.01)


@pytest.mark.parametrize("how", [{}, {"exclusive_prefill": True}])
def test_the_first_of_a_benchmark_wait_for_each_other(how: dict[str, Any]) -> None:
    costs = symsim.compile("llama-3.3-70b", "h100", symsim.Deployment(tp=4))
    goes_on, starts = (costs.predict(**LOAD, **how, **more).as_dict() for more in ({}, {"prompts": 320}))
    prompt = costs.ttft.evaluate(S=4000, T=4000)
    assert starts["ttft_s"]["p50"] == goes_on["ttft_s"]["p50"]
    assert starts["ttft_s"]["p99"] == pytest.approx(0.9 * 32 * prompt, rel=0.15), "nine tenths of the burst are served"
    mean = 0.9 * goes_on["ttft_s"]["mean"] + 0.1 * 33 / 2 * prompt
    assert starts["ttft_s"]["mean"] == pytest.approx(mean, rel=0.15)
    assert starts["tpot_s"] == goes_on["tpot_s"]


def test_a_start_counts_less_in_a_longer_benchmark() -> None:
    costs = symsim.compile("llama-3.3-70b", "h100", symsim.Deployment(tp=4))
    means = [costs.predict(**LOAD, prompts=n).as_dict()["ttft_s"]["mean"] for n in (32, 64, 640, 10**7)]
    assert means == sorted(means, reverse=True)
    assert means[-1] == pytest.approx(costs.predict(**LOAD).as_dict()["ttft_s"]["mean"], rel=1e-4)
    formula = costs.predict(**LOAD, prompts=64).formula("ttft")
    assert "W_start" in formula.to_text()
    assert formula.evaluate() == pytest.approx(means[1], rel=1e-6)


@pytest.mark.parametrize(
    "how",
    [
        {"rate": 1, "concurrency": None},
        {"prompts": 31},
        {"prompts": -1},
        {"prefill": "1 x tp=4", "decode": "1 x tp=4"},
    ],
)
def test_a_benchmark_has_clients_that_start(how: dict[str, Any]) -> None:
    costs = symsim.compile("llama-3.3-70b", "h100", symsim.Deployment(tp=4))
    with pytest.raises(SymsimError, match="prompts"):
        costs.predict(**{**LOAD, "prompts": 320, **how})


@pytest.mark.parametrize("osl", [1, 2, 64, 1000])
@pytest.mark.parametrize("how", [{}, {"max_running": 8}, {"budget": 512}])
def test_clients_are_at_one_thing_or_another(tmp_path: Path, osl: int, how: dict[str, Any]) -> None:
    """Little's law holds over all that a client waits for: the host, a poll, a place, its prompt and its answer."""
    costs = llama(engine_file(tmp_path, host_request="0.05 s", poll_steps="3"))
    for clients in (1, 2, 5, 32):
        found = costs.predict(isl=1000, osl=osl, concurrency=clients, **how).figures
        cycle = (found.ttft["mean"] or 0) + (osl - 1) * (found.tpot or 0)
        assert (found.request_rate or 0) * cycle == pytest.approx(clients, rel=1e-6)


def test_an_engine_that_others_keep_busy_loses_nothing_to_the_host(tmp_path: Path) -> None:
    ask = {"isl": 4000, "osl": 1, "concurrency": 32}
    bare, slow = (llama(engine_file(tmp_path, host_request=wait)).predict(**ask).figures for wait in ("0 s", "0.5 s"))
    assert slow.request_rate == pytest.approx(bare.request_rate, rel=1e-4)
    assert slow.ttft["mean"] == pytest.approx(bare.ttft["mean"], rel=1e-4)


@pytest.mark.parametrize("osl", [1, 2, 8])
def test_a_second_client_of_short_answers_adds_to_the_rate(osl: int) -> None:
    """An engine looks at once for the requests that it has nothing else to do than."""
    costs = symsim.compile("qwen3-8b", "h100")
    rates = [costs.predict(isl=2000, osl=osl, concurrency=n).figures.request_rate or 0 for n in (1, 2, 4, 8, 16)]
    assert all(after > 0.98 * before for before, after in itertools.pairwise(rates))
    assert rates[1] > rates[0]
