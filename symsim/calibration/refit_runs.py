"""Measured runs of engines -> calibration/engines.toml.

`python -m symsim.calibration.refit_runs FOLDER [--out FILE]` needs the extra `fit` (scipy). FOLDER holds CSVs of runs,
of which those with `split` = fit choose coefficients.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from symsim.calibration.fitting import group_quantiles
from symsim.calibration.run_fit import ERRORS, RunFit, fit_runs, priors, told
from symsim.calibration.run_model import Predicted, run_models
from symsim.calibration.runs import Run, newest, read_runs
from symsim.inputs.device import load_device
from symsim.paths import CALIBRATION
from symsim.tables.coefficients import spellings
from symsim.tables.engine_times import EngineTimes, architecture_of, read_times, write_times

_HEADER = """\
# Times of engines, written by `python -m symsim.calibration.refit_runs`; README.md explains each figure. Fitted on
# runs published by SemiAnalysis InferenceX, inference-sim and gpustack (both Apache-2.0): those with `split` = fit."""

SINCE = "2025-12"
"""Runs of earlier versions of engines choose nothing."""

RENEWED = {("sglang", "cdna3"): ("2026-04", "cdna3 before 2026-04")}
"""(engine, architecture) -> from when on its runs are of what it is today, and what it is called before: launches took
twice as long."""


def chosen(runs: Iterable[Run]) -> list[Run]:
    """The runs that choose coefficients, the newest of each set-up."""
    return [run for own in by_engine(_known(runs)).values() for run in newest(own)]


def versions_of(runs: Iterable[Run]) -> list[Run]:
    """The newest run of each set-up in each month: what was run of more versions of engines."""
    months: dict[str, list[Run]] = {}
    for run in _known(runs):
        months.setdefault(run.date[:7], []).append(run)
    return [run for month in months.values() for run in chosen(month)]


def _known(runs: Iterable[Run]) -> list[Run]:
    return [run for run in runs if run.split in ("fit", "") and not (run.date and run.date < SINCE)]


def architecture_then(run: Run) -> str:
    """The architecture of a run, with an engine as it was then; empty where none is known."""
    architecture = architecture_of(load_device(run.device).path.stem)
    since, before = RENEWED.get((run.engine, architecture), ("", ""))
    return before if run.date and run.date < since else architecture


def by_engine(runs: Iterable[Run]) -> Mapping[tuple[str, str], list[Run]]:
    """(engine, architecture) -> its runs; those on other devices are left out."""
    found: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        architecture = architecture_then(run)
        if architecture:
            found.setdefault((run.engine, architecture), []).append(run)
    return dict(sorted(found.items()))


def has_kernels(runs: Sequence[Run]) -> bool:
    """Whether the kernels of their devices, or of siblings, were measured."""
    known = {*spellings()["device"].values(), *spellings()["sibling"]}
    return all(load_device(run.device).path.stem in known for run in runs)


def times_of(engine: str, architecture: str, fit: RunFit, every: Sequence[RunFit]) -> EngineTimes:
    """A fit with its errors on set-ups that were left out; every: fits of all engines, within whose ends together one
    of few set-ups cannot be told to be."""
    ends = {metric: _ends_among(fit, every, metric) for metric in ERRORS}
    tpot = fit.errors["tpot_s"]
    error = np.abs(np.expm1(-tpot[~np.isnan(tpot)]))
    (low, high), first = ends["tpot_s"], ends["ttft_s"]
    held = (tpot >= low) & (tpot <= high)
    return EngineTimes(
        engine=engine,
        architecture=architecture,
        rows=len(tpot),
        setups=len(set(fit.setups)),
        ranks=fit.ranks,
        median=float(np.median(error)),
        p90=float(np.quantile(error, 0.9)),
        low=float(np.exp(low)),
        high=float(np.exp(high)),
        ttft_low=float(np.exp(first[0])),
        ttft_high=float(np.exp(first[1])),
        inside=float(np.mean(held[~np.isnan(tpot)])),
        values=fit.values,
        devices=fit.devices,
    )


_FEW = 5
"""Set-ups below which what was left out says little about others."""


