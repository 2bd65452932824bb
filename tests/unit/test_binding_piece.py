"""Roots of a piece in one of its symbols, as formulas in the others."""

from collections.abc import Callable

import pytest
import sympy

import symsim
from symsim.cost.bound import BOUNDS
from symsim.formula.binding_piece import root
from symsim.tables.table import TableContext

X = sympy.Symbol("x", positive=True)
SIZES = sympy.symbols("a0:90", positive=True)
"""So many that nobody waits for their common denominator."""

CONTEXT = TableContext(device="h100", vintage="2026-05", kv="bf16", cost_model="infersim")
NUMBERS = {size: 1.5 + i % 7 for i, size in enumerate(SIZES)}
VALUES = {size.name: number for size, number in NUMBERS.items()}


@pytest.mark.parametrize(
    ("pieces", "near"),
    [
        (lambda a, b, c: a + b * X - c * 40, 60.0),
        (lambda a, b, c: a / X + b / (X * 3) - c, 1.0),
        (lambda a, b, c: a * X**2 + b * X - c * 9, 2.0),
        (lambda a, b, c: a / X + b * X - c * 5, 4.0),
        (lambda a, b, c: a / X**2 + b / X - c, 1.0),
    ],
)
def test_roots_are_written_in_terms_of_all_sizes(pieces: Callable[..., sympy.Expr], near: float) -> None:
    parts = [sympy.Add(*(s / t for s, t in zip(SIZES[i::3], reversed(SIZES[i::3]), strict=True))) for i in range(3)]
    expr = pieces(*parts)
    found = root(expr, X, near, VALUES, CONTEXT)
    assert found is not None
    value = float(found.subs(NUMBERS))
    scale = sum(abs(float(term.subs(NUMBERS).subs(X, value))) for term in sympy.Add.make_args(sympy.expand(expr)))
    assert abs(float(expr.subs(NUMBERS).subs(X, value))) < 1e-9 * scale


def test_what_is_no_line_or_parabola_has_no_root() -> None:
    a, b, c = SIZES[:3]
    assert root(a * X**3 - b, X, 1.0, VALUES, CONTEXT) is None
    assert root(a**X - b, X, 1.0, VALUES, CONTEXT) is None
    assert root(sympy.Add(*SIZES) / (X + c) ** 3 - X, X, 1.0, VALUES, CONTEXT) is None


def test_a_short_denominator_of_several_terms_is_multiplied_out() -> None:
    a, b, c = SIZES[:3]
    found = root(a / (b + X) - c, X, 0.0, VALUES, CONTEXT)
    assert found is not None
    assert sympy.simplify(found - (a / c - b)) == 0


def test_what_binds_an_operator_is_what_its_time_is_spent_on() -> None:
    """Not a size of its shape, as where the kernel takes another block above 128 rows: B - 128, or 0."""
    deployment = symsim.Deployment(world_size=128, num_nodes=16, gemm="fp8", comm="deepep", overlap="two-batch")
    costs = symsim.compile("deepseek-v3", "h800", deployment)
    found = costs.regimes("tpot", "B", 100, 300, S=4096, O=2048)
    operators = {step.symbol.name for step in costs.tpot.form.derivation.steps if step.op is not None}
    for piece in found.pieces:
        assert {piece.binds[step] for step in operators if step in piece.binds} <= {*BOUNDS}
    above = next(piece for piece in found.pieces if piece.low == 129)
    steps = [border.step for border in above.borders]
    assert len(steps) == len(set(steps))
    assert any((border.was, border.now) == ("memory", "latency") for border in above.borders)
