"""Regimes and sweeps of requests under load, as the commands print them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symsim.algebra.units import format_quantity
from symsim.language.query import Constraint
from symsim.language.query_text import parse_limits, parse_query
from symsim.render.terminal import write_table, write_words
from symsim.search.load_sweep import LoadSweep
from symsim.search.pareto import FrontPoint
from symsim.serving.load_regimes import LoadRegimes
from symsim.serving.points import shown
from symsim.serving.question_words import in_words_of_load, values_of


def stated(text: str) -> dict[str, float]:
    """`S=2048, O=256, budget=4096` as numbers, units and synonyms as in questions. Raises QuerySyntaxError."""
    if not text.strip():
        return {}
    return dict(values_of(in_words_of_load(parse_query(f"max rate with {text}")).fixed))


def write_load_regimes(found: LoadRegimes) -> None:
    write_words(f"along {found.variable}, of {found.subject}")
    write_words(f"with {', '.join(shown(name, value) for name, value in found.at.items()) or 'nothing else stated'}")
    print()
    rows = [
        (
            f"{piece.low:.4g}",
            f"{piece.high:.4g}",
            _cell(piece.ttft, "s"),
            _cell(piece.tpot, "s"),
            _cell(piece.per_gpu, "tokens/s"),
            "; ".join(piece.limits),
        )
        for piece in found.pieces
    ]
    write_table((f"{found.variable} from", "to", "TTFT there", "TPOT", "of a GPU", "what limits"), rows)
    ends = [piece.why for piece in found.pieces if piece.why]
    if ends:
        print()
        for why in ends:
            write_words(why)


def _cell(value: float | None, unit: str) -> str:
    return "" if value is None else format_quantity(value, unit, 4)


_PRINTED = 60
"""Points of a sweep that are printed."""


def write_load_sweep(found: LoadSweep, front: Sequence[FrontPoint] | None) -> None:
    fixed = ", ".join(f"{name} = {value}" for name, value in found.fixed.items())
    subject = f"{found.subject}{f', {fixed}' if fixed else ''}"
    write_words(f"{subject}: {len(found.feasible):,} of {len(found.rows):,} points do")
    print()
    rows = [
        [
            *(_label(row.labels[name]) for name in found.axes),
            *(_cell(row.values[name], unit) for name, unit in found.units.items()),
            row.reason,
        ]
        for row in found.rows[:_PRINTED]
    ]
    write_table((*found.axes, *found.units, "reason"), rows)
    if len(found.rows) > _PRINTED:
        print(f"... {len(found.rows) - _PRINTED:,} more; write them all with --out FILE.parquet")
    if front is not None:
        print("\nPareto front")
        points = [
            (f"{p.per_user:.6g}", f"{p.per_gpu:.6g}", *(_label(p.labels[name]) for name in found.axes)) for p in front
        ]
        write_table(("tokens/s of a user", "tokens/s of a GPU", *found.axes), points)


def _label(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.6g}"


def sweep_document(found: LoadSweep, front: Sequence[FrontPoint]) -> dict[str, Any]:
    """Plain JSON types, unrounded."""
    rows: list[Mapping[str, Any]] = [{**row.labels, **row.values, "reason": row.reason or None} for row in found.rows]
    counts: dict[str, int] = {}
    for row in found.rows:
        counts[row.reason or "feasible"] = counts.get(row.reason or "feasible", 0) + 1
    points = [{"per_user": p.per_user, "per_gpu": p.per_gpu, "labels": dict(p.labels)} for p in front]
    head = {"subject": found.subject, "units": dict(found.units), "points": len(found.rows)}
    return {**head, "counts": counts, "rows": rows, "front": points}


def limits_of_load(text: str) -> list[Constraint]:
    """Constraints but those on memory: room for caches limits how many run."""
    return [one for one in parse_limits(text) if one.metric.lower() != "memory"]
