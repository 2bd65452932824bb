"""A formula evaluated with another number is what compiling with that number gives, or it is refused."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

import symsim
from symsim.algebra.symbols import symbol_info
from symsim.errors import EmptyTable, SymsimError
from symsim.formula.closed_form import ClosedForm
from symsim.formula.grid import gridded
from symsim.inputs.device import Device
from symsim.pipeline.compiled import Compiled
from symsim.pipeline.pipeline import assembled
from tests.laws.drawing import costs, devices, workloads

POINT = {"B": 64, "S": 4096, "O": 2048}
METRICS = ("tpot", "ttft", "tgs_decode", "memory")
UNMEASURED = [("deepseek-v3", "b200", "roofline"), ("qwen3-8b", "h200", "infersim"), ("qwen3-8b", "b200", "infersim")]


def another_device(model: Compiled, name: str, value: Fraction) -> Device:
    """The device whose file states this number."""
    device, field = model.device, name
    if name == "default_mfu":
        return replace(device, assume={**device.assume, "mfu": value})
    if name.endswith("_efficiency"):
        rate = name.removesuffix("_efficiency")
        share = rate if rate == "clock" else f"{rate}_bandwidth"
        return replace(device, achievable={**device.achievable, share: value})
    if name == "peak_w":
        field = model.peak.name
    figure = value / model.cost_model.scale.get(symbol_info(name).unit, Fraction(1))
    own = device.overrides.get(model.cost_model.name, {})
    stated = {**device.overrides, model.cost_model.name: {**own, field: figure}}
    return replace(device, figures={**device.figures, field: figure}, overrides=stated)


def recompiled(model: Compiled, name: str, value: Fraction) -> Compiled | None:
    """The model compiled with this number; None where nothing that can be compiled has it."""
    device, deployment, cost_model = model.device, model.asked, model.cost_model
    if symbol_info(name).kind == "hardware" or name == "peak_w":
        device = another_device(model, name, value)
    elif symbol_info(name).kind == "convention":
        cost_model = replace(cost_model, constants={**cost_model.constants, name: value})
    elif name == "b_kv" and value in (1, 2) and cost_model.name == "infersim":  # elsewhere its format decides on peaks
        deployment = replace(deployment, kv="fp8" if value == 1 else "bf16")
    elif name == "reserve_share":
        deployment = replace(deployment, memory_share=1 - value)
    elif name == "sm_ratio":
        deployment = replace(deployment, sm_ratio=value)
    else:
        return None
    return assembled(model.family, device, deployment, cost_model, model.context.vintage, fallback=False)


def value_or_none(form: ClosedForm, point: dict[str, int], **values: float) -> float | None:
    """The value; None where a measured row cannot be used."""
    try:
        return form.evaluate(**point, **values)
    except EmptyTable:
        return None


def check(model: Compiled, metric: str, point: dict[str, int], name: str, factor: Fraction) -> str:
    """What came of it: refused, or the kind of symbol that was compared."""
    form, was = model.form(metric), model.numbers.values[name]
    point = {symbol: value for symbol, value in point.items() if symbol in form.symbols}
    value = Fraction(max(1, round(was * factor))) if symbol_info(name).integer else was * factor
    try:
        overridden = value_or_none(form, point, **{name: int(value) if value.denominator == 1 else value})
    except SymsimError as refusal:
        return f"refused: {type(refusal).__name__}"
    other = model if value == was else recompiled(model, name, value)
    assert other is not None, f"{name} = {value} was accepted and nothing compiles to it"
    expected = value_or_none(other.form(metric), point)
    assert overridden == (expected if expected is None else pytest.approx(expected, rel=1e-12)), (name, str(value))
    return symbol_info(name).kind


FACTORS = st.sampled_from([Fraction(1, 2), Fraction(9, 10), Fraction(11, 10), Fraction(2)])
OVERRIDDEN = ("hardware", "convention", "precision")


@settings(max_examples=60, deadline=None)
@given(costs, workloads, st.sampled_from(METRICS), FACTORS, st.data())
def test_overriding_is_recompiling(
    model: symsim.Costs, workload: dict[str, int], metric: str, factor: Fraction, data: st.DataObject
) -> None:
    symbols = model.metric(metric).symbols
    names = [name for name, info in symbols.items() if info.kind in OVERRIDDEN or name == "sm_ratio"]
    name = data.draw(st.sampled_from([*names, "default_mfu"]))
    if name.endswith("_efficiency") or name in ("default_mfu", "sm_ratio"):
        factor = min(factor, Fraction(1))
    event(check(model.compiled, metric, workload, name, factor))


@pytest.mark.parametrize(("model", "device", "cost_model"), UNMEASURED)
@pytest.mark.parametrize("metric", ["tpot", "ttft"])
def test_the_default_is_a_symbol_where_nothing_is_measured(
    model: str, device: str, cost_model: str, metric: str
) -> None:
    compiled = symsim.compile(model, device, cost_model=cost_model)
    formula, point = compiled.metric(metric), {"T": 4096, **POINT}
    here = {name: value for name, value in point.items() if name in formula.symbols}
    assert "default_mfu" in formula.symbols
    assert formula.evaluate(**here, default_mfu=0.05) > formula.evaluate(**here)
    assert check(compiled.compiled, metric, point, "default_mfu", Fraction(1, 10)) == "hardware"
    along = formula.function(["default_mfu", *here])([0.05, 0.3], *here.values())
    assert list(along) == [formula.evaluate(**here, default_mfu=x) for x in (0.05, 0.3)]


@given(devices, st.integers(1, 40))
def test_the_default_is_followed_where_some_points_are_measured(device: str, batch: int) -> None:
    """GEMMs of fewer than 16 rows have no figure: the default stands there, at those points alone."""
    model = symsim.compile("qwen3-8b", device, cost_model="roofline")
    point = {**POINT, "B": batch}
    if "default_mfu" in model.tpot.symbols or model.compiled.form("tpot").rewriting.partly:
        assert check(model.compiled, "tpot", point, "default_mfu", Fraction(1, 20)) == "hardware"


def test_elasticity_of_the_default() -> None:
    model = symsim.compile("deepseek-v3", "b200", cost_model="roofline")
    (one,) = symsim.sensitivities(model, "tpot", ["default_mfu"], **POINT, default_mfu=0.01)
    step = 1e-6
    more, less = (model.tpot.evaluate(**POINT, default_mfu=0.01 * (1 + sign * step)) for sign in (1, -1))
    slope = (more - less) / (2 * step) / model.tpot.evaluate(**POINT, default_mfu=0.01)
    assert one.elasticity[1] == pytest.approx(slope, rel=1e-5)
    assert slope < -0.1


def test_kv_precision_follows_into_the_tables() -> None:
    model = symsim.compile("deepseek-v3", "h800", cost_model="roofline")
    with pytest.raises(EmptyTable, match="no fp8 KV rows"):
        model.tpot.evaluate(**POINT, b_kv=1)
    with pytest.raises(SymsimError, match="by the precision of the KV cache"):
        model.tpot.evaluate(**POINT, b_kv=3)
    with pytest.raises(SymsimError, match="one by one"):
        model.tpot.function(["b_kv", "B", "S", "O"])


def test_one_figure_of_the_device_is_one_number() -> None:
    model = symsim.compile("qwen3-8b", "h20", cost_model="roofline")
    peak = float(model.compiled.numbers.values["peak_bf16"])
    assert model.tpot.evaluate(**POINT, peak_bf16=peak / 8) == model.tpot.evaluate(**POINT, peak_w=peak / 8)
    with pytest.raises(SymsimError, match="one figure of the device"):
        model.tpot.evaluate(**POINT, peak_bf16=peak, peak_w=peak / 2)


@pytest.mark.parametrize("name", ["peak_bf16", "peak_w"])
def test_one_figure_moves_as_one_along_an_axis(name: str) -> None:
    """What a formula is along a peak of the device is what it is at each of its values."""
    model = symsim.compile("qwen3-8b", "h20", cost_model="roofline")
    formula, peak = model.tpot, float(model.compiled.numbers.values["peak_bf16"])
    points = [peak / 8, peak / 3, peak * 2]
    expected = [formula.evaluate(**POINT, **{name: x}) for x in points]
    assert list(formula.function([name, *POINT])(points, *POINT.values())) == pytest.approx(expected, rel=1e-12)
    axes = {name: np.array(points), **{symbol: np.array([float(value)]) for symbol, value in POINT.items()}}
    (along,) = gridded(formula.form, list(axes)).values(axes).values()
    assert list(along.ravel()) == pytest.approx(expected, rel=1e-12)
    pieces = symsim.regimes(formula, name, **POINT).pieces
    for x, value in zip(points, expected, strict=True):
        piece = next(piece for piece in pieces if piece.low <= x <= piece.high)
        assert float(piece.expression.subs(dict.fromkeys(piece.expression.free_symbols, x))) == pytest.approx(value)
    elsewhere = symsim.regimes(formula, "hbm_bandwidth", **POINT, **{name: points[0]})
    here = elsewhere.at["hbm_bandwidth"]
    assert elsewhere.pieces[elsewhere.here].value(here) == pytest.approx(expected[0])


@pytest.mark.parametrize("name", ["peak_bf16", "peak_w"])
def test_a_figure_that_chooses_rows_is_no_axis(name: str) -> None:
    model = symsim.compile("qwen3-8b", "b200", cost_model="roofline", fallback=True)
    for ask in (
        lambda: model.tpot.function([name, *POINT]),
        lambda: symsim.regimes(model.tpot, name, **POINT),
        lambda: gridded(model.tpot.form, [name, *POINT]),
    ):
        with pytest.raises(SymsimError, match="one by one"):
            ask()


def test_a_stand_in_is_changed_by_what_it_stands_for() -> None:
    """Along peak_bf16 goes what has no units of its own; the stand-in by itself is refused, as at a point."""
    form = symsim.compile("deepseek-v3", "h20", cost_model="roofline").tpot.form
    stand_ins = {name: leader for name, leader in form.bound.same.items() if name != "peak_w"}
    assert stand_ins
    for name, leader in stand_ins.items():
        with pytest.raises(SymsimError, match=f"change {leader} instead"):
            form.along([name])


def test_levers_name_each_figure_once() -> None:
    model = symsim.compile("qwen3-8b", "h20", cost_model="roofline")
    answer = model.solve("max B subject to TPOT <= 50 ms with S = 4096, O = 2048")
    assert "peak_bf16" in answer.levers
    assert "peak_w" not in answer.levers
