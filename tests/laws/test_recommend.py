"""The best deployment is the best of all: what `recommend` finds equals a search of every one by `predict`."""

import functools
from typing import Any

import pytest

import symsim
from symsim.inputs.deployment import Deployment
from symsim.inputs.space import engine_sizes, engines_of
from symsim.pipeline.compiled import Compiled
from symsim.pipeline.pipeline import compiled_as
from symsim.search.candidates import engine_words
from symsim.serving.ask import asked
from symsim.serving.prediction import Figures, predicted

MODEL, DEVICE, GPUS = "qwen3-8b", "h100", 2
REQUESTS: dict[str, Any] = {"isl": 2048, "osl": 256}
MOST = 24
"""Users of an engine at the most, so that all of them can be tried."""


@functools.cache
def every_engine() -> tuple[Compiled, ...]:
    one = symsim.compile(MODEL, DEVICE).compiled
    sizes = engine_sizes(GPUS, GPUS)
    every = (engine for size in sizes for engine in engines_of(Deployment(), size, experts=0, kv_heads=8))
    return tuple(compiled_as(one, engine) for engine in every)


@functools.cache
def every_point() -> tuple[tuple[Figures, int, str], ...]:
    """(figures, users of all replicas, words) of every engine with every number of users."""
    found: list[tuple[Figures, int, str]] = []
    for compiled in every_engine():
        replicas = GPUS // compiled.deployment.world_size
        for users in range(1, MOST + 1):
            ask = asked(**REQUESTS, concurrency=users, max_running=MOST)
            found.append((predicted(compiled, ask, sure=False), users * replicas, engine_words(compiled.deployment)))
    return tuple(found)


@pytest.mark.parametrize(("ttft", "tpot"), [(1.0, 0.0075), (0.1, 0.02), (9.0, 9.0)])
def test_the_best_of_every_engine_and_number_of_users_is_found(ttft: float, tpot: float) -> None:
    within = [one for one in every_point() if (one[0].ttft["mean"] or 0) <= ttft and (one[0].tpot or 0) <= tpot]
    figures, users, engine = max(within, key=lambda one: one[0].per_gpu or 0)
    found = symsim.recommend(MODEL, DEVICE, GPUS, **REQUESTS, ttft=ttft, tpot=tpot, mode="aggregated", max_running=MOST)
    row = found.rows[0]
    assert row.figures.per_gpu == pytest.approx(figures.per_gpu, rel=1e-12)
    assert (row.load, row.words) == (users, engine)


def test_the_fewest_gpus_serve_the_users_and_one_engine_less_does_not() -> None:
    found = symsim.recommend(MODEL, DEVICE, **REQUESTS, tpot="8ms", users=100, mode="aggregated")
    row = found.rows[0]
    one = next(symsim.Costs(compiled) for compiled in every_engine() if engine_words(compiled.deployment) == row.words)
    enough = one.predict(**REQUESTS, concurrency=100 / row.replicas).figures.tpot
    short = one.predict(**REQUESTS, concurrency=100 / (row.replicas - 1)).figures.tpot
    assert enough is not None
    assert short is not None
    assert enough <= 0.008 < short


def test_the_best_pair_of_prefill_and_decode_workers_is_found() -> None:
    """On three GPUs: 1 + 2 and 2 + 1, each with every number of users up to where a limit fails."""
    costs = symsim.compile(MODEL, DEVICE)
    limits: dict[str, Any] = {"ttft": 0.2, "tpot": 0.0066}
    few: dict[str, Any] = {"max_running": 8}
    best = (0.0, 0, "")
    for x, y in ((1, 2), (2, 1)):
        for users in range(1, 40):
            workers = f"{x} x tp=1", f"{y} x tp=1"
            ask = asked(**REQUESTS, **few, concurrency=users, prefill=workers[0], decode=workers[1])
            figures = predicted(costs.compiled, ask, sure=False)
            if (figures.ttft["mean"] or 9) > limits["ttft"] or (figures.tpot or 9) > limits["tpot"]:
                break
            best = max(best, (figures.per_gpu or 0.0, users, f"{x} x one GPU + {y} x one GPU"))
    row = symsim.recommend(MODEL, DEVICE, 3, **REQUESTS, **limits, **few, mode="disaggregated").rows[0]
    assert (row.figures.per_gpu, row.load, row.words) == (pytest.approx(best[0], rel=1e-9), *best[1:])
