"""Pipeline, context, data and expert parallelism in any mix: shards sum to the whole, what is done twice is named.

The whole is one group of tp GPUs that serves the model alone; test_conservation.py compares that with one GPU.
"""

import math
from collections.abc import Callable
from fractions import Fraction

import pytest
import sympy
from hypothesis import assume, given
from hypothesis import strategies as st
from sympy import Expr

import symsim
from symsim.algebra.symbols import symbol
from symsim.cost.kernel_cost import Cost, in_bytes
from symsim.cost.priced_step import PricedStep
from symsim.errors import DeploymentError
from symsim.model.op_graph import Resident
from symsim.model.pipeline_stages import fullest_stages, layers_by_stage
from tests.laws.families import BUNDLED, CONFIGS, compiled

MODELS = sorted([*CONFIGS, *BUNDLED])
EXPERTS = {"routed"}
"""Operators whose weights the ep ranks share."""

BY_EACH_CP_RANK = {"kv_b_proj"}
"""Prefill operators that every cp rank executes on the tokens of all: latents are gathered before they are expanded."""

MESSAGES = (
    *("context_gather", "context_combine", "next_stage", "next_stage_on_next_node", "ring_half"),
    *("dispatch_normal", "combine_normal", "dispatch_low_latency", "combine_low_latency", "ring_all_reduce"),
)
"""Kernels that a mix may add: they multiply nothing."""

WITHOUT_CONTEXT = {"mamba2", "deepseek-v3.2"} | {name for name in BUNDLED if "next" in name or "3.5" in name}
"""Models with layers that cannot be sharded over cp: states, and attention that selects tokens."""


@st.composite
def mixes(draw: st.DrawFn) -> symsim.Deployment:
    tp, pp, cp, dp = (draw(st.sampled_from(sizes)) for sizes in ([1, 2], [1, 2, 3, 4, 5], [1, 2, 4], [1, 2, 4]))
    world = tp * pp * cp * dp
    nodes = draw(st.sampled_from([n for n in (1, 2, 4) if world % n == 0]))
    ep = draw(st.sampled_from([None, *(n for n in (2, 4, 8) if (tp * cp * dp) % n == 0)]))
    shared = draw(st.sampled_from([None, 1, tp * dp, tp * cp * dp]))
    redundant = draw(st.sampled_from([0, 0, 2, 8])) if ep is not None else 0
    comm = draw(st.sampled_from(["allreduce", "deepep"]))
    experts = {"ep": ep, "moe_tp": shared, "redundant_experts": redundant}
    try:
        return symsim.Deployment(world, nodes, tp, pp=pp, cp=cp, **experts, comm=comm)  # type: ignore[arg-type]
    except DeploymentError:
        assume(False)
        raise


def served(name: str, deployment: symsim.Deployment) -> symsim.Costs:
    try:
        return compiled(name, deployment)
    except DeploymentError:
        assume(False)
        raise


def sharded_and_whole(name: str, mix: symsim.Deployment) -> tuple[symsim.Costs, symsim.Costs]:
    return served(name, mix), served(name, symsim.Deployment(mix.tp, tp=mix.tp))


def number(amount: Expr, costs: symsim.Costs, **workload: int) -> Fraction:
    values = {
        **costs.compiled.numbers.symbols(),
        **{symbol(key): sympy.Integer(value) for key, value in workload.items()},
    }
    found = amount.xreplace(values)
    return Fraction(int(found.p), int(found.q))  # type: ignore[attr-defined]


def by_operator(
    phase: PricedStep, costs: symsim.Costs, of: Callable[[Cost], Expr], **workload: int
) -> dict[str, Fraction]:
    """Operator -> its amount on one GPU in one step, over all its repeats; where there is any."""
    found = {op.name: number(of(phase.costs[op.name]) * op.repeat, costs, **workload) for op in phase.graph.ops}
    return {name: amount for name, amount in found.items() if amount}


