"""Laws of steps: what an iteration of decodes and a chunk costs beside either alone, for every way to attend."""

import functools
from typing import cast

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from sympy import Expr, Integer

import symsim
from symsim.algebra.symbols import substitute, symbol
from symsim.errors import DeploymentError
from symsim.formula.closed_form import ClosedForm
from symsim.language.library import load_library
from symsim.model.step import EngineStep, step_named
from tests.laws.families import CONFIGS, config_of

FAMILIES = ["deepseek-v3", "deepseek-v3.2", "qwen3-30b-a3b", "qwen3-next-80b-a3b", *CONFIGS]
CONTEXT = symsim.Deployment(world_size=8, tp=2, cp=4)
EXAMPLES = settings(max_examples=15, deadline=None)
families = st.sampled_from(FAMILIES)
batches, contexts, chunks = st.integers(1, 300), st.integers(8, 60_000), st.integers(1, 8192)
drafts, cached = st.integers(1, 4), st.integers(0, 30_000)


@functools.cache
def costs_of(family: str) -> symsim.Costs:
    """On a device without tables: what is measured at points may fall as a size grows."""
    return symsim.compile(config_of(family) if family in CONFIGS else family, "b200", cost_model="roofline")


def step_time(family: str, **at: int) -> float:
    """A model of states alone has no context."""
    step = costs_of(family).step
    return step.evaluate(**{name: value for name, value in at.items() if name != "C" or "C" in step.form.symbols})


@functools.cache
def decode_at_context(family: str) -> ClosedForm:
    """TPOT in the context itself."""
    form = costs_of(family).tpot.form
    steps = tuple(step for step in form.derivation.steps if step.symbol.name != "C")
    return ClosedForm(form.derivation.keeping(steps), form.bound, form.context)


@EXAMPLES
@given(families, batches, contexts)
def test_without_a_chunk_it_is_the_decode_step(family: str, batch: int, context: int) -> None:
    form = decode_at_context(family)
    alone = form.evaluate(B=batch, **({"C": context} if "C" in form.symbols else {}))
    assert step_time(family, B=batch, Q=1, C=context, T=0, past=0) == pytest.approx(alone, rel=1e-12)


@EXAMPLES
@given(families, st.integers(4096, 16_384), contexts)
def test_without_decodes_it_is_the_prefill_iteration(family: str, length: int, context: int) -> None:
    """Of so many tokens that they hit all experts, as whole prompts are taken to."""
    alone = costs_of(family).ttft.evaluate(S=length, T=length)
    assert step_time(family, B=0, Q=1, C=context, T=length, past=0) == pytest.approx(alone, rel=1e-12)


@EXAMPLES
@given(families, batches, drafts, contexts, chunks, cached)
def test_together_they_save_no_more_than_reading_weights(
    family: str, batch: int, drafts: int, context: int, chunk: int, past: int
) -> None:
    both = step_time(family, B=batch, Q=drafts, C=context, T=chunk, past=past)
    decode = step_time(family, B=batch, Q=drafts, C=context, T=0, past=0)
    prefill = step_time(family, B=0, Q=drafts, C=context, T=chunk, past=past)
    costs = costs_of(family)
    values = costs.compiled.numbers.values
    held = sum(
        float(substitute(op.repeat * costs.compiled.decode.costs[op.name].hbm_bytes, _idle(costs)))
        for op in costs.compiled.decode.graph.ops
    )
    weights = held / float(values["hbm_bandwidth"] * values["hbm_efficiency"])
    assert max(decode, prefill) * (1 - 1e-12) <= both <= (decode + prefill) * (1 + 1e-12)
    assert decode + prefill - both <= weights * (1 + 1e-9)


def _idle(costs: symsim.Costs) -> dict[sympy.Symbol, Expr]:
    """All numbers, and a step that hits every expert: what it reads is at least all weights."""
    return {**costs.compiled.numbers.symbols(), symbol("B"): Integer(4096), symbol("C"): Integer(1)}


