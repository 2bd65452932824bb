"""Kernel times by calibrated forms, what is refused, and that a fit finds what made the data."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import symsim
from symsim.algebra.symbols import symbol_info
from symsim.calibration import kernel_seconds
from symsim.calibration.fitting import fit_form, group_quantiles
from symsim.calibration.measured import device_numbers, skewed_loads
from symsim.cost.forms import array_form, named_form
from symsim.errors import DataError, GraphSyntaxError, UndefinedName
from symsim.inputs.device import bundled_devices, load_device
from symsim.inputs.engine import load_engine, with_times
from symsim.language.form_text import parse_kernel_forms
from symsim.pipeline.fitted_kernels import fitted_kernels
from symsim.tables.coefficients import coefficients_of, read_coefficients, write_coefficients

GEMM = {"device": "h100_sxm", "engine": "sglang", "kernel": "sglang_torch_linear", "dtype": "bfloat16"}


def test_a_kernel_has_seconds_within_their_interval_over_arrays() -> None:
    seconds, low, high = kernel_seconds("gemm", **GEMM, m=np.array([1, 64, 8192]), n=4096, k=4096)
    assert seconds.shape == (3,)
    assert (low < seconds).all()
    assert (seconds < high).all()
    assert 2e-6 < seconds[0] < 5e-5
    assert 2 * 8192 * 4096**2 / seconds[2] == pytest.approx(0.7 * 989e12, rel=0.25)


def test_a_version_that_was_not_measured_takes_the_newest() -> None:
    named = kernel_seconds("gemm", **GEMM, version="9.9", m=8, n=4096, k=4096)
    assert named == kernel_seconds("gemm", **GEMM, m=8, n=4096, k=4096)


def test_what_was_not_measured_is_a_lookup_error_with_the_nearest() -> None:
    with pytest.raises(LookupError, match="did you mean sglang_torch_linear"):
        kernel_seconds("gemm", **{**GEMM, "kernel": "torch_linear"}, m=8, n=4096, k=4096)
    with pytest.raises(LookupError, match="no coefficients"):
        kernel_seconds("gemm", **{**GEMM, "device": "mi300x"}, m=8, n=4096, k=4096)
    with pytest.raises(LookupError, match="no calibrated kernels"):
        kernel_seconds("softmax", **GEMM, m=8)


def test_a_size_that_is_missing_is_named() -> None:
    with pytest.raises(TypeError, match="needs m, n, k; missing: k"):
        kernel_seconds("gemm", **GEMM, m=8, n=4096)


def test_a_fit_finds_the_coefficients_that_made_the_times() -> None:
    pytest.importorskip("scipy")
    numbers = device_numbers("h100_sxm", "bfloat16", None, None)
    draw = np.random.default_rng(7)
    shape = draw.integers(0, 24, 500)
    columns = {
        "m": 2.0 ** draw.integers(0, 14, 500),
        "n": 512.0 * (1 + shape % 6) ** 2,
        "k": 768.0 * (1 + shape // 6) ** 2,
    }
    truth = {"t0": 2.5e-6, "ec": 0.75, "em": 0.85, "p": 2.2, "h": 3e4, "hk": 90.0, "t1": 6e-6, "k1": 2500.0}
    function, arguments = array_form("gemm")
    known = {**numbers, **columns, **truth}
    seconds = function(*(known[name] for name in arguments)) * np.exp(draw.normal(0, 0.02, 500))
    fit = fit_form("gemm", columns, numbers, seconds, shape)
    assert fit.median < 0.025
    assert fit.values["ec"] == pytest.approx(0.75, rel=0.05)
    assert fit.values["em"] == pytest.approx(0.85, rel=0.05)
    assert 0.9 < fit.low < 1 < fit.high < 1.1
    assert fit.inside > 0.85
    assert fit_form("gemm", columns, numbers, seconds, shape) == fit


def test_an_interval_comes_from_whole_groups() -> None:
    group = np.repeat(np.arange(40), 50)
    residual = 0.1 * np.sin(np.arange(2000)) + np.where(group == 3, 2.0, 0.0)
    low, high = group_quantiles(residual, group)
    assert -0.101 < low < -0.09
    assert high < 0.11  # one group of forty is out of it


def test_few_experts_leave_most_of_a_gpu_idle_while_messages_are_sent() -> None:
    """DeepEP's low latency dispatch serves each expert by an SM: 1024 tokens to 8 experts took 375 us on eight H100,
    four times the bytes to 128 experts 103 us."""
    about = {"device": "h100_sxm", "engine": "sglang", "kernel": "deepep", "dtype": "default", "phase": "dispatch"}
    sizes = {"tokens": 1024, "hidden": 6144, "topk": [2, 4], "gpus": 8, "experts": [8, 128], "sms": 0}
    seconds, low, high = kernel_seconds("all_to_all", **about, operation="deepep_ll", version="0.5.12", **sizes)
    assert seconds == pytest.approx([375e-6, 103e-6], rel=0.15)
    assert (high / low < 1.3).all()


def test_messages_on_fewer_sms_take_longer() -> None:
    about = {"device": "h200_sxm", "engine": "sglang", "kernel": "deepep", "dtype": "default", "phase": "dispatch"}
    sizes = {"tokens": 8192, "hidden": 7168, "topk": 8, "gpus": 8, "experts": 256, "sms": [8, 20, 24, 0]}
    seconds, _, _ = kernel_seconds("all_to_all", **about, operation="deepep_normal", **sizes)
    assert seconds[0] > 1.3 * seconds[1] > 1.3 * seconds[2]
    assert seconds[3] == seconds[1], "20 where a table does not say"


def test_the_busiest_of_one_gpu_is_the_whole() -> None:
    one = np.array([1.0])
    rows, hit = skewed_loads(128 * one, 8 * one, 64 * one, one)
    assert rows == 1024
    assert 50 < hit < 64
    more, _ = skewed_loads(128 * one, 8 * one, 64 * one, 8 * one)
    assert 1024 / 8 < more < 1024 / 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("form f(m):\n    bytes = 2*m\n", "must end with `time = ...`"),
        ('form f(m):\n    coefficient c "s" ideal 0 start 5 from 6 to 7 "x"\n    time = c\n', "from <= start <= to"),
        ("form f(m):\n    time = norm(2; m, m)\n", "only pnorm"),
        ("form f(m):\n    time =\n", "found the end"),
    ],
)
def test_a_form_that_does_not_parse_says_where(text: str, message: str) -> None:
    with pytest.raises(GraphSyntaxError, match=message) as caught:
        parse_kernel_forms(text, "own.form")
    assert "own.form:" in str(caught.value)


def test_a_name_that_a_form_does_not_have_is_pointed_at() -> None:
    from symsim.cost.forms import KernelForm

    (text,) = parse_kernel_forms("form f(m):\n    time = m/hbm_bandwith\n", "own.form")
    form = KernelForm(text)
    with pytest.raises(UndefinedName, match="hbm_bandwidth"):
        form.seconds(form.names())
    with pytest.raises(DataError, match="gemm"):
        named_form("gem")


def test_coefficients_are_read_as_they_were_written(tmp_path) -> None:
    from symsim.tables.coefficients import coefficients_of

    some = coefficients_of("collectives")[:3]
    write_coefficients(tmp_path / "a.toml", some, "# x", "here")
    assert read_coefficients(tmp_path / "a.toml") == some
    (tmp_path / "b.toml").write_text("kernels = 3")
    with pytest.raises(DataError, match="not a file of coefficients"):
        read_coefficients(tmp_path / "b.toml")


@pytest.mark.parametrize("device", bundled_devices())
def test_signs_tell_the_kernels_of_a_device_apart(device: str) -> None:
    for engine in ("vllm", "sglang", "trtllm"):
        for kv in ("bf16", "fp8"):
            numbers = fitted_kernels(load_device(device), engine, "bf16", kv).numbers
            signs = [symbol_info(name).latex for name in numbers]
            assert len(set(signs)) == len(signs)


def test_own_coefficients_of_kernels_go_before_those_that_ship(tmp_path: Path) -> None:
    """GEMMs that read weights half as fast; attention as it ships."""

    def tpot() -> symsim.Formula:
        return symsim.compile("qwen3-8b", "h100", calibration=tmp_path).tpot

    with pytest.raises(DataError, match="no coefficients of kernels in this folder"):
        tpot()
    shipped = symsim.compile("qwen3-8b", "h100").tpot
    slow = [
        replace(one, values={**one.values, "em": one.values["em"] / 2})
        for one in coefficients_of("gemm")
        if (one.device, one.engine, one.dtype) == ("h100_sxm", "vllm", "bfloat16")
    ]
    write_coefficients(tmp_path / "gemm.toml", slow, "# own", "measured by hand")
    at = {"B": 1, "S": 1000, "O": 100}
    assert 1.5 < tpot().evaluate(**at) / shipped.evaluate(**at) < 2
    own, before = ({name: row.file for name, row in one.form.bound.sources.items()} for one in (tpot(), shipped))
    moved = {name for name, file in own.items() if file != before[name]}
    assert moved
    assert all("gemm.toml" in own[name] for name in moved)
    text = load_engine("vllm").path.read_text()
    (tmp_path / "engine.toml").write_text(with_times(text, ['like = "vllm"', 'host_step = "1 s"']))
    assert tpot().evaluate(**at) > 1
