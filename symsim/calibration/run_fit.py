"""Measured runs -> the times of their engine: robust least squares in logs, with what is usual as a prior.

Needs scipy (extra `fit`). Deterministic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from symsim.calibration.measured import Array
from symsim.calibration.run_model import Predicted, RunValues
from symsim.calibration.runs import Run
from symsim.inputs.device import load_device
from symsim.inputs.extras import load_extra
from symsim.serving.model_step import HOST

_FOLDS = 5

ERRORS: Mapping[str, float] = {"tpot_s": 0.06, "ttft_s": 0.2}
"""Metric -> log error that counts as one standard deviation; beyond it a run counts for less and less."""

OPEN = {**ERRORS, "ttft_s": 0.1}
"""Of open loops, whose times to first token hold no waves of clients that started together."""


THROUGHPUT = "output_tok_s_per_gpu"
"""What a closed loop without a measured time per output token tells that by; an open loop's is its rate."""


def errors_of(run: Run) -> Mapping[str, float]:
    """Metric -> log error that counts as one standard deviation of a run."""
    if "rate" in run.load:
        return OPEN
    return ERRORS if "tpot_s" in run.measured else {**ERRORS, THROUGHPUT: ERRORS["tpot_s"]}


def told(runs: Iterable[Run]) -> tuple[str, ...]:
    """The coefficients that runs may tell: what ranks of attention-DP wait for each other only where there are any."""
    ranked = any(dict(run.deployment).get("dp", 1) > 1 for run in runs)
    return tuple(name for name in PRIORS if ranked or name != "poll_ranks")


@dataclass(frozen=True, slots=True)
class Prior:
    """usual: before any run is seen; spread: of its logarithm."""

    usual: float
    spread: float


_FAR = 1.5
"""Standard deviations at which a run counts by half: broken runs, and versions that are like no other."""

_UNSERVED = 2.0
"""Log error of a run that the prediction says cannot be served."""

_ROUNDS = 5
"""Evaluations of all slopes; the first few bring nearly all."""

PRIORS: Mapping[str, Prior] = {
    "launch_gap": Prior(5e-7, 1.0),
    "host_step": Prior(3e-4, 1.0),
    "host_sequence": Prior(5e-6, 1.0),
    "host_request": Prior(2e-2, 1.5),
    "poll_steps": Prior(0.5, 1.5),
    "poll_ranks": Prior(10.0, 1.0),
    "slow_gemm": Prior(1.0, 0.1),
    "slow_attention": Prior(1.0, 0.15),
    "slow_experts": Prior(1.0, 0.15),
    "skew_experts": Prior(0.08, 1.0),
    "slow_stream": Prior(0.7, 0.4),
    "slow_compute": Prior(1.0, 0.3),
}
"""A gap between kernels is a microsecond or less; a step of a scheduler takes what profiles show; kernels that were
measured alone on the device are within what forms leave, and row-wise ones are often fused. What a collective waits
besides and launches without a graph cannot be told from these by runs, and are zero unless stated."""

WIDE = 0.6
"""Spread of the logarithm of how much slower kernels are where another device's stand in for all of them."""


NEAR = 0.5
"""Spread of the logarithm of what kernels take in one engine or on one architecture to another."""

ALONE = 2.0
"""In place of it where others ran other models: factor on what is usual of kernels, whose factors lean on the model."""


LOCAL = HOST
"""What depends on the cluster and the version, so that other engines tell nothing about it."""


def priors(
    names: Iterable[str], *, measured: bool, others: Sequence[Predicted] = (), alike: bool = True
) -> Mapping[str, Prior]:
    """names: of coefficients that runs may tell; measured: whether the kernels of the device were measured themselves;
    others: runs of other engines and architectures, whose own fit is where this one starts from; alike: whether they
    are of the same models, without which they tell of the host only."""
    known = {name: PRIORS[name] for name in names}
    if others:
        usual = _fitted(others, PRIORS, rounds=_ROUNDS - 1)[0]
        known |= {name: _borrowed(name, usual[name], alike=alike) for name in known if name not in LOCAL}
    if not measured:
        known |= {name: Prior(one.usual, WIDE) for name, one in known.items() if name.startswith("slow")}
        known["launch_gap"] = Prior(2e-6, 1.5)
    return known


def _borrowed(name: str, usual: float, *, alike: bool) -> Prior:
    own = PRIORS[name]
    if not name.startswith("slow"):
        return Prior(usual, own.spread)
    if alike:
        return Prior(usual, min(own.spread, NEAR))
    return own if name == "slow_compute" else Prior(own.usual, ALONE * own.spread)  # products have a peak near


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFit:
    """values: coefficients on all runs; spread: standard deviation of the logarithm of each, prior included;
    correlation: of those logarithms, in the order of values; errors: metric -> log of measured over predicted of the
    runs of set-ups that were left out, of which setups is the set-up of each; ranks: the most GPUs that shared tensors
    or experts; devices: what the machines of each tell by themselves."""

    values: RunValues
    devices: Mapping[str, RunValues]
    spread: RunValues
    correlation: Array
    errors: Mapping[str, Array]
    setups: tuple[str, ...]
    ranks: int


