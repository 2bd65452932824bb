"""The table of metrics: every row is an attribute, a flag and a word of questions; a new row needs no Python."""

from pathlib import Path

import pytest

import symsim
import symsim.cost.metric_table
from symsim.cost.metric_table import metrics, named_metric
from symsim.paths import GRAMMAR

POINT = {"B": 16, "S": 4096, "O": 512, "T": 4096}
DEPLOYMENTS = (symsim.Deployment(), symsim.Deployment(world_size=8, tp=4))


def at(formula: symsim.Formula) -> float:
    return formula.evaluate(**{name: value for name, value in POINT.items() if name in formula.symbols})


@pytest.mark.parametrize("name", list(metrics()))
def test_every_metric_is_an_attribute_with_the_unit_of_the_table(name: str) -> None:
    costs = symsim.compile("qwen3-8b", "h20", cost_model="roofline")
    assert getattr(costs, name).unit == metrics()[name].unit
    assert name in dir(costs)
    assert getattr(costs, name).form.derivation.result.symbol.name == metrics()[name].result.symbol
    for called in (*metrics()[name].aliases, name.upper(), metrics()[name].flag):
        assert costs.metric(called).form is costs.metric(name).form


def test_an_unknown_metric_is_refused_with_the_nearest() -> None:
    costs = symsim.compile("qwen3-8b", "h20", cost_model="infersim")
    with pytest.raises(symsim.SymsimError, match="there is no metric tpt; did you mean tpot"):
        costs.metric("tpt")
    with pytest.raises(AttributeError, match="Costs has no tpt"):
        _ = costs.tpt


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=["one GPU", "tp 4 of 8"])
def test_rates_are_tokens_over_time(deployment: symsim.Deployment) -> None:
    costs = symsim.compile("qwen3-8b", "h20", deployment, cost_model="infersim")
    assert at(costs.tgs_decode) == pytest.approx(POINT["B"] / deployment.tp / at(costs.tpot), rel=1e-12)
    assert at(costs.tgs_prefill) == pytest.approx(POINT["T"] / deployment.tp / at(costs.ttft), rel=1e-12)


def test_a_new_row_is_a_metric_without_any_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = """
[tokens_per_user]
aliases = ["pace"]
step = "decode"
from = "tpot"
formula = "1/TPOT"
symbol = "speed"
latex = 'v'
unit = "tokens/s"
meaning = "tokens a second that a user sees"
"""
    (tmp_path / "metrics.toml").write_text((GRAMMAR / "metrics.toml").read_text() + row)
    monkeypatch.setattr(symsim.cost.metric_table, "GRAMMAR", tmp_path)
    metrics.cache_clear()
    try:
        costs = symsim.compile("qwen3-8b", "h20", cost_model="infersim")
        assert at(costs.tokens_per_user) == pytest.approx(1 / at(costs.tpot), rel=1e-12)
        assert "= 1/TPOT" in costs.metric("pace").to_text("symbolic")
        assert (
            costs.solve("max B subject to pace >= 20 tokens/s").value
            == costs.solve("max B subject to TPOT <= 50 ms").value
        )
        assert named_metric("tokens-per-user").unit == "tokens/s"
    finally:
        metrics.cache_clear()


def test_none_is_the_largest_batch_where_not_even_one_sequence_fits() -> None:
    """DeepSeek-V3's weights alone are more than one H200 holds."""
    largest = symsim.compile("deepseek-v3", "h200", cost_model="roofline").max_batch
    assert largest.evaluate(S=4096, O=1024) == 0
    assert list(largest.function(["S", "O"])([1, 9], [1, 9])) == [0, 0]
