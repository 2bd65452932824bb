"""Sizes beyond those that anything was measured with: how much wider intervals are there, and the sentence about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import log2
from typing import Any

from symsim.tables.coefficients import spellings

EACH_DOUBLING = 0.125
"""What the logarithm of an interval grows by for each doubling beyond the largest size that was measured: 46 of 47 runs
on 16 to 48 GPUs, which chose nothing, where most coefficients are of up to 8, are then within it."""


def beyond(size: float, measured: float) -> float:
    """Factor on the logarithm of an interval at a size, where at most `measured` of it was.

    >>> beyond(8, 8), beyond(32, 8)
    (1.0, 1.25)
    """
    return 1 + EACH_DOUBLING * max(0.0, log2(size / measured))


def stretch(values: Mapping[str, Any]) -> float:
    """The same at a point of a workload, for all sizes that are beyond what kernels were measured with."""
    return 1 + sum(beyond(size, most) - 1 for _, size, most in _sizes(values))


def extrapolated(values: Mapping[str, Any]) -> tuple[str, ...]:
    """A sentence for each of these sizes."""
    return tuple(
        f"{words.format(f'{size:,.0f}')} are more than the {most:,} that kernels were measured with: an extrapolation, "
        "with a wider interval"
        for words, size, most in _sizes(values)
        if size > most
    )


def measured_reach() -> Mapping[str, int]:
    """Symbol of a workload -> up to where kernels were measured."""
    return {name: most for name, (_, most) in spellings()["reach"].items()}


def _sizes(values: Mapping[str, Any]) -> Iterator[tuple[str, float, int]]:
    """What a point has of each size that was measured up to some value (calibration/measured.toml): in words, how much,
    and up to where. Lengths S and O make a context, but the prompts T of an iteration."""
    known = dict(values)
    if "T" in known and "S" in known:
        known["S"] = known["S"] + known.get("past", 0)
    elif {"S", "O"} <= set(known):
        known.setdefault("C", known["S"] + known["O"] / 2)
        del known["S"]
    for name, (words, most) in spellings()["reach"].items():
        if isinstance(known.get(name), (int, float)) and known[name] > 0:
            yield words, float(known[name]), most
