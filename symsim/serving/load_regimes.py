"""Regimes along the load: what limits an engine at each rate, or number of clients, and where that changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cache
from itertools import pairwise
from typing import Any

from symsim.algebra.shown import one_line
from symsim.errors import SymsimError, did_you_mean
from symsim.pipeline.compiled import Compiled
from symsim.serving.points import LOADS, UNKNOWNS, Point, figures_at, shown
from symsim.serving.prediction import Figures
from symsim.solve.bisection import last_holding, whole_middle

Label = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadPiece:
    """From `low` to `high` the same limits hold; the figures are those at its start, None where nothing is served.

    why: what ends it; load: what is loaded -> its share.
    """

    low: float
    high: float
    limits: Label
    ttft: float | None
    tpot: float | None
    per_gpu: float | None
    load: Mapping[str, float]
    why: str


@dataclass(frozen=True, slots=True, repr=False)
class LoadRegimes:
    """The pieces along one symbol, others as stated."""

    variable: str
    at: Mapping[str, float]
    pieces: tuple[LoadPiece, ...]
    subject: str

    def __repr__(self) -> str:
        parts = (f"{'; '.join(piece.limits)} to {piece.high:.4g}" for piece in self.pieces)
        return one_line(self, f"along {self.variable}: {', '.join(parts)}")

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        return {
            "subject": self.subject,
            "variable": self.variable,
            "at": dict(self.at),
            "pieces": [asdict(piece) for piece in self.pieces],
        }


def regimes_of_load(
    compiled: Compiled, variable: str, low: float | None = None, high: float | None = None, **at: float
) -> LoadRegimes:
    """What limits the engine along a symbol of requests. at: a rate or clients, lengths S and O, a budget, ...

    Without a range, from a hundredth of what can be served to where nothing is. Raises SymsimError for a symbol that
    questions about requests do not have.
    """
    if variable not in LOADS and variable not in ("S", "O"):
        raise SymsimError(f"requests have no {variable}; {did_you_mean(variable, LOADS)}")
    whole = UNKNOWNS[variable].whole

    @cache
    def point(value: float) -> Point:
        return figures_at(compiled, {**at, variable: int(value) if whole else value}, ())

    first, last = _ends(lambda x: not point(x).figures.sentence, variable, low, high)
    grid = [first * (last / first) ** (i / _POINTS) for i in range(_POINTS + 1)]
    grid = sorted({float(round(x)) for x in grid}) if whole else grid
    borders = [first]
    for near, far in pairwise(grid):
        borders += _borders(point, near, far, whole)
    return LoadRegimes(variable, at, tuple(_pieces(point, [*borders, last], variable, last)), compiled.subject)


_POINTS = 24


def _ends(served: Callable[[float], bool], variable: str, low: float | None, high: float | None) -> tuple[float, float]:
    unknown = UNKNOWNS[variable]
    high = _far_end(served, variable) if high is None else high
    low = low if low is not None else max(high / 100 if variable == "rate" else unknown.low, unknown.low, 1e-3)
    if not 0 < low < high:
        raise SymsimError(f"the range of {variable}, {low:g} to {high:g}, has no length")
    return low, high


def _far_end(served: Callable[[float], bool], variable: str) -> float:
    """Somewhat beyond the last value that is served; all that there are where more of it is no more to do."""
    unknown = UNKNOWNS[variable]
    end = 4096.0 if variable == "concurrency" else min(unknown.high, 2.0**20)
    most = 2.0**-10 if not unknown.whole else max(1.0, unknown.low)
    if not served(most):
        return end
    while most < end and served(min(end, 2 * most)):
        most = min(end, 2 * most)
    return end if most >= end else min(end, 1.1 * last_holding(served, most, min(end, 2 * most), _middle)[0])


def _middle(low: float, high: float) -> float | None:
    return None if abs(high - low) <= 1e-5 * abs(high) else (low + high) / 2


def _borders(point: Callable[[float], Point], near: float, far: float, whole: bool) -> list[float]:
    """Where limits change between two values, the first value of each new piece."""
    found: list[float] = []
    goal = binding_limits(point(far))
    while (here := binding_limits(point(near))) != goal and len(found) < _MOST:

        def same(x: float, here: Label = here) -> bool:
            return binding_limits(point(x)) == here

        between = whole_middle if whole else _middle
        near = last_holding(same, near, far, between)[1]
        found.append(near)
    return found


_MOST = 6


def _pieces(point: Callable[[float], Point], borders: list[float], variable: str, last: float) -> list[LoadPiece]:
    found: list[LoadPiece] = []
    for low, high in pairwise(dict.fromkeys(borders)):
        at = point(low)
        figures, after = at.figures, point(high)
        why = after.figures.sentence or ", ".join(sorted({*binding_limits(after)} - {*binding_limits(at)}))
        found.append(
            LoadPiece(
                low=low,
                high=high,
                limits=binding_limits(at),
                ttft=figures.ttft["mean"],
                tpot=figures.tpot,
                per_gpu=figures.per_gpu,
                load=figures.load,
                why=f"from {shown(variable, high)} on: {why}" if high < last and why else "",
            )
        )
    return found


def binding_limits(at: Point) -> Label:
    """What limits: first whether anything is served, then the budget, places, and the resource of a mean iteration."""
    figures = at.figures
    if figures.sentence:
        return ("unstable",)
    letters = figures.served.letters
    found: list[str] = []
    if figures.load.get("rho_budget", 0.0) > _HALF or figures.load.get("budget", 0.0) > _FULL:
        found.append("budget binds")
    if letters.get("chunks", 1) > 1:
        found.append("prompts in chunks")
    if letters.get("P_wait", 0.0) > _WAITING or figures.load.get("places", 0.0) > 1:
        found.append("max_running binds" if _limited(figures) else "cache binds")
    for kind in ("prefill", "decode"):
        if figures.load.get(kind, 0.0) > _SATURATED:
            found.append(f"{kind} workers saturated")
    most = max(figures.time, key=lambda name: figures.time[name], default="")
    return (*found, _BOUND.get(most, most)) if most else tuple(found)


def _limited(figures: Figures) -> bool:
    """Whether there are fewer places than the cache has room for."""
    letters, held = figures.served.letters, figures.memory["kv_tokens"]
    if "B_max" not in letters or held is None:
        return "max_running" in figures.binding
    return letters["B_max"] < held / letters["C"] - 1


_FULL, _HALF, _WAITING, _SATURATED = 0.999, 0.5, 0.01, 0.9
"""A budget is full; it is full half of the time, from where prompts queue for it; 1 % of requests wait for a place."""

_BOUND = {"HBM bandwidth": "weights and caches bind (HBM)", "compute": "tokens bind (compute)"}
