"""Tails of the time to first token: waits that are spread evenly, and a benchmark whose clients start at once."""

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
    assert more["p50"] == pytest.approx(more["mean"])
    assert more["p90"] == pytest.approx(1.8 * more["mean"])
    assert more["p99"] == pytest.approx(1.98 * more["mean"])


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
