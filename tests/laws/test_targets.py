"""C99, JavaScript and Excel give what `evaluate` gives, tables included, at random points of every kind of model."""

import ctypes
import functools
import json
import math
import random
import shutil
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symsim
from symsim.errors import EmptyTable
from tests.laws.drawing import compiled
from tests.laws.test_evaluation import answer

METRICS = ("tpot", "ttft", "tgs_decode", "tgs_prefill", "memory", "max_batch")
CASES = [
    # model, device, deployment (of drawing.py), tables, cost model
    ("deepseek-v3", "h800", 5, "2025-10", "infersim"),
    ("deepseek-v3.2", "h800", 4, "2026-05", "roofline"),
    ("qwen3-8b", "h20", 0, "2026-05", "infersim"),
    ("qwen3-8b", "h800", 0, "2025-10", "infersim"),
    ("qwen3-30b-a3b", "h20", 2, "2025-10", "infersim"),
    ("qwen3-next-80b-a3b", "h20", 0, "2026-05", "infersim"),
    ("qwen3.5-122b-a10b", "h20", 3, "2026-05", "roofline"),
]
POINTS = 40


@functools.cache
def points(inputs: tuple[str, ...]) -> list[dict[str, int]]:
    """Random workloads, small and large alike, and table edges with their neighbours."""
    draw = random.Random(7)
    edges = [16, 17, 64, 1024, 4096, 8192]
    largest = {"B": 600, "S": 70_000, "O": 5000, "T": 40_000}
    found = [{n: int(math.exp(draw.uniform(0, math.log(largest[n])))) for n in inputs} for _ in range(POINTS)]
    return found + [dict.fromkeys(inputs, edge) for edge in edges]


def inputs_of(formula: symsim.Formula) -> tuple[str, ...]:
    left = {s.name for s in formula.form.level("numeric").free()}
    return tuple(name for name in ("B", "S", "O", "T") if name in left)


def check(formula: symsim.Formula, function: Callable[[dict[str, int]], float]) -> None:
    for point in points(inputs_of(formula)):
        assert function(point) == pytest.approx(answer(formula, point), rel=1e-12, nan_ok=True), point


def formulas() -> list[Any]:
    return [
        pytest.param(case, metric, id=f"{case[0]}-{case[1]}-{case[3]}-{case[4]}-{metric}")
        for case in CASES
        for metric in METRICS
    ]


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc, which CI has")
@pytest.mark.parametrize(("case", "metric"), formulas())
def test_c(case: tuple[Any, ...], metric: str, tmp_path: Path) -> None:
    formula = compiled(*case).metric(metric)
    (tmp_path / "metric.c").write_text(formula.to_c())
    strict = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1", "-shared", "-fPIC"]
    subprocess.run(["gcc", *strict, "-o", "metric.so", "metric.c", "-lm"], cwd=tmp_path, check=True)
    function = getattr(ctypes.CDLL(str(tmp_path / "metric.so")), metric)
    function.restype, names = ctypes.c_double, inputs_of(formula)
    function.argtypes = [ctypes.c_double] * len(names)
    check(formula, lambda point: function(*(point[name] for name in names)))


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node, which CI has")
@pytest.mark.parametrize(("case", "metric"), formulas())
def test_javascript(case: tuple[Any, ...], metric: str) -> None:
    formula = compiled(*case).metric(metric)
    asked = points(inputs_of(formula))
    script = f"{formula.to_javascript()}console.log(JSON.stringify({json.dumps(asked)}.map({metric})))"
    printed = subprocess.run(["node"], input=script, capture_output=True, text=True, check=True).stdout
    found = dict(zip(map(str, asked), json.loads(printed), strict=True))
    check(formula, lambda point: math.nan if found[str(point)] is None else found[str(point)])


def let_arguments(text: str) -> list[str]:
    """The arguments of a cell's outermost LET."""
    depth, found = 0, [""]
    for character in text.removeprefix("=LET(").removesuffix(")"):
        depth += {"(": 1, "{": 1, ")": -1, "}": -1}.get(character, 0)
        if character == "," and depth == 0:
            found.append("")
        else:
            found[-1] += character
    return found


def excel_function(library: Any, formula: symsim.Formula) -> Callable[[dict[str, int]], float]:
    """Evaluates names in turn: the library knows LET, but not names that rest on earlier names."""
    text = formula.to_excel()
    assert text.startswith("=LET(")
    assert len(text) <= 8192, "longer than a cell may be"
    *pairs, last = let_arguments(text)
    names = inputs_of(formula)
    cells = dict(zip((f"{letter}1" for letter in "ABC"), names, strict=False))
    stated = [
        (name, library.Parser().ast(f"={value}")[1].compile())
        for name, value in zip(pairs[::2], pairs[1::2], strict=True)
    ]
    stated.append(("", library.Parser().ast(f"={last}")[1].compile()))

    def evaluate(point: dict[str, int]) -> float:
        known: dict[str, Any] = {cell: point[name] for cell, name in cells.items()}
        found: Any = math.nan
        for name, function in stated:
            inputs = getattr(function, "inputs", {})
            found = np.asarray(function(*(np.array([[known[given]]], dtype=object) for given in inputs))).ravel()[0]
            known[name.upper()] = found
        return float(found) if isinstance(found, (int, float, np.number)) else math.nan

    return evaluate


@pytest.mark.parametrize(("case", "metric"), formulas())
def test_excel(case: tuple[Any, ...], metric: str) -> None:
    library = pytest.importorskip("formulas", reason="evaluates cell formulas; CI installs it")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        formula = compiled(*case).metric(metric)
        function = excel_function(library, formula)
        longer = [point for point in points(inputs_of(formula)) if formula.form.chunk_count(point) > 1]
        assert all(math.isnan(function(point)) for point in longer), "a cell sums no chunks"
        check(formula, lambda point: answer(formula, point) if point in longer else function(point))


def test_cells_of_your_choice() -> None:
    text = symsim.compile("qwen3-8b", "h20", cost_model="infersim").memory.to_excel({"B": "$B$4", "S": "Sheet2!A9"})
    assert text.startswith("=LET(B_,$B$4,S_,Sheet2!A9,O_,C1,")


def test_a_table_that_refuses_is_not_exported() -> None:
    formula = symsim.compile("qwen3-8b", "h800", symsim.Deployment(kv="fp8"), cost_model="infersim").tpot
    for export in (formula.to_c, formula.to_javascript, formula.to_excel):
        with pytest.raises(EmptyTable, match="no fp8 KV rows"):
            export()
