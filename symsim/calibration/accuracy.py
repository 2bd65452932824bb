"""Predictions beside measured runs: every row, and how far off they are by table, device, engine, model and phase."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from symsim.algebra.shown import html_table, one_line
from symsim.calibration.runs import Run, newest, read_runs
from symsim.calibration.served_runs import DECODE_GPUS, read_served
from symsim.errors import SymsimError
from symsim.formula.interval import TIGHTER
from symsim.inputs.cost_model import LATEST
from symsim.inputs.deployment import Deployment
from symsim.inputs.engine import DEFAULT_ENGINE
from symsim.paths import CALIBRATION
from symsim.pipeline.compiled import Compiled
from symsim.pipeline.pipeline import compile_model
from symsim.serving.ask import asked
from symsim.serving.prediction import predicted

_PHASES: Mapping[str, str] = {"tpot_s": "decode", "ttft_s": "prefill", "output_tok_s_per_gpu": "both"}
"""Metric -> the phase that it is mostly of."""

_FIGURES = {
    "tpot_s": "tpot_s.mean",
    "ttft_s": "ttft_s.mean",
    "output_tok_s_per_gpu": "output_tok_per_s_per_gpu",
}

GROUP_KEYS = ("table", "device", "engine", "model", "phase", "split")
"""What a summary may be by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A metric of a run, measured and predicted. low, high: the interval, None where nothing is known of it;
    saturated: what is loaded beyond 0.95 of what it can take: its queue, and the time to first token, are not to be
    trusted there."""

    run: Run
    metric: str
    measured: float
    predicted: float
    low: float | None
    high: float | None
    saturated: tuple[str, ...] = ()

    @property
    def error(self) -> float:
        """predicted/measured - 1."""
        return self.predicted / self.measured - 1

    @property
    def inside(self) -> bool | None:
        """Whether the measured value is in the interval."""
        return None if self.low is None or self.high is None else self.low <= self.measured <= self.high

    def key(self, name: str) -> str:
        return _PHASES[self.metric] if name == "phase" else str(getattr(self.run, name))

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        file, _, number = self.run.place.rpartition(":")
        about = {name: self.key(name) for name in GROUP_KEYS}
        named = {"file": file, "row": int(number), "metric": self.metric, **about}
        return {
            **named,
            **{name: getattr(self, name) for name in ("measured", "predicted", "low", "high", "saturated")},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """Rows that are alike. median, p90: of abs(predicted/measured - 1); bias: its median with its sign; inside: the
    share of measured values in their interval; width: median of high/low."""

    key: Mapping[str, str]
    metric: str
    rows: int
    median: float
    p90: float
    bias: float
    inside: float | None
    width: float | None

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        names = ("metric", "rows", "median", "p90", "bias", "inside", "width")
        return {**self.key, **{name: getattr(self, name) for name in names}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """rows: of all that could be predicted; refused: why others could not -> how many runs."""

    rows: tuple[RunRow, ...]
    refused: Mapping[str, int] = field(default_factory=dict[str, int])

    def __repr__(self) -> str:
        return one_line(self, f"{len(self.rows)} measured figures, {sum(self.refused.values())} runs refused")

    def _repr_html_(self) -> str:
        errors = {one.metric: f"{one.median:.1%} in the median, p90 {one.p90:.1%}" for one in self.summary(())}
        return html_table(f"{len(self.rows)} measured figures", errors)

    def summary(self, by: Sequence[str] = GROUP_KEYS) -> tuple[RunSummary, ...]:
        """By these of table, device, engine, model, phase and split, each metric apart."""
        groups: dict[tuple[str, ...], list[RunRow]] = {}
        for row in self.rows:
            groups.setdefault((row.metric, *(row.key(name) for name in by)), []).append(row)
        return tuple(
            _summary(key[0], dict(zip(by, key[1:], strict=True)), rows) for key, rows in sorted(groups.items())
        )

    def as_dict(self, by: Sequence[str] = GROUP_KEYS) -> dict[str, Any]:
        """Plain JSON types."""
        summary = [one.as_dict() for one in self.summary(by)]
        return {"rows": [row.as_dict() for row in self.rows], "summary": summary, "refused": dict(self.refused)}


def _summary(metric: str, key: Mapping[str, str], rows: Sequence[RunRow]) -> RunSummary:
    errors = np.array([row.error for row in rows])
    known = [row for row in rows if row.inside is not None]
    return RunSummary(
        key=key,
        metric=metric,
        rows=len(rows),
        median=float(np.median(np.abs(errors))),
        p90=float(np.quantile(np.abs(errors), 0.9)),
        bias=float(np.median(errors)),
        inside=float(np.mean([bool(row.inside) for row in known])) if known else None,
        width=float(np.median([(row.high or 0) / (row.low or 1) for row in known])) if known else None,
    )


def shipped_runs() -> tuple[Path, ...]:
    """The tables of measured runs that ship."""
    return tuple(sorted((CALIBRATION / "runs").glob("*.csv")))


def accuracy(
    files: Sequence[str | Path] = (),
    *,
    cost_model: str = "calibrated",
    level: float = 0.9,
    together: float = TIGHTER,
) -> Accuracy:
    """Predict every run of measured tables, those that ship unless files are named; the newest of each set-up.

    level, together: of intervals, and the correlation of kernels' errors in them.

    Raises DataError for a file that is no table of runs, SymsimError for a level that is none.
    """
    asked(1, 1, rate=1, interval=level, together=together)  # whatever the runs, these are wrong once
    paths = [Path(file) for file in files] or shipped_runs()
    rows: list[RunRow] = []
    refused: dict[str, int] = {}
    for run in newest(run for path in paths for run in (*read_runs(path), *read_served(path))):
        try:
            rows += _rows(replace(run, engine=run.engine or DEFAULT_ENGINE), cost_model, level, together)
        except SymsimError as error:
            refused[str(error)] = refused.get(str(error), 0) + 1
    return Accuracy(rows=tuple(rows), refused=refused)


def _rows(run: Run, cost_model: str, level: float, together: float) -> Iterable[RunRow]:
    missing = " and ".join(name for name in ("model", "device") if not getattr(run, name))
    if missing or run.unlike:
        raise SymsimError(run.unlike or f"they do not say their {missing}; state it in columns of a CSV")
    compiled = _compiled(
        run.model, run.device, Deployment(**dict(run.deployment), engine=run.engine or DEFAULT_ENGINE), cost_model
    )
    load = {name: value for name, value in run.load.items() if name != DECODE_GPUS}
    figures = predicted(compiled, asked(**load, interval=level, together=together))
    if figures.sentence or figures.output_rate is None:
        raise SymsimError(figures.sentence)
    known = {"tpot_s": figures.tpot, "ttft_s": figures.ttft["mean"]}
    counted = figures.gpus / run.load.get(DECODE_GPUS, figures.gpus)
    known["output_tok_s_per_gpu"] = figures.output_rate / figures.gpus * counted
    full = tuple(name for name, share in figures.load.items() if share > _SATURATED)
    for metric, value in known.items():
        if value is not None and metric in run.compared:
            low, high = figures.intervals.get(_FIGURES[metric], (None, None))
            if metric == "output_tok_s_per_gpu" and low is not None and high is not None:
                low, high = low * counted, high * counted
            yield RunRow(
                run=run,
                metric=metric,
                measured=run.compared[metric],
                predicted=value,
                low=low,
                high=high,
                saturated=full,
            )


_SATURATED = 0.95


@lru_cache(maxsize=64)
def _compiled(model: str, device: str, deployment: Deployment, cost_model: str) -> Compiled:
    return compile_model(model, device, deployment, cost_model, LATEST)
