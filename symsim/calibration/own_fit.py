"""What one measured oneself -> an engine of one's own: coefficients with intervals, what runs cannot tell apart, and
the run that would tell most. Needs scipy (extra `fit`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from symsim.algebra.shown import html_table, one_line
from symsim.calibration.refit_runs import has_kernels
from symsim.calibration.run_fit import PRIORS, THROUGHPUT, WIDE, Array, Prior, RunFit, fit_runs, told
from symsim.calibration.run_model import Predicted, run_models
from symsim.calibration.runs import Run, newest, read_runs
from symsim.errors import SymsimError
from symsim.inputs.config import load_config
from symsim.inputs.deployment import Deployment
from symsim.inputs.device import load_device
from symsim.inputs.engine import DEFAULT_ENGINE, TIMES, bundled_engines, load_engine, with_times
from symsim.inputs.extras import load_extra
from symsim.paths import replacing
from symsim.tables.engine_times import chosen_times

_SHIPPED = 0.5
"""Spread of the logarithm of a shipped value on another machine."""

_APART = 0.7
"""Correlation of two coefficients above which runs hardly tell them apart."""

_TOLD = 0.7
"""A coefficient whose spread is above this share of what it was before the runs is not told by them."""

_NINE_OF_TEN = 1.645


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnCoefficient:
    """value, low, high: nine in ten, SI; before: what it was without the runs; told: whether they tell it."""

    name: str
    value: float
    low: float
    high: float
    before: float
    told: bool

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFit:
    """together: pairs of coefficients that the runs cannot tell apart; errors: metric -> (median, 90th percentile) of
    abs(predicted/measured - 1) of runs that were left out; ends: metric -> measured is within these times predicted in
    nine of ten runs more; device: what they are of; next_run: what to measure next, in words; refused: why runs could
    not be predicted -> how many.
    """

    coefficients: tuple[OwnCoefficient, ...]
    together: tuple[tuple[str, str], ...]
    errors: Mapping[str, tuple[float, float]]
    ends: Mapping[str, tuple[float, float]]
    next_run: str
    runs: int
    refused: Mapping[str, int]
    engine: str
    device: str

    def __repr__(self) -> str:
        return one_line(self, f"{self.runs} runs of {self.engine}, {len(self.coefficients)} coefficients")

    def _repr_html_(self) -> str:
        rows = {one.name: f"{one.value:.4g} ({one.low:.4g} to {one.high:.4g})" for one in self.coefficients}
        return html_table(f"{self.runs} runs of {self.engine}", rows)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "coefficients": [one.as_dict() for one in self.coefficients],
            "together": [list(pair) for pair in self.together],
            "errors": {name: {"median": median, "p90": p90} for name, (median, p90) in self.errors.items()},
            "next_run": self.next_run,
            "runs": self.runs,
            "refused": dict(self.refused),
        }

    def write(self, path: Path) -> None:
        """An engine's file, for `--engine` and `--calibration`: the engine's own with these figures stated."""
        base = load_engine(self.engine)
        text = base.path.read_text(encoding="utf-8")
        lines = [f'{one.name} = "{one.value:.4g}{" s" if TIMES[one.name] == "s" else ""}"' for one in self.coefficients]
        named = {"tpot_s": ("low", "high"), "ttft_s": ("ttft_low", "ttft_high")}
        lines += [
            f"{end} = {value:.3g}"
            for metric, ends in self.ends.items()
            for end, value in zip(named[metric], ends, strict=True)
        ]
        about = f"# fitted to {self.runs} runs by `symsim fit`"
        text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("# fitted to "))
        like = [
            f'device = "{self.device}"',
            *([f'like = "{base.path.stem}"'] if base.path.stem in bundled_engines() else []),
        ]
        with replacing(path) as unfinished:
            unfinished.write_text(with_times(text, (about, *like, *lines)), encoding="utf-8")


def fit(
    runs: str | Path | Sequence[str | Path],
    model: str,
    device: str,
    deployment: Deployment | None = None,
    engine: str = DEFAULT_ENGINE,
) -> OwnFit:
    """Fit an engine to files of runs, as `read_runs` reads them; of tables that say what they are of, to those of this
    model, device and engine that are not kept apart for checking. Raises SymsimError where none can be predicted."""
    files = [runs] if isinstance(runs, (str, Path)) else runs
    stated = stated_fields(deployment or Deployment())
    about = {"model": model, "device": device, "engine": engine}
    found = [run for file in files for run in read_runs(Path(file), **about, deployment=tuple(stated.items()))]
    return fit_own([_asked_for(run, **about) for run in newest(found)])


def _asked_for(run: Run, *, model: str, device: str, engine: str) -> Run:
    """The run, which is unlike where a table says that it is of something else."""
    if run.table == "own":
        return run
    if run.split == "check":
        return replace(run, unlike="kept apart for checking (split = check)")
    base = load_engine(engine)
    alike = load_device(run.device).path == load_device(device).path and run.engine in (base.path.stem, base.like)
    if alike and _same_model(run.model, model):
        return replace(run, engine=engine)
    return replace(run, unlike="of another model, device or engine, as the table says")


def _same_model(one: str, other: str) -> bool:
    try:
        return load_config(one).path == load_config(other).path
    except SymsimError:  # a model that no bundled one is
        return False


def stated_fields(deployment: Deployment) -> Mapping[str, Any]:
    """What of a deployment is not as it follows from the rest."""
    usual = {one.name: one.default for one in fields(Deployment) if one.init and one.name != "engine"}
    follows = {"world_size", "dp"} - deployment.given
    return {
        name: getattr(deployment, name)
        for name, default in usual.items()
        if name not in follows and getattr(deployment, name) != default
    }


def fit_own(runs: Sequence[Run]) -> OwnFit:
    """Fit the engine of one's own runs; shipped values are where it starts from.

    Raises SymsimError where no run can be predicted.
    """
    apart = [replace(run, setup=repr(sorted(run.load.items()))) for run in runs if not run.unlike]
    models, refused = run_models(apart)
    refused |= Counter(run.unlike for run in runs if run.unlike)
    if not models:
        why = "; ".join(refused) or "there are none"
        raise SymsimError(f"no run can be predicted: {why}")
    known = _priors(models)
    fit = fit_runs(models, known)
    return OwnFit(
        coefficients=tuple(_coefficient(name, fit, known[name]) for name in known),
        together=tuple(_together(fit)),
        errors={metric: _errors(errors) for metric, errors in fit.errors.items() if (~np.isnan(errors)).any()},
        ends=_named_ends(fit.errors),
        next_run=_next_run(models, fit),
        runs=len(models),
        refused=refused,
        engine=models[0].run.engine,
        device=load_device(models[0].run.device).name,
    )


def _priors(models: Sequence[Predicted]) -> Mapping[str, Prior]:
    """What the engine's file states, else shipped values, about as far off as engines are from machine to machine; what
    kernels take as far as cards are from each other where those of another card stand in."""
    run = models[0].run
    measured = has_kernels([run])
    base = load_engine(run.engine)
    shipped = chosen_times(base.like or base.path.stem, load_device(run.device).path.stem).values
    known = {name: value for name, (value, _) in shipped.items()}
    known |= {name: float(value) for name, value in base.times.items() if value}  # an engine of one's own, fitted again
    return {
        name: Prior(
            known.get(name, PRIORS[name].usual),
            max(PRIORS[name].spread, _SHIPPED if not name.startswith("slow") else 0 if measured else WIDE),
        )
        for name in told(one.run for one in models)
    }


def _coefficient(name: str, fit: RunFit, before: Prior) -> OwnCoefficient:
    reach = np.exp(_NINE_OF_TEN * fit.spread[name])
    value = fit.values[name]
    told = fit.spread[name] < _TOLD * before.spread
    return OwnCoefficient(
        name=name, value=value, low=value / reach, high=value * reach, before=before.usual, told=bool(told)
    )


def _together(fit: RunFit) -> list[tuple[str, str]]:
    names = list(fit.values)
    return [
        (one, other)
        for i, one in enumerate(names)
        for j, other in enumerate(names)
        if i < j and abs(fit.correlation[i, j]) > _APART
    ]


def _errors(errors: Array) -> tuple[float, float]:
    sizes = np.abs(np.expm1(-errors[~np.isnan(errors)]))
    return float(np.median(sizes)), float(np.quantile(sizes, 0.9))


def _named_ends(errors: Mapping[str, Array]) -> Mapping[str, tuple[float, float]]:
    """Of every metric with runs that were left out. A throughput stands for the time per output token, turned over."""
    turned = {"tpot_s": np.concatenate([errors["tpot_s"], -errors[THROUGHPUT]]), "ttft_s": errors["ttft_s"]}
    known = {metric: found[~np.isnan(found)] for metric, found in turned.items()}
    return {metric: _ends(found) for metric, found in known.items() if len(found) > 1}


def _ends(errors: Array) -> tuple[float, float]:
    """Within which nine of ten further runs are expected: the prediction interval of a normal law whose spread is that
    of these errors, by Student's t, which is wide where there are few."""
    count = len(errors)
    t = load_extra("scipy.stats", "fit", "fitting coefficients needs").t.ppf(0.95, count - 1)
    middle, reach = np.mean(errors), t * np.std(errors, ddof=1) * np.sqrt(1 + 1 / count)
    return float(np.exp(min(middle - reach, -0.01))), float(np.exp(max(middle + reach, 0.01)))


