"""How engines plan memory: their files, and weights, cache, activations and reserves worked out by hand."""

from pathlib import Path

import pytest

import symsim
from symsim.errors import BadUnit, DataError, DeploymentError, SymsimError, UnknownField
from symsim.inputs.engine import bundled_engines, load_engine
from symsim.pipeline.memory_parts import memory_parts, shortage

CAPACITY = 81559 * 2**20
WEIGHTS = 2 * 8_190_735_360  # Qwen3-8B
TOKEN = 2 * 36 * 8 * 128 * 2
POINT = {"B": 3, "S": 1000, "O": 30}
"""1030 tokens: 65 pages of 16, 33 of 32."""

WIDEST = 3 * 12288 * 2
"""silu(gate) * up of Qwen3-8B reads two rows of 12,288 and writes one, in bf16: more than any other operator moves."""


def qwen(engine: str | Path, device: str = "h100", **how: object) -> symsim.Costs:
    return symsim.compile("qwen3-8b", device, symsim.Deployment(**how), "roofline", engine=engine)  # type: ignore[arg-type]


def activations(tokens: int, sequences: int) -> int:
    return tokens * WIDEST + sequences * 151936 * 4


def test_vllm_plans_a_share_of_all_memory() -> None:
    kept = 0.1 * CAPACITY + 1.5 * 2**30
    expected = WEIGHTS + 3 * 65 * 16 * TOKEN + activations(8192, 1024) + kept
    assert qwen("vllm").memory.evaluate(**POINT) == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("device", ["rtx4090", "a100-80"])
def test_smaller_devices_take_smaller_steps(device: str) -> None:
    """So does the A100 of 80 GB, by its name: get_batch_defaults of vllm/engine/arg_utils.py."""
    parts = memory_parts(qwen("vllm", device).compiled, POINT)
    assert parts.activations == activations(2048, 256)


def test_sglang_plans_weights_and_cache() -> None:
    """What it needs besides lies in what its share leaves: 15 % of H100 is more than activations and reserves."""
    expected = WEIGHTS + 3 * 1030 * TOKEN + 0.15 * CAPACITY
    assert qwen("sglang").memory.evaluate(**POINT) == pytest.approx(expected, abs=1)
    full = qwen("sglang", memory_share=1).memory.evaluate(**POINT)
    assert full == pytest.approx(WEIGHTS + 3 * 1030 * TOKEN + activations(8192, 2048) + 2 * 2**30, abs=1)


def test_tensorrt_llm_plans_a_share_of_what_is_free() -> None:
    needed = WEIGHTS + activations(8192, 2048) + 2 * 2**30
    expected = needed + 3 * 33 * 32 * TOKEN + 0.1 * (CAPACITY - needed)
    assert qwen("trtllm").memory.evaluate(**POINT) == pytest.approx(expected, abs=1)


def test_without_an_engine_memory_holds_weights_and_cache() -> None:
    assert qwen("none").memory.evaluate(**POINT) == WEIGHTS + 3 * 1030 * TOKEN


@pytest.mark.parametrize("engine", bundled_engines())
def test_parts_add_up_and_the_largest_batch_fits(engine: str) -> None:
    costs = qwen(engine)
    most = int(costs.max_batch.evaluate(S=1000, O=30))
    for batch, fits in ((most, True), (most + 1, False)):
        parts = memory_parts(costs.compiled, {**POINT, "B": batch})
        total = costs.memory.evaluate(**{**POINT, "B": batch})
        pages = {"vllm": 65 * 16, "trtllm": 33 * 32}.get(engine, 1030)
        assert parts.weights_and_cache == WEIGHTS + parts.cache
        assert (parts.cache, parts.unfilled_pages) == (batch * 1030 * TOKEN, batch * (pages - 1030) * TOKEN)
        used = parts.weights_and_cache + parts.unfilled_pages + parts.activations + parts.reserves
        assert used == pytest.approx(total)
        assert parts.free == pytest.approx(CAPACITY - total)
        assert (parts.free >= 0) is fits
    answer = costs.solve("max B subject to memory <= capacity with S = 1000, O = 30")
    assert answer.value == most


@pytest.mark.parametrize("engine", bundled_engines())
def test_lengths_and_capacities_are_solved_for_under_every_engine(engine: str) -> None:
    costs = qwen(engine)
    for name, other in (("S", {"O": 10}), ("O", {"S": 10})):
        stated = ", ".join(f"{n} = {v}" for n, v in other.items())
        answer = costs.solve(f"max {name} subject to memory <= capacity with B = 2, {stated}")
        assert answer.value is not None
        assert costs.memory.evaluate(B=2, **other, **{name: answer.value}) <= CAPACITY
        assert costs.memory.evaluate(B=2, **other, **{name: answer.value + 1}) > CAPACITY
        assert answer.closed_form is not None
    least = costs.solve("min hbm_capacity subject to memory <= capacity with B = 2, S = 10, O = 10")
    assert least.value is not None
    if "hbm_capacity" in costs.memory.symbols:
        assert costs.memory.evaluate(B=2, S=10, O=10, hbm_capacity=least.value) == pytest.approx(least.value)


def test_the_share_of_a_deployment_stands_in_for_the_engines() -> None:
    stated = qwen("vllm", memory_share=0.95)
    assert stated.memory.evaluate(**POINT) == qwen("vllm").memory.evaluate(**POINT, reserve_share=0.05)
    assert "memory_share 0.95" in stated.memory.subject
    with pytest.raises(DeploymentError, match=r"memory_share = 1\.5 must be above 0 and at most 1"):
        symsim.Deployment(memory_share=1.5)


