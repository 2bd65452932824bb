"""DeepSeek-V3.2: what sparse attention changes, and from which context on it pays."""

import json
from pathlib import Path

import pytest

import symsim
from symsim.paths import CONFIGS

DEPLOYMENT = symsim.Deployment(32, 4, gemm="fp8", comm="deepep")
AT = {"B": 64, "S": 4096, "O": 2048}


def both(**how: str) -> tuple[symsim.Costs, symsim.Costs]:
    dense, sparse = (
        symsim.compile(name, "h800", DEPLOYMENT, **{"cost_model": "infersim", **how})
        for name in ("deepseek-v3", "deepseek-v3.2")
    )  # type: ignore[arg-type]
    return dense, sparse


@pytest.mark.parametrize("cost_model", ["infersim", "roofline"])
def test_crossover_context(cost_model: str) -> None:
    dense, sparse = both(cost_model=cost_model)
    (found,) = symsim.crossings(dense, sparse, "tpot", "C", **AT)
    assert found.smaller_after == "B"
    assert not found.jump
    assert found.value is not None
    assert found.before <= found.value <= found.after
    assert found.formula is not None
    # the context is S + O/2: one token either side, the sign of the difference changes
    times = [[c.tpot.evaluate(B=64, S=s, O=1) for c in (dense, sparse)] for s in (found.before, found.after)]
    assert times[0][1] >= times[0][0]
    assert times[1][1] < times[1][0]


def test_crossover_is_what_a_hand_solves() -> None:
    """Compute-bound on both sides: dense attention per token of context against logits per token and fixed work."""
    dense, sparse = both()
    (found,) = symsim.crossings(dense, sparse, "tpot", "C", **AT)
    peak, batch = 1024e9, 64  # FLOP/s of one TFLOP/s as InferSim counts; the shape's own figures below
    bf16, fp8 = 989 * peak, 1979 * peak
    context = round(found.value or 0)
    numbers = {name: _mfu(name, context) for name in ("mla_decode", "dsa_logits_decode", "dsa_attn_decode")}
    gemm = sum(sparse_only(dense, sparse))
    fixed = gemm + 2 * batch * 128 * 2048 * 1088 / (bf16 * numbers["dsa_attn_decode"])
    slope = 2 * batch * 128 * 1088 / (bf16 * numbers["mla_decode"])
    slope -= 2 * batch * 64 * 128 / (fp8 * numbers["dsa_logits_decode"])
    assert found.value == pytest.approx(fixed / slope, rel=1e-9)


def sparse_only(dense: symsim.Costs, sparse: symsim.Costs) -> list[float]:
    terms = symsim.compare(dense, sparse, "tpot", **AT).terms
    return [term.value_b for term in terms if term.name.startswith("t_index_proj")]


def _mfu(table: str, context: int) -> float:
    """The figure of the row nearest to batch 64 and the context, as the 2026-05 rules look it up for bf16 KV."""
    from symsim.tables.bind import bind
    from symsim.tables.table import TableContext

    shapes = {
        "mla_decode": (128.0, 512.0, 64.0),
        "dsa_logits_decode": (64.0, 128.0, 1.0),
        "dsa_attn_decode": (128.0, 576.0, 2048.0),
    }
    lookup = bind(
        f"mfu_{table}", shapes[table], TableContext(device="H800", vintage="2026-05", kv="bf16", cost_model="infersim")
    )
    return 0.35 if lookup.missing is not None else lookup(64, context)  # no rows: the device's default


@pytest.mark.parametrize("model", ["deepseek-v3", "deepseek-v3.2"])
def test_both_spellings_of_routed_experts_are_the_same_model(model: str, tmp_path: Path) -> None:
    keys = json.loads((CONFIGS / f"{model}.json").read_text())
    keys["num_routed_experts"] = keys.pop("n_routed_experts")
    keys["num_shared_experts"] = keys.pop("n_shared_experts")
    (tmp_path / "config.json").write_text(json.dumps(keys))
    flags = {"device_type": "H800", "world_size": 32, "num_nodes": 4, "use_fp8_gemm": True, "enable_deepep": True}
    original, renamed = (symsim.simulate(config, **flags).as_dict() for config in (model, tmp_path))  # type: ignore[arg-type]
    assert original == renamed
    assert original["decoding"]["Experts loading latency (us)"] > 100


def test_an_untouched_config_of_hugging_face_is_the_bundled_model() -> None:
    from tests.oracle.test_oracle import SHARED

    path = SHARED / "configs" / "deepseek_v3.2_config.json"
    if not path.is_file():
        pytest.skip("reads a config in ../shared, which users do not have")
    flags = {"device_type": "H800", "world_size": 8, "use_fp8_gemm": True}
    assert symsim.simulate(path, **flags).as_dict() == symsim.simulate("deepseek-v3.2", **flags).as_dict()  # type: ignore[arg-type]


def test_causal_flops_are_of_the_tokens_that_are_chosen() -> None:
    """2,048 of 131,072 by 128 heads of 320, and an indexer of 64 heads over all, in 61 layers."""
    found = symsim.flops("deepseek-v3.2", "decode", seq=131_072, causal=True)["attention"]
    assert found == 61 * (2 * 128 * 320 * 2048 + 2 * 64 * 129 * 131_072)
    masked = symsim.flops("deepseek-v3.2", "decode", seq=131_072)["attention"]
    assert masked == 61 * (2 * 128 * 320 + 2 * 64 * 129) * 131_072


def test_more_gpus_than_indexer_heads_hold_them_several_times(tmp_path: Path) -> None:
    stated = {"architectures": ["MiniMaxM3ForCausalLM"], "model_type": "minimax_m3", "num_hidden_layers": 2}
    (tmp_path / "config.json").write_text(json.dumps({**stated, "layer_types": ["minimax_m3_sparse"] * 2}))

    def columns(tp: int) -> int:
        """Of the projection to the indexer's queries and its key, on one GPU: 4 heads of 128 in all."""
        deployment = symsim.Deployment(world_size=8, tp=tp)
        ops = symsim.compile(tmp_path, "h200", deployment, "roofline").compiled.decode.graph.ops
        sizes = {"Hi": 4, "di": 128, "tp": tp}
        width = next(op.shape["n"] for op in ops if op.name.endswith("index_proj"))
        return int(width.subs({s: sizes[s.name] for s in width.free_symbols}))

    assert [columns(tp) for tp in (2, 4, 8)] == [3 * 128, 2 * 128, 2 * 128]
