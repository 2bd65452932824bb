"""Time never falls when hardware gets worse; certificates of direction are never wrong."""

import itertools

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

import symsim
from symsim.algebra.direction import direction
from symsim.errors import EmptyTable
from tests.laws.drawing import DEPLOYMENTS, compiled, costs, workloads

HARDWARE = ("hbm_bandwidth", "nvlink_bandwidth", "rdma_bandwidth", "peak_w", "peak_bf16", "hbm_efficiency")


@given(costs, workloads, st.sampled_from(["tpot", "ttft"]), st.sampled_from(HARDWARE), st.floats(0.1, 0.999))
def test_time_never_falls_when_hardware_slows_down(
    model: symsim.Costs, workload: dict[str, int], metric: str, name: str, factor: float
) -> None:
    formula = model.metric(metric)
    if name not in formula.symbols:
        return
    point = {key: value for key, value in workload.items() if key in formula.symbols}
    try:
        before = formula.evaluate(**point)
    except EmptyTable:
        return
    slower = float(model.compiled.numbers.values[name]) * factor
    assert formula.evaluate(**point, **{name: slower}) >= before * (1 - 1e-12)


@pytest.mark.parametrize("deployment", range(len(DEPLOYMENTS)))
@pytest.mark.parametrize("metric", ["tpot", "ttft"])
def test_every_hardware_figure_has_a_certificate(deployment: int, metric: str) -> None:
    formula = compiled("deepseek-v3", "h800", deployment, "2026-05").metric(metric)
    whole = formula.form.level("model").inlined()
    for name in set(HARDWARE) & set(formula.symbols):
        assert direction(whole, _symbol(formula, name)) == -1


def _symbol(formula: symsim.Formula, name: str) -> sympy.Symbol:
    return next(s for s in formula.expr.free_symbols if s.name == name)


x, y = sympy.symbols("x y", positive=True)
leaves = st.sampled_from([x, y, 1 / x, sympy.Integer(2), sympy.Rational(1, 3), sympy.Integer(-1)])
expressions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda two: two[0] + two[1]),
        st.tuples(inner, inner).map(lambda two: two[0] * two[1]),
        st.tuples(inner, inner).map(lambda two: sympy.Max(*two)),
        inner.map(sympy.floor),
    ),
    max_leaves=6,
)


@given(
    expressions,
    st.lists(st.fractions(min_value="1/10", max_value=50, max_denominator=20), min_size=2, max_size=6),
)
def test_a_certificate_is_never_wrong(expr: sympy.Expr, points: list[object]) -> None:
    found = direction(expr, x)
    if found is None:
        return
    ordered = [sympy.Rational(str(point)) for point in sorted(points)]  # type: ignore[type-var]
    values = [expr.subs({x: point, y: sympy.Rational(7, 3)}) for point in ordered]
    steps = [later - earlier for earlier, later in itertools.pairwise(values)]
    assert all(step * found >= 0 if found else step == 0 for step in steps)


@pytest.mark.parametrize(
    ("expr", "move"),
    [(sympy.Max(3 * x / y, 5 / y), 1), (x / (x + 1), 1), (x + 1 / x, None), (1 / (x + y), -1), (y**2, 0)],
)
def test_directions(expr: sympy.Expr, move: int | None) -> None:
    assert direction(expr, x) == move
