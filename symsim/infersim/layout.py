"""grammar/infersim_report.toml -> the lines of the reference's report: labels, figures, order and rounding."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from symsim.language.graph_text import parse_expression
from symsim.language.tree import Expression
from symsim.paths import GRAMMAR

SECTIONS = ("model_weights", "kv_cache", "flops", "prefilling", "decoding")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A label as data have it and as it is printed, and how many digits behind the point are."""

    label: str
    printed: str = ""
    digits: int = 2

    @property
    def words(self) -> str:
        return self.printed or self.label


@dataclass(frozen=True, slots=True, kw_only=True)
class Static:
    """A figure that no table enters: shown where `when` is not zero and `unless` is."""

    shown: Shown
    value: str
    when: str | None
    unless: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """A figure of the operators of a layer whose names begin with `op`; always: also where there is none."""

    shown: Shown
    op: str
    figure: Literal["mfu", "compute", "memory", "link"]
    always: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """What is raised, and the sentence that is printed then."""

    name: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSection:
    """A part of the report. over: the flag is raised where it is above zero."""

    title: str
    flag: Flag | None
    static: tuple[Static, ...] = ()
    over: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """Lines of prefill or decode, between its tokens, if printed, and its time, which is the metric, and rate."""

    tokens: Shown | None
    lines: tuple[Timed, ...]
    time: Shown
    metric: str
    rate: Shown


@cache
def sections() -> Mapping[str, ReportSection]:
    """Name -> what of it is no line of a phase."""
    rows = {name: _table()[name] for name in SECTIONS}
    return {
        name: ReportSection(
            title=row["title"],
            flag=Flag(**row["flag"]) if "flag" in row else None,
            static=tuple(_static(line) for line in row.get("lines", ())),
            over=row.get("over"),
        )
        for name, row in rows.items()
    }


@cache
def phase_lines(step: str) -> Phase:
    """The lines of a step."""
    (row,) = (row for row in _table().values() if row.get("step") == step)
    return Phase(
        tokens=Shown(**row["tokens"]) if "tokens" in row else None,
        lines=tuple(_timed(line, row["words"]) for line in _table()["phase"]["lines"]),
        time=_shown(row["time"]),
        metric=row["time"]["metric"],
        rate=_shown(row["rate"]),
    )


def header() -> Mapping[str, str]:
    """What a line of the head is of -> its label."""
    return _table()["header"]


@cache
def printed_lines(section: str) -> Mapping[str, Shown]:
    """Label -> how it is printed, of every line that a section may have."""
    step = _table()[section].get("step")
    if step is None:
        return {line.shown.label: line.shown for line in sections()[section].static}
    phase = phase_lines(step)
    every = (phase.tokens, *(line.shown for line in phase.lines), phase.time, phase.rate)
    return {line.label: line for line in every if line is not None}


def tree(formula: str) -> Expression:
    """A formula of the table, parsed."""
    return parse_expression(formula, "grammar/infersim_report.toml")


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads((GRAMMAR / "infersim_report.toml").read_text(encoding="utf-8"))


def _shown(row: Mapping[str, Any]) -> Shown:
    return Shown(**{key: value for key, value in row.items() if key in ("label", "printed", "digits")})


def _static(row: Mapping[str, Any]) -> Static:
    return Static(shown=_shown(row), value=row["value"], when=row.get("when"), unless=row.get("unless"))


def _timed(row: Mapping[str, Any], words: Mapping[str, str]) -> Timed:
    named = _shown({**row, "label": row["label"].format(**words)})
    return Timed(shown=named, op=row["op"], figure=row["figure"], always=row.get("always", False))
