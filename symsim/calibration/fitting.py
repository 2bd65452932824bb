"""Measured rows of one kernel -> coefficients of a form: robust least squares in logs, errors on groups left out.

Needs scipy (extra `fit`). Deterministic: subsets and starts are drawn from fixed seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symsim.calibration.measured import Array
from symsim.cost.forms import named_form, numeric_slopes
from symsim.inputs.extras import load_extra
from symsim.tables.residuals import nearest_residual

_FOLDS = 4
_MOST = 1000
"""Rows that one fit sees; further ones of the same shapes tell little."""

FEWEST = 3
"""Groups below which the interval is at least a factor of two either way: of other shapes too little is known."""

_SCALE = 0.1
"""Of the robust loss: a log residual above it counts for less and less."""

_PRIOR = 0.01
"""Weight, of a row, of a coefficient's log distance from its start: only what no row tells is held by it."""

Columns = Mapping[str, Array]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Coefficients on all rows, and what folds of whole groups say of them. inside: share of rows left out that are in
    [low, high] times the prediction. Where the nearest rows correct the form, errors and interval are with them; alone:
    median and p90 without; places, logs: of every row, where it lies and by how much it is off the form."""

    form: str
    values: Mapping[str, float]
    median: float
    p90: float
    low: float
    high: float
    inside: float
    alone: tuple[float, float]
    places: Array | None = field(default=None, compare=False)
    logs: Array = field(compare=False)

    @property
    def errors(self) -> tuple[float, float]:
        """Median and p90 on rows left out."""
        return self.median, self.p90


def fit_form(
    form: str,
    columns: Columns,
    numbers: Mapping[str, float],
    seconds: Array,
    group: NDArray[np.int64],
    *,
    starts: tuple[Mapping[str, float], ...] = (),
    places: Array | None = None,
) -> Fit:
    """Fit a form to the rows of one kernel. columns: sizes; numbers: of the device; group: of each row, its shape;
    places: of each row, in logs, where the nearest are to correct the form if that makes the error smaller."""
    rows = _Rows(form, columns, numbers, seconds)
    everything = np.arange(len(seconds))
    values = rows.fitted(everything, starts)
    residual, correction = np.zeros(len(seconds)), np.zeros(len(seconds))
    fold = _folds(group)
    for held in np.unique(fold):
        out = fold == held
        inner = rows.fitted(everything[~out], (rows.named(values),), extra=0) if not out.all() else values
        logs = np.log(seconds) - rows.logs(inner, everything)
        residual[out] = logs[out]
        if places is not None and not out.all():
            correction[out], _ = nearest_residual(places[~out], logs[~out], places[out])
    alone, corrected = _errors(residual), _errors(residual - correction)
    if badness(corrected) >= badness(alone):
        places, corrected = None, alone
    else:
        residual -= correction
    median, p90 = corrected
    low, high = group_quantiles(residual, group)
    if len(np.unique(group)) < FEWEST:
        low, high = min(low, -np.log(2)), max(high, np.log(2))
    return Fit(
        form=form,
        values=rows.named(values),
        median=median,
        p90=p90,
        low=float(np.exp(low)),
        high=float(np.exp(high)),
        inside=float(np.mean((residual >= low) & (residual <= high))),
        alone=alone,
        places=places,
        logs=np.log(seconds) - rows.logs(values, everything),
    )


def badness(errors: tuple[float, float]) -> float:
    """By which fits are compared: the median, and a quarter of the p90."""
    return errors[0] + errors[1] / 4


def _errors(residual: Array) -> tuple[float, float]:
    """Median and p90 of |predicted/measured - 1|."""
    error = np.abs(np.expm1(-residual))
    return float(np.median(error)), float(np.quantile(error, 0.9))


def group_quantiles(residual: Array, group: NDArray[np.int64]) -> tuple[float, float]:
    """Log ends of an interval, which takes in 0, where the prediction is.

    Of the 5 and 95 % quantiles of each group, those that nine groups of ten stay above, and below; where groups are
    of few rows, at least those of all rows.
    """
    ends = np.array([np.quantile(residual[group == g], (0.05, 0.95)) for g in np.unique(group)])
    every = np.quantile(residual, (0.05, 0.95))
    low, high = np.quantile(ends[:, 0], 0.1), np.quantile(ends[:, 1], 0.9)
    return min(float(low), float(every[0]), -1e-3), max(float(high), float(every[1]), 1e-3)


def _folds(group: NDArray[np.int64]) -> NDArray[np.int64]:
    """Whole groups, dealt over folds in an order drawn once; one group has no fold that leaves it out."""
    names, index = np.unique(group, return_inverse=True)
    dealt = np.random.default_rng(0).permutation(len(names)) % _FOLDS
    return dealt[index]


class _Rows:
    """Rows of one kernel and the form that they are to be described by."""

    def __init__(self, form: str, columns: Columns, numbers: Mapping[str, float], seconds: Array) -> None:
        self.coefficients = named_form(form).fitted
        loads = tuple(name for name in ("rows", "hit") if name in columns)
        self.function, self.arguments = numeric_slopes(form, loads)
        self.columns = {name: columns[name] for name in self.arguments if name in columns}
        self.numbers, self.target = numbers, np.log(seconds)
        self.low, self.high = (np.log([float(row.within[end]) for row in self.coefficients]) for end in (0, 1))
        self.start = np.log([float(row.start) for row in self.coefficients])

    def named(self, logs: Array) -> Mapping[str, float]:
        return {row.name: float(np.exp(x)) for row, x in zip(self.coefficients, logs, strict=True)}

    def logs(self, point: Array, rows: NDArray[np.int64]) -> Array:
        """Log seconds at one point of the coefficients."""
        return self.slopes(point, rows)[0]

    def slopes(self, point: Array, rows: NDArray[np.int64]) -> tuple[Array, Array]:
        """Log seconds, and how they move with the logarithm of each coefficient (columns)."""
        named = {row.name: float(np.exp(x)) for row, x in zip(self.coefficients, point, strict=True)}
        known = {**self.numbers, **{name: values[rows] for name, values in self.columns.items()}, **named}
        with np.errstate(all="ignore"):
            seconds, *moves = self.function(*(known[name] for name in self.arguments))
            columns = [move * named[row.name] / seconds for move, row in zip(moves, self.coefficients, strict=True)]
            return np.log(seconds), np.stack([np.broadcast_to(column, len(rows)) for column in columns], axis=1)

    def fitted(self, rows: NDArray[np.int64], starts: tuple[Mapping[str, float], ...], extra: int = 1) -> Array:
        """The best point from the form's own start, `starts`, and `extra` drawn ones."""
        if len(rows) > _MOST:
            rows = np.sort(np.random.default_rng(1).choice(rows, _MOST, replace=False))
        points = [self.start] if extra or not starts else []
        points += [np.log([start[row.name] for row in self.coefficients]) for start in starts]
        drawn = np.random.default_rng(2)
        points += [self.start + drawn.normal(0, 1.0, len(self.start)) for _ in range(extra)]
        found = [self._solved(rows, np.clip(point, self.low + 1e-6, self.high - 1e-6)) for point in points]
        return min(found, key=lambda result: result[0])[1]

    def _solved(self, rows: NDArray[np.int64], point: Array) -> tuple[float, Array]:
        least_squares = load_extra("scipy.optimize", "fit", "fitting coefficients needs").least_squares
        target, count = self.target[rows], len(rows)
        weight = _PRIOR * _SCALE * np.sqrt(count)

        def residual(x: Array) -> Array:
            return np.concatenate([self.logs(x, rows) - target, weight * (x - self.start)])

        def jacobian(x: Array) -> Array:
            return np.concatenate([self.slopes(x, rows)[1], weight * np.eye(len(x))])

        solve: Callable[..., Any] = least_squares
        result = solve(
            residual,
            point,
            jac=jacobian,
            bounds=(self.low, self.high),
            loss="soft_l1",
            f_scale=_SCALE,
            max_nfev=80,
            ftol=1e-5,
            xtol=1e-5,
        )
        return float(result.cost), np.asarray(result.x)
