"""The best deployment is the best of all: what `recommend` finds equals a search of every one by `predict`."""

import functools
import itertools
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

import symsim
from symsim.inputs.deployment import Deployment
from symsim.inputs.space import engine_sizes, engines_of
from symsim.pipeline.compiled import Compiled
from symsim.pipeline.pipeline import compiled_as
from symsim.search.best_first import Contender, best_first
from symsim.search.candidates import served_words
from symsim.search.variants import ACCEPTANCE, BUDGETS
from symsim.serving.aggregated import deployed
from symsim.serving.ask import asked
from symsim.serving.prediction import Figures, predicted

MODEL, DEVICE, GPUS = "qwen3-8b", "h100", 2
REQUESTS: dict[str, Any] = {"isl": 2048, "osl": 256}
MOST = 24
"""Users of an engine at the most, so that all of them can be tried."""


DRAFTING = "mimo-7b"
"""A model whose config states a module that drafts."""


@functools.cache
def every_engine(model: str) -> tuple[Compiled, ...]:
    one = symsim.compile(model, DEVICE).compiled
    sizes = engine_sizes(GPUS, GPUS)
    every = (engine for size in sizes for engine in engines_of(Deployment(), size, experts=0, kv_heads=8))
    return tuple(compiled_as(one, engine) for engine in every)


@functools.cache
def every_point(model: str, drafts: tuple[int, ...]) -> tuple[tuple[Figures, int, str], ...]:
    """(figures, users of all replicas, words) of every engine, size of chunks, number of drafts and number of users."""
    found: list[tuple[Figures, int, str]] = []
    for compiled, budget, k in itertools.product(every_engine(model), (None, *BUDGETS), drafts):
        replicas = GPUS // compiled.deployment.world_size
        how: dict[str, Any] = {"budget": budget, "drafts": k, "acceptance": ACCEPTANCE if k else None}
        for users in range(1, MOST + 1):
            ask = asked(**REQUESTS, **how, concurrency=users, max_running=MOST)
            words = served_words(deployed(compiled, ask))
            found.append((predicted(compiled, ask, sure=False), users * replicas, words))
    return tuple(found)


@pytest.mark.parametrize(
    ("model", "drafts", "ttft", "tpot"),
    [
        (MODEL, (0,), 1.0, 0.0075),
        (MODEL, (0,), 0.1, 0.02),
        (MODEL, (0,), 9.0, 9.0),
        (DRAFTING, (0, 1, 2, 3), 0.15, 0.004),
        (DRAFTING, (0, 1, 2, 3), 0.1, 0.01),
    ],
)
def test_the_best_of_every_engine_chunk_draft_and_number_of_users_is_found(
    model: str, drafts: tuple[int, ...], ttft: float, tpot: float
) -> None:
    every = every_point(model, drafts)
    within = [one for one in every if (one[0].ttft["mean"] or 0) <= ttft and (one[0].tpot or 0) <= tpot]
    figures, users, words = max(within, key=lambda one: one[0].per_gpu or 0)
    found = symsim.recommend(model, DEVICE, GPUS, **REQUESTS, ttft=ttft, tpot=tpot, mode="aggregated", max_running=MOST)
    row = found.rows[0]
    assert row.figures.per_gpu == pytest.approx(figures.per_gpu, rel=1e-12)
    assert (row.load, row.words) == (users, words)


def test_the_fewest_gpus_serve_the_users_and_one_engine_less_does_not() -> None:
    found = symsim.recommend(MODEL, DEVICE, **REQUESTS, tpot="8ms", users=100, mode="aggregated")
    row = next(row for row in found.rows if row.replicas > 1)
    one = symsim.compile(MODEL, DEVICE, Deployment(tp=row.deployment["tp"], pp=row.deployment["pp"]))
    how: dict[str, Any] = {**REQUESTS, "budget": row.budget}
    enough = one.predict(**how, concurrency=100 / row.replicas).figures.tpot
    short = one.predict(**how, concurrency=100 / (row.replicas - 1)).figures.tpot
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


