"""symsim report, and simulate with a model's name."""

import json

import pytest

import symsim
from symsim.algebra.units import format_quantity, format_range
from tests.commands import run

POINT = {"B": 64, "S": 4096, "O": 1024}
AT = ",".join(f"{name}={value}" for name, value in POINT.items())


@pytest.mark.parametrize("cost_model", ["infersim", "roofline", "calibrated"])
def test_figures_are_those_of_the_formulas(cost_model: str) -> None:
    ran = run("report", "qwen3-8b", "--device", "h100", "--cost-model", cost_model, "--at", AT, "--json")
    told = json.loads(ran.stdout)
    costs = symsim.compile("qwen3-8b", "h100", cost_model=cost_model)
    assert told["figures"]["tpot"] == costs.tpot.evaluate(**POINT)
    assert told["figures"]["tgs_decode"] == pytest.approx(64 / told["figures"]["tpot"])
    parts = told["memory"]
    assert sum(parts[name] for name in ("weights", "cache", "unfilled_pages", "activations", "reserves", "free")) == (
        pytest.approx(parts["capacity"])
    )
    for time in ("ttft", "tpot"):
        assert sum(told["bound"][time].values()) == pytest.approx(told["figures"][time])
        assert told["bound"][time][told["binding"][time]] == max(told["bound"][time].values())
    assert ("tpot" in told["intervals"]) == (cost_model == "calibrated")


def test_a_point_is_read_as_questions_read_it() -> None:
    """4k is 4096 and s is S; a hidden spelling of InferSim's makes no abbreviation ambiguous."""
    ask = ("report", "qwen3-8b", "--cost-model", "roofline", "--json")
    plain = run(*ask, "--device", "h100", "--at", AT).stdout
    assert run(*ask, "--devic", "h100", "--at", "b=64, s=4k, o=1K").stdout == plain
    twice = run(*ask, "--device", "h100", "--at", "B=64,b=32")
    assert twice.returncode == 2
    assert "B is given twice" in twice.stderr
    figure = run(*ask, "--device", "h100", "--at", "hbm_bandwidth=4 TB/s")
    assert "--device 'h100 with hbm_bandwidth = 4 TB/s'" in figure.stderr


@pytest.mark.parametrize("words", [("--cost-model", "calibrated", "--tp", "2"), ("--world-size", "8", "--dp", "8")])
def test_it_fits_on_a_screen(words: tuple[str, ...]) -> None:
    lines = run("report", "qwen3-30b-a3b", "--device", "h200", *words, "--at", AT).stdout.splitlines()
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in "".join(lines)


def test_intervals_say_of_how_many_cases_they_are() -> None:
    costs = symsim.compile("qwen3-8b", "h100")
    low, high = costs.tpot.interval(**POINT) or (0.0, 0.0)
    text = run("report", "qwen3-8b", "--device", "h100", "--at", AT).stdout
    assert f" ({format_range(low, high, 's')}, 90%)" in text


def test_what_does_not_fit_is_said() -> None:
    ran = run("report", "llama-3.3-70b", "--device", "h100", "--cost-model", "roofline")
    assert "it does not fit in memory" in " ".join(ran.stdout.split())


def test_a_symbol_that_no_figure_has_is_refused() -> None:
    ran = run("report", "qwen3-8b", "--at", "C=4096")
    assert ran.returncode == 2
    assert "no workload symbol C" in ran.stderr


def test_simulate_takes_the_model_by_itself() -> None:
    assert run("simulate", "qwen3-8b").stdout == run("simulate", "--config-path", "qwen3-8b").stdout
    both = run("simulate", "qwen3-8b", "--config-path", "qwen3-8b")
    assert both.returncode == 2
    assert "one of them" in both.stderr
    assert run("simulate").returncode == 2


def test_prompts_that_share_an_iteration_are_told_from_one_alone() -> None:
    """TTFT is of an iteration of T tokens; of a longer prompt it is that of all its chunks."""
    costs = symsim.compile("qwen3-8b", "h100")
    alone = format_quantity(costs.ttft.evaluate(S=1024, T=1024), "s", 4)
    assert any(f"4 prompts of S = 1,024; one alone takes {alone}" in told for told in costs.report(S=1024).sentences)
    assert not [told for told in costs.report(S=4096).sentences if "alone" in told]
