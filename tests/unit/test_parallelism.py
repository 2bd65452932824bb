"""Pipeline, context and expert parallelism by hand: volumes of messages, what a GPU holds, what is refused."""

import json
from pathlib import Path

import pytest

import symsim
from symsim.errors import DeploymentError
from symsim.formula.breakdown import OpLine, breakdown

POINT = {"B": 64, "S": 4096, "O": 2048, "T": 8192}
LLAMA_405B = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 16384,
    "num_hidden_layers": 126,
    "vocab_size": 128256,
    "num_attention_heads": 128,
    "num_key_value_heads": 8,
    "intermediate_size": 53248,
}


def lines(model: str | Path, metric: str = "tpot", **how: object) -> dict[str, OpLine]:
    costs = symsim.compile(model, "h800", symsim.Deployment(**how), "roofline")  # type: ignore[arg-type]
    phase = costs.compiled.prefill if metric == "ttft" else costs.compiled.decode
    return {line.name: line for line in breakdown(phase, costs.metric(metric).form, POINT)}


def metric(model: str | Path, name: str, **how: object) -> symsim.Formula:
    return symsim.compile(model, "h800", symsim.Deployment(**how), "roofline").metric(name)  # type: ignore[arg-type]


def value(formula: symsim.Formula) -> float:
    return formula.evaluate(**{name: POINT[name] for name in POINT if name in formula.symbols})


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA_405B))
    return path


def test_tensor_parallelism_sends_what_megatron_states() -> None:
    """Forwards 4 b s h (t - 1)/t elements a layer, half of 8 b s h (t - 1)/t with backwards: arXiv:2104.04473, 3.2."""
    found = lines("qwen3-8b", "ttft", world_size=4, tp=4)
    sent = sum(line.link_bytes for name, line in found.items() if name.startswith("layer."))
    assert sent == 4 * 8192 * 4096 * 3 / 4 * 2


def test_a_hop_between_stages_is_one_share_of_the_hidden_states() -> None:
    """b s h elements from stage to stage; b s h/t from each of t ranks: arXiv:2104.04473, sections 3.2 and 4.1."""
    found = lines("qwen3-8b", "ttft", world_size=16, num_nodes=2, tp=8, pp=2)
    hop, gather = found["logits.stages.hop"], found["logits.stages.hop_gather"]
    assert (hop.link_bytes, hop.times) == (8192 * 4096 / 8 * 2, 1)
    assert hop.seconds == pytest.approx(8192 * 4096 / 8 * 2 / (50e9 * 0.8))  # between nodes
    assert gather.link_bytes == 8192 * 4096 * 7 / 8 * 2
    assert gather.seconds == pytest.approx(8192 * 4096 * 7 / 8 * 2 / (200e9 * 0.8))  # within one


def test_stages_within_a_node_hand_on_over_nvlink() -> None:
    found = lines("qwen3-8b", world_size=8, num_nodes=2, pp=4)
    crossing, hop = found["logits.stages.crossing"], found["logits.stages.hop"]
    assert (crossing.times, hop.times) == (1, 2)
    assert crossing.seconds == pytest.approx(64 * 4096 * 2 / (50e9 * 0.8))
    assert hop.seconds == pytest.approx(64 * 4096 * 2 / (200e9 * 0.8))


def test_prefill_gathers_keys_and_values_of_the_other_ranks(llama: Path) -> None:
    """Llama 3 405B on TP8 and CP16, 8192 tokens a rank: one KV head a GPU, so 2 x 128 elements of 15 x 8192 tokens."""
    found = lines(llama, "ttft", world_size=128, num_nodes=16, tp=8, cp=16)
    gather = found["layer.attention.keys.gather_keys"]
    assert gather.link_bytes == 15 * 8192 * 2 * 128 * 2
    assert gather.seconds == pytest.approx(gather.link_bytes / (50e9 * 0.8))  # 16 groups of a node each


def test_keys_and_values_are_a_smaller_message_than_queries(llama: Path) -> None:
    """By 2 N_KV/N_H = 1/8 for Llama 3 405B, so prefill passes KV and decode Q: arXiv:2411.01783, equation 1."""
    how = {"world_size": 4, "cp": 4}
    keys = lines(llama, "ttft", **how)["layer.attention.keys.gather_keys"].link_bytes / 8192
    queries = lines(llama, **how)["layer.attention.queries.gather_queries"].link_bytes / (64 / 4)  # type: ignore[arg-type]
    assert keys / queries == 2 * 8 / 128


