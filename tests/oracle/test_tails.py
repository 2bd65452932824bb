"""Tails of the time to first token of benchmarks whose clients start at once: measured ones, which chose no figure.

How far off they may be is what they are today, rounded up: a guard, not an aim. Runs of short prompts are left out: the
first requests of many of them waited for seconds until an engine had compiled or tuned its kernels.
"""

import csv
from functools import cache

import numpy as np
import pytest

from symsim.calibration.runs import Run, newest, read_runs
from symsim.inputs.deployment import Deployment
from symsim.paths import CALIBRATION
from symsim.pipeline.compiled import Compiled
from symsim.pipeline.pipeline import compile_model
from symsim.serving.ask import asked
from symsim.serving.prediction import predicted

RUNS = CALIBRATION / "runs" / "inferencex_deepseek_r1.csv"
WAVES = 10
"""Requests for each client of an InferenceX run."""
MOST = {"mean": (0.15, 0.6), "p90": (0.35, 0.8), "p99": (0.25, 0.65)}
"""Median and 90th percentile of abs(predicted/measured - 1), of prompts of 8192 tokens."""


@cache
def compiled(model: str, device: str, deployment: Deployment) -> Compiled:
    return compile_model(model, device, deployment, "calibrated", "2026-05")


@cache
def long_prompts() -> list[tuple[Run, dict[str, str]]]:
    rows = list(csv.DictReader(RUNS.read_text().splitlines()))
    known = newest(run for run in read_runs(RUNS) if run.split == "fit" and run.date >= "2025-12")
    found = [(run, rows[int(run.place.rpartition(":")[2]) - 2]) for run in known]
    return [(run, row) for run, row in found if row["isl"] == "8192" and row["p99_ttft_s"]]


@pytest.mark.parametrize("name", MOST)
def test_tails_of_a_benchmark_are_predicted(name: str) -> None:
    errors: list[float] = []
    for run, row in long_prompts():
        if not row[f"{name}_ttft_s"]:
            continue
        ask = asked(**run.load, prompts=WAVES * run.load["concurrency"])
        deployment = Deployment(**dict(run.deployment), engine=run.engine)
        figures = predicted(compiled(run.model, run.device, deployment), ask, sure=False)
        if not figures.sentence:
            errors.append(abs((figures.ttft[name] or 0.0) / float(row[f"{name}_ttft_s"]) - 1))
    assert len(errors) > 20
    median, p90 = MOST[name]
    assert np.median(errors) <= median
    assert np.quantile(errors, 0.9) <= p90