@pytest.mark.parametrize("mode", ["aggregated", "disaggregated"])
def test_a_row_has_the_figures_of_predict_for_its_deployment(mode: str) -> None:
    row = symsim.recommend(MODEL, DEVICE, 3, **REQUESTS, ttft=1.0, tpot="9ms", mode=mode).rows[0]
    workers = {}
    if mode == "disaggregated":
        sides = ((name, row.deployment[name]) for name in ("prefill", "decode"))
        workers = {name: f"{side['workers']} x tp={side['tp']},pp={side['pp']}" for name, side in sides}
        sizes = Deployment()
    else:
        sizes = Deployment(world_size=row.gpus, tp=row.deployment["tp"], pp=row.deployment["pp"])
    how: dict[str, Any] = {**REQUESTS, **workers, "budget": row.budget}
    found = symsim.compile(MODEL, DEVICE, sizes).predict(**how, concurrency=row.load).figures
    for name in ("tpot", "per_gpu", "running", "request_rate"):
        assert getattr(row.figures, name) == pytest.approx(getattr(found, name), rel=1e-9), name
    assert row.figures.ttft["mean"] == pytest.approx(found.ttft["mean"], rel=1e-9)


def test_a_model_with_modules_for_it_drafts_as_many_tokens_as_serve_most() -> None:
    """Under a limit that a step without drafts hardly meets; none where none are asked for."""
    how: dict[str, Any] = {"isl": 1024, "osl": 256, "ttft": 2.0, "tpot": 0.02, "mode": "aggregated"}
    costs = symsim.compile("deepseek-v3", "b200", Deployment(tp=8))
    most = 0.0
    for drafts in range(4):
        chance = {"acceptance": ACCEPTANCE} if drafts else {}
        for users in range(8, 257, 8):
            found = costs.predict(1024, 256, concurrency=users, drafts=drafts, **chance).figures
            if (found.tpot or 1) <= how["tpot"] and (found.ttft["mean"] or 9) <= how["ttft"]:
                most = max(most, found.per_gpu or 0.0)
    found = symsim.recommend("deepseek-v3", "b200", 8, **how)
    row = next(row for row in found.rows if row.words.startswith("tp 8, moe_tp 8"))
    assert row.drafts
    assert (row.figures.per_gpu or 0) >= most
    assert any(f"a chance of {ACCEPTANCE:g}" in note for note in found.notes)
    plain = symsim.recommend("deepseek-v3", "b200", 8, **how, drafts=0)
    assert not [row for row in plain.rows if row.drafts]
    assert (plain.rows[0].figures.per_gpu or 0) < (found.rows[0].figures.per_gpu or 0)


class Scored:
    """Stands for a candidate of which only the score counts."""

    def __init__(self, score: float) -> None:
        self.score = score


@given(
    st.lists(st.tuples(st.integers(1, 1000), st.integers(0, 500), st.integers(0, 6), st.integers(0, 900))),
    st.integers(1, 5),
)
def test_bounds_leave_out_no_contender_that_is_among_the_best(rows: list[tuple[int, int, int, int]], top: int) -> None:
    """Each has a score, a bound that is some way above, a kind of which the best is kept, and a guess."""
    asked: list[float] = []

    def contender(score: int, over: int, kind: int, guess: int) -> Contender:
        def candidate(least: float) -> Any:
            asked.append(score)
            return Scored(score) if score > least else None

        return Contender(bound=score + over, guess=guess, kind=kind, candidate=candidate)

    found: Any = best_first([contender(*row) for row in rows], lambda one: cast(Any, one).score, top)
    best: dict[int, int] = {}
    for score, _, kind, _ in rows:
        best[kind] = max(score, best.get(kind, 0))
    expected = sorted(best.values(), reverse=True)[:top]
    assert sorted((one.score for one in found), reverse=True)[:top] == expected
    assert len(asked) <= len(rows)
