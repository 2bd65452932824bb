"""Hybrid and unusual families against the real classes: parameters of every layer and matrix products, as integers.

The counts are data, so neither torch nor transformers are needed here; `symsim check-model` counts them anew.
"""

import functools
from pathlib import Path
from typing import Any

import pytest

import symsim
from symsim.errors import SymsimError
from symsim.model.family import find_family
from symsim.pipeline.cache_size import cache
from symsim.pipeline.counts import flops, params
from tests.oracle.counted import compared, records
from tests.oracle.counted import write as write_changed

COUNTED = records("hybrids.json")


@pytest.mark.parametrize("counted", COUNTED, ids=lambda counted: counted["name"])
def test_counts_are_those_of_the_real_class(counted: dict[str, Any]) -> None:
    outcome, words = compared(counted)
    assert outcome == "exact", words


write = functools.partial(write_changed, COUNTED)


REFUSED = [
    ("falcon_h1-7B", {"mamba_use_mlp": False}),
    ("granitemoehybrid-4.0-h-tiny", {"normalization_function": "layernorm"}),
    ("granitemoehybrid-4.0-h-tiny", {"layer_types": ["mamba"] * 39 + ["convolution"]}),
    ("lfm2-1.2B", {"block_use_swiglu": False}),
    ("minimax-Text-01-hf", {"shared_intermediate_size": 1024}),
    ("minimax-Text-01-hf", {"postnorm": False}),
    ("minimax_m3-default", {"attention_output_gate": True}),
    ("minimax_m3-default", {"n_shared_experts": 2}),
    ("minimax_m3-default", {"sparse_attention_config": {"sparse_init_block": 1}}),
    ("zamba2-2.7B", {"use_shared_mlp_adapter": False}),
    ("longcat_flash-Chat", {"zero_expert_type": "copy"}),
    ("longcat_flash-Chat", {"num_layers": 3, "num_hidden_layers": 3}),
    ("recurrent_gemma-2b", {"block_types": ["recurrent", "mamba"]}),
    ("nemotron_h-base", {"tie_word_embeddings": True}),
    ("nemotron_h-base", {"attention_bias": True}),
    ("qwen3_5-base", {"attn_output_gate": False}),
    ("qwen3_5_moe-base", {"mlp_only_layers": [1]}),
    ("qwen3_5_moe-base", {"decoder_sparse_step": 2}),
]


