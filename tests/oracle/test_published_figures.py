"""Throughputs that others published, which chose no figure of ours: published_figures.json has them with their sources.

How far off each table may be is what it is today, rounded up: a guard, not an aim. Engines are those of today, the
figures of 2023 to 2025, and a benchmark that sends all its requests at once is taken as clients that never leave.
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symsim

TABLES = json.loads((Path(__file__).parent / "published_figures.json").read_text())["tables"]
MOST = {
    "TensorRT-LLM, dense": (0.12, 0.25),
    "TensorRT-LLM, experts": (0.30, 0.75),
    "vLLM on MI300X": (0.25, 0.40),
    "gpt-fast on A100": (0.05, 0.25),
}
"""Median and 90th percentile of abs(predicted/published - 1)."""


@cache
def compiled(model: str, device: str, how: tuple[tuple[str, Any], ...], engine: str) -> symsim.Costs:
    return symsim.compile(model, device, symsim.Deployment(**dict(how)), engine=engine)


def predicted(table: dict[str, Any]) -> Iterator[tuple[float, float, bool]]:
    """Of each row what is predicted over what was published, what it may be, and whether the interval holds it."""
    for model, device, gemm, how, isl, osl, clients, figure in table["rows"]:
        formats = {name: value for name, value in (("gemm", gemm), ("kv", table["kv"])) if value}
        costs = compiled(model, device, tuple({**how, **formats}.items()), table["engine"])
        found = costs.predict(isl=isl, osl=osl, concurrency=clients, max_running=clients).as_dict()
        low, high = found["intervals"]["output_tok_per_s_per_gpu"]
        gpus = costs.compiled.deployment.world_size
        yield found["output_tok_per_s_per_gpu"] * gpus / figure, figure, low * gpus <= figure <= high * gpus


@pytest.mark.parametrize("table", TABLES, ids=[table["name"] for table in TABLES])
def test_figures_of_others_are_predicted(table: dict[str, Any]) -> None:
    rows = list(predicted(table))
    errors = np.abs(np.array([ratio for ratio, _, _ in rows]) - 1)
    median, p90 = MOST[table["name"]]
    assert np.median(errors) <= median
    assert np.quantile(errors, 0.9) <= p90
    assert np.mean([held for _, _, held in rows]) >= 0.5
