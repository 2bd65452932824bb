"""Printed LaTeX compiles, without overfull lines, in an article that loads nothing but amsmath."""

import shutil
import subprocess
from pathlib import Path

import pytest

import symsim

DOCUMENT = "\\documentclass{article}\n\\usepackage{amsmath}\n\\usepackage[margin=2.5cm]{geometry}\n"
LARGE = symsim.Deployment(world_size=128, num_nodes=16, gemm="fp8", comm="deepep", overlap="two-batch")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex, which CI installs")
@pytest.mark.parametrize("level", ["symbolic", "model", "numeric"])
@pytest.mark.parametrize(
    ("model", "cost_model"),
    [
        ("deepseek-v3", "infersim"),
        ("deepseek-v3", "calibrated"),
        ("deepseek-v3.2", "roofline"),
        ("qwen3-next-80b-a3b", "roofline"),
    ],
)
def test_every_metric_compiles(tmp_path: Path, model: str, cost_model: str, level: str) -> None:
    costs = symsim.compile(model, "h800", LARGE, cost_model)
    formulas = [costs.tpot, costs.ttft, costs.tgs_decode, costs.tgs_prefill, costs.memory, costs.max_batch]
    body = "\n\\newpage\n".join(formula.to_latex(level) for formula in formulas)
    (tmp_path / "formulas.tex").write_text(f"{DOCUMENT}\\begin{{document}}\n{body}\n\\end{{document}}\n")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "formulas.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout
