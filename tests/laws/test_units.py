"""Every formula's dimension, proved over its expression. FLOPs, tokens and sequences are counts."""

import functools

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from sympy.core.function import AppliedUndef

import symsim
from symsim.cost.metric_table import metrics_of
from symsim.tables.table import signatures
from tests.laws.drawing import costs

Dimension = tuple[int, int]  # powers of the byte and of the second
OF = {
    "1": (0, 0),
    "tokens": (0, 0),
    "B": (1, 0),
    "s": (0, 1),
    "B/s": (1, -1),
    "FLOP/s": (0, -1),
    "Hz": (0, -1),
    "tokens/s": (0, -1),
}


def dimension(expr: sympy.Basic, units: dict[str, Dimension]) -> Dimension | None:
    """The dimension, or None for a zero, which has any."""
    match expr:
        case sympy.Symbol():
            return units[expr.name]
        case AppliedUndef():
            for argument in expr.args:
                assert dimension(argument, units) in ((0, 0), None)
            return OF[signatures()[str(expr.func)].unit]
        case sympy.Add() | sympy.Max() | sympy.Min() | sympy.floor() | sympy.ceiling():
            found = {dimension(part, units) for part in expr.args} - {None}
            assert len(found) <= 1, f"{expr} adds {found}"
            return found.pop() if found else None
        case sympy.Mul():
            parts = [dimension(part, units) or (0, 0) for part in expr.args]
            return sum(b for b, _ in parts), sum(s for _, s in parts)
        case sympy.Pow():
            if not expr.exp.is_Integer:  # a count to the power of a count
                assert {dimension(part, units) for part in expr.args} <= {(0, 0), None}
                return 0, 0
            bytes_, seconds = dimension(expr.base, units) or (0, 0)
            return bytes_ * int(expr.exp), seconds * int(expr.exp)
        case _:
            assert expr.is_number
            return None if expr == 0 else (0, 0)


@given(costs, st.sampled_from(metrics_of(("prefill", "decode"))))
def test_every_step_has_the_unit_that_it_states(model: symsim.Costs, metric: str) -> None:
    formula = model.metric(metric)
    units = {name: OF[info.unit] for name, info in formula.symbols.items()}
    for step in formula.form.derivation.steps:
        assert dimension(step.expr, units) in (OF[step.unit], None), step.symbol
        units[step.symbol.name] = OF[step.unit]


@pytest.mark.parametrize(
    ("metric", "unit"), [("tpot", "s"), ("ttft", "s"), ("memory", "B"), ("tgs_decode", "tokens/s")]
)
def test_units_of_metrics(metric: str, unit: str) -> None:
    formula = symsim.compile("deepseek-v3", "h800", cost_model="infersim").metric(metric)
    units = {name: OF[info.unit] for name, info in formula.symbols.items()}
    assert formula.unit == unit
    assert dimension(formula.expr, units) == OF[unit]


def test_the_check_notices_a_wrong_sum() -> None:
    length, time = sympy.symbols("length time")
    check = functools.partial(dimension, units={"length": (1, 0), "time": (0, 1)})
    with pytest.raises(AssertionError, match="adds"):
        check(length + time)