def _ends_among(fit: RunFit, every: Sequence[RunFit], metric: str) -> tuple[float, float]:
    low, high = _ends([fit], metric)
    compared = {setup for setup, error in zip(fit.setups, fit.errors[metric], strict=True) if not np.isnan(error)}
    if len(compared) >= _FEW:
        return low, high
    pooled = _ends(every, metric)
    return min(low, pooled[0]), max(high, pooled[1])


def _ends(fits: Sequence[RunFit], metric: str) -> tuple[float, float]:
    errors = np.concatenate([fit.errors[metric] for fit in fits])
    _, group = np.unique(
        [f"{place} {setup}" for place, fit in enumerate(fits) for setup in fit.setups], return_inverse=True
    )
    known = ~np.isnan(errors)
    return group_quantiles(errors[known], group[known].astype(np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRuns:
    """Runs of one engine on one architecture. models: those that choose coefficients; versions: those and older ones;
    measured: whether the kernels of their devices were measured."""

    models: Sequence[Predicted]
    versions: Sequence[Predicted]
    measured: bool


def groups_of(runs: Sequence[Run]) -> Mapping[tuple[str, str], EngineRuns]:
    """(engine, architecture) -> its runs that can be predicted."""
    return {key: _compiled(key, own) for key, own in by_engine(versions_of(runs)).items()}


def _compiled(key: tuple[str, str], runs: Sequence[Run]) -> EngineRuns:
    versions, refused = run_models(runs)
    for sentence, count in refused.items():
        print(f"{' '.join(key)}: {count} left out: {sentence}", file=sys.stderr)
    choosing = {run.place for run in newest(runs)}
    models = [one for one in versions if one.run.place in choosing]
    return EngineRuns(models=models, versions=versions, measured=has_kernels(runs))


def main(words: list[str] | None = None) -> int:
    """Fit every engine on every architecture that a folder has runs of."""
    parser = argparse.ArgumentParser(prog="python -m symsim.calibration.refit_runs", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=CALIBRATION / "engines.toml")
    parser.add_argument("--only", metavar="ENGINE", help="keep what the file has of other engines")
    options = parser.parse_args(words)
    runs = [run for path in sorted(options.folder.glob("*.csv")) for run in read_runs(path)]
    groups = groups_of(runs)
    kept = read_times(options.out) if options.only else ()
    fits = {key: _fit(key, groups) for key, own in groups.items() if own.models and options.only in (None, key[0])}
    own = [times_of(*key, fit, tuple(fits.values())) for key, fit in fits.items()]
    own = [_with_runs_since(one, groups) for one in own]
    for one in own:
        print(
            f"{one.engine} {one.architecture}: {one.rows} runs of {one.setups} set-ups; left out: median "
            f"{one.median:.1%}, p90 {one.p90:.1%}; {one.low:.2f} to {one.high:.2f} holds {one.inside:.0%}"
        )
    write_times(options.out, [*(one for one in kept if one.engine != options.only), *own], _HEADER)
    return 0


def _with_runs_since(times: EngineTimes, groups: Mapping[tuple[str, str], EngineRuns]) -> EngineTimes:
    """Of an engine as it was: which version runs is not known, so that the interval holds it as it is today too."""
    for (engine, today), (_, before) in RENEWED.items():
        if (times.engine, times.architecture) == (engine, before):
            since = groups[engine, today].models if (engine, today) in groups else ()
            found = [(one.at(times.values).get("tpot_s", 0), one.run.measured["tpot_s"]) for one in since]
            ratios = [measured / predicted for predicted, measured in found if predicted]
            ends = np.quantile(ratios or [1.0], (0.05, 0.95))
            return replace(times, low=min(times.low, float(ends[0])), high=max(times.high, float(ends[1])))
    return times


def _fit(key: tuple[str, str], groups: Mapping[tuple[str, str], EngineRuns]) -> RunFit:
    """Starts from closed loops of all other groups whose kernels were measured."""
    models = groups[key].models
    others = [one for other, rest in groups.items() if other != key and rest.measured for one in rest.models]
    closed = [one for one in others if "concurrency" in one.run.load]
    ran = {one.run.model for one in closed}
    alike = 2 * sum(one.run.model in ran for one in models) > len(models)
    known = priors(told(one.run for one in models), measured=groups[key].measured, others=closed, alike=alike)
    return fit_runs(models, known, versions=groups[key].versions)


if __name__ == "__main__":
    sys.exit(main())
