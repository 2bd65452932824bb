"""Quantiles of times to the first token, each by the form that its case calls for."""

from __future__ import annotations

from collections.abc import Mapping

from symsim.serving.outcome import applied

LEVELS: Mapping[str, float] = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


def time_quantiles(mean: float, variance: float, least: float, *, form: str = "gamma") -> dict[str, float]:
    """p50, p90 and p99 of a time by mean, variance and least value."""
    if mean <= least or variance <= 0:
        return dict.fromkeys(LEVELS, mean)
    known = {"mean_x": mean, "var_x": variance, "least": least}
    return {name: _number("time_quantile", {**known, "q": q}, form) for name, q in LEVELS.items()}


def wait_quantiles(letters: Mapping[str, float], *, form: str = "gamma") -> dict[str, float]:
    """p50, p90 and p99 of a wait by P_w, W and W_2."""
    if letters["W"] <= 0:
        return dict.fromkeys(LEVELS, 0.0)
    return {name: _number("wait_quantile", {**letters, "q": q}, form) for name, q in LEVELS.items()}


def _number(quantity: str, letters: Mapping[str, float], form: str) -> float:
    value = applied(quantity, letters, name=form).value
    return float("nan") if value is None else value
