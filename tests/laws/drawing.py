"""Compiled models to draw from: every bundled model, device and way to deploy that makes sense for it."""

import functools
from typing import Any

from hypothesis import strategies as st

import symsim
from symsim.config import bundled_models
from symsim.conventions import CONVENTIONS

DEPLOYMENTS: list[dict[str, Any]] = [
    {},
    {"gemm": "fp8", "kv": "fp8"},
    {"world_size": 4},
    {"world_size": 8, "tp": 2, "gemm": "fp8"},
    {"world_size": 32, "num_nodes": 4, "comm": "deepep"},
    {"world_size": 32, "num_nodes": 4, "gemm": "fp8", "comm": "deepep", "overlap": "two-batch"},
    {"world_size": 16, "num_nodes": 2, "overlap": "two-batch", "sm_ratio": 0.75},
]


@functools.cache
def compiled(model: str, device: str, deployment: int, tables: str, cost_model: str = "infersim") -> symsim.Costs:
    return symsim.compile(model, device, symsim.Deployment(**DEPLOYMENTS[deployment]), cost_model, tables)


costs = st.builds(
    compiled,
    st.sampled_from(bundled_models()),
    st.sampled_from(["h20", "h800"]),
    st.integers(0, len(DEPLOYMENTS) - 1),
    st.sampled_from(["2025-10", "2026-05"]),
    st.sampled_from(sorted(CONVENTIONS)),
)
workloads = st.fixed_dictionaries(
    {
        "B": st.integers(1, 600),
        "S": st.integers(1, 70_000),
        "O": st.integers(1, 5000),
        "T": st.integers(1, 40_000),
    }
)