@EXAMPLES
@given(families, batches, drafts, contexts, chunks, cached, st.sampled_from(["B", "C", "T", "past", "Q"]))
def test_it_grows_in_everything(
    family: str, batch: int, drafts: int, context: int, chunk: int, past: int, more: str
) -> None:
    at = {"B": batch, "Q": drafts, "C": context, "T": chunk, "past": past}
    larger = {**at, more: at[more] + (1 if more == "Q" else 1 + at[more] // 3)}
    assert step_time(family, **larger) >= step_time(family, **at) * (1 - 1e-12)


# ---------------------------------------------------------------- what a step is


ALONE: dict[str, Expr] = {"cp": Integer(1), "pp": Integer(1)}
LIBRARY = load_library("roofline")


def at(expr: Expr, **values: int) -> Expr:
    """The value of a fact; symbols are told by their names."""
    return substitute(expr, {s: Integer(values[str(s)]) for s in expr.free_symbols})


def part(name: str, ranks: Expr = ALONE["cp"]) -> EngineStep:
    return step_named("mixed", LIBRARY, {**ALONE, "cp": ranks}).parts[name]


def inside(step: EngineStep, fact: str, window: int) -> Expr:
    return cast(sympy.Lambda, step.facts[f"{fact}()"])(Integer(window))


@given(st.integers(0, 3000), st.lists(st.integers(1, 700), min_size=1, max_size=9), st.integers(1, 2000))
def test_pairs_of_chunks_add_up_to_those_of_the_prompt(hit: int, chunks: list[int], window: int) -> None:
    chunk, length = part("chunk"), hit + sum(chunks)
    starts = [hit + sum(chunks[:i]) for i in range(len(chunks))]
    pairs = [at(chunk.facts["pairs"], T=size, past=past) for size, past in zip(chunks, starts, strict=True)]
    assert sum(pairs) == Integer(length * (length + 1) - hit * (hit + 1)) / 2
    kept = [at(inside(chunk, "pairs", window), T=size, past=past) for size, past in zip(chunks, starts, strict=True)]
    assert sum(kept) == sum(min(i, window) for i in range(hit + 1, length + 1))


@given(st.integers(1, 400), st.integers(0, 400), st.integers(1, 500), st.integers(1, 40))
def test_a_chunk_reads_what_its_queries_meet(size: int, past: int, window: int, chosen: int) -> None:
    chunk = part("chunk")
    keys = set[int]().union(*(range(max(0, i - window + 1), i + 1) for i in range(past, past + size)))
    assert at(chunk.facts["cached"], T=size, past=past) == past + size
    assert at(inside(chunk, "cached", window), T=size, past=past) == len(keys)
    assert at(inside(chunk, "chosen", chosen), T=size, past=past) == min(past + size, size * chosen)


@given(st.integers(1, 64), st.integers(1, 4), st.integers(4, 500), st.integers(1, 600))
def test_decoding_meets_the_pairs_of_its_queries(batch: int, drafts: int, context: int, window: int) -> None:
    decode = part("decode")
    own = range(context - drafts + 1, context + 1)
    assert at(decode.facts["pairs"], B=batch, Q=drafts, C=context) == batch * sum(own)
    windowed = at(inside(decode, "pairs", window), B=batch, Q=drafts, C=context)
    exact = batch * sum(min(keys, window) for keys in own)
    assert exact <= windowed <= exact + batch * drafts * drafts
    assert at(inside(decode, "cached", window), B=batch, Q=drafts, C=context) == batch * min(
        context, window + drafts - 1
    )


@given(st.integers(1, 300), st.integers(0, 300), st.sampled_from([2, 4, 8]))
def test_ranks_of_a_context_share_the_pairs_of_a_chunk(size: int, past: int, ranks: int) -> None:
    alone, shared = part("chunk"), part("chunk", symbol("cp"))
    whole = at(alone.facts["pairs"], T=size * ranks, past=past)
    assert at(shared.facts["pairs"], T=size, past=past, cp=ranks) * ranks == whole
    assert at(shared.facts["cached"], T=size, past=past, cp=ranks) == past + size * ranks


def test_the_context_may_be_shared_by_ranks() -> None:
    costs = symsim.compile("deepseek-v3", "b200", CONTEXT, "roofline")
    decode = costs.step.evaluate(B=64, Q=1, C=5120, T=0, past=0)
    assert decode == pytest.approx(costs.tpot.evaluate(B=64, S=4096, O=2048), rel=1e-12)
    assert costs.step.evaluate(B=64, Q=1, C=5120, T=512, past=2048) > decode


# ---------------------------------------------------------------- as every other metric


def test_a_mixed_step_is_solved_and_cut_into_pieces() -> None:
    costs = costs_of("qwen3-30b-a3b")
    answer = costs.solve("max T subject to step <= 20 ms with B=64, C=5120, past=0, Q=1")
    point = {"B": 64, "Q": 1, "C": 5120, "past": 0}
    assert answer.value is not None
    most = int(answer.value)
    assert costs.step.evaluate(T=most, **point) <= 0.02 < costs.step.evaluate(T=most + 1, **point)
    whole = {"B": 64, "Q": 1, "C": 5120, "T": 512, "past": 2048}
    scope: dict[str, object] = {}
    exec(costs.step.to_python(), scope)
    assert scope["step"](**whole) == pytest.approx(costs.step.evaluate(**whole), rel=1e-12)  # type: ignore[operator]


def test_zero_is_refused_where_a_step_needs_some() -> None:
    with pytest.raises(DeploymentError, match="B"):
        costs_of("llama").tpot.evaluate(B=0, S=4096, O=512)


def test_the_reference_times_no_mixed_step() -> None:
    costs = symsim.compile("qwen3-8b", "h800", cost_model="infersim")
    with pytest.raises(DeploymentError, match="prefill and decode iterations apart"):
        _ = costs.step


def test_two_batches_do_not_overlap_in_a_mixed_step() -> None:
    deployment = symsim.Deployment(world_size=32, num_nodes=4, overlap="two-batch")
    costs = symsim.compile("deepseek-v3", "h800", deployment, "roofline")
    with pytest.raises(DeploymentError, match="a mixed step holds both"):
        _ = costs.step
