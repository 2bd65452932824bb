"""The piecewise form is the metric everywhere, borders included; borders in closed form are where the pieces part."""

import functools
import json
import math
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sympy import Expr, Integer, Pow

import symsim
from symsim import Regimes, regime_map, regimes
from symsim.algebra.powers import terms_of_norm
from symsim.algebra.symbols import symbol
from symsim.cli import main
from symsim.errors import EmptyTable, SymsimError
from symsim.formula.breakdown import numbers
from symsim.render.regime_map import latex_plane
from symsim.render.regimes import latex_cases
from tests.laws.drawing import DEPLOYMENTS, compiled
from tests.laws.families import BUNDLED
from tests.profiles import drawn

POINT = {"B": 64, "S": 4096, "O": 2048, "T": 8192}
SHORT = {**POINT, "S": 16}
"""So that prompts are few chunks of any T."""


@functools.cache
def found(model: str, device: str, deployment: int, tables: str, cost_model: str, metric: str, along: str) -> Regimes:
    costs = compiled(model, device, deployment, tables, cost_model)
    return regimes(costs.metric(metric), along, 1, 3000, **(SHORT if along == "T" else POINT))


@given(
    st.sampled_from(BUNDLED),
    st.sampled_from(["h20", "h800"]),
    st.integers(0, len(DEPLOYMENTS) - 1),
    st.sampled_from(["2025-10", "2026-05"]),
    st.sampled_from(["infersim", "roofline"]),
    st.sampled_from([("tpot", "B"), ("tpot", "S"), ("ttft", "T"), ("ttft", "S"), ("tgs_decode", "B"), ("memory", "B")]),
    st.lists(st.integers(1, 3000), min_size=1, max_size=5),
)
def test_pieces_are_the_metric(
    model: str, device: str, deployment: int, tables: str, cost_model: str, what: tuple[str, str], points: list[int]
) -> None:
    metric, along = what
    try:
        map_ = found(model, device, deployment, tables, cost_model, metric, along)
    except EmptyTable:
        assume(False)
    formula = compiled(model, device, deployment, tables, cost_model).metric(metric)
    assert map_.pieces[0].low == 1
    assert map_.pieces[-1].high == 3000
    assert all(after.low == before.high + 1 for before, after in pairwise(map_.pieces))
    borders = [end for piece in map_.pieces[:6] for end in (piece.low, piece.high)]
    for x in [*points, *borders]:
        piece = next(piece for piece in map_.pieces if piece.low <= x <= piece.high)
        at = {**(SHORT if along == "T" else POINT), along: int(x)}
        point = {name: value for name, value in at.items() if name in formula.symbols}
        assert piece.value(x) == pytest.approx(formula.evaluate(**point), rel=1e-12)


@pytest.mark.parametrize("cost_model", ["infersim", "roofline"])
@pytest.mark.parametrize("along", ["hbm_bandwidth", "peak_bf16", "peak_w"])
def test_pieces_along_a_real_symbol(cost_model: str, along: str) -> None:
    costs = symsim.compile("qwen3-30b-a3b", "h800", cost_model=cost_model)
    map_ = regimes(costs.tpot, along, **POINT)
    point = {"B": 64, "S": 4096, "O": 2048}
    for before, after in pairwise(map_.pieces):
        assert before.high == after.low
        assert before.value_high == pytest.approx(after.value_low, rel=1e-9), "time is continuous in a rate"
        (border, *_) = after.borders
        assert border.formula is not None
    for piece in map_.pieces:
        middle = (piece.low + piece.high) / 2
        assert piece.value(middle) == pytest.approx(costs.tpot.evaluate(**point, **{along: middle}), rel=1e-12)


def test_the_border_of_memory_bound_is_the_formula_one_writes() -> None:
    """Experts of Qwen3-8B: weights / bandwidth = FLOPs / (peak x MFU), solved for the bandwidth."""
    costs = symsim.compile("qwen3-8b", "h20", cost_model="infersim")
    map_ = regimes(costs.tpot, "hbm_bandwidth", **POINT)
    border = next(b for piece in map_.pieces for b in piece.borders if b.step == "t_experts")
    assert (border.was, border.now) == ("memory", "compute")
    assert border.formula.text == "peak_w*b_w*mfu_gemm(B, D, floor(2*F/world_size))/(2*hbm_efficiency*B*ep)"
    peak = 148e9 * 1024
    assert border.at == pytest.approx(peak * 2 * 0.798 / (2 * 0.8 * 64), rel=1e-9)


