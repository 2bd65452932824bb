"""One formula, many ways to evaluate it: they agree to 1e-12 everywhere."""

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sympy.core.function import AppliedUndef

import symsim
from symsim.cost.metric_table import metrics_of
from symsim.errors import EmptyTable
from symsim.formula.breakdown import numbers
from tests.laws.drawing import costs, workloads
from tests.profiles import drawn

METRICS = metrics_of(("prefill", "decode"))
metrics = st.sampled_from(METRICS)


@functools.lru_cache(maxsize=512)
def exported(formula: symsim.Formula) -> Callable[..., float]:
    names: dict[str, Any] = {}
    exec(formula.to_python(), names)
    return names[formula.name]


@functools.lru_cache(maxsize=512)
def formula_of(model: symsim.Costs, metric: str) -> symsim.Formula:
    return model.metric(metric)


def answer(formula: symsim.Formula, point: dict[str, int]) -> float:
    try:
        return formula.evaluate(**point)
    except EmptyTable:
        return math.nan


def _module_answer(formula: symsim.Formula, point: dict[str, int]) -> float:
    try:
        return exported(formula)(**point)
    except ValueError:  # the module's own refusal: it knows no EmptyTable
        return math.nan


@given(costs, metrics, workloads)
def test_evaluate_function_and_printed_module_agree(model: symsim.Costs, metric: str, workload: dict[str, int]) -> None:
    try:
        formula = formula_of(model, metric)
        point = {name: value for name, value in workload.items() if name in formula.symbols}
        value = answer(formula, point)
        module = _module_answer(formula, point)
    except EmptyTable:  # no row of this KV precision, and none may stand in: every way refuses
        with pytest.raises(EmptyTable):
            formula.to_python()
        return
    vector = formula.function(list(point))(*(np.array([x, x]) for x in point.values()))
    assert vector.shape == (2,)
    for other in (module, *vector):
        assert other == pytest.approx(value, rel=1e-12, nan_ok=True)


@given(costs, metrics, workloads)
def test_the_inlined_expression_is_the_same_formula(model: symsim.Costs, metric: str, workload: dict[str, int]) -> None:
    formula = formula_of(model, metric)
    if formula.form.cut is not None:  # the expression is that of prompts that an iteration holds
        workload = {**workload, "S": min(workload["S"], workload["T"])}
    point = {name: value for name, value in workload.items() if name in formula.symbols}
    value = answer(formula, point)
    assume(not math.isnan(value))
    assert {s.name for s in formula.expr.free_symbols} == set(formula.symbols)
    assert numbers((formula.expr,), formula.form.point(**workload), model.compiled.context)[0] == pytest.approx(
        value, rel=1e-12
    )


def test_broadcasting_gives_a_grid() -> None:
    formula = symsim.compile("qwen3-8b", "h20", cost_model="infersim").tpot
    grid = formula.function(["B", "S", "O"])(np.arange(1, 9)[:, None], np.array([512, 4096, 32768]), 1024)
    assert grid.shape == (8, 3)
    assert grid[3, 1] == pytest.approx(formula.evaluate(B=4, S=4096, O=1024), rel=1e-12)


def test_numba_is_the_same_function() -> None:
    pytest.importorskip("numba", reason="numba is the `compiled` extra; CI installs it")
    for model, device in (("deepseek-v3", "h800"), ("qwen3-8b", "h20")):
        for tables in ("2025-10", "2026-05"):
            formula = symsim.compile(model, device, tables=tables, cost_model="infersim").tpot
            points = np.arange(1.0, 400.0, 7.0), np.full(57, 4096.0), np.full(57, 1024.0)
            fast, plain = (formula.function(["B", "S", "O"], backend=b)(*points) for b in ("numba", "numpy"))
            np.testing.assert_allclose(fast, plain, rtol=1e-12)


@settings(max_examples=drawn(30))  # each compiles every metric
@given(costs, workloads)
def test_numeric_level_leaves_only_the_workload(model: symsim.Costs, workload: dict[str, int]) -> None:
    for metric in METRICS:
        left = {s.name for s in model.metric(metric).form.level("numeric").free()}
        assert left <= set(workload)


