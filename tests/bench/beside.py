"""The same jobs by this checkout and by another one, in turns: python tests/bench/beside.py PATH [RUNS].

CPU seconds are given beside wall seconds: on a machine that is shared, wall time is mostly the others'.  Nothing here
is asserted. A job that a checkout cannot do is said to be so.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parents[2]

TIMED = """
import sys; sys.modules['interegular'] = None
import os, time
def cpu(): return sum(os.times()[:4])
def timed(job, each=1):
    job()
    wall, used = time.perf_counter(), cpu()
    job()
    print((time.perf_counter() - wall) / each, (cpu() - used) / each)
"""

SCATTERED = """
import numpy, symsim
random = numpy.random.default_rng(1)
size = {size}
points = [random.integers(1, most, size).astype(float) for most in (513, 65536, 4097)]
costs = symsim.compile({model!r}, "h800", cost_model="infersim")
function = costs.tpot.function(["B", "S", "O"], {backend!r})
timed(lambda: function(*points), size)
"""

SIMULATED = """
import symsim
def job():
    for batch in range(50, 100):
        symsim.simulate("deepseek-v3", device_type="H800", world_size=128, num_nodes=16, decode_bs=batch,
            use_fp8_gemm=True, enable_deepep=True)
timed(job, 50)
"""

DEPLOYED = """
import itertools, symsim
def job():
    for gpus, tp, pp, ep in SIZES:
        try:
            deployment = symsim.Deployment(world_size=gpus, num_nodes=max(1, gpus // 8), tp=tp, pp=pp, ep=ep)
            symsim.compile("qwen3-235b-a22b", "h800", deployment, "roofline")
        except symsim.SymsimError:
            continue
SIZES = list(itertools.product((8, 16, 32, 64, 128), (1, 2, 4), (1, 2), (None, 2, 4, 8, 16)))
timed(job, len(SIZES))
"""

COMMAND = """
import subprocess
words = [sys.executable, "-c", "import sys; sys.modules['interegular'] = None; from symsim.cli import main; "
    "sys.exit(main({words!r}))"]
timed(lambda: subprocess.run(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
"""

JOBS = {
    "symsim --version, a whole process": COMMAND.format(words=["--version"]),
    "symsim params qwen3-8b, a whole process": COMMAND.format(words=["params", "qwen3-8b"]),
    "symsim.simulate, a call": SIMULATED,
    "symsim.compile of Qwen3-235B, a deployment": DEPLOYED,
    **{
        f"TPOT of {model} at random (B, S, O), {backend}, a point": SCATTERED.format(
            model=model, backend=backend, size=2_000_000
        )
        for model in ("qwen3-30b-a3b", "deepseek-v3")
        for backend in ("numpy", "numba")
    },
}


def once(checkout: Path, code: str) -> tuple[float, float] | None:
    """Wall and CPU seconds of a job, once warm; None where the checkout cannot do it."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run([sys.executable, "-c", TIMED + code], capture_output=True, env=environment, cwd=checkout)
    if done.returncode:
        return None
    wall, used = map(float, done.stdout.split()[-2:])
    return wall, used


def main() -> None:
    other, runs = Path(sys.argv[1]).resolve(), int(sys.argv[2]) if len(sys.argv) > 2 else 3
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; CPU (wall) seconds: this checkout, {other}, ratio")
    for words, code in JOBS.items():
        turns = [(once(HERE, code), once(other, code)) for _ in range(runs)]
        own, others = ([turn[i] for turn in turns if turn[i] is not None] for i in (0, 1))
        sides = [list(map(statistics.median, zip(*side, strict=True))) if side else None for side in (own, others)]
        told = ["cannot" if side is None else f"{side[1]:.3g} ({side[0]:.3g})" for side in sides]
        ratio = f"{sides[1][1] / sides[0][1]:.1f} x" if sides[0] and sides[1] else ""
        print(f"{told[0]:>22}  {told[1]:>22}  {ratio:>8}  {words}", flush=True)


if __name__ == "__main__":
    main()