@pytest.mark.parametrize("deployment", range(len(DEPLOYMENTS)))
@pytest.mark.parametrize("cost_model", ["infersim", "roofline"])
def test_a_border_in_closed_form_is_where_it_is_said_to_be(deployment: int, cost_model: str) -> None:
    map_ = found("deepseek-v3", "h800", deployment, "2025-10", cost_model, "tpot", "B")
    for before, after in pairwise(map_.pieces):
        for border in after.borders:
            assert (border.formula is None) == (border.root is None)
            if border.root is not None:
                assert before.high <= border.root <= after.low * (1 + 1e-9)


def test_pieces_of_fitted_times_tell_what_would_take_longest_alone() -> None:
    costs = symsim.compile("llama-3.3-70b", "h100", symsim.Deployment(tp=4), cost_model="calibrated")
    steps = {step.symbol.name: step.expr for step in costs.tpot.form.derivation.steps}
    (time,) = (power for power in steps["t_qkv_proj"].atoms(Pow) if terms_of_norm(power))
    first, *others = costs.regimes("tpot", "B", **POINT).pieces
    assert first.binds["t_qkv_proj"] == "memory"
    assert others[-1].binds["t_qkv_proj"] == "compute"
    for piece in (first, *others):
        values = costs.tpot.form.point(B=int(piece.low), S=POINT["S"], O=POINT["O"])
        compute, memory, along_k = numbers(sorted_terms(time), values, costs.tpot.form.context)
        latency = float(values["t0_gemm"]) + along_k
        assert piece.binds["t_qkv_proj"] == ("compute" if compute > max(memory, latency) else "memory")
        assert piece.value_low == pytest.approx(costs.tpot.evaluate(B=int(piece.low), S=POINT["S"], O=POINT["O"]))
    crossed = {border.step: border for piece in others for border in piece.borders}
    formula = crossed["t_o_proj"].formula
    assert formula is not None
    values = costs.tpot.form.point(B=1, S=POINT["S"], O=POINT["O"])
    (root,) = numbers((formula.expr,), values, costs.tpot.form.context)
    assert root == pytest.approx(crossed["t_o_proj"].root)
    assert math.ceil(root) == crossed["t_o_proj"].at


