"""The deployments that serve most under limits of time, or a load with the fewest GPUs: searched and ranked."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from symsim.algebra.shown import html_table, one_line
from symsim.errors import SymsimError
from symsim.inputs.cost_model import DEFAULT, LATEST
from symsim.inputs.deployment import Deployment
from symsim.pipeline.compiled import Compiled
from symsim.pipeline.pipeline import compile_model
from symsim.search.candidates import OUTDONE, DeploymentCandidate, RefusedCandidate
from symsim.search.contenders import best_candidates
from symsim.search.load_front import front_of
from symsim.search.pareto import FrontPoint
from symsim.search.rows import RecommendedRow, row_of, verdict
from symsim.search.target import Gpus, Target, target_of
from symsim.search.variants import assumed_acceptance
from symsim.serving.sentences import error_unstated

MODES = ("aggregated", "disaggregated", "both")


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Recommendation:
    """verdict: in one sentence; rows: the best first; searched: deployments; refused: reason -> how many of them;
    candidates: the rows as they were found."""

    verdict: str
    rows: tuple[RecommendedRow, ...]
    searched: int
    refused: Mapping[str, int]
    notes: tuple[str, ...]
    seconds: float = 0.0
    candidates: tuple[DeploymentCandidate, ...] = ()

    def __repr__(self) -> str:
        return one_line(self, self.verdict)

    def _repr_html_(self) -> str:
        rows = {row.words: f"{row.gpus} GPUs, {row.figures.per_gpu:,.0f} tokens/s a GPU" for row in self.rows}
        return html_table(self.verdict, rows)

    @property
    def front(self) -> list[FrontPoint]:
        """What the rows serve over loads, whatever the limits: the points that no other beats."""
        return front_of(self.candidates)

    @property
    def fronts(self) -> Mapping[str, list[FrontPoint]]:
        """The same of each device, prefill and decode together and apart."""
        groups: dict[str, list[DeploymentCandidate]] = {}
        for one in self.candidates:
            how = "aggregated" if one.apart is None else "disaggregated"
            groups.setdefault(f"{one.of.compiled.device.name}, {how}", []).append(one)
        return {name: front_of(group) for name, group in groups.items()}

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, unrounded."""
        return {
            "verdict": self.verdict,
            "rows": [row.as_dict() for row in self.rows],
            "searched": self.searched,
            "refused": dict(self.refused),
            "seconds": self.seconds,
        }


def recommend(
    model: str | Path,
    devices: str | Path | Sequence[str | Path],
    gpus: Gpus = None,
    *,
    isl: float | str,
    osl: float | str,
    ttft: float | str | None = None,
    tpot: float | str | None = None,
    rate: float | None = None,
    users: float | None = None,
    mode: str | None = None,
    top: int = 10,
    deployment: Deployment | None = None,
    cost_model: str = DEFAULT,
    tables: str = LATEST,
    graphs: Sequence[str | Path] = (),
    fallback: bool = False,
    **how: Any,
) -> Recommendation:
    """The best deployments of a model on `gpus` GPUs of a device, each with the largest load that keeps the mean time
    to first token within `ttft` and the mean time per output token within `tpot` (seconds, or text as `40ms`).

    gpus: how many, or from and to how many (`1:8`); users, rate: what is to be served, without `gpus` by the fewest;
    deployment: precisions, engine and the like, of which the degrees are searched; how: `budget` (some are tried where
    none is stated), `prefix_hit`, `drafts` (the same where the model has modules for them), `acceptance` (assumed
    unless stated), `max_running`, `price`. The engine's closed forms answer, so a load is the exact largest.
    Raises SymsimError for what cannot be.
    """
    start = time.perf_counter()
    requests = {"isl": isl, "osl": osl, **how}
    target = target_of(gpus=gpus, ttft=ttft, tpot=tpot, rate=rate, users=users, **requests)
    shared = {"graphs": graphs, "fallback": fallback}
    bases = [
        _base(model, device, deployment or Deployment(), cost_model, tables, **shared)
        for device in ([devices] if isinstance(devices, str | Path) else devices)
    ]
    found = _searched(bases, replace(target, mode=_mode(mode, target)), max(1, top))
    return replace(found, seconds=time.perf_counter() - start)


