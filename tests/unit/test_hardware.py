"""Device files: the reference's figures, and mistakes answered with file, line and key."""

from fractions import Fraction
from pathlib import Path

import pytest

import symsim
from symsim.errors import BadUnit, DataError, DeploymentError, SymsimError, UnknownField
from symsim.inputs.device import bundled_devices, load_device
from symsim.pipeline.pipeline import compiled_for

# Spec of the reference, section 1: TFLOP/s bf16 and fp8, default MFU, memory GB, HBM, NVLink and RDMA GB/s.
REFERENCE = {
    "h20": (148, 296, "0.6", 96, "3276.8", "360", "40"),
    "h800": (989, 1979, "0.35", 80, "2744", "160", "40"),
    "h200": (989, 1979, "0.4", 141, "3840", "360", "40"),
    "gb200": (2500, 5000, "0.5", 192, "10720", "720", "40"),
}


@pytest.mark.parametrize("name", REFERENCE)
def test_infersim_figures_times_shares_are_the_references(name: str) -> None:
    bf16, fp8, mfu, memory, *rates = REFERENCE[name]
    device = load_device(name)
    assert device.figure("peak_bf16", "infersim") == bf16 * 10**12
    assert device.figure("peak_fp8", "infersim") == fp8 * 10**12
    assert device.figure("hbm_capacity", "infersim") == memory * 10**9
    assert device.assume["mfu"] == Fraction(mfu)
    for link, rate in zip(("hbm", "nvlink", "rdma"), rates, strict=True):
        figure = device.figure(f"{link}_bandwidth", "infersim")
        assert figure is not None
        assert figure * device.achievable[f"{link}_bandwidth"] == Fraction(rate) * 10**9


def test_datasheet_figure_where_no_cost_model_overrides_it() -> None:
    assert load_device("h20").figure("hbm_bandwidth", "roofline") == 4 * 10**12


@pytest.mark.parametrize("name", bundled_devices())
def test_names_in_any_case_and_every_figure_has_a_source(name: str) -> None:
    assert load_device(name.upper()) is load_device(name)
    assert load_device(name).source != "no source stated"


GOOD = """\
name = "Test"
[datasheet]
peak_bf16 = "100 TFLOP/s"
hbm_capacity = "80 GB"
hbm_bandwidth = "2 TB/s"
[achievable]
hbm_bandwidth = 0.9
[assume]
mfu = 0.5
"""


@pytest.mark.parametrize(
    ("old", "new", "error", "says"),
    [
        ("80 GB", "80 GHz", BadUnit, ["x.toml:4", "hbm_capacity", "expected a quantity in B"]),
        ('"2 TB/s"', "2000", BadUnit, ["x.toml:5", "hbm_bandwidth", "has no unit"]),
        ("peak_bf16", "peak_bf61", UnknownField, ["x.toml:3", "peak_bf61", "did you mean peak_bf16"]),
        ("80 GB", "-80 GB", DataError, ["x.toml:4", "above zero"]),
        ("mfu = 0.5", "mfu = 1.5", DataError, ["mfu", "cannot exceed 1"]),
        ("mfu = 0.5", "", DataError, ["[assume] has no mfu"]),
        ('peak_bf16 = "100 TFLOP/s"\n', "", DataError, ["has no peak_bf16"]),
        ("[datasheet]", "[datasheet", DataError, ["x.toml", "not TOML", "line 2"]),
        ("hbm_bandwidth = 0.9", "hbm_bandwidth = 1.9", DataError, ["x.toml:7", "share", "cannot exceed 1"]),
        ("mfu = 0.5", 'mfu = 0.5\nhbm_capacity = "1 GB"', DataError, ["x.toml:4", "[datasheet] and assumed as well"]),
        ("mfu = 0.5", "mfu = 0.5\ngpus_per_node = 7.5", DataError, ["x.toml:10", "whole number"]),
        ('name = "Test"', 'block_scales = ["nvfp5"]', UnknownField, ["x.toml:1", "did you mean nvfp4"]),
        ('name = "Test"', 'block_scales = "nvfp4"', DataError, ["x.toml:1", "must be a list of names"]),
        ("[assume]", "[assume.achievable]\nclock = 2\n[assume]", DataError, ["x.toml:9", "cannot exceed 1"]),
    ],
)
def test_mistakes_name_file_line_and_key(
    tmp_path: Path, old: str, new: str, error: type[SymsimError], says: list[str]
) -> None:
    path = tmp_path / "x.toml"
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(error) as caught:
        load_device(path)
    for words in says:
        assert words in str(caught.value)


def test_own_device_file_works(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    device = load_device(path)
    assert (device.key, device.figures["hbm_capacity"]) == ("MINE", 80 * 10**9)


def test_assumed_figures_are_used_and_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD + 'rdma_bandwidth = "25 GB/s"\n[assume.achievable]\nrdma_bandwidth = 0.7\n')
    device = load_device(path)
    assert device.figures["rdma_bandwidth"] == 25 * 10**9
    assert device.achievable == {"hbm_bandwidth": Fraction("0.9"), "rdma_bandwidth": Fraction("0.7")}
    assert device.assumed == {"rdma_bandwidth", "rdma_bandwidth achievable"}
    costs = symsim.compile("qwen3-8b", path, cost_model="infersim")
    assert "25 GB/s, assumed" in str(costs.compiled.numbers.sources["rdma_bandwidth"])
    assert str(costs.compiled.numbers.sources["rdma_efficiency"]) == "hardware/mine.toml: achievable, assumed"
    assert str(costs.compiled.numbers.sources["hbm_efficiency"]) == "hardware/mine.toml: achievable"


def test_a_gemm_precision_without_units_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD)
    with pytest.raises(DeploymentError, match=r"Test has no fp8 peak \(bf16 only\).*peak_fp8 in mine.toml"):
        symsim.compile("qwen3-8b", path, symsim.Deployment(gemm="fp8"), cost_model="infersim")


def test_questions_about_gpus_fill_nodes_of_the_devices_size(tmp_path: Path) -> None:
    path = tmp_path / "rack.toml"
    rack = GOOD + 'gpus_per_node = 4\nnvlink_bandwidth = "300 GB/s"\nrdma_bandwidth = "25 GB/s"\n'
    path.write_text(rack)
    compiled = symsim.compile("qwen3-30b-a3b", path, cost_model="infersim").compiled
    assert compiled_for(compiled, "world_size", 8).deployment.num_nodes == 2
    with pytest.raises(DeploymentError, match="7 GPUs do not spread evenly over 2 nodes of at most 4"):
        compiled_for(compiled, "world_size", 7)


def test_unknown_device_gets_the_nearest_names() -> None:
    with pytest.raises(DataError, match="did you mean h20 or h200"):
        load_device("h21")
