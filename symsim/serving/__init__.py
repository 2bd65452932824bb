"""Requests under load, in closed form: step times of an engine -> time to first token, time per token, throughput.

>>> from symsim import serving
>>> step = serving.StepTime(t0=0.02, a=4e-5)
>>> case = {"kind": "pool", "step": {"t0": 0.02, "a": 4e-5}, "S": 2000, "lam": 5.0}
>>> round(serving.figures(case)["ttft_mean"], 6)
0.15
"""

from symsim.serving.cases import figures
from symsim.serving.step_time import StepTime

__all__ = ["StepTime", "figures"]
