"""Dedicated prefill workers: service, wait and time to first token of a pool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from symsim.errors import SymsimError
from symsim.serving.engines import Served, refused
from symsim.serving.outcome import applied
from symsim.serving.quantiles import time_quantiles, wait_quantiles
from symsim.serving.step_time import StepTime
from symsim.serving.workload import Letters, Workload, prompts


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Workers that take one request at a time. router: None for one queue, else `random` or `round-robin`.

    gaps_cv: coefficient of variation of gaps between arrivals; exponential: whether service is as variable as that.
    """

    rate: float
    workers: int = 1
    router: str | None = None
    gaps_cv: float = 1.0
    exponential: bool = False

    def __post_init__(self) -> None:
        if self.workers < 1 or not self.rate > 0:
            raise SymsimError(
                f"a pool of {self.workers} workers at {self.rate:g} requests/s: expected 1 or more of each"
            )


def prefill_pool(pool: Pool, step: StepTime, work: Workload, *, queue: str | None = None) -> Served:
    """The time to first token of requests at a pool. queue: the form of the wait in place of the usual one."""
    return queued(pool, service(step, work, exponential=pool.exponential), work, queue=queue)


def service(step: StepTime, work: Workload, *, exponential: bool = False) -> Letters:
    """Letters of the service time of a worker: moments of t_0 + alpha."""
    start = max(step(0), step(work.input.mean) - step.a * work.input.mean)
    return moments(start, prompts(work, (step.a, step.p)), exponential=exponential)


def moments(start: float, alpha: Letters, *, exponential: bool = False) -> Letters:
    """s, s_2, s_3 and the squared coefficient of variation of start + alpha."""
    one, two, three = (alpha[f"alpha_{k}"] for k in (1, 2, 3))
    s, s_2 = start + one, start**2 + 2 * start * one + two
    s_3 = start**3 + 3 * start**2 * one + 3 * start * two + three
    if exponential:
        s_2, s_3 = 2 * s_2, 6 * s_3
    spread = max(0.0, s_2 / s**2 - 1) if s else 0.0
    spread = 0.0 if spread < _ROUNDING else spread
    return {**alpha, "t_0": start, "s": s, "s_2": s_2, "s_3": s_3, "cs": spread, "s_min": start if spread else s}


_ROUNDING = 1e-9


def queued(pool: Pool, served: Letters, work: Workload, *, queue: str | None = None) -> Served:
    """The wait before a pool and its quantiles, of a service whose letters are given."""
    known = {**served, "rate": pool.rate, "x": pool.workers, "ca": pool.gaps_cv**2}
    wait = applied("wait", known, name=queue or wait_form(pool, served["cs"]))
    if not wait.solved:
        return refused(wait)
    rho = pool.rate * served["s"] / pool.workers
    letters = {**known, "rho": rho, "P_w": rho, **wait.values}
    square = applied("wait_square", letters, name=_square_form(pool, letters))
    letters |= square.values if square.solved else {"W_2": 0.0}  # hardly any request waits
    mean = letters["s"] + letters["W"]
    values = {"wait_mean": letters["W"], "service": letters["s"], "ttft_mean": mean}
    values |= {f"ttft_{name}": value for name, value in _quantiles(pool, letters, mean).items()}
    return Served(values=values, letters={**letters, "ttft": mean}, load={"rho_p": rho}, forms={"wait": wait})


def wait_form(pool: Pool, spread: float) -> str:
    """The form of the wait that a pool calls for. spread: squared coefficient of variation of its service."""
    if pool.workers == 1:
        return "pollaczek-khinchine" if pool.gaps_cv == 1 else "kingman"
    if pool.router == "random":
        return "random"
    if pool.router == "round-robin" and spread > 0:
        return "round-robin"
    return "cosmetatos" if pool.gaps_cv == 1 else "erlang"


def _square_form(pool: Pool, letters: Letters) -> str:
    if letters["cs"] == 0:
        return "constant"
    return "takacs" if pool.workers == 1 else "exponential"


def _quantiles(pool: Pool, letters: Letters, mean: float) -> Mapping[str, float]:
    """Constant service: a gamma law of those who wait; random: of wait and service, above its constant part."""
    if letters["cs"] == 0:
        return {name: letters["s"] + wait for name, wait in wait_quantiles(letters).items()}
    if pool.exponential and pool.workers == 1:
        return time_quantiles(mean, mean**2, 0.0)
    variance = letters["W_2"] - letters["W"] ** 2 + letters["s_2"] - letters["s"] ** 2
    form = "gamma" if letters["cs"] <= 1 else "lognormal"
    return time_quantiles(mean, variance, letters["t_0"], form=form)
