"""Whatever is printed as LaTeX verifies as equal; a term that is dropped or changed is found and named."""

from dataclasses import replace

import sympy
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from sympy import Expr

import symsim
from symsim import Verdict, verify
from symsim.cost.derivation import Step
from symsim.cost.metric_table import metrics_of
from symsim.notation.latex_article import latex_text
from symsim.notation.layout import Layout
from tests.laws.drawing import costs, mixed
from tests.profiles import drawn

levels = st.sampled_from(["symbolic", "model", "numeric"])
METRICS = metrics_of(("prefill", "decode"))
metrics = st.sampled_from(METRICS)
EXAMPLES = settings(max_examples=drawn(30), deadline=None, phases=(Phase.explicit, Phase.reuse, Phase.generate))


@EXAMPLES
@given(costs, metrics, levels)
def test_what_is_printed_is_equal(compiled: symsim.Costs, metric: str, level: str) -> None:
    formula = compiled.metric(metric)
    found = verify(formula.to_latex(level), compiled, metric)
    assert found.equal, [one.sentence() for one in found.differences]
    assert {step.symbol for step in found.steps} == {step.symbol for step in formula.form.derivation.steps}
    assert not found.taken


def _places(expr: Expr) -> list[tuple[Expr, Expr]]:
    """Every (sum or maximum, term of it) that is not inside a look-up or a rounding."""
    if not isinstance(expr, sympy.Add | sympy.Max | sympy.Mul | sympy.Pow):
        return []
    inner = [place for part in expr.args for place in _places(part)]  # pyright: ignore[reportArgumentType]
    own = [(expr, part) for part in expr.args] if isinstance(expr, sympy.Add | sympy.Max) else []
    return [*own, *inner]  # pyright: ignore[reportReturnType]


def _changed(sheet: Layout, step: Step, expr: Expr) -> str:
    steps = tuple(replace(s, expr=expr) if s is step else s for s in sheet.steps)
    return latex_text(replace(sheet, steps=steps))


def _draw_place(data: st.DataObject, sheet: Layout) -> tuple[Step, Expr, Expr]:
    places = [(step, node, term) for step in sheet.steps for node, term in _places(step.expr)]
    assume(places)
    return data.draw(st.sampled_from(places))


def _matters(compiled: symsim.Costs, metric: str, step: Step, changed: Expr) -> bool:
    """Whether a change is one with the numbers of the model: an arm of a maximum of sizes may be idle in all of it."""
    known = compiled.metric(metric).form.bound.symbols()
    before, after = (sympy.simplify(one.xreplace(known)) for one in (step.expr, changed))
    return not before.is_number or before != after


def _alike(term: Expr, kept: Expr) -> bool:
    """Whether a kept term is a multiple of the dropped one, multiplied out: then its coefficient is what differs."""
    dropped, others = (sympy.Add.make_args(sympy.expand(one)) for one in (term, kept))
    return any((other / one).is_number for one in dropped for other in others)


def _names(found: Verdict, step: Step) -> bool:
    return bool(found.differences) and all(one.step == step.symbol.name for one in found.differences)


@EXAMPLES
@given(st.data(), costs, metrics, levels)
def test_a_dropped_term_is_found_and_named(
    data: st.DataObject, compiled: symsim.Costs, metric: str, level: str
) -> None:
    sheet = compiled.metric(metric).layout(level)
    step, node, term = _draw_place(data, sheet)
    assume(term != 0)  # where the other arm is above zero with the model's numbers, nothing may be missing
    kept = node.func(*(part for part in node.args if part != term))
    assume(_matters(compiled, metric, step, step.expr.xreplace({node: kept})))
    found = verify(_changed(sheet, step, step.expr.xreplace({node: kept})), compiled, metric)
    assert _names(found, step), (step, term, [one.sentence() for one in found.differences])
    if node is step.expr and not _alike(term, kept):  # the very term is named
        (only,) = found.differences
        assert only.kind == ("missing arm" if isinstance(node, sympy.Max) else "missing term")
        assert only.derived


def test_a_largest_batch_below_zero_is_no_batch() -> None:
    """Without max(0, ...) a model that does not fit has a batch below zero."""
    costs = symsim.compile("deepseek-v3", "h20", cost_model="roofline")
    sheet = costs.max_batch.layout("symbolic")
    step = next(step for step in sheet.steps if step.symbol.name == "B_max")
    (kept,) = (arm for arm in step.expr.args if arm != 0)
    found = verify(_changed(sheet, step, kept), costs, "max_batch")  # pyright: ignore[reportArgumentType]
    assert _names(found, step)


def test_a_term_that_multiplies_out_into_several_is_named_once() -> None:
    """Where the last stage of a pipeline is (pp - 1) hops away, both products of the bracket are missing."""
    model = mixed("qwen3-8b", "h800", 0, "2025-10")
    sheet = model.tpot.layout("symbolic")
    step = next(step for step in sheet.steps if step.symbol.name == "t_logits")
    dropped = next(part for part in step.expr.args if "t_hop" in map(str, part.free_symbols))
    kept = sympy.Add(*(part for part in step.expr.args if part != dropped))
    (only,) = verify(_changed(sheet, step, kept), model, "tpot").differences
    assert only.sentence() == "missing term in t_logits (line 7): t_hop*(pp - 1)"


@EXAMPLES
@given(st.data(), costs, metrics, levels, st.sampled_from([2, 3, sympy.Rational(1, 2)]))
def test_a_changed_coefficient_is_found_and_named(
    data: st.DataObject, compiled: symsim.Costs, metric: str, level: str, factor: Expr
) -> None:
    sheet = compiled.metric(metric).layout(level)
    step, node, term = _draw_place(data, sheet)
    changed = node.func(*(part * factor if part == term else part for part in node.args), evaluate=False)
    assume(_matters(compiled, metric, step, step.expr.xreplace({node: changed})))
    found = verify(_changed(sheet, step, step.expr.xreplace({node: changed})), compiled, metric)
    assert _names(found, step), (step, term, [one.sentence() for one in found.differences])
    assert {one.kind for one in found.differences} & {"wrong coefficient", "wrong term"}
