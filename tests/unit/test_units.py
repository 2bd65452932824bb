"""Quantities: exact, and never of another unit."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symsim.algebra.units import DIMENSIONS, format_quantity, parse_quantity
from symsim.errors import BadUnit

FACTS = [
    ("4.0 TB/s", "B/s", 4 * 10**12),
    ("96 GB", "B", 96 * 10**9),
    ("96 GiB", "B", 96 * 2**30),
    ("1 KiB", "B", 1024),
    ("148 TFLOP/s", "FLOP/s", 148 * 10**12),
    ("148 TFLOPS", "FLOP/s", 148 * 10**12),
    ("1980 MHz", "Hz", 1980 * 10**6),
    ("50 ms", "s", Fraction(1, 20)),
    ("1.5 us", "s", Fraction(3, 2 * 10**6)),
    ("1.5 µs", "s", Fraction(3, 2 * 10**6)),
    ("80 %", "1", Fraction(4, 5)),
    ("2500 tokens/s", "tokens/s", 2500),
]


@pytest.mark.parametrize(("text", "dimension", "value"), FACTS)
def test_quantity_is_exact(text: str, dimension: str, value: Fraction) -> None:
    assert parse_quantity(text, dimension) == value


@pytest.mark.parametrize(
    ("text", "dimension", "says"),
    [
        ("4.0 TB", "B/s", "'TB' is no unit of B/s"),
        ("4.0", "B/s", "'4.0' has no unit"),
        ("400 Gb/s", "B/s", "divide by 8"),
        ("400 Gbit/s", "B/s", "divide by 8"),
        ("fast", "B/s", "not a number with a unit"),
        ("50 GB", "s", "e.g. '50 ms'"),
    ],
)
def test_wrong_unit_is_refused_with_what_is_expected(text: str, dimension: str, says: str) -> None:
    with pytest.raises(BadUnit, match="expected a quantity in") as caught:
        parse_quantity(text, dimension)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("value", "dimension", "text"),
    [
        (4.24e-6, "s", "4.24 µs"),
        (0.05, "s", "50 ms"),
        (2.5e13, "FLOP/s", "25 TFLOP/s"),
        (60.81e9, "B", "60.81 GB"),
        (0, "s", "0 s"),
        (2632.4, "tokens/s", "2632 tokens/s"),
        (float("inf"), "s", "inf s"),
    ],
)
def test_printed_as_people_write_it(value: float, dimension: str, text: str) -> None:
    assert format_quantity(value, dimension) == text


def test_gib_is_printed_only_when_asked() -> None:
    assert format_quantity(2**30, "B", binary=True) == "1 GiB"
    assert format_quantity(2**30, "B") == "1.074 GB"


@given(
    st.floats(min_value=1e-9, max_value=1e18, allow_nan=False),
    st.sampled_from([dimension for dimension in DIMENSIONS if dimension not in ("tokens", "1")]),
)
def test_what_is_printed_reads_back(value: float, dimension: str) -> None:
    read = parse_quantity(format_quantity(value, dimension, digits=17), dimension)
    assert float(read) == pytest.approx(value, rel=1e-12)