def test_an_engine_of_ones_own(tmp_path: Path) -> None:
    text = (Path("engines") / "vllm.toml").read_text(encoding="utf-8")
    own = tmp_path / "own.toml"
    own.write_text(text.replace("share = 0.9 ", "share = 0.8 "))
    assert qwen(own).memory.evaluate(**POINT) == qwen("vllm", memory_share=0.8).memory.evaluate(**POINT)


@pytest.mark.parametrize(
    ("old", "new", "error", "said"),
    [
        ("page = 16", "pages = 16", UnknownField, "there is no field pages"),
        ("page = 16", "page = 0", DataError, "page = 0 must be above zero"),
        ("page = 16", "page = 1.5", DataError, "page = 1.5 must be a whole number"),
        ("share = 0.9 ", "share = 1.2 ", DataError, "share = 1.2 is a share and cannot exceed 1"),
        ('"0 B"', '"0 s"', BadUnit, "expected a quantity in B"),
        ("page = 16\n", "", DataError, r"\[memory\] has no page"),
        ('capacity = "70 GiB"\n', "", DataError, r"\[large\] has no capacity"),
        ('["a100-80"]', '"a100-80"', DataError, r"own.toml:\d+: except = 'a100-80'; expected a list of names"),
        ("reserve_share*hbm_capacity", "reserve_share*", SymsimError, "own.toml, unused"),
        ("reserve_share*hbm_capacity", "reserve_share*hbm", SymsimError, "hbm"),
    ],
)
def test_what_is_wrong_in_an_engine_file_is_named(
    tmp_path: Path, old: str, new: str, error: type[SymsimError], said: str
) -> None:
    own = tmp_path / "own.toml"
    text = (Path("engines") / "vllm.toml").read_text(encoding="utf-8")
    assert old in text
    own.write_text(text.replace(old, new, 1))
    with pytest.raises(error, match=said):
        qwen(own).memory.evaluate(**POINT)


def test_engines_are_known_in_any_case_and_others_refused() -> None:
    assert load_engine("SGLang") is load_engine("sglang")
    with pytest.raises(DataError, match=r"no engine 'vlm'.*did you mean vllm"):
        load_engine("vlm")


def test_what_does_not_fit_is_said_unasked() -> None:
    """Llama-3.1-405B in bf16: 811.7 GB of weights, 516,096 B of cache a token."""
    costs = symsim.compile("llama-3.1-405b", "h100", cost_model="roofline")
    answer = costs.solve("max B subject to TPOT <= 500 ms with S = 1024, O = 1024")
    assert answer.value == 210
    said = "it does not fit in memory: weights and cache need 1,033.7 GB of the device's 85.5 GB"
    assert answer.warnings == (said,)
    assert shortage(costs.compiled, {"B": 210, "S": 1024, "O": 1024}) == said
    assert shortage(costs.compiled, {"B": 210, "C": 2048}) == said


def test_nothing_is_said_where_it_fits_or_memory_is_asked_for() -> None:
    costs = qwen("vllm")
    assert costs.solve("max B subject to TPOT <= 10 ms with S = 128, O = 128").warnings == ()
    big = symsim.compile("llama-3.1-405b", "h100", cost_model="roofline")
    assert big.solve("max B subject to memory <= 2000 GB with S = 128, O = 128").warnings == ()


def test_activations_may_be_what_does_not_fit() -> None:
    costs = qwen("vllm")
    most = int(costs.max_batch.evaluate(S=1000, O=30))
    said = shortage(costs.compiled, {**POINT, "B": most + 1})
    assert said is not None
    assert "with activations and reserves" in said
    assert shortage(costs.compiled, {**POINT, "B": most}) is None


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('like = "sglan"', r"own\.toml:\d+: like = 'sglan' is no engine that ships; did you mean sglang\?"),
        ("low = 0.9", r"own\.toml:\d+: low without high; an interval has both ends"),
        ("ttft_high = 1.2", r"ttft_high without ttft_low"),
        ("low = 1.2\nhigh = 1.3", r"low = 1\.2, high = 1\.3; expected low up to 1 and high from 1 on"),
        ('step = "kernels*kernels"', r"own\.toml, step: kernels\*kernels is no time; expected a formula in seconds"),
        ('step = "kernels + launches"', r"kernels \+ launches is no time"),
    ],
)
def test_times_that_are_none_are_named(tmp_path: Path, lines: str, said: str) -> None:
    text = (Path("engines") / "none.toml").read_text(encoding="utf-8")
    step = "" if "step" in lines else 'step = "kernels"'
    own = tmp_path / "own.toml"
    own.write_text(f"{text}\n[time]\n{lines}\n{step}\n")
    with pytest.raises(DataError, match=said):
        _ = symsim.compile("qwen3-8b", "h100", engine=own).tpot


@pytest.mark.parametrize("step", ["host_step", "max(kernels, host_step*sequences)", "kernels*host_step/launch_gap"])
def test_a_step_may_be_any_formula_in_seconds(tmp_path: Path, step: str) -> None:
    text = (Path("engines") / "none.toml").read_text(encoding="utf-8")
    own = tmp_path / "own.toml"
    own.write_text(f'{text}\n[time]\nstep = "{step}"\nhost_step = "1 ms"\nlaunch_gap = "1 us"\n')
    assert symsim.compile("qwen3-8b", "h100", engine=own).tpot.evaluate(B=2, S=100, O=10) > 0
