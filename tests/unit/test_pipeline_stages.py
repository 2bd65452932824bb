"""Pipeline stages as engines split them: which layers each has, what the fullest holds and the slowest takes."""

import pytest

import symsim
from symsim.errors import DeploymentError
from symsim.model.pipeline_stages import layers_by_stage
from symsim.pipeline.memory_parts import memory_parts
from tests.unit.test_parallelism import lines, metric, value


@pytest.mark.parametrize(
    ("layers", "pp", "split"),
    [
        (61, 4, (15, 15, 16, 15)),
        (42, 2, (21, 21)),
        (62, 4, (15, 16, 16, 15)),
        (63, 4, (16, 16, 16, 15)),
        (80, 3, (27, 27, 26)),
    ],
)
def test_layers_are_split_as_vllm_does(layers: int, pp: int, split: tuple[int, ...]) -> None:
    assert layers_by_stage(layers, pp) == split


def held(costs: symsim.Costs, tokens: int) -> float:
    """Weights and cache of one sequence on the fullest GPU; whole pages of 16 tokens."""
    return memory_parts(costs.compiled, {"B": 1, "S": tokens - 1, "O": 1}).weights_and_cache


def test_the_dense_layers_are_all_on_the_first_stage() -> None:
    """DeepSeek-V3 on 4 stages: the third has 16 sparse layers; the LM head is the larger end."""
    one, four = (
        symsim.compile("deepseek-v3", "h800", symsim.Deployment(tp=8, pp=pp, gemm="bf16"), "roofline") for pp in (1, 4)
    )
    attention = 7168 + 1536 + 512 + 7168 * 1536 + 7168 * 576 + (1536 * 192 + 512 * 256 + 128 * 7168) * 16
    sparse = 2 * (attention + 7168 + 257 * 3 * 7168 * 256 + 7168 * 256) + 256 * 4
    table = 2 * 7168 * 129280 // 8
    head = table + 2 * 7168
    dense = 2 * (attention + 7168 + 3 * 7168 * 18432 // 8)
    cache = 16 * 576 * 2
    assert held(one, 16) == 3 * dense + 58 * sparse + head + table + 61 * cache
    assert held(four, 16) == 16 * sparse + head + 4 * 16 * cache


def test_stages_of_alternating_layers_differ() -> None:
    """Gemma 2 9B: 21 layers a stage; the second begins with a full one and has 11 of them, and 10 with a window."""
    costs = symsim.compile("gemma-2-9b", "l40s", symsim.Deployment(pp=2), "roofline")
    assert held(costs, 8192) - held(costs, 4096) == 2 * 11 * 4096 * 8192
    assert held(costs, 4096) - held(costs, 16) == 2 * 21 * 4080 * 8192


def test_the_slowest_stage_sets_the_pace() -> None:
    """Three dense layers are done sooner than as many sparse ones: 16 sparse ones are waited for, 4 times."""
    found = lines("deepseek-v3", tp=8, pp=4)
    assert (found["sparse.attention.norm"].times, found["dense.attention.norm"].times) == (64, 0)
    total = value(metric("deepseek-v3", "tpot", tp=8, pp=4))
    assert total == pytest.approx(sum(line.seconds * line.times for line in found.values()), rel=1e-12)


def test_stated_layers() -> None:
    """14 layers and the LM head on the last of 4 stages; 16 sparse layers on the second and third all the same."""
    found = lines("deepseek-v3", tp=8, pp_layers=(15, 16, 16, 14))
    assert found["sparse.attention.norm"].times == 64
    even, stated = (metric("qwen3-8b", "tpot", **how) for how in ({"pp": 4}, {"pp_layers": (9, 9, 10, 8)}))
    layer = sum(line.seconds for name, line in lines("qwen3-8b", pp=4).items() if name.startswith("layer."))
    assert value(stated) - value(even) == pytest.approx(4 * layer)


def test_the_largest_batch_is_that_of_the_fullest_stage() -> None:
    costs = symsim.compile("gemma-2-9b", "l40s", symsim.Deployment(pp=2), "roofline")
    at = {"S": 8192, "O": 1024}
    most = costs.max_batch.evaluate(**at)
    capacity = float(costs.compiled.numbers.values["hbm_capacity"])
    assert costs.memory.evaluate(B=int(most), **at) <= capacity < costs.memory.evaluate(B=int(most) + 1, **at)


@pytest.mark.parametrize(
    ("how", "sentence"),
    [
        ({"pp": 2, "pp_layers": (9, 9, 18)}, "pp_layers = 9,9,18 are 3 stages, and pp = 2"),
        ({"pp_layers": (9, 9)}, "pp_layers = 9,9 are 18 layers; the model has 36"),
        ({"pp_layers": (36, 0)}, "pp_layers = 0 must be a whole number of at least 1"),
    ],
)
def test_stages_that_cannot_be(how: dict[str, object], sentence: str) -> None:
    with pytest.raises(DeploymentError, match=sentence):
        lines("qwen3-8b", **how)  # type: ignore[arg-type]


def test_a_formula_that_tells_stages_apart_holds_for_their_number() -> None:
    memory = symsim.compile("gemma-2-9b", "l40s", symsim.Deployment(pp=2), "roofline").memory
    with pytest.raises(symsim.SymsimError, match="was derived for pp == 2"):
        memory.evaluate(B=1, S=1, O=1, pp=3)