_CONCURRENCIES = (1, 4, 16, 64, 256)
_LENGTHS = ((128, 1024), (1024, 1024), (8192, 256))


def _next_run(models: Sequence[Predicted], fit: RunFit) -> str:
    """Of usual runs the one whose time per output token is least known: it moves with what is not told."""
    run = models[0].run
    candidates = [
        replace(run, load={"isl": isl, "osl": osl, "concurrency": many})
        for isl, osl in _LENGTHS
        for many in _CONCURRENCIES
    ]
    found, _ = run_models(candidates)
    covariance = fit.correlation * np.outer(list(fit.spread.values()), list(fit.spread.values()))
    spread = [
        (float(np.sqrt(slope @ covariance @ slope)), one) for one in found if (slope := _slope(one, fit)) is not None
    ]
    if not spread:
        return ""
    size, best = max(spread, key=lambda pair: pair[0])
    load = best.run.load
    return (
        f"input {load['isl']}, output {load['osl']}, concurrency {load['concurrency']}: its time per output token is "
        f"known to {np.expm1(_NINE_OF_TEN * size):.0%} either way"
    )


def _slope(one: Predicted, fit: RunFit) -> Array | None:
    """How the logarithm of a run's time per output token moves with that of each coefficient."""
    here = one.at(fit.values).get("tpot_s")
    if here is None:
        return None
    moved = [one.at({**fit.values, name: value * 1.01}).get("tpot_s", here) for name, value in fit.values.items()]
    return np.log(np.array(moved) / here) / np.log(1.01)
