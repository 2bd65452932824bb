"""Formats that a deployment asks of all weights: what is held, at which peak it is multiplied, what is refused."""

from fractions import Fraction

import pytest

import symsim
from symsim.errors import DeploymentError
from tests.commands import run

MODEL = "qwen3-8b"
LINEAR = 36 * (4096 * (4096 + 2 * 1024 + 4096) + 3 * 4096 * 12288)


def compiled(gemm: str | None, device: str = "b200", cost_model: str = "roofline") -> symsim.Costs:
    return symsim.compile(MODEL, device, symsim.Deployment(gemm=gemm), cost_model=cost_model)


def weights(costs: symsim.Costs) -> Fraction:
    point = {"B": 1, "S": 1, "O": 1}
    return Fraction(costs.memory.evaluate(**point)) - Fraction(compiled("bf16").memory.evaluate(**point))


WIDTHS = [
    ("fp4", Fraction(9, 16)),
    ("nvfp4 x nvfp4", Fraction(9, 16)),
    ("mxfp4 x mxfp8", Fraction(17, 32)),
    ("mxfp4 x bf16", Fraction(17, 32)),
    ("fp8 x bf16", Fraction(1)),
    ("int4", Fraction(1, 2) + Fraction(2, 128)),
]


@pytest.mark.parametrize(("gemm", "width"), WIDTHS)
def test_all_but_the_lm_head_is_held_in_the_format(gemm: str, width: Fraction) -> None:
    assert float(weights(compiled(gemm))) == pytest.approx(float(LINEAR * (width - 2)), rel=1e-9)


def test_scales_of_int8_are_one_an_output() -> None:
    outputs = 36 * (4096 + 2 * 1024 + 4096 + 2 * 12288 + 4096)
    assert float(weights(compiled("int8"))) == pytest.approx(LINEAR * -1 + 4 * outputs, rel=1e-9)


PEAKS = [
    ("fp4", "b200", "fp4", None),
    ("fp4", "h200", "bf16", "has no fp4 units; nvfp4 weights are converted to bf16 first"),
    ("int8", "a100-80", "int8", None),
    ("mxfp4 x mxfp8", "b200", "fp8", "mxfp4 weights are converted to mxfp8 first"),
    ("fp8", "a100-80", "bf16", "has no fp8 units; fp8 weights are converted to bf16 first"),
    ("fp8", "h200", "fp8", None),
    ("int4", "h200", "bf16", "int4 weights are converted to bf16 first, the activations' format"),
]


@pytest.mark.parametrize(("gemm", "device", "peak", "says"), PEAKS)
def test_what_the_device_has_no_units_for_is_converted_and_said(
    gemm: str, device: str, peak: str, says: str | None
) -> None:
    costs = compiled(gemm, device)
    rates = set(costs.compiled.rates.values()) - {"bf16"} if costs.compiled.rates else {gemm}
    assert (rates or {"bf16"}) == {peak}
    assert says is None or any(says in note for note in costs.notes)
    assert costs.compiled.deployment.gemm == ("fp8 x fp8" if (gemm, device) == ("fp8", "a100-80") else gemm)


REFUSED = [
    ("fp7", "roofline", "fp7 is no format of weights .*did you mean fp8"),
    ("fp8 x int4", "roofline", "int4 is no format of activations"),
    ("FP8 and int4", "roofline", "gemm = 'FP8 and int4'"),
    ("int8", "infersim", "the infersim cost model knows bf16 and fp8"),
]


@pytest.mark.parametrize(("gemm", "cost_model", "says"), REFUSED)
def test_what_is_no_format_is_refused(gemm: str, cost_model: str, says: str) -> None:
    with pytest.raises(DeploymentError, match=says):
        compiled(gemm, cost_model=cost_model)
    done = run("formula", MODEL, "--device", "b200", "--cost-model", cost_model, "--gemm", gemm)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)


def test_formats_of_a_deployment_stand_in_for_those_of_a_checkpoint() -> None:
    costs = symsim.compile("gpt-oss-20b", "b200", symsim.Deployment(gemm="fp8 x fp8"), cost_model="roofline")
    assert {layer.name for layer in costs.compiled.rates or {}} == {"fp8 per tensor x fp8", "bf16 x bf16"}
    assert any("gemm fp8 x fp8 stand in for what" in note for note in costs.notes)
