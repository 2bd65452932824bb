"""Printed LaTeX compiles, without overfull lines, in an article that loads nothing but amsmath."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import symsim
from tests.commands import run

DOCUMENT = "\\documentclass{article}\n\\usepackage{amsmath}\n\\usepackage[margin=2.5cm]{geometry}\n"
LARGE = ("h800", symsim.Deployment(world_size=128, num_nodes=16, gemm="fp8", comm="deepep", overlap="two-batch"))
SMALL = ("h200", symsim.Deployment(tp=8))


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex, which CI installs")
@pytest.mark.parametrize("level", ["symbolic", "model", "numeric"])
@pytest.mark.parametrize(
    ("model", "on", "cost_model"),
    [
        ("deepseek-v3", LARGE, "infersim"),
        ("deepseek-v3", SMALL, "calibrated"),
        ("deepseek-v3", LARGE, "calibrated"),
        ("deepseek-v3.2", LARGE, "roofline"),
        ("qwen3-next-80b-a3b", LARGE, "roofline"),
    ],
)
def test_every_metric_compiles(
    tmp_path: Path, model: str, on: tuple[str, symsim.Deployment], cost_model: str, level: str
) -> None:
    costs = symsim.compile(model, *on, cost_model)
    formulas = [costs.tpot, costs.ttft, costs.tgs_decode, costs.tgs_prefill, costs.memory, costs.max_batch]
    body = "\n\\newpage\n".join(formula.to_latex(level) for formula in formulas)
    (tmp_path / "formulas.tex").write_text(f"{DOCUMENT}\\begin{{document}}\n{body}\n\\end{{document}}\n")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "formulas.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout


SWEPT = ("--device", "h20,h800", "--cost-model", "infersim", "--over", "B=16", "--over", "S=4096", "--over", "O=1024")


def test_several_models_are_a_table(tmp_path: Path) -> None:
    told = run("sweep", "qwen3-8b,qwen3-30b-a3b", *SWEPT, "--format", "latex")
    assert told.returncode == 0, told.stderr
    rows = [line.split(" & ") for line in told.stdout.splitlines() if " & " in line]
    named = [(model, device) for model in ("qwen3-8b", "qwen3-30b-a3b") for device in ("h20", "h800")]
    assert [tuple(row[:2]) for row in rows] == [("model", "device"), *named]
    alone = json.loads(run("sweep", "qwen3-8b", *SWEPT, "--json").stdout)["rows"]
    assert rows[1][2] == f"${alone[0]['tpot'] * 1e3:.3g}\\,\\mathrm{{ms}}$"
    masked = run("sweep", "qwen3-8b", *SWEPT, "--subject-to", "TPOT <= 1 us", "--format", "latex")
    assert masked.stdout.count("-- & --") == 2
    if shutil.which("pdflatex") is not None:
        file = tmp_path / "table.tex"
        file.write_text(f"{DOCUMENT}\\begin{{document}}\n{told.stdout}\\end{{document}}\n", encoding="utf-8")
        done = subprocess.run(["pdflatex", "-interaction=nonstopmode", "-halt-on-error", file], cwd=tmp_path, stdout=-3)
        assert done.returncode == 0


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("B=1:200", "--over", "S=64", "--over", "O=8"), "too long for a page"),
        (("B=1", "--over", "S=64", "--over", "O=8", "--pareto"), "prints a table alone"),
        (("rate=1", "--over", "S=64", "--over", "O=8"), "of steps, not of requests"),
    ],
)
def test_a_table_that_cannot_be_is_refused(words: tuple[str, ...], why: str) -> None:
    refused = run("sweep", "qwen3-8b", "--cost-model", "infersim", "--format", "latex", "--over", *words)
    assert refused.returncode == 2
    assert why in refused.stderr


def test_a_value_of_the_calibrated_model_has_its_interval() -> None:
    told = run("formula", "qwen3-8b", "--device", "h100", "--at", "B=32").stdout.splitlines()[-1]
    low, high = symsim.compile("qwen3-8b", "h100").tpot.interval(B=32, S=4096, O=2048) or (0, 0)
    assert told == f"in 90 % of cases from {low * 1e3:.3g} ms to {high * 1e3:.3g} ms"
    assert "90 %" not in run("formula", "qwen3-8b", "--cost-model", "infersim", "--at", "B=32").stdout