def test_decode_gathers_queries_and_combines_partial_outputs() -> None:
    """16 of 64 sequences a rank: queries to three others, outputs back with a float of log-sum-exp for each head."""
    found = lines("qwen3-8b", world_size=8, tp=2, cp=4)
    heads = 32 / 2
    assert found["layer.attention.queries.gather_queries"].link_bytes == 3 * 16 * heads * 128 * 2
    combine = found["layer.attention.attended.combine_partials"]
    assert combine.link_bytes == 3 * 16 * heads * (128 * 2 + 4)
    assert combine.hbm_bytes == 64 * heads * (128 * 2 + 4) + 16 * heads * 128 * 2
    core = found["layer.attention.core"]
    assert core.flops == 4 * 64 * heads * 128 * (5120 / 4)
    assert core.hbm_bytes == 2 * 64 * heads * 128 * 2 + 64 * (5120 / 4) * 2 * 4 * 128 * 2 + 16 * 2 * 4 * 128 * 2


def test_latents_are_gathered_before_each_rank_expands_them() -> None:
    found = lines("deepseek-v3", "ttft", world_size=4, cp=4)
    assert found["dense.attention.latents.gather_keys"].link_bytes == 3 * 8192 * 576 * 2
    assert found["dense.attention.kv_b_proj"].flops == 2 * 4 * 8192 * 512 * 128 * 256
    assert found["dense.attention.heads"].flops == 2 * 128 * 320 * 8192 * 4097 / 2


def test_a_context_group_that_fits_in_a_node_stays_in_it() -> None:
    name = "layer.attention.keys.gather_keys"
    inside, across = (lines("qwen3-8b", "ttft", world_size=16, num_nodes=2, cp=cp)[name] for cp in (8, 16))
    assert inside.seconds == pytest.approx(inside.link_bytes / (200e9 * 0.8))
    assert across.seconds == pytest.approx(across.link_bytes / (50e9 * 0.8))


def test_the_fullest_stage_sets_the_pace() -> None:
    """36 layers on 5 stages: the fullest has 8, and a token waits for it 5 times."""
    found = lines("qwen3-8b", world_size=5, pp=5)
    assert found["layer.ffn.norm"].times == 40
    total = value(metric("qwen3-8b", "tpot", world_size=5, pp=5))
    assert total == pytest.approx(sum(line.seconds * line.times for line in found.values()), rel=1e-12)


def test_stages_share_layers_and_hold_a_cache_for_each_batch_in_flight() -> None:
    """Qwen3-8B: 9 of 36 layers; the LM head with its norm is the larger end; 4 x 64 sequences of 6144 tokens."""
    used = value(metric("qwen3-8b", "memory", world_size=4, pp=4, engine="none"))
    table = 151936 * 4096
    layer = (8_190_735_360 - 2 * table - 4096) // 36
    cache = 4 * 64 * 6144 * 9 * 2 * 8 * 128
    assert used == 2 * (9 * layer + table + 4096 + cache)


def test_ranks_of_a_context_share_its_cache() -> None:
    alone, shared = (metric("deepseek-v3", "memory", world_size=8, cp=cp) for cp in (1, 8))
    at = {"S": 4096, "O": 2048}
    grown = [formula.evaluate(B=2, **at) - formula.evaluate(B=1, **at) for formula in (alone, shared)]
    assert grown == [6144 * 70_272, 6144 * 70_272 / 8]


def test_the_rate_counts_every_gpu_of_a_replica() -> None:
    how = {"world_size": 16, "num_nodes": 2, "tp": 2, "pp": 2, "cp": 2}
    step = value(metric("qwen3-8b", "tpot", **how))
    assert value(metric("qwen3-8b", "tgs_decode", **how)) == pytest.approx(2 * 64 / (2 * 2 * 2 * step))
    iteration = value(metric("qwen3-8b", "ttft", **how))
    assert value(metric("qwen3-8b", "tgs_prefill", **how)) == pytest.approx(2 * 2 * 8192 / (2 * 2 * 2 * iteration))


def test_experts_on_fewer_ranks_are_held_in_copies() -> None:
    """16 GPUs, ep 4: 32 of 128 experts on each GPU, and their tokens come from 4 ranks, inside a node."""
    found = lines("qwen3-30b-a3b", world_size=16, num_nodes=2, ep=4)
    routed = found["layer.experts.routed"]
    weights = 3 * 32 * 2048 * 768 * 2
    moved = 64 * 8 * (2 * 2048 + 6 * 768) * 2
    assert routed.hbm_bytes == pytest.approx(weights * (1 - (1 - 8 / 128) ** 256) + moved, rel=1e-12)
    dispatch = found["layer.dispatch"] if "layer.dispatch" in found else found["layer.dispatch.send"]
    assert dispatch.link_bytes == 3 * 64 * 2048 * 2
    assert dispatch.seconds == pytest.approx(dispatch.link_bytes / (200e9 * 0.8))


