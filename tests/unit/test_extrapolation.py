"""Beyond the sizes that kernels were measured with intervals widen, and it is said."""

import math

import pytest

import symsim
from symsim.formula.extrapolation import extrapolated, stretch
from symsim.tables.coefficients import spellings
from tests.commands import run

REACH = {name: most for name, (_, most) in spellings()["reach"].items()}


def costs(cost_model: str = "calibrated") -> symsim.Costs:
    return symsim.compile("llama-3.1-8b", "h100", cost_model=cost_model)


def widths(formula: symsim.Formula, **at: int) -> tuple[float, float]:
    """Logarithms of the ends over the value."""
    low, high = formula.interval(**at)
    return math.log(formula.evaluate(**at) / low), math.log(high / formula.evaluate(**at))


def test_a_size_that_was_measured_widens_nothing() -> None:
    inside = {"B": REACH["B"], "S": 2 * REACH["C"] // 4, "O": REACH["C"]}
    assert stretch(inside) == 1
    assert extrapolated(inside) == ()
    assert stretch({"T": REACH["T"], "S": REACH["S"] - 100, "past": 100}) == 1


@pytest.mark.parametrize(
    ("at", "wider", "words"),
    [
        ({"B": 4, "C": 4 * REACH["C"]}, 1.25, "524,288 tokens of a context are more than the 131,072"),
        ({"B": 4, "S": 4 * REACH["C"] - 8, "O": 16}, 1.25, "524,288 tokens of a context"),
        ({"B": 2 * REACH["B"], "C": 100}, 1.125, "4,096 sequences of a replica"),
        ({"T": 100, "S": REACH["S"], "past": REACH["S"]}, 1.125, "32,768 tokens of a prompt are more than the 16,384"),
        ({"T": 4 * REACH["T"], "S": 10}, 1.25, "131,072 tokens of an iteration"),
    ],
)
def test_each_doubling_beyond_widens_by_an_eighth(at: dict[str, int], wider: float, words: str) -> None:
    assert stretch(at) == pytest.approx(wider)
    (sentence,) = extrapolated(at)
    assert sentence.startswith(words)
    assert "an extrapolation" in sentence


def test_the_interval_of_a_metric_widens() -> None:
    """Attention alone is left at such contexts, so that its width is nearly constant inside."""
    tpot = costs().tpot
    near, far = (widths(tpot, B=8, S=context - 50, O=100) for context in (REACH["C"], 16 * REACH["C"]))
    for one, other in zip(near, far, strict=True):
        assert other / one == pytest.approx(1.5, rel=0.06)


def test_commands_say_so() -> None:
    long = run("formula", "llama-3.1-8b", "--device", "h100", "--metric", "ttft", "--at", "T=8192,S=100000").stdout
    assert "100,000 tokens of a prompt are more than the 16,384" in long
    short = run("formula", "llama-3.1-8b", "--device", "h100", "--metric", "ttft", "--at", "T=8192,S=8192").stdout
    assert "extrapolation" not in short
    report = run("report", "llama-3.1-8b", "--device", "h100", "--at", "S=100000,B=1").stdout
    assert "100,000 tokens of a prompt" in report
    load = {"isl": 100_000, "osl": 300, "concurrency": 1}
    told = {model: costs(model).predict(**load).as_dict() for model in ("calibrated", "roofline")}
    assert any("tokens of a prompt" in note for note in told["calibrated"]["warnings"])
    assert not any("tokens of a prompt" in note for note in told["roofline"]["warnings"])
    low, high = told["calibrated"]["intervals"]["ttft_s.mean"]
    near_low, near_high = costs().predict(**{**load, "isl": 10_000}).as_dict()["intervals"]["ttft_s.mean"]
    assert high / low > 1.1 * near_high / near_low
