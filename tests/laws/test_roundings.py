"""Roundings of whole numbers over a whole number: the normal form keeps their value and is one for equal ones."""

import sympy
from hypothesis import given
from hypothesis import strategies as st

from symsim.algebra.normal_form import normal
from symsim.algebra.terms import expression_of

LENGTH = sympy.Symbol("O", integer=True, positive=True)


@given(st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 6), st.booleans(), st.integers(1, 50))
def test_a_rounding_keeps_its_value(slope: int, start: int, below: int, up: bool, at: int) -> None:
    rounding = sympy.ceiling if up else sympy.floor
    whole = rounding((slope * LENGTH + start) / sympy.Integer(below))
    assert expression_of(normal(whole)).subs(LENGTH, at) == rounding(sympy.Rational(slope * at + start, below))


@given(st.integers(-9, 9), st.integers(-9, 9))
def test_halves_rounded_up_and_down_are_one_form(slope: int, start: int) -> None:
    twice = slope * LENGTH + start
    assert normal(twice - sympy.ceiling(twice / 2)) == normal(sympy.floor(twice / 2))