def test_deepep_counts_the_nodes_of_one_copy_of_the_experts() -> None:
    """16 nodes in 4 stages: 4 nodes hold the experts of a layer, of which 8 experts are on 3 others or fewer."""
    how = {"world_size": 128, "num_nodes": 16, "pp": 4, "comm": "deepep"}
    dispatch = lines("deepseek-v3", "ttft", **how)["sparse.dispatch.send"]
    assert dispatch.link_bytes == pytest.approx(8192 * 7168 * (3 * (1 - 0.75**8) + 1), rel=1e-12)


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"world_size": 8, "pp": 3}, r"pp \* tp = 3 does not divide world_size = 8"),
        ({"world_size": 8, "tp": 2, "pp": 2, "cp": 4}, r"pp \* cp \* tp = 16 does not divide world_size = 8"),
        ({"world_size": 8, "ep": 3}, r"ep = 3 does not divide world_size / pp = 8"),
        ({"world_size": 8, "pp": 0}, "pp = 0 must be a whole number of at least 1"),
        ({"world_size": 8, "ep": 0}, "ep = 0 must be a whole number of at least 1"),
        ({"world_size": 12, "num_nodes": 2, "pp": 3}, "pp = 3 and num_nodes = 2: one must divide the other"),
        ({"world_size": 24, "num_nodes": 4, "cp": 4}, r"cp \* tp = 4 and GPUs of a node = 6: one must divide"),
        ({"world_size": 24, "num_nodes": 4, "ep": 4}, r"ep \* tp = 4 and GPUs of a node = 6: one must divide"),
        ({"world_size": 8, "ep": 1, "comm": "deepep"}, "ep = 1 leaves DeepEP nothing to send"),
    ],
)
def test_deployments_that_cannot_be(how: dict[str, object], sentence: str) -> None:
    with pytest.raises(DeploymentError, match=sentence):
        symsim.Deployment(**how)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("model", "cost_model", "how", "sentence"),
    [
        ("qwen3-8b", "infersim", {"pp": 2}, r"the infersim cost model has no pipeline parallelism \(pp = 2\)"),
        ("deepseek-v3", "infersim", {"cp": 2}, r"the infersim cost model has no context parallelism \(cp = 2\)"),
        ("qwen3-next-80b-a3b", "infersim", {"ep": 2}, "the infersim cost model spreads experts over all GPUs"),
        ("qwen3-8b", "roofline", {"ep": 2}, "the model has no experts to spread"),
        ("qwen3-next-80b-a3b", "roofline", {"cp": 2}, "the state of a gated delta-net is not sharded over cp"),
        ("deepseek-v3.2", "roofline", {"cp": 2}, "sparse attention selects from the whole context"),
        ("qwen3-8b", "roofline", {"world_size": 64, "pp": 64}, "there are fewer layers than pipeline stages"),
    ],
)
def test_what_a_model_or_cost_model_does_not_do(
    model: str, cost_model: str, how: dict[str, object], sentence: str
) -> None:
    deployment = symsim.Deployment(**{"world_size": 4, **how})  # type: ignore[arg-type]
    with pytest.raises(DeploymentError, match=sentence):
        symsim.compile(model, "h800", deployment, cost_model)


def test_questions_about_degrees(llama: Path) -> None:
    """Llama 3 405B in bf16 is 812 GB: 101 GB a GPU of 8, 51 GB a GPU of two stages of 8."""
    costs = symsim.compile(llama, "h800", symsim.Deployment(16, 2, tp=8), "roofline")
    answer = costs.solve("min pp subject to memory <= capacity with B = 1, S = 1000, O = 24")
    assert answer.value == 2
    with pytest.raises(DeploymentError):
        symsim.Deployment(16, 2, tp=8, pp=4)


def test_formulas_are_symbolic_in_every_degree() -> None:
    formula = metric("qwen3-30b-a3b", "tpot", world_size=64, num_nodes=8, tp=2, pp=4, cp=2, ep=4)
    assert {"tp", "ep", "pp", "cp"} <= set(formula.symbols)
    assert "t_layer*pp*ceil(L/pp)" in formula.to_text("symbolic")


def test_nodes_follow_from_the_device_in_every_command() -> None:
    words = ("qwen3-30b-a3b", "h200")
    stated = symsim.compile(*words, symsim.Deployment(32, 4), "roofline").tpot
    derived = symsim.compile(*words, symsim.Deployment(32), "roofline").tpot
    swept = symsim.sweep(*words, {"B": 64, "world_size": [8, 32]}, cost_model="roofline", subject_to="")
    point = {"B": 64, "S": 4096, "O": 2048}
    assert derived.evaluate(**point) == stated.evaluate(**point)
    assert float(swept.tpot.sel(world_size=32)) == pytest.approx(stated.evaluate(**point), rel=1e-12)
    with pytest.raises(symsim.SymsimError, match="9 GPUs do not spread evenly over 2 nodes"):
        symsim.compile(*words, symsim.Deployment(9), "roofline")
