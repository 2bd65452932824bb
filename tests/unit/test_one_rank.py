"""A prompt on one rank of data-parallel attention: as `ttft` alone has it, and as all ranks where prompts fill them."""

from functools import cache
from typing import Any

import pytest

import symsim
from symsim.api.prediction import Prediction


@cache
def costs(engine: str = "none", **sizes: int) -> symsim.Costs:
    return symsim.compile("qwen3-30b-a3b", "h200", symsim.Deployment(**(sizes or {"dp": 4, "ep": 4})), engine=engine)


def rank_wait(found: Prediction) -> float:
    return found.figures.served.letters["W_rank"]


@pytest.mark.parametrize("isl", [500, 8000])
def test_a_prompt_alone_takes_what_the_formula_of_one_says(isl: int) -> None:
    alone = costs().ttft.evaluate(S=isl, T=isl)
    assert costs().predict(isl, 500, concurrency=1).figures.ttft["mean"] == pytest.approx(alone, rel=0.005)


@pytest.mark.parametrize("sizes", [{"tp": 4, "ep": 4}, {"dp": 4, "ep": 4}], ids=str)
def test_an_answer_of_one_token_takes_its_prompt(sizes: dict[str, int]) -> None:
    alone = costs(**sizes).ttft.evaluate(S=2000, T=2000)
    assert costs(**sizes).predict(2000, 1, concurrency=1).figures.ttft["mean"] == pytest.approx(alone, rel=1e-6)


@pytest.mark.parametrize("osl", [1, 2, 20])
def test_ranks_serve_as_many_users_as_they_are_like_one(osl: int) -> None:
    """Prompts so long that one fills the token budget of its rank: users on ranks of their own do not wait."""
    times = [costs().predict(40_000, osl, concurrency=n).figures.ttft["mean"] for n in (1, 2, 3, 4, 8, 16)]
    assert times[:4] == pytest.approx([times[0]] * 4, rel=0.1)
    assert times[3:] == sorted(times[3:])


@pytest.mark.parametrize("load", [{"rate": 1e-6}, {"concurrency": 1, "exclusive_prefill": True}])
def test_so_it_does_in_an_open_loop_and_by_itself(load: dict[str, Any]) -> None:
    """But for the half step that it arrives in."""
    alone = costs().ttft.evaluate(S=8000, T=8000)
    found = costs().predict(8000, 500, **load).figures
    assert found.ttft["mean"] == pytest.approx(alone, abs=found.tpot)


def test_where_one_rank_is_all_nothing_waits_for_it() -> None:
    found = costs(tp=4, ep=4).predict(4000, 500, concurrency=8)
    assert "rank_wait" not in found.figures.served.forms
    assert not any("rank_wait" in sentence for sentence in found.figures.assumptions)
    assert any("rank_wait" in sentence for sentence in costs().predict(4000, 500, concurrency=8).figures.assumptions)


def test_as_many_prompts_as_ranks_are_spread_evenly() -> None:
    """The wait falls as prompts fill the ranks, and what is left of it is no part of the time to first token."""
    waits = [rank_wait(costs().predict(1000, 50, concurrency=n)) for n in (1, 16, 64, 1024)]
    assert waits == sorted(waits, reverse=True)
    full = costs().predict(1000, 50, concurrency=1024)
    assert rank_wait(full) < 0.01 * full.figures.ttft["mean"]


@pytest.mark.parametrize("clients", [1, 4, 32, 256])
def test_clients_are_as_many_as_are_served(clients: int) -> None:
    """Little's law: who waits longer for a first token asks less often."""
    found = costs("trtllm").predict(4000, 500, concurrency=clients).figures
    assert found.request_rate * found.e2e == pytest.approx(clients, rel=1e-9)


def test_the_formula_holds_the_wait() -> None:
    found = costs("vllm").predict(4000, 500, concurrency=8)
    formula = found.formula("ttft")
    assert "W_rank" in formula.to_text()
    assert formula.evaluate() == pytest.approx(found.figures.ttft["mean"], rel=1e-9)


def test_the_first_of_a_benchmark_take_a_whole_prompt_each() -> None:
    """As many as there are ranks start together and end together, fewer take no less."""
    load = {"isl": 4000, "osl": 500}
    one, all_ranks = (costs().predict(**load, concurrency=n, prompts=n).figures.ttft["mean"] for n in (1, 4))
    assert one == pytest.approx(costs().ttft.evaluate(S=4000, T=4000), rel=0.01)
    assert all_ranks == pytest.approx(one, rel=0.02)