@settings(max_examples=drawn(30))  # each compiles every metric at every level
@given(costs)
def test_formulas_hold_no_floats(model: symsim.Costs) -> None:
    for metric in METRICS:
        for level in ("symbolic", "model", "numeric"):
            for step in model.metric(metric).form.level(level).steps:
                assert not step.expr.atoms(sympy.Float)


def test_tables_stay_applied_functions() -> None:
    calls = {
        str(call.func)
        for call in symsim.compile("qwen3-8b", "h20", cost_model="infersim").tpot.expr.atoms(AppliedUndef)
    }
    assert calls == {"mfu_gemm", "mfu_gqa_decode"}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"B": 64, "S": 4096}, "needs a value for O"),
        ({"B": 0, "S": 1, "O": 1}, "B = 0"),
        ({"B": 1.5, "S": 1, "O": 1}, "B = 1.5"),
        ({"B": 1, "S": 1, "O": 1, "hbm": 3}, "no symbol hbm"),
        ({"B": 1, "S": 1, "O": 1, "hbm_bandwidth": -3}, "above zero"),
        ({"B": 1, "S": 1, "O": 1, "T": 1}, "tpot does not depend on T; its workload is B, S, O"),
        ({"B": 1, "S": 1, "C": 1}, "give C or S, not both"),
    ],
)
def test_a_bad_point_is_one_sentence(values: dict[str, float], says: str) -> None:
    with pytest.raises(symsim.SymsimError, match=says):
        symsim.compile("qwen3-8b", "h20", cost_model="infersim").tpot.evaluate(**values)


def test_the_mean_context_stands_for_input_and_output() -> None:
    model = symsim.compile("qwen3-8b", "h20", cost_model="infersim")
    assert model.tpot.evaluate(B=8, C=5120) == model.tpot.evaluate(B=8, S=4096, O=2048)
    assert list(model.tpot.function(["B", "C"])([8], 5120)) == [model.tpot.evaluate(B=8, C=5120)]
    with pytest.raises(symsim.SymsimError, match="memory depends on S and O apart from C"):
        model.memory.evaluate(B=8, C=5120)


def test_a_symbol_may_not_leave_the_deployment_the_formula_was_derived_for() -> None:
    formula = symsim.compile("qwen3-30b-a3b", "h20", symsim.Deployment(world_size=4), cost_model="infersim").tpot
    larger = symsim.compile("qwen3-30b-a3b", "h20", symsim.Deployment(world_size=8), cost_model="infersim").tpot
    point = {"B": 64, "S": 4096, "O": 1024}
    assert formula.evaluate(**point, world_size=8) == larger.evaluate(**point) != formula.evaluate(**point)
    with pytest.raises(symsim.SymsimError, match="derived for world_size != 1"):
        formula.evaluate(B=64, S=4096, O=1024, world_size=1)


def test_a_row_that_cannot_be_used_is_never_lost_in_a_maximum() -> None:
    """Small batches of Qwen3-8B on H800: an MFU of 0.000 stands inside nested maxima of two-batch overlap."""
    deployment = symsim.Deployment(world_size=2, overlap="two-batch", comm="deepep")
    formula = symsim.compile("qwen3-8b", "h800", deployment, tables="2025-10", cost_model="infersim").tpot
    batches = range(1, 40)
    refused = [math.isnan(answer(formula, {"B": b, "S": 1500, "O": 1})) for b in batches]
    assert any(refused)
    assert not all(refused)
    points = np.array(batches, dtype=float), np.full(39, 1500.0), np.full(39, 1.0)
    for backend in ("numpy", "numba"):
        assert list(np.isnan(formula.function(["B", "S", "O"], backend=backend)(*points))) == refused
    assert [math.isnan(_module_answer(formula, {"B": b, "S": 1500, "O": 1})) for b in batches] == refused
