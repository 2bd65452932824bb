"""Prints how long the main jobs take: python tests/bench/speed.py. Nothing here is asserted.

With `--against PATH` the jobs of `beside.py` are done by this checkout and by the one at PATH in turns.
"""

import ctypes
import itertools
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import symsim
from symsim.inputs.cost_model import COST_MODELS
from symsim.search.plan import plan_sweep
from symsim.search.run import run_blocks

RUNS = 5
MODELS = ("deepseek-v3", "deepseek-v3.2", "qwen3-30b-a3b", "qwen3-8b", "qwen3-next-80b-a3b", "qwen3.5-35b-a3b")


def median(job: Callable[[], object], runs: int = RUNS) -> float:
    """Median wall seconds of a job, after one run that does not count."""
    job()
    times: list[float] = []
    for _ in range(runs):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


AS_INSTALLED = "import sys; sys.modules['interegular'] = None; "
"""interegular, which the tests install, makes lark check its grammars at every start: users do not have it."""


def process(code: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, "-c", AS_INSTALLED + code], capture_output=True, check=True)


def command(words: str) -> Callable[[], object]:
    return process(f"from symsim.cli import main; sys.exit(main({words.split()!r}))")


def deployments() -> None:
    """1,000 different deployments of three models, simulated one after the other."""
    models = ("deepseek-v3", "qwen3-30b-a3b", "qwen3-8b")
    sizes, batches = (1, 2, 4, 8, 16, 32, 64, 128), (8, 32, 64, 100, 256, 512)
    flags = itertools.product((False, True), repeat=3)
    grid = itertools.islice(itertools.product(models, sizes, batches, flags), 1000)
    for model, world_size, batch, (fp8, deepep, overlap) in grid:
        try:
            symsim.simulate(
                model,
                device_type="H800",
                world_size=world_size,
                num_nodes=max(1, world_size // 8),
                decode_bs=batch,
                use_fp8_gemm=fp8,
                enable_deepep=deepep,
                enable_tbo=overlap,
            )
        except symsim.SymsimError:  # a row that cannot be used: refused, but timed all the same
            continue


def iterations() -> Callable[[], object]:
    """A million calls of the time of an iteration as C: batches of 64 decodes and a prompt of up to 1,000 tokens."""
    source = (
        symsim.compile("deepseek-v3", "h200", symsim.Deployment(tp=8), cost_model="calibrated").iteration_time().to_c()
    )
    loop = (
        "double s = 0; for (int i = 0; i < 1000000; i++) s += iteration(64 + i % 1000, 128000, 500.0 * (i % 1000), 64);"
    )
    folder = Path(tempfile.mkdtemp())
    (folder / "iteration.c").write_text(f"{source}\ndouble million(void) {{ {loop} return s; }}\n")
    subprocess.run(
        ["cc", "-O2", "-shared", "-fPIC", "iteration.c", "-o", "iteration.so", "-lm"], cwd=folder, check=True
    )
    million = ctypes.CDLL(str(folder / "iteration.so")).million
    million.restype = ctypes.c_double
    return million


def in_bulk() -> None:
    """TPOT and TGS of 2,000 deployments of Qwen3-235B-A22B at 256 batches each, the model not compiled before."""
    symsim.sweep("qwen3-8b", "h200", {"B": range(1, 3)}, cost_model="roofline")  # imports
    degrees = itertools.product((1, 2, 4), (1, 2, 4, 8), range(1, 129), (1, 2, 4, 8, 16))
    every = (
        symsim.Deployment(tp * pp * dp, tp=tp, pp=pp, ep=ep)
        for tp, pp, dp, ep in degrees
        if dp % ep == 0 and (tp * pp * dp % 8 == 0 or tp * pp * dp <= 8)
    )
    some = list(itertools.islice(every, 2000))
    grid = {"B": range(1, 257), "S": 4096, "O": 1024}
    start = time.perf_counter()
    found = symsim.sweep("qwen3-235b-a22b", "h200", grid, deployment=some, cost_model="roofline")
    line(time.perf_counter() - start, f"{found.sizes['deployment']} deployments at 256 batches; wanted: 4 s at most")


LARGE = symsim.Deployment(world_size=128, num_nodes=16, gemm="fp8", comm="deepep", overlap="two-batch")
GRIDS = {
    "evenly spaced": {"B": range(1, 101), "S": range(100, 31_700, 100), "O": range(16, 5072, 16)},
    "irregular": {
        "B": range(1, 101),
        "S": sorted(random.Random(1).sample(range(1, 70_000), 316)),
        "O": sorted(random.Random(2).sample(range(1, 5_000), 316)),
    },
}
BILLION = (
    "sweep deepseek-v3 --device h800 --world-size 128 --num-nodes 16 --gemm fp8 --comm deepep --overlap two-batch "
    "--metrics tpot --over B=1:1000 --over S=128:128000:128 --over O=8:8000:8 --out"
)


def rate(grid: Mapping[str, Any], backend: Any, limits: str) -> float:
    """Points per second of a TPOT sweep of DeepSeek-V3 with its tables, gone through block by block."""
    options: Any = {"deployment": LARGE, "metrics": ["tpot"], "subject_to": limits, "backend": backend}
    plan = plan_sweep("deepseek-v3", "h800", grid, **options)

    def gone_through() -> None:
        for _ in run_blocks(plan):
            pass

    return plan.points / median(gone_through)


def cold_compile(model: str, cost_model: str) -> float:
    """Seconds of the first compile of a process, with every import done before; all metrics derived."""
    code = AS_INSTALLED + (
        "import time, symsim, symsim.api.costs, symsim.cli; start = time.perf_counter(); "
        f"costs = symsim.compile({model!r}, 'h800', cost_model={cost_model!r}); "
        "costs.tpot.expr, costs.ttft.expr, costs.memory.expr; print(time.perf_counter() - start)"
    )
    done = [subprocess.run([sys.executable, "-c", code], capture_output=True, check=True) for _ in range(3)]
    return statistics.median(float(one.stdout) for one in done)


def billion() -> tuple[float, float]:
    """Seconds and peak memory (bytes) of a sweep of 10^9 points into a Parquet file."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        words = [sys.executable, "-m", "symsim.cli", *BILLION.split(), f"{folder}/points.parquet"]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0
        return time.perf_counter() - start, usage.ru_maxrss * 1024


def processes() -> None:
    imports = median(process("import sympy, networkx, numpy, lark"))
    simulate = median(command("simulate --config-path deepseek-v3 --device-type h800"))
    formula = median(command("formula deepseek-v3 --device h800"))
    report = median(command("report llama-3.3-70b --device h200 --tp 8 --cost-model calibrated"))
    line(imports, "import sympy, networkx, numpy, lark (whole process)")
    line(simulate, f"symsim simulate (whole process), {simulate / imports:.2f} x the imports")
    line(formula, f"symsim formula (whole process), {formula / imports:.2f} x the imports; wanted: 1200 ms at most")
    line(report, f"symsim report (whole process), {report / imports:.2f} x the imports; wanted: 1300 ms at most")


def compiles() -> None:
    found = {(model, cost_model): cold_compile(model, cost_model) for model in MODELS for cost_model in COST_MODELS}
    slowest = max(found, key=lambda pair: found[pair])
    line(found[slowest], f"first compile, slowest of {len(found)}: {', '.join(slowest)}; wanted: 500 ms at most")
    line(median(lambda: symsim.compile("deepseek-v3", "h800", cost_model="infersim")), "second compile of a model")
    line(median(deployments, runs=1), "1,000 different deployments simulated; the reference: 1.8 ms each")
    line(median(iterations()), "1,000,000 iterations of DeepSeek-V3 timed by the function in C; wanted: 1 s at most")
    in_bulk()


def solves() -> None:
    costs = symsim.compile("deepseek-v3", "h800", LARGE, cost_model="infersim")
    for question in (
        "max B subject to TPOT <= 50 ms, memory <= capacity with S = 4096, O = 2048",
        "max B subject to TPOT <= 200 ms, memory <= 2 TB with S = 1024, O = 1024",
    ):
        line(median(lambda question=question: costs.solve(question)), f"solve {question!r}; wanted: 50 ms at most")


def sweeps() -> None:
    for backend, wanted in (("numpy", "10^7"), ("numba", "10^8")):
        for name, grid in GRIDS.items():
            for limits in ("", "memory <= capacity"):
                points = rate(grid, backend, limits)
                words = f"{name} (B, S, O), {'masked by memory' if limits else 'no constraint'}"
                print(f"{points:10.3g} points/s  DeepSeek-V3 TPOT sweep, {backend}, {words}; wanted: {wanted}")
    seconds, memory = billion()
    line(seconds, f"10^9 points to Parquet, peak memory {memory / 2**30:.2f} GiB; wanted: 2 GiB at most")


def scattered() -> None:
    """TPOT at four million random points, on no grid."""
    draw = np.random.default_rng(1)
    points = [draw.integers(1, most, 4_000_000).astype(float) for most in (513, 65536, 4097)]
    for model, device, deployment in (("qwen3-8b", "h100", None), ("deepseek-v3", "h800", LARGE)):
        formula = symsim.compile(model, device, deployment, cost_model="infersim").tpot
        for backend, wanted in (("numpy", "10^7"), ("numba", "10^8")):
            function = formula.function(["B", "S", "O"], backend=backend)
            seconds = median(lambda function=function: function(*points))
            print(f"{4e6 / seconds:10.3g} points/s  {model} TPOT at random (B, S, O), {backend}; wanted: {wanted}")


def line(seconds: float, words: str) -> None:
    print(f"{seconds * 1000:10.1f} ms  {words}", flush=True)


def main() -> None:
    if sys.argv[1:2] == ["--against"]:
        subprocess.run([sys.executable, Path(__file__).with_name("beside.py"), *sys.argv[2:]], check=True)
        return
    print(f"{os.cpu_count()} cores, Python {sys.version.split()[0]}, numpy {np.__version__}")
    processes()
    compiles()
    solves()
    sweeps()
    scattered()


if __name__ == "__main__":
    main()