def stages_full(name: str, pp: int) -> Fraction:
    """How much longer the fullest stage is than the mean one."""
    layers = len({index for kind in compiled(name, symsim.Deployment()).compiled.sizes.kinds for index in kind.layers})
    return Fraction(math.ceil(Fraction(layers, pp)) * pp, layers)


def in_layers(phase: PricedStep) -> set[str]:
    return {op.name for op in phase.graph.ops if op.body}


@given(st.sampled_from(MODELS), mixes())
def test_weights_of_all_stages_and_ranks_are_the_model(name: str, mix: symsim.Deployment) -> None:
    costs, whole = sharded_and_whole(name, mix)
    # Experts are those of one group that has moe_tp GPUs: each holds the biases of its down projection, in both.
    group, split = max(mix.tp, mix.experts_split), mix.experts_split
    of_experts = served(name, symsim.Deployment(group, tp=group, moe_tp=None if split == group else split))
    held, all_held = (by_operator(c.compiled.decode, c, lambda cost: in_bytes(cost.weight)) for c in (costs, whole))
    shared = by_operator(of_experts.compiled.decode, of_experts, lambda cost: in_bytes(cost.weight))
    all_held |= {op: amount for op, amount in shared.items() if op.rpartition(".")[2] in EXPERTS}
    layers = in_layers(costs.compiled.decode)
    assert set(held) == set(all_held)
    for op, amount in held.items():
        routed = op.rpartition(".")[2] in EXPERTS
        ranks = Fraction(mix.experts_over) if routed else 1
        if routed and mix.redundant_experts:
            experts = next(int(n) for s, n in costs.compiled.numbers.symbols().items() if s.name == "E")  # type: ignore[call-overload]
            ranks *= Fraction(experts, experts + mix.redundant_experts)
        stages = mix.pp / stages_full(name, mix.pp) if op in layers else 1
        assert amount * ranks * stages == all_held[op], op


@given(st.sampled_from(MODELS), mixes(), st.integers(1, 512))
def test_decode_flops_of_all_gpus_are_the_models(name: str, mix: symsim.Deployment, batch: int) -> None:
    costs, whole = sharded_and_whole(name, mix)

    def flops(cost: Cost) -> Expr:
        return cost.total_flops

    spent = by_operator(costs.compiled.decode, costs, flops, B=batch, C=4096)
    needed = by_operator(whole.compiled.decode, whole, flops, B=batch * mix.dp, C=4096)
    layers = in_layers(costs.compiled.decode)
    assert set(spent) == set(needed)
    for op, amount in spent.items():
        stages = mix.pp / stages_full(name, mix.pp) if op in layers else 1
        assert amount * stages * mix.cp * mix.dp == needed[op], op


@given(st.sampled_from(MODELS), mixes(), st.integers(1, 64), st.sampled_from([1, 64, 1000]))
def test_prefill_flops_of_all_gpus_are_the_models(
    name: str, mix: symsim.Deployment, sequences: int, length: int
) -> None:
    costs, whole = sharded_and_whole(name, mix)

    def flops(cost: Cost) -> Expr:
        return cost.total_flops

    tokens = sequences * length
    spent = by_operator(costs.compiled.prefill, costs, flops, T=tokens, S=length)
    needed = by_operator(whole.compiled.prefill, whole, flops, T=tokens * mix.cp * mix.dp, S=length)
    layers = in_layers(costs.compiled.prefill)
    assert set(spent) == set(needed)
    for op, amount in spent.items():
        stages = mix.pp / stages_full(name, mix.pp) if op in layers else 1
        copies = mix.cp if op.rpartition(".")[2] in BY_EACH_CP_RANK else 1
        assert amount * stages * mix.cp * mix.dp == needed[op] * copies, op


@given(st.sampled_from(MODELS), mixes())
def test_caches_and_states_of_all_ranks_are_those_of_the_sequences(name: str, mix: symsim.Deployment) -> None:
    costs, whole = sharded_and_whole(name, mix)

    def held(of: symsim.Costs, kind: str) -> list[tuple[str, Fraction]]:
        found: list[Resident] = [item for item in of.compiled.decode.graph.residents if item.kind == kind]
        return [(str(item.origin), number(in_bytes(item.amount) * item.repeat, of)) for item in found]

    stages = mix.pp / stages_full(name, mix.pp)
    for kind, ranks in (("cache", mix.cp), ("state", 1)):
        assert [(at, amount * stages * ranks) for at, amount in held(costs, kind)] == held(whole, kind)