@pytest.mark.parametrize(("name", "changes"), REFUSED, ids=lambda value: str(value) if isinstance(value, str) else "")
def test_what_is_not_described_is_refused_by_name(name: str, changes: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(SymsimError, match=next(iter(changes))):
        find_family(write(tmp_path, name, **changes))


def test_experts_that_no_whole_number_of_meets_a_token_are_refused(tmp_path: Path) -> None:
    """12 of 640 experts are chosen, 512 of which are real: 9.6 on average."""
    given = "moe_topk = 12, n_routed_experts = 512, zero_expert_num = 128"
    with pytest.raises(SymsimError, match=rf"{given} give 9\.6 for k \(.*\); expected a whole number"):
        find_family(write(tmp_path, "longcat_flash-Chat", zero_expert_num=128))


def test_layers_that_share_a_block_hold_it_once(tmp_path: Path) -> None:
    """Zamba2-2.7B: nine hybrid layers take turns with two blocks; a GPU holds each parameter of the model once."""
    path = write(tmp_path, "zamba2-2.7B")
    found = params(path)
    assert [i for i, layer in enumerate(found.layers) if layer.get("shared")] == [18, 24, 30, 36, 42, 47, 51]
    assert found.layers[18]["shared"] + found.layers[24]["shared"] == 2 * 182_197_760 + 128 * (2560 + 2 * 10240)
    assert sum(sum(layer.values()) for layer in found.layers) > found.total
    costs = symsim.compile(path, "h800", cost_model="roofline")
    held = symsim.cost.memory.weights(costs.compiled.decode.graph, costs.compiled.decode.costs)
    assert held.xreplace(dict(costs.compiled.numbers.symbols())) == 2 * found.total


def test_what_the_class_holds_for_experts_without_work_is_not_held(tmp_path: Path) -> None:
    """LongCat-Flash has 560 billion parameters; the class adds up and gate of 256 zero experts that nothing reads."""
    path = write(tmp_path, "longcat_flash-Chat")
    found = params(path)
    unused = 28 * 256 * 2 * 2048 * 6144
    assert sum(layer["unused"] for layer in found.layers) == unused
    costs = symsim.compile(path, "h800", cost_model="roofline")
    held = symsim.cost.memory.weights(costs.compiled.decode.graph, costs.compiled.decode.costs).xreplace(
        dict(costs.compiled.numbers.symbols())
    )
    assert 0 < held - 2 * (found.total - unused) <= 28 * 768 * 4  # the router's corrections, fp32, are no parameters


# bytes a token in bf16; windows; bytes of the state of a sequence: convolution in bf16, scan in fp32
CACHES = [
    ("bamba-Bamba-9B", 3 * 2 * 2 * 8 * 128, {}, 29 * ((8192 + 2 * 128) * 3 * 2 + 8192 * 128 * 4)),
    ("falcon_h1-7B", 44 * 2 * 2 * 2 * 128, {}, 44 * ((3072 + 2 * 256) * 3 * 2 + 3072 * 256 * 4)),
    ("lfm2-1.2B", 6 * 2 * 2 * 8 * 64, {}, 10 * 2048 * 2 * 2),
    ("minimax-Text-01-hf", 10 * 2 * 2 * 8 * 128, {}, 70 * 64 * 128 * 128 * 4),
    ("recurrent_gemma-2b", 8 * 2 * 2 * 256, {2048: 8 * 2 * 2 * 256}, 18 * 2560 * (3 * 2 + 4)),
    ("longcat_flash-Chat", 28 * 2 * (512 + 64) * 2, {}, 0),
    ("zamba2-2.7B", 9 * 2 * 2 * 32 * 160, {}, 54 * ((5120 + 2 * 64) * 3 * 2 + 5120 * 64 * 4)),
    ("falcon_mamba-7b", 0, {}, 64 * (8192 * 3 * 2 + 8192 * 16 * 4)),
]


@pytest.mark.parametrize(
    ("name", "per_token", "windows", "state"), CACHES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_cache_and_state_of_a_sequence(
    name: str, per_token: int, windows: dict[int, int], state: int, tmp_path: Path
) -> None:
    found = cache(write(tmp_path, name))
    assert (found.per_token, found.windows, found.state) == (per_token, windows, state)


def test_a_token_of_longcat_flash_uses_27_billion_parameters(tmp_path: Path) -> None:
    """Technical report, arXiv:2509.01322: 18.6 to 31.3 billion, about 27 on average."""
    assert 27 < params(write(tmp_path, "longcat_flash-Chat")).active / 10**9 < 28.5


@pytest.mark.parametrize(("seq", "rest"), [(128, 128), (256, 0), (300, 44), (600, 88)])
def test_lightning_attention_counts_whole_chunks_and_the_rest(seq: int, rest: int, tmp_path: Path) -> None:
    """Of a chunk of c tokens: 4 c c d for scores and values, 4 c d d for the state, on each head."""
    path = write(tmp_path, "minimax-base")
    linear = 2 * 4 * 4 * 32 * (seq // 256 * 256**2 + rest**2 + seq * 32)
    full = 2 * 4 * 4 * 32 * seq**2
    assert flops(path, batch=1, seq=seq)["attention"] == linear + full


def test_sparse_attention_of_minimax_m3_reads_no_more_than_its_blocks(tmp_path: Path) -> None:
    costs = symsim.compile(write(tmp_path, "minimax_m3-base"), "h800", cost_model="roofline")
    cores = {op.name: op.shape["W"] for op in costs.compiled.decode.graph.ops if op.name.endswith("core")}
    selecting = [name for name in cores if name.startswith("selecting")]
    assert selecting
    assert all(cores[name].xreplace(dict(costs.compiled.numbers.symbols())) == 2 * 32 for name in selecting)
    assert all(cores[name] == 0 for name in cores if name not in selecting)


# kinds of layers whose attention has rotary positions, and those whose has none
POSITIONS = [
    ("jamba-v0.1", {}, set(), {"full"}),
    ("nemotron_h-base", {}, set(), {"full"}),
    ("zamba2-2.7B", {}, set(), {"hybrid"}),
    ("zamba2-2.7B", {"use_mem_rope": True}, {"hybrid"}, set()),
    ("granitemoehybrid-4.0-h-tiny", {"position_embedding_type": "nope"}, set(), {"full"}),
    ("granitemoehybrid-4.0-h-tiny", {"position_embedding_type": "rope"}, {"full"}, set()),
    ("llama4-default", {}, {"chunked"}, {"full"}),
    ("falcon_h1-7B", {}, {"layer"}, set()),
]


@pytest.mark.parametrize(("name", "changes", "rotary", "none"), POSITIONS, ids=str)
def test_where_attention_has_rotary_positions(
    name: str, changes: dict[str, Any], rotary: set[str], none: set[str], tmp_path: Path
) -> None:
    costs = symsim.compile(write(tmp_path, name, **changes), "h800", cost_model="roofline")
    ops = costs.compiled.decode.graph.ops
    attending = {op.body.split("_")[0] for op in ops if op.kernel == "gqa_decode"}
    rotated = {op.body.split("_")[0] for op in ops if op.label.endswith("rope")}
    assert (rotated, attending - rotated) == (rotary, none)


def test_mixers_side_by_side_share_one_all_reduce(tmp_path: Path) -> None:
    """Falcon-H1: attention and Mamba-2 read the same input; their sum is reduced once, and that of the FFN."""
    path = write(tmp_path, "falcon_h1-7B")
    costs = symsim.compile(path, "h800", symsim.Deployment(world_size=2, tp=2), "roofline")
    ops = [op.name for op in costs.compiled.decode.graph.ops if op.kernel == "ring_all_reduce"]
    assert ops == ["embedding.out.all_reduce", "layer.sum.sum.all_reduce", "layer.ffn.out.all_reduce"]


def test_adapters_of_all_layers_take_the_format_of_the_checkpoint(tmp_path: Path) -> None:
    """Zamba2: a layer runs its own adapters and holds them all; in fp8 with one scale each a weight is a byte."""

    def sizes(rank: int, **stated: Any) -> tuple[int, int]:
        path = write(tmp_path, "zamba2-adapter", adapter_rank=rank, **stated)
        costs = symsim.compile(path, "h800", cost_model="roofline")
        held = symsim.cost.memory.weights(costs.compiled.decode.graph, costs.compiled.decode.costs)
        return params(path).total, int(held.xreplace(dict(costs.compiled.numbers.symbols())))

    fp8 = {"quantization_config": {"quant_method": "modelopt", "quant_algo": "FP8"}}
    for stated, width in (({}, 2), (fp8, 1)):
        (few, narrow), (many, wide) = sizes(16, **stated), sizes(32, **stated)
        assert wide - narrow == (many - few) * width
