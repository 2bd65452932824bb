"""Derivations as a reader sees them, kept as files. After a change that is meant: UPDATE_GOLDEN=1 pytest tests."""

import os
from pathlib import Path

import pytest

import symsim

HERE = Path(__file__).parent
LARGE = symsim.Deployment(world_size=128, num_nodes=16, gemm="fp8", comm="deepep", overlap="two-batch")
MIXED = symsim.Deployment(64, 8, tp=2, pp=4, cp=2, ep=4, gemm="fp8")
SETUPS = {
    "deepseek-v3-h800": ("deepseek-v3", "h800", LARGE, "infersim"),
    "qwen3-30b-a3b-h20": ("qwen3-30b-a3b", "h20", symsim.Deployment(world_size=4), "infersim"),
    "qwen3-30b-a3b-h800-mixed": ("qwen3-30b-a3b", "h800", MIXED, "roofline"),
}


@pytest.mark.parametrize("setup", SETUPS)
@pytest.mark.parametrize("metric", ["tpot", "ttft", "max_batch"])
@pytest.mark.parametrize("level", ["symbolic", "numeric"])
def test_derivation_reads_as_kept(setup: str, metric: str, level: str) -> None:
    model, device, deployment, cost_model = SETUPS[setup]
    costs = symsim.compile(model, device, deployment, cost_model, tables="2025-10")
    printed = costs.metric(metric).to_text(level) + "\n"  # type: ignore[arg-type]
    kept = HERE / f"{setup}-{metric}-{level}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        kept.write_text(printed)
    assert printed == kept.read_text()