def test_pieces_whose_numbers_have_thousands_of_digits_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Of (1 - 8/128)**4096, the share of experts that no token of a prompt is on."""
    words = ["regimes", "qwen3-30b-a3b", "--device", "h100", "--cost-model", "roofline", "--metric", "ttft"]
    assert main([*words, "--along", "T", "--range", "1000:9000", "--at", "S=4096", "--json", "--quiet"]) == 0
    ttft = symsim.compile("qwen3-30b-a3b", "h100", cost_model="roofline").ttft
    for piece in json.loads(capsys.readouterr().out)["pieces"]:
        assert piece["value_low"] == pytest.approx(ttft.evaluate(S=4096, T=piece["low"]), rel=1e-12)


def sorted_terms(norm: Expr) -> tuple[Expr, ...]:
    """Compute, memory and the latency along k of a fitted time."""
    by_name = {str(s)[:3]: term for term in terms_of_norm(norm) for s in term.free_symbols}
    return by_name["pea"], by_name["hbm"], by_name["t1_"]


@given(
    st.sampled_from(BUNDLED),
    st.integers(0, len(DEPLOYMENTS) - 1),
    st.sampled_from(["infersim", "roofline"]),
    st.integers(1, 600),
    st.integers(1, 70_000),
)
@settings(max_examples=drawn(30))  # each draws a map
def test_a_map_is_exact_at_its_point_and_in_its_regions(
    model: str, deployment: int, cost_model: str, b: int, s: int
) -> None:
    formula = compiled(model, "h800", deployment, "2025-10", cost_model).tpot
    try:
        map_ = regime_map(formula, ("B", "S"), ((1, 600), (1, 70_000)), B=b, S=s, O=2048)
    except EmptyTable:
        assume(False)
    x, y = symbol("B"), symbol("S")
    assert float(map_.expression.xreplace({x: Integer(b), y: Integer(s)})) == pytest.approx(
        formula.evaluate(B=b, S=s, O=2048), rel=1e-12
    )
    assert sum(region.share for region in map_.regions) == pytest.approx(1)
    for region in map_.regions:
        at = dict(zip(("B", "S"), region.at, strict=True))
        exact = formula.evaluate(O=2048, **at)
        there = region.expression.xreplace({x: Integer(region.at[0]), y: Integer(region.at[1])})
        assert float(there) == pytest.approx(exact, rel=1e-12)
        assert region.value == pytest.approx(exact, rel=1e-12)


def test_the_curve_between_compute_and_memory_is_the_formula_one_writes() -> None:
    """Attention of a decode step: 4 H d C / (peak MFU) against 2 G d C b / bandwidth; neither has C in its ratio."""
    map_ = regime_map(
        symsim.compile("qwen3-8b", "h20", cost_model="infersim").tpot,
        ("hbm_bandwidth", "B"),
        ((1e12, 8e12), (1, 256)),
        **POINT,
    )
    core = next(curve for curve in map_.curves if curve.step == "t_core")
    assert {core.was, core.now} == {"memory", "compute"}
    assert core.formula.text == "G*peak_bf16*b_kv*mfu_gqa_decode(H/tp, G/tp, d, B, C)/(2*H*hbm_efficiency)"


REGIMES = ("regimes", "qwen3-8b")


def test_a_map_on_the_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = [*REGIMES, "--cost-model", "infersim", "--along", "B,S", "--range", "1:64,128:8192", "--sla", "20 ms"]
    assert main([*words, "--plot", str(tmp_path / "map.png")]) == 0
    printed = capsys.readouterr().out
    assert "of the map" in printed
    assert "at the point tpot = 5 ms + " in printed
    assert (tmp_path / "map.png").stat().st_size > 1000
    assert main([*words, "--format", "json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["to_next"]) == {"B", "S"}
    assert main([*words, "--format", "latex"]) == 0
    assert "\\begin{cases}" in capsys.readouterr().out


def test_of_many_regions_the_largest_and_that_of_the_point_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    words = [*REGIMES, "--device", "h100", "--along", "hbm_bandwidth,B", "--range", "1 TB/s:8 TB/s,1:512"]
    assert main([*words, "--format", "json"]) == 0
    regions = json.loads(capsys.readouterr().out)["regions"]
    assert len(regions) > 9
    assert main(words) == 0
    printed = capsys.readouterr().out
    rows = [line for line in printed.splitlines() if "hbm_bandwidth = " in line and "% " in line]
    assert len(rows) in (8, 9)
    assert sum(line.startswith("here") for line in rows) == 1
    left_out = len(regions) - len(rows)
    told = sum(float(line.removeprefix("here").split("%")[0]) for line in rows)
    others = next(line for line in printed.splitlines() if line.startswith(f"and {left_out} smaller ones, "))
    assert told + float(others.split(", ")[1].split("%")[0]) == pytest.approx(100, abs=1)


def test_distance_to_the_next_piece() -> None:
    map_ = regimes(symsim.compile("qwen3-8b", "h20", cost_model="infersim").tpot, "B", **{**POINT, "B": 100})
    assert map_.to_next == (36, 28)
    assert map_.pieces[map_.here].low == 64


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex, which CI installs")
def test_cases_compile(tmp_path: Path) -> None:
    map_ = regimes(symsim.compile("deepseek-v3", "h800", cost_model="roofline").tpot, "B", **POINT)
    both = regime_map(
        symsim.compile("deepseek-v3", "h800", cost_model="infersim").tpot, ("B", "S"), ((1, 256), (1, 8192)), **POINT
    )
    body = f"{latex_cases(map_)}\n{latex_plane(both)}"
    text = "\\documentclass{article}\\usepackage{amsmath}\\begin{document}\n" + body + "\n\\end{document}"
    (tmp_path / "cases.tex").write_text(text)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "cases.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]


def test_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pictures = ["--plot", str(tmp_path / "b.pdf"), "--sla", "50 ms", "--roofline", str(tmp_path / "roofline.png")]
    assert main([*REGIMES, "--cost-model", "roofline", "--range", "1:256", *pictures]) == 0
    out = capsys.readouterr().out
    assert "16 to 27" in out
    assert "t_lm_head: memory binds below, compute from B = 28 on" in out
    assert (tmp_path / "b.pdf").stat().st_size > 1000
    assert (tmp_path / "roofline.png").stat().st_size > 1000
    assert main(["regimes", "qwen3-8b", "--cost-model", "infersim", "--format", "json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["pieces"][0]["low"] == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--along", "X"], "no symbol X"),
        (["--along", "tp"], "choice of the deployment"),
        (["--range", "5"], "expected LOW:HIGH"),
        (["--range", "9:5"], "below the high end"),
        (["--along", "B,B"], "named twice"),
        (["--along", "B,S,O"], "one symbol or two"),
        (["--along", "B,S", "--range", "1:9"], "a range for each"),
    ],
)
def test_mistakes(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["regimes", "qwen3-8b", "--cost-model", "infersim", *words]) == 2
    assert says in capsys.readouterr().err


def test_a_missing_symbol_is_named() -> None:
    with pytest.raises(SymsimError, match="needs a value for O"):
        regimes(symsim.compile("qwen3-8b", "h20", cost_model="infersim").tpot, "B", S=4096)
