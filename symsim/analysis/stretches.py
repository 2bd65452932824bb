"""Stretches of S or T on which a prompt is cut into as many chunks: on each a metric is one formula."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from symsim.algebra.symbols import symbol_info
from symsim.errors import SymsimError
from symsim.formula.closed_form import ClosedForm

_MOST = 2
"""Chunks that a prompt is followed to where no range is asked for."""

WRITTEN = 256
"""Chunks of all stretches together at the most."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """From low to high, both included, a prompt takes so many chunks. form: the metric there."""

    low: int
    high: int
    count: int
    form: ClosedForm


def is_cut_along(form: ClosedForm, variables: tuple[str, ...]) -> bool:
    """Whether prompts are cut into more or fewer chunks along these symbols."""
    return form.cut is not None and not {"S", "T"}.isdisjoint(variables)


def stretches(
    form: ClosedForm, variable: str, low: float | None, high: float | None, at: Mapping[str, float]
) -> list[Stretch]:
    """In rising order. at: the point, S or T of it. Raises SymsimError for more chunks than can be followed."""
    other = "T" if variable == "S" else "S"
    if other not in at:
        raise SymsimError(f"{form.name} along {variable} needs a value for {other}")
    ranks = int(at.get("cp", form.bound.values["cp"]))
    first, last = symbol_info(variable).range or (1, 2**17)
    if variable == "S":
        size = int(at["T"]) * ranks
        low, high = int(low or first), int(high or max(at.get(variable, 1), min(last, _MOST * size)))
        ends = {n: ((n - 1) * size + 1, n * size) for n in range(math.ceil(low / size), math.ceil(high / size) + 1)}
    else:
        length = int(at["S"])
        fewest = max(first, math.ceil(length / (ranks * _MOST)))
        low = int(low or min(at.get(variable, fewest), fewest))
        high = int(high or max(at.get(variable, 1), last))
        most, least = (max(1, math.ceil(length / (ranks * end))) for end in (low, high))
        _check(form, variable, most * (most + 1) // 2 - least * (least - 1) // 2)
        ends = {
            n: (math.ceil(length / (ranks * n)), math.ceil(length / (ranks * (n - 1))) - 1 if n > 1 else high)
            for n in range(most, least - 1, -1)
        }
    cut = {n: (max(start, low), min(stop, high)) for n, (start, stop) in ends.items()}
    cut = {n: (start, stop) for n, (start, stop) in cut.items() if start <= stop}
    _check(form, variable, sum(cut))
    return [Stretch(*end, n, replace(form.in_chunks({**at, variable: end[1]}), cut=None)) for n, end in cut.items()]


def _check(form: ClosedForm, variable: str, chunks: int) -> None:
    if chunks > WRITTEN:
        raise SymsimError(
            f"{form.name} along {variable} is cut into {chunks:,} chunks on this range, of which at most {WRITTEN} are "
            f"followed; give a narrower range"
        )
