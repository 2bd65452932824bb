"""Shards sum to the whole: weights and FLOPs of all GPUs are the unsharded model's, but for what is named here.

Of the `roofline` cost model; the `infersim` one keeps the reference's departures (spec, section 4).
"""

from collections.abc import Callable
from fractions import Fraction

import pytest
import sympy
from hypothesis import assume, given
from hypothesis import strategies as st

import symsim
from symsim.algebra.symbols import symbol
from symsim.cost.kernel_cost import Cost
from symsim.cost.memory import weights
from symsim.errors import DeploymentError
from symsim.formula.breakdown import numbers
from tests.laws.families import BUNDLED

ON_EVERY_GPU = {
    "norm",
    "scores",
    "shared_gate",
    "q_a_proj",
    "kv_a_proj",
    "index_proj_q",
    "index_proj_k",
    "index_proj_w",
}
"""Operators whose weights every GPU holds whole: their outputs are too small to shard, or are needed by all."""

COMPUTED_BY_EACH_TP_RANK = ON_EVERY_GPU - {"norm"} | {"logits"}
"""Operators that every GPU of a tp group executes on all of its tokens."""

EXPERTS = {"routed"}
"""Sharded over tp and ep; all others are sharded over tp, and every tp group holds its own copy."""

UNSHARDED = symsim.Deployment()
deployments = st.builds(
    lambda tp, groups, comm: symsim.Deployment(tp * groups, tp=tp, comm=comm),
    st.sampled_from([1, 2, 4, 8]),
    st.sampled_from([1, 2, 4, 16]),
    st.sampled_from(["allreduce", "deepep"]),
)


def amounts(costs: symsim.Costs, of: Callable[[Cost], object], workload: dict[str, int]) -> dict[str, Fraction]:
    """Operator -> its exact amount on one GPU in one step, over all its repeats."""
    phase = costs.compiled.decode
    values = {
        **costs.compiled.numbers.symbols(),
        **{symbol(name): sympy.Integer(value) for name, value in workload.items()},
    }
    found: dict[str, Fraction] = {}
    for op in phase.graph.ops:
        amount = (of(phase.costs[op.name]) * op.repeat).xreplace(values)  # type: ignore[operator]
        if amount != 0:
            found[op.name] = Fraction(int(amount.p), int(amount.q))
    return found


def compiled(model: str, deployment: symsim.Deployment) -> symsim.Costs:
    try:
        costs = symsim.compile(model, "h800", deployment, "roofline")
    except DeploymentError:
        assume(False)
        raise
    assume(
        costs.compiled.numbers.values.get("G", deployment.tp) >= deployment.tp
    )  # else KV heads are held more than once
    return costs


@pytest.mark.parametrize(("tp", "heads"), [(1, 4), (2, 2), (4, 1), (8, 1), (16, 1)])
def test_a_kv_head_is_held_by_every_gpu_that_has_queries_for_it(tp: int, heads: int) -> None:
    """Qwen3-30B-A3B has 4 KV heads of 128, 32 query heads and 2,048 channels."""
    costs = symsim.compile("qwen3-30b-a3b", "h800", symsim.Deployment(tp, tp=tp, num_nodes=max(1, tp // 8)), "roofline")
    values = costs.compiled.numbers.symbols()
    (qkv,) = [op for op in costs.compiled.decode.graph.ops if op.label == "qkv_proj"]
    (held,) = costs.compiled.decode.costs[qkv.name].weight.values()
    assert held.xreplace(values) == 2048 * (32 // tp + 2 * heads) * 128
    (cache,) = [item.amount["kv"] for item in costs.compiled.decode.graph.residents if item.kind == "cache"]
    assert cache.xreplace(values) == 2 * heads * 128


@given(st.sampled_from(BUNDLED), deployments)
def test_weights_of_all_gpus_are_the_whole_model(model: str, deployment: symsim.Deployment) -> None:
    def elements(cost: Cost) -> object:
        return sum(cost.weight.values(), start=0 * cost.touch)

    sharded = amounts(compiled(model, deployment), elements, {})
    whole = amounts(compiled(model, UNSHARDED), elements, {})
    groups = deployment.world_size // deployment.tp
    assert set(sharded) == set(whole)
    for name, amount in sharded.items():
        label = name.rpartition(".")[2]
        copies = deployment.world_size if label in ON_EVERY_GPU else 1 if label in EXPERTS else groups
        assert amount * deployment.world_size == whole[name] * copies, name


@given(st.sampled_from(BUNDLED), deployments, st.integers(1, 512))
def test_flops_of_all_gpus_are_the_whole_model(model: str, deployment: symsim.Deployment, batch: int) -> None:
    groups = deployment.world_size // deployment.tp
    sharded = amounts(compiled(model, deployment), lambda cost: cost.total_flops, {"B": batch, "C": 4096})
    whole = amounts(compiled(model, UNSHARDED), lambda cost: cost.total_flops, {"B": batch * groups, "C": 4096})
    assert set(sharded) == set(whole)
    for name, amount in sharded.items():
        copies = deployment.tp if name.rpartition(".")[2] in COMPUTED_BY_EACH_TP_RANK else 1
        assert amount * deployment.world_size == whole[name] * copies, name


@pytest.mark.parametrize("model", BUNDLED)
@pytest.mark.parametrize("cost_model", ["infersim", "roofline"])
def test_both_phases_hold_the_same_weights(model: str, cost_model: str) -> None:
    costs = symsim.compile(model, "h20", cost_model=cost_model)
    held = [
        numbers((weights(phase.graph, phase.costs),), costs.tpot.form.point(), costs.compiled.context)[0]
        for phase in (costs.compiled.prefill, costs.compiled.decode)
    ]
    assert held[0] == held[1]


# parameters of the published checkpoints without multi-token prediction, from their model cards
@pytest.mark.parametrize(
    ("model", "billions"),
    [("deepseek-v3", 671.0), ("qwen3-8b", 8.19), ("qwen3-30b-a3b", 30.5), ("qwen3-235b-a22b", 235.1)],
)
def test_weights_are_those_of_the_checkpoint(model: str, billions: float) -> None:
    costs = symsim.compile(model, "h20", symsim.Deployment(gemm="bf16"), "roofline")
    held = numbers(
        (weights(costs.compiled.decode.graph, costs.compiled.decode.costs),),
        costs.memory.form.point(),
        costs.compiled.context,
    )[0]
    assert held / 2 / 1e9 == pytest.approx(billions, rel=0.002)