def fit_runs(
    runs: Sequence[Predicted], known: Mapping[str, Prior], *, versions: Sequence[Predicted] = (), folds: int = _FOLDS
) -> RunFit:
    """Fit the coefficients of one engine on one architecture. versions: runs of more of its versions, which tell what a
    request takes on the host of each device's machines: it is the version's, and which of them one has is not known."""
    setups = [one.run.setup for one in runs]
    values, hessian = _fitted(runs, known)
    fold = _folds(setups, folds)
    errors = {metric: np.full(len(runs), np.nan) for metric in (*ERRORS, THROUGHPUT)}
    for held in sorted(set(fold)):
        rest = [one for one, number in zip(runs, fold, strict=True) if number != held]
        inner = _fitted(rest, known, weighed=values)[0] if rest else {name: one.usual for name, one in known.items()}
        away = {one.run.setup for one, number in zip(runs, fold, strict=True) if number == held}
        hosts = [one for one in versions if one.run.setup not in away]
        machines = _machines(hosts, inner)
        for place, (one, number) in enumerate(zip(runs, fold, strict=True)):
            if number == held:
                found = one.at({**inner, **machines.get(_device(one), {})})
                for metric in errors_of(one.run):
                    if metric in found and metric in one.run.compared:
                        errors[metric][place] = np.log(one.run.measured[metric] / found[metric])
    covariance = np.linalg.inv(hessian)
    spread = np.sqrt(np.diag(covariance))
    return RunFit(
        values=values,
        devices=_machines(versions, values),
        spread=dict(zip(known, map(float, spread), strict=True)),
        correlation=covariance / np.outer(spread, spread),
        errors=errors,
        setups=tuple(setups),
        ranks=max((one.ranks for one in runs), default=1),
    )


def _device(one: Predicted) -> str:
    return load_device(one.run.device).path.stem


def _machines(runs: Sequence[Predicted], values: RunValues) -> Mapping[str, RunValues]:
    """Device -> what a request takes on the host of its machines: it is a cluster's rather than an architecture's."""
    own: dict[str, list[Predicted]] = {}
    for one in runs:
        if one.run.own:
            own.setdefault(_device(one), []).append(one)
    found = {device: _host(of, values) for device, of in sorted(own.items())}
    return {device: host for device, host in found.items() if host}


def _host(runs: Sequence[Predicted], values: RunValues) -> RunValues:
    """What a request takes on the host of the engine itself, with all other coefficients as they are."""
    own = [_beside(one, values) for one in runs if one.run.own]
    if not own or _MACHINE not in values:
        return {}
    return _fitted(own, {_MACHINE: Prior(values[_MACHINE], PRIORS[_MACHINE].spread)})[0]


def _beside(one: Predicted, values: RunValues) -> Predicted:
    """The same run with all other coefficients as they are."""
    return replace(one, at=lambda own: one.at({**values, **own}))


_MACHINE = "host_request"


def _folds(setups: Sequence[str], folds: int) -> list[int]:
    """Whole set-ups, dealt over folds in an order drawn once."""
    names = sorted(set(setups))
    dealt = dict(zip(names, np.random.default_rng(0).permutation(len(names)) % folds, strict=True))
    return [int(dealt[setup]) for setup in setups]


def _fitted(
    runs: Sequence[Predicted], known: Mapping[str, Prior], weighed: RunValues | None = None, rounds: int = _ROUNDS
) -> tuple[RunValues, Array]:
    """The coefficients, and the second derivative of half the squares by their logarithms.

    weighed: coefficients by which runs that are far off count for less; by those of a first round unless given.
    """
    names, usual = tuple(known), np.log([one.usual for one in known.values()])
    spread = np.array([one.spread for one in known.values()])
    residual = _residual(runs, names, usual, spread)
    low, high = usual - 4 * spread, usual + 4 * spread
    count = len(names)

    def weights(point: Array) -> Array:
        found = 1 / np.sqrt(1 + (residual(point) / _FAR) ** 2)
        found[:count] = 1
        return found

    weight = weights(usual if weighed is None else np.log([weighed[name] for name in names]))
    found = _solved(residual, usual, weight, (low, high), rounds)
    if weighed is None and rounds == _ROUNDS:
        point = np.clip(found.x, low + 1e-6, high - 1e-6)
        found = _solved(residual, point, weights(point), (low, high), rounds)
    jacobian = np.asarray(found.jac)
    hessian = jacobian.T @ jacobian + 1e-9 * np.eye(count)
    return dict(zip(names, map(float, np.exp(found.x)), strict=True)), hessian


def _solved(
    residual: Callable[[Array], Array], point: Array, weight: Array, bounds: tuple[Array, Array], most: int
) -> Any:
    """Weighted least squares; a run that is far off has little weight the next time."""
    solve: Callable[..., Any] = load_extra("scipy.optimize", "fit", "fitting coefficients needs").least_squares
    how = {"bounds": bounds, "diff_step": 1e-3, "max_nfev": most, "xtol": 1e-3, "ftol": 1e-4}
    return solve(lambda x: weight * residual(x), point, **how)


def _residual(
    runs: Sequence[Predicted], names: tuple[str, ...], usual: Array, spread: Array
) -> Callable[[Array], Array]:
    def at(x: Array) -> Array:
        values = dict(zip(names, map(float, np.exp(x)), strict=True))
        found = [(x - usual) / spread]
        for one in runs:
            predicted = one.at(values)
            for metric, error in errors_of(one.run).items():
                if metric in one.run.measured:
                    far = metric not in predicted or predicted[metric] <= 0
                    ratio = _UNSERVED if far else np.log(predicted[metric] / one.run.measured[metric])
                    found.append(np.array([ratio / error]))
        return np.concatenate(found)

    return at
