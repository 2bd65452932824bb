"""Prints how long the main jobs take: python tests/bench/speed.py. Nothing here is asserted."""

import itertools
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import symsim

RUNS = 5


def median(job: Callable[[], object], runs: int = RUNS) -> float:
    """Median wall seconds of a job, after one run that does not count."""
    job()
    times: list[float] = []
    for _ in range(runs):
        start = time.perf_counter()
        job()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def process(*arguments: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, *arguments], capture_output=True, check=True)


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


def main() -> None:
    imports = median(process("-c", "import sympy, networkx, numpy, lark"))
    simulate = median(process("-m", "symsim.cli", "simulate", "--config-path", "deepseek-v3", "--device-type", "h800"))
    formula = median(process("-m", "symsim.cli", "formula", "deepseek-v3", "--device", "h800"))
    costs = symsim.compile("deepseek-v3", "h800")
    rows = [
        ("import sympy, networkx, numpy, lark (whole process)", imports),
        (f"symsim simulate (whole process), {simulate / imports:.2f} x the imports", simulate),
        (f"symsim formula (whole process), {formula / imports:.2f} x the imports", formula),
        ("second compile of a model", median(lambda: symsim.compile("deepseek-v3", "h800"))),
        ("1,000 different deployments simulated", median(deployments, runs=1)),
        (
            "largest batch under TPOT and memory",
            median(lambda: costs.solve("max B subject to TPOT <= 50 ms, memory <= 2 TB")),
        ),
    ]
    for name, seconds in rows:
        print(f"{seconds * 1000:10.1f} ms  {name}")


if __name__ == "__main__":
    main()
