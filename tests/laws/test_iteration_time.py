"""The time of an iteration that simulators call is that of the compiled model, in every language it is written in."""

import ctypes
import functools
import json
import random
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

import symsim
from symsim.errors import SymsimError
from symsim.serving.ask import asked
from symsim.serving.iteration_time import IterationTime
from symsim.serving.model_step import ModelStep, step_of

SUBJECTS = [
    # model, device, deployment, cost model, drafts
    ("qwen3-8b", "h100", {}, "roofline", 0),
    ("qwen3-8b", "h100", {"tp": 2}, "calibrated", 0),
    ("qwen3-30b-a3b", "h200", {"tp": 2, "ep": 4, "dp": 2}, "roofline", 0),
    ("deepseek-v3", "h200", {"tp": 8}, "calibrated", 1),
]
ids = [f"{model}-{cost_model}-{drafts}" for model, _, _, cost_model, drafts in SUBJECTS]
Work = tuple[float, float, float, float]


@functools.cache
def subject(number: int) -> tuple[IterationTime, ModelStep]:
    model, device, deployment, cost_model, drafts = SUBJECTS[number]
    costs = symsim.compile(model, device, symsim.Deployment(**deployment), cost_model=cost_model)
    how = {"drafts": drafts, "acceptance": 0.5} if drafts else {}
    step = step_of(costs.compiled, asked(1000, 100, rate=1, **how).work, drafted=False)
    return costs.iteration_time(drafts), step


def works(number: int, count: int = 40) -> list[tuple[Work, tuple[float, float, float]]]:
    """(tokens, contexts, pairs, rows) of random batches, and (sequences, mean context, tokens of one whole prompt)."""
    draw, queries = random.Random(number), subject(number)[0].queries
    found: list[tuple[Work, tuple[float, float, float]]] = []
    for _ in range(count):
        rows, context, prompt = draw.choice((0, draw.randint(1, 256))), draw.randint(1, 30_000), draw.randint(1, 8000)
        prompt = prompt if not rows or draw.random() < 0.7 else 0
        work = (rows * queries + prompt, rows * context, prompt * (prompt + 1) / 2, rows)
        found.append((work, (rows, context, prompt)))
    return found


@pytest.mark.parametrize("number", range(len(SUBJECTS)), ids=ids)
def test_it_is_the_step_of_the_model(number: int) -> None:
    """Prefill alone takes all experts for read; in an iteration short prompts touch fewer. Simulators know the contexts
    of each replica: none waits for longer ones of others than it is told of."""
    time, step = subject(number)
    for work, (rows, context, prompt) in works(number):
        if not rows and prompt < 1024:
            continue
        alike = replace(step, prompt=max(1.0, prompt), wait=0.0)
        expected = alike(rows * time.queries, rows * context, prompt)
        assert time(*work) == pytest.approx(expected, rel=1e-5), work


@pytest.mark.parametrize("number", range(len(SUBJECTS)), ids=ids)
def test_a_cached_prompt_reads_what_is_cached(number: int) -> None:
    time, _ = subject(number)
    for new, past in ((512, 0), (512, 4000), (64, 30_000)):
        pairs = new * past + new * (new + 1) / 2
        assert time(new, 0, pairs, 0) >= time(new, 0, new * (new + 1) / 2, 0)


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc, which CI has")
@pytest.mark.parametrize("number", range(len(SUBJECTS)), ids=ids)
def test_c(number: int, tmp_path: Path) -> None:
    time, _ = subject(number)
    (tmp_path / "iteration.c").write_text(time.to_c())
    strict = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-O1", "-shared", "-fPIC"]
    subprocess.run(["gcc", *strict, "iteration.c", "-o", "iteration.so", "-lm"], cwd=tmp_path, check=True)
    function = ctypes.CDLL(str(tmp_path / "iteration.so")).iteration
    function.restype, function.argtypes = ctypes.c_double, [ctypes.c_double] * 4
    for work, _ in works(number):
        assert function(*work) == pytest.approx(time(*work), rel=1e-12)


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js, which CI has")
@pytest.mark.parametrize("number", range(len(SUBJECTS)), ids=ids)
def test_javascript(number: int, tmp_path: Path) -> None:
    time, _ = subject(number)
    names = ("tokens", "contexts", "pairs", "rows")
    points = [dict(zip(names, work, strict=True)) for work, _ in works(number)]
    script = f"{time.to_javascript()}\nconsole.log(JSON.stringify({json.dumps(points)}.map(iteration)));"
    (tmp_path / "iteration.js").write_text(script)
    out = subprocess.run(["node", "iteration.js"], cwd=tmp_path, check=True, capture_output=True, text=True).stdout
    for point, value in zip(points, json.loads(out), strict=True):
        assert value == pytest.approx(time(**point), rel=1e-12)


def test_cost_models_without_such_an_iteration() -> None:
    with pytest.raises(SymsimError, match="no iteration of decodes and prompts together"):
        symsim.compile("qwen3-8b", "h100", cost_model="infersim").iteration_time()
