"""Printed LaTeX compiles, without overfull lines, in an article that loads nothing but amsmath."""

import shutil
import subprocess
from pathlib import Path

import pytest

import symsim

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
