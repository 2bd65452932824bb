"""Laws of the forms of kernel time: the roofline as their ideal, units, and how they move."""

from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from sympy import Rational

from symsim.calibration.kernels import evaluated
from symsim.calibration.measured import KERNEL_FORMS, device_numbers, size_arguments
from symsim.cost.forms import array_form, forms, named_form
from symsim.language.symbolic import expression
from symsim.tables.coefficients import Coefficients, coefficients_of

NAMES = tuple(sorted(forms()))
SHIPPED = [(op, one) for op in KERNEL_FORMS for one in coefficients_of(op)]
POINT = {
    "gemm": {"m": 96, "n": 4096, "k": 5120},
    "attention_prefill": {"batch": 2, "q": 1500, "heads": 32, "kv_heads": 8, "head_dim": 128, "window": 0},
    "attention_decode": {"batch": 24, "context": 3000, "heads": 32, "kv_heads": 8, "head_dim": 128, "window": 0},
    "mla_prefill": {"batch": 2, "q": 1500, "heads": 16},
    "mla_decode": {"batch": 24, "context": 3000, "heads": 16},
    "moe": {"tokens": 96, "hidden": 4096, "inter": 1536, "topk": 8, "experts": 128, "tp": 1, "ep": 2, "gated": 1},
    "gdn": {"batch": 8, "seq_len": 256, "k_heads": 16, "v_heads": 32, "dk": 128, "dv": 128},
    "collectives": {"gpus": 4, "elements": 500_000},
    "all_to_all": {"tokens": 96, "hidden": 7168, "topk": 8, "gpus": 8, "experts": 256, "sms": 20},
}
GROWS_WITH = {
    "gemm": ("m", "n", "k"),
    "attention_prefill": ("batch", "q", "heads"),
    "attention_decode": ("batch", "context", "heads"),
    "mla_prefill": ("batch", "q", "heads"),
    "mla_decode": ("batch", "context", "heads"),
    "moe": ("tokens", "hidden", "inter"),
    "gdn": ("batch", "seq_len", "v_heads"),
    "collectives": ("elements",),
    "all_to_all": ("tokens", "hidden"),
}


def roofline(name: str, values: dict[str, sympy.Expr]) -> sympy.Expr:
    """The longest of compute, memory and link, by the form's own FLOPs, bytes and messages."""
    rates = {"flops": "peak", "bytes": "hbm_bandwidth", "sent": "nvlink_bandwidth"}
    form = named_form(name)
    scope = {**values, **form.ideal()}
    for row in form.text.amounts[:-1]:
        scope[row.name] = sympy.S.Zero if row.name == "work" else expression(row.value, scope)
    return max(scope[amount] / values[rate] for amount, rate in rates.items() if amount in scope)


@given(st.sampled_from(NAMES), st.data())
def test_the_ideal_coefficients_are_the_roofline(name: str, data: st.DataObject) -> None:
    form = named_form(name)
    whole = st.integers(1, 4096)
    sizes = {size: sympy.Integer(data.draw(whole, label=size)) for size in form.text.sizes}
    rates = ("peak", "hbm_bandwidth", "nvlink_bandwidth")
    device = {rate: Rational(data.draw(st.integers(10**9, 10**15), label=rate)) for rate in rates}
    values = {**sizes, **device, "sm_count": sympy.Integer(132), "l2": sympy.Integer(5 * 10**7)}
    values |= {"b_w": sympy.Integer(1), "b_a": sympy.Integer(2), "b_kv": sympy.Integer(1)}
    ideal = form.seconds({**values, **form.ideal()})
    whole = sympy.Max(*ideal.args) if isinstance(ideal, sympy.Max) else ideal  # a maximum is kept as it is written
    assert whole == roofline(name, values)


@pytest.mark.parametrize("name", NAMES)
def test_seconds_are_the_only_unit_of_the_result(name: str) -> None:
    """Rates per millisecond and coefficients in milliseconds give milliseconds: no second hides in a number."""
    form = named_form(name)
    expr = form.seconds(form.names())  # constants as symbols, too
    start = {row.name: float(row.start) for row in form.text.coefficients}
    sizes = next(size_arguments(op, point) for op, point in POINT.items() if name in KERNEL_FORMS[op])
    device = {"peak": 1e15, "hbm_bandwidth": 3e12, "nvlink_bandwidth": 4e11, "sm_count": 132, "l2": 5e7}
    known = {**start, **sizes, **device, "b_w": 1, "b_a": 2, "b_kv": 2}
    seconds = {row.name for row in form.text.coefficients if row.unit == "s"}
    milli = {
        key: value * 1e3
        if key in seconds
        else value / 1e3
        if key in ("peak", "hbm_bandwidth", "nvlink_bandwidth")
        else value
        for key, value in known.items()
    }
    units = {row.unit for row in form.text.coefficients}
    assert units <= {"s", "1", "B", "tokens"}
    in_seconds, in_milliseconds = (
        float(expr.subs({s: point[s.name] for s in expr.free_symbols})) for point in (known, milli)
    )
    assert in_milliseconds / in_seconds == pytest.approx(1e3, rel=1e-9)


@pytest.mark.parametrize("op", KERNEL_FORMS)
def test_no_size_makes_a_kernel_faster(op: str) -> None:
    for one in coefficients_of(op):
        for size in GROWS_WITH[op]:
            least = POINT[op][size]
            grown = least * np.array([1, 2, 3, 4, 8, 16, 64])
            seconds = evaluated(one, size_arguments(op, {**POINT[op], size: grown}))
            assert (np.diff(seconds) >= -1e-12 * seconds[1:]).all(), (one.key(), size)


@pytest.mark.parametrize("op", [op for op in KERNEL_FORMS if op not in ("attention_decode", "mla_decode", "moe")])
def test_no_kernel_is_faster_than_its_roofline(op: str) -> None:
    """Shares are at most 1 (what L2 keeps aside)."""
    for one in coefficients_of(op):
        ideal = {
            name: 1e3 if row.ideal is None else float(row.ideal)
            for name, row in named_form(one.form).coefficients.items()
        }
        numbers = device_numbers(one.device, one.dtype, one.kv_dtype or None, one.phase or None)
        function, arguments = array_form(one.form)
        sizes = size_arguments(op, POINT[op])
        names = ideal.keys() - named_form(one.form).constants().keys()
        known = {**numbers, **sizes, **{name: ideal[name] for name in names}}
        if "p" in known:
            known["p"] = 60.0
        with np.errstate(all="ignore"):
            fastest = function(*(known[name] for name in arguments))
        assert evaluated(one, sizes) >= 0.98 * fastest, one.key()


def test_every_set_states_where_it_is_from_and_how_far_off_it_was() -> None:
    assert SHIPPED
    for _, one in SHIPPED:
        _check(one)


def _check(one: Coefficients) -> None:
    form = named_form(one.form)
    assert one.source
    assert set(one.values) == {row.name for row in form.fitted}
    assert 0 < one.low < 1 < one.high
    assert 0 <= one.median <= one.p90
    assert one.groups >= 3 or one.high / one.low >= 3.99
    for row in form.fitted:
        low, high = map(float, row.within)
        assert low * 0.999 <= one.values[row.name] <= high * 1.001, (one.key(), row.name)
        assert row.ideal is None or isinstance(row.ideal, Fraction)
