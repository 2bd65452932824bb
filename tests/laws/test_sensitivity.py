"""Derivatives equal differences away from kinks; at a kink both sides are given; the rest is arithmetic on them."""

import functools
import json
from pathlib import Path

import numpy as np
import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import symsim
from symsim import sensitivities
from symsim.analysis.sensitivity import _derivative
from symsim.cli import main
from symsim.errors import EmptyTable
from symsim.formula.binding_piece import binding_arms
from symsim.formula.closed_form import ClosedForm
from tests.laws.drawing import costs, workloads
from tests.profiles import drawn

POINT = {"B": 64, "S": 4096, "O": 2048, "T": 4096}
REAL = ("hbm_bandwidth", "hbm_efficiency", "nvlink_bandwidth", "rdma_bandwidth", "t_sched_decode", "t_sched_prefill")


def few_chunks(workload: dict[str, int], formula: symsim.Formula) -> dict[str, int]:
    """The symbols of a formula, of a prompt that is cut into eight chunks at most: each of them is written out."""
    few = {**workload, "T": max(workload["T"], -(-workload["S"] // 8))}
    return {name: value for name, value in few.items() if name in formula.symbols}


@settings(max_examples=drawn(40))  # each differentiates a metric by six inputs
@given(costs, workloads, st.sampled_from(["tpot", "ttft", "tgs_decode"]))
def test_a_derivative_is_the_limit_of_differences(model: symsim.Costs, workload: dict[str, int], metric: str) -> None:
    formula = model.metric(metric)
    point = few_chunks(workload, formula)
    names = [name for name in REAL if name in formula.symbols]
    assume(names)
    try:
        found = sensitivities(model, metric, names, **point)
    except EmptyTable:
        return
    for one in found:
        x, h = one.value, one.value * 1e-6
        sides = [formula.evaluate(**point, **{one.name: x + step}) for step in (-h, h)]
        if not one.kink:
            scale = formula.evaluate(**point) / x
            assert one.derivative[1] == pytest.approx((sides[1] - sides[0]) / (2 * h), rel=1e-4, abs=1e-7 * scale)


FIXED = [
    ("qwen3-8b", "h20", "roofline", symsim.Deployment()),  # GEMMs of few rows are answered by the default
    ("deepseek-v3", "b200", "roofline", symsim.Deployment()),  # all GEMMs are
    ("deepseek-v3", "h800", "roofline", symsim.Deployment(16, 2, gemm="fp8", comm="deepep")),
    ("qwen3-30b-a3b", "h800", "infersim", symsim.Deployment(4, kv="fp8")),
]


@functools.cache
def fixed(number: int) -> symsim.Costs:
    model, device, cost_model, deployment = FIXED[number]
    return symsim.compile(model, device, deployment, cost_model)


def log_slopes(formula: symsim.Formula, name: str, value: float, point: dict[str, int]) -> tuple[float, float] | None:
    """d log(metric) / d log(input) from below and from above by differences; None where the metric jumps.

    At a jump (another row of a table, another whole number) a difference ten times as long has a tenth of the slope.
    """
    others = {symbol: number for symbol, number in point.items() if symbol != name}
    steps = np.array([-1e-5, -1e-6, 0, 1e-6, 1e-5])
    values = np.log(formula.function([name, *others])(value * (1 + steps), *others.values()))
    far_below, below, above, far_above = (np.delete(values - values[2], 2) / np.delete(steps, 2)).tolist()
    smooth = np.allclose([below, above], [far_below, far_above], rtol=1e-3, atol=1e-5)
    return (below, above) if smooth else None


@settings(max_examples=drawn(25), deadline=None)
@given(st.integers(0, len(FIXED) - 1), st.sampled_from(["tpot", "ttft"]), workloads)
def test_elasticities_are_those_of_evaluate(number: int, metric: str, workload: dict[str, int]) -> None:
    """Of every input that is not a table: of the workload, hardware, constants, and the default for missing rows."""
    model = fixed(number)
    formula = model.metric(metric)
    point = few_chunks(workload, formula)
    try:
        found = sensitivities(model, metric, **point)
    except EmptyTable:
        return
    rounded = {str(symbol) for part in formula.expr.atoms(sympy.floor, sympy.ceiling) for symbol in part.free_symbols}
    compared = 0
    for one in found:
        other = one.name.startswith("mfu_") or one.name in {*rounded, "O"}  # no symbols; and floor(x) moves as x does
        slopes = None if other else log_slopes(formula, one.name, one.value, point)
        if slopes is not None:
            assert one.elasticity == pytest.approx(slopes, rel=1e-3, abs=1e-4), one.name
            compared += 1
    assert compared >= 3, found


def test_the_default_is_an_input_where_it_answers() -> None:
    model = symsim.compile("qwen3-8b", "h20", cost_model="roofline")
    point = {"B": 4, "S": 4096, "O": 2048}
    assert model.tpot.form.rewriting.partly
    (one,) = sensitivities(model, "tpot", ["default_mfu"], **point, default_mfu=0.01)
    less, more = (model.tpot.evaluate(**point, default_mfu=0.01 * factor) for factor in (1 - 1e-6, 1 + 1e-6))
    assert one.elasticity[1] == pytest.approx((more - less) / 2e-6 / model.tpot.evaluate(**point, default_mfu=0.01))
    assert one.elasticity[1] < -0.1
    assert one.gain == pytest.approx(
        model.tpot.evaluate(**point, default_mfu=0.011) / model.tpot.evaluate(**point, default_mfu=0.01) - 1
    )


def test_elasticities_of_time_add_up() -> None:
    """Time is of degree -1 in all rates and +1 in all constants together (Euler)."""
    model = symsim.compile(
        "deepseek-v3", "h800", symsim.Deployment(16, 2, gemm="fp8", comm="deepep"), cost_model="infersim"
    )
    rates = ("hbm_bandwidth", "rdma_bandwidth", "peak_fp8", "peak_bf16")
    found = {one.name: one.elasticity[1] for one in sensitivities(model, "tpot", **POINT)}
    assert sum(found[name] for name in rates) - found["t_sched_decode"] == pytest.approx(-1, abs=1e-9)


def test_both_sides_of_a_kink() -> None:
    """Where loading and multiplying the FFN of Qwen3-8B take equally long, more bandwidth helps no more."""
    model = symsim.compile("qwen3-8b", "h20", cost_model="infersim")
    point = {"B": 64, "S": 64, "O": 1}
    terms = {term.name: term.value_a for term in symsim.compare(model, model, "tpot", **point).terms}
    weights = 3 * 4096 * 12288 * 2
    bandwidth = weights / (terms["t_experts"] * 0.8)
    (one,) = sensitivities(model, "tpot", ["hbm_bandwidth"], **point, hbm_bandwidth=bandwidth)
    assert one.kink
    loading = -36 * weights / (bandwidth**2 * 0.8)
    assert one.derivative[0] - one.derivative[1] == pytest.approx(loading, rel=1e-6)


def test_ten_percent_more_is_evaluated_not_extrapolated() -> None:
    model = symsim.compile("qwen3-8b", "h800", cost_model="roofline")
    (one,) = sensitivities(model, "tpot", ["hbm_bandwidth"], **POINT)
    point = {"B": 64, "S": 4096, "O": 2048}
    more = model.tpot.evaluate(**point, hbm_bandwidth=one.value * 1.1)
    assert one.gain == pytest.approx(more / model.tpot.evaluate(**point) - 1, rel=1e-12)
    assert one.gain != pytest.approx(one.elasticity[1] * 0.1, rel=1e-6)


def test_a_table_and_a_size_are_inputs_too() -> None:
    model = symsim.compile("qwen3-8b", "h20", cost_model="infersim")
    found = {one.name: one for one in sensitivities(model, "tpot", ["mfu_gemm", "D"], **POINT)}
    assert found["mfu_gemm"].elasticity[1] < 0
    assert found["D"].elasticity[1] > 0
    assert "mfu_gemm(" in found["D"].formula.text


@given(costs, workloads)
def test_binding_arms_have_the_same_value(model: symsim.Costs, workload: dict[str, int]) -> None:
    form = model.tpot.form
    point = {name: workload[name] for name in ("B", "S", "O")}
    try:
        value = form.evaluate(**point)
    except EmptyTable:
        return
    values = form.point(**point)
    pinned = binding_arms(form.derivation, values, form.context)
    assert ClosedForm(pinned, form.bound, form.context).evaluate(**point) == pytest.approx(value, rel=1e-12)


def test_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["sensitivity", "deepseek-v3", "--cost-model", "infersim", "--device", "h800", "--at", "B=64", "--json"]
    assert main([*words, "--plot", str(tmp_path / "tornado.pdf")]) == 0
    inputs = json.loads(capsys.readouterr().out)["inputs"]
    assert (tmp_path / "tornado.pdf").read_bytes().startswith(b"%PDF")
    ranks = [max(map(abs, one["elasticity"])) for one in inputs]
    assert ranks == sorted(ranks, reverse=True)
    assert main(["sensitivity", "qwen3-8b", "--cost-model", "infersim", "--inputs", "hbm"]) == 2
    assert "did you mean hbm_" in capsys.readouterr().err
    assert main(["sensitivity", "qwen3-8b", "--cost-model", "infersim", "--plot", str(tmp_path / "tornado.doc")]) == 2
    assert "e.g. tpot.pdf" in capsys.readouterr().err


def test_a_rounding_inside_a_rounding_moves_as_its_argument_does() -> None:
    x = sympy.Symbol("x", positive=True)
    slope = _derivative(3 * sympy.floor(sympy.floor(x + 1) / 4), x)
    assert slope == sympy.Rational(3, 4)