def _mode(mode: str | None, target: Target) -> str:
    """Both, unless there is one GPU only."""
    if mode is not None and mode not in MODES:
        raise SymsimError(f"mode = {mode!r}: expected one of {', '.join(MODES)}")
    return mode or ("aggregated" if target.gpus is not None and target.gpus[1] < 2 else "both")


def _searched(bases: Sequence[Compiled], target: Target, top: int) -> Recommendation:
    refused = RefusedCandidate()
    every = [one for base in bases for one in best_candidates(base, target, refused, top)]
    ranked = sorted(every, key=lambda one: _rank(one, target, len(bases)))
    shown = [(one, row_of(one, target)) for one in ranked[:top]]
    if target.load is None and len(bases) == 1:  # whole users serve a little less than the rate that was searched for
        shown.sort(key=lambda pair: -(pair[1].figures.per_gpu or 0.0))
    rows = tuple(row for _, row in shown)
    reasons = {reason: count for reason, count in refused.reasons.items() if count}
    searched = len(every) + sum(reasons.values())
    if len(ranked) > len(rows):
        reasons[OUTDONE] = reasons.get(OUTDONE, 0) + len(ranked) - len(rows)
    return Recommendation(
        verdict=verdict(shown[0][0], target, rows[0].figures) if rows else _none(refused),
        rows=rows,
        candidates=tuple(one for one, _ in shown),
        searched=searched,
        refused=reasons,
        notes=tuple(dict.fromkeys(_notes(bases, target, [one for one, _ in shown]))),
    )


def _notes(bases: Sequence[Compiled], target: Target, shown: Sequence[DeploymentCandidate]) -> Iterator[str]:
    yield from _missing_limits(target)
    if not target.states_acceptance:
        yield from filter(None, (assumed_acceptance(one.of.ask) for one in shown))
    yield from (note for base in bases for note in (*base.notes, *base.assumptions))
    yield from filter(None, map(error_unstated, bases))


def _missing_limits(target: Target) -> Iterator[str]:
    """What stands in for a limit that is not stated."""
    limits = (("TTFT", target.limits.ttft), ("TPOT", target.limits.tpot))
    missing = " and of ".join(name for name, limit in limits if math.isinf(limit))
    if missing and target.load is None:
        yield f"no limit of {missing} is stated: as many users are served as there are places for"


def _base(model: str | Path, device: str | Path, asked_for: Deployment, *words: Any, **how: Any) -> Compiled:
    """The model on one GPU, whose family, formats and device all deployments share."""
    degrees = ("world_size", "num_nodes", "tp", "pp", "cp", "dp", "ep", "moe_tp", "dcp", "redundant_experts")
    usual = {field.name: field.default for field in fields(Deployment) if field.name in degrees}
    one = replace(asked_for, **usual, pp_layers=None)  # pyright: ignore[reportArgumentType]
    return compile_model(model, device, one, *words, **how)


def _rank(one: DeploymentCandidate, target: Target, devices: int) -> tuple[float, float]:
    """Less is better. For a load: GPUs, or their rent where several devices are compared; of as many, the soonest
    answers. Else tokens per second of them, the most first."""
    price = one.of.compiled.device.price
    rent = float(price.rent) if devices > 1 and price is not None else 1.0
    if target.load is None:
        return -one.output_rate / (one.gpus * rent), one.gpus
    values = one.found.values
    return one.gpus * rent, values["ttft_mean"] + one.of.ask.osl.mean * values.get("tpot_mean", 0.0)


def _none(refused: RefusedCandidate) -> str:
    nearest = "" if refused.nearest is None else f"; the nearest is {refused.nearest.sentence}"
    tried = sum(refused.reasons.values())
    return f"no deployment: none of {tried} does{nearest}."