@given(st.sampled_from(MODELS), mixes())
def test_what_a_mix_adds_only_moves(name: str, mix: symsim.Deployment) -> None:
    costs, whole = sharded_and_whole(name, mix)
    for phase, alone in (
        (costs.compiled.prefill, whole.compiled.prefill),
        (costs.compiled.decode, whole.compiled.decode),
    ):
        known = {op.name for op in alone.graph.ops}
        added = [op for op in phase.graph.ops if op.name not in known]
        assert all(op.kernel in MESSAGES for op in added), added


@pytest.mark.parametrize("name", MODELS)
def test_models_are_sharded_over_context_or_refused_by_name(name: str) -> None:
    mix = symsim.Deployment(2, cp=2)
    if name in WITHOUT_CONTEXT:
        with pytest.raises(DeploymentError, match=r"not sharded over cp \(cp = 2"):
            compiled(name, mix)
    else:
        compiled(name, mix)


@pytest.mark.parametrize("name", MODELS)
def test_formulas_do_not_speak_of_what_is_not_done(name: str) -> None:
    costs = compiled(name, symsim.Deployment(8, tp=2))
    for metric in ("tpot", "ttft", "tgs_decode", "tgs_prefill", "memory", "max_batch"):
        assert not {"pp", "cp", "dp"} & set(costs.metric(metric).symbols)


@given(st.sampled_from(["llama", "mistral", "mixtral"]), st.sampled_from(["tpot", "ttft", "memory"]))
def test_a_formula_holds_for_other_degrees(name: str, metric: str) -> None:
    """Compiled for one mix and evaluated at another is compiled for the other, where all layers are alike."""
    one, other = symsim.Deployment(32, 1, pp=2, cp=2), symsim.Deployment(32, 1, pp=4, cp=4)
    formula, expected = (compiled(name, mix).metric(metric) for mix in (one, other))
    point = {key: value for key, value in {"B": 64, "S": 4096, "O": 512, "T": 8192}.items() if key in formula.symbols}
    degrees = {key: 4 for key in ("pp", "cp") if key in formula.symbols}
    assert formula.evaluate(**point, **degrees) == pytest.approx(expected.evaluate(**point), rel=1e-12)


@given(st.sampled_from(MODELS), st.integers(2, 12), st.data())
def test_stages_hold_the_layers_of_the_model(name: str, pp: int, data: st.DataObject) -> None:
    """Every layer is on one stage, in order; no stage has more of every kind than the fullest ones."""
    kinds = compiled(name, symsim.Deployment()).compiled.sizes.kinds
    layers = sum(len(kind.layers) for kind in kinds)
    assume(layers >= pp)
    cuts = sorted(data.draw(st.sets(st.integers(1, layers - 1), min_size=pp - 1, max_size=pp - 1)))
    stated = tuple(end - start for start, end in zip([0, *cuts], [*cuts, layers], strict=True))
    for split in (None, stated):
        held = layers_by_stage(layers, pp, split)
        assert sum(held) == layers
        fullest = fullest_stages(kinds, pp, split)
        assert all(sum(stage.counts.values()) == held[stage.number - 1] for stage in fullest)
        assert not fullest or max(sum(stage.counts.values()) for stage in fullest) == max(held)


def test_what_follows_from_a_degree_may_not_leave_what_the_formula_holds_for() -> None:
    """32 GPUs are four nodes: experts over 16 ranks send over RDMA, over the 8 that pp = cp = 4 leave over NVLink."""
    tpot = compiled("mixtral", symsim.Deployment(32, pp=2, cp=2)).tpot
    with pytest.raises(symsim.SymsimError, match="was derived for"):
        tpot.evaluate(B=64, S=4096, O=512, pp=4, cp=4)
