"""Compiled models to draw from: every bundled model, device and way to deploy that makes sense for it."""

import functools
from typing import Any

from hypothesis import strategies as st

import symsim
from symsim.inputs.cost_model import COST_MODELS, graphs_of
from tests.laws.families import BUNDLED

OWN_GRAPHS = sorted(name for name in COST_MODELS if graphs_of(name) == name)
"""Cost models whose kernels are a maximum of terms; those of `calibrated` are smooth, and have laws of their own."""

DEPLOYMENTS: list[dict[str, Any]] = [
    {},
    {"gemm": "fp8", "kv": "fp8"},
    {"world_size": 4},
    {"world_size": 8, "tp": 2, "gemm": "fp8"},
    {"world_size": 32, "num_nodes": 4, "comm": "deepep"},
    {"world_size": 32, "num_nodes": 4, "gemm": "fp8", "comm": "deepep", "overlap": "two-batch"},
    {"world_size": 16, "num_nodes": 2, "overlap": "two-batch", "sm_ratio": 0.75},
]


MIXED: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (("qwen3-8b", "deepseek-v3"), {"world_size": 16, "num_nodes": 2, "tp": 2, "pp": 2, "cp": 2}),
    (("qwen3-30b-a3b", "deepseek-v3"), {"world_size": 64, "num_nodes": 8, "pp": 4, "cp": 16, "gemm": "fp8"}),
    (("qwen3-30b-a3b", "deepseek-v3", "deepseek-v3.2"), {"world_size": 16, "num_nodes": 2, "tp": 2, "ep": 4}),
    (("qwen3-next-80b-a3b", "deepseek-v3"), {"world_size": 16, "pp": 8, "comm": "deepep", "overlap": "two-batch"}),
]
"""Models and mixes of pipeline, context and expert parallelism, which only the `roofline` graphs shard."""


@functools.cache
def compiled(model: str, device: str, deployment: int, tables: str, cost_model: str = "infersim") -> symsim.Costs:
    return symsim.compile(model, device, symsim.Deployment(**DEPLOYMENTS[deployment]), cost_model, tables)


@functools.cache
def mixed(model: str, device: str, number: int, tables: str) -> symsim.Costs:
    return symsim.compile(model, device, symsim.Deployment(**MIXED[number][1]), "roofline", tables)


devices = st.sampled_from(["h20", "h800"])
vintages = st.sampled_from(["2025-10", "2026-05"])
costs = st.one_of(
    st.builds(
        compiled,
        st.sampled_from(BUNDLED),
        devices,
        st.integers(0, len(DEPLOYMENTS) - 1),
        vintages,
        st.sampled_from(OWN_GRAPHS),
    ),
    *(
        st.builds(mixed, st.sampled_from(models), devices, st.just(number), vintages)
        for number, (models, _) in enumerate(MIXED)
    ),
)
workloads = st.fixed_dictionaries(
    {
        "B": st.integers(1, 600),
        "S": st.integers(1, 70_000),
        "O": st.integers(1, 5000),
        "T": st.integers(1, 40_000),
    }
)
