"""grammar/metrics.toml -> the metrics there are: what each is called, derived from, and printed as."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from symsim.errors import InternalError, SymsimError
from symsim.language.graph_text import parse_expression
from symsim.language.tree import Expression
from symsim.language.words import instead, meant
from symsim.paths import GRAMMAR


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """`symbol = formula`, a named step as text; unit: SI; signed: it may be below zero."""

    symbol: str
    formula: str
    unit: str
    latex: str
    meaning: str
    signed: bool = False

    def tree(self) -> Expression:
        """The formula, parsed. Raises GraphSyntaxError with its place in the table."""
        return parse_expression(self.formula, f"grammar/metrics.toml, {self.symbol}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A row of the table. starts_from: `time`, `residents` or another metric; asked: whether questions may be about it.

    step: the step of the model whose costs it is worked out from; chunks: the step that longer prompts are cut into;
    let: named steps before its result; of: what a rate is of, a user or a GPU; words: its names, bare; stages: max or
    min, which pipeline stage's it is where they differ.
    """

    name: str
    aliases: tuple[str, ...]
    step: str
    starts_from: str
    let: tuple[Amount, ...]
    result: Amount
    asked: bool
    of: str
    words: frozenset[str]
    stages: str = "max"
    chunks: str | None = None

    @property
    def unit(self) -> str:
        """SI unit of its value."""
        return self.result.unit

    @property
    def meaning(self) -> str:
        return self.result.meaning

    @property
    def flag(self) -> str:
        """Its name on the command line."""
        return self.name.replace("_", "-")


@cache
def metrics() -> Mapping[str, Metric]:
    """Name -> metric, in the order of the table."""
    data = tomllib.loads((GRAMMAR / "metrics.toml").read_text(encoding="utf-8"))
    return {name: _metric(name, row) for name, row in data.items()}


def timed(metric: Metric) -> tuple[Metric, ...]:
    """A metric, the one that it starts from, and so on.

    >>> [row.name for row in timed(metrics()["tgs_prefill"])]
    ['tgs_prefill', 'ttft']
    """
    start = metrics().get(metric.starts_from)
    return (metric,) if start is None else (metric, *timed(start))


def metrics_of(steps: Collection[str]) -> tuple[str, ...]:
    """The metrics that are worked out from these steps.

    >>> metrics_of(("mixed",))
    ('step',)
    """
    return tuple(name for name, metric in metrics().items() if metric.step in steps)


def named_metric(name: str) -> Metric:
    """A metric by its name, an alias or a word for it, in any case, with or without hyphens. Raises SymsimError.

    >>> named_metric("TGS").name, named_metric("max-batch").unit, named_metric("throughput").name
    ('tgs_decode', '1', 'tgs_decode')
    """
    metric = _metric_called(name) or _metric_called(meant(name))
    if metric is None:
        hint = instead(name.lower().replace("-", "_"), metrics())
        raise SymsimError(f"there is no metric {name}; {hint}")
    return metric


def _metric_called(name: str) -> Metric | None:
    return next((metric for metric in metrics().values() if bare(name) in metric.words), None)


def bare(name: str) -> str:
    """A name as it is compared with others."""
    return name.lower().replace("-", "").replace("_", "")


_RESULT = ("symbol", "formula", "unit", "latex", "meaning")
_KEYS = {*_RESULT, "aliases", "step", "from", "let", "asked", "of", "stages", "chunks"}


def _metric(name: str, row: Mapping[str, Any]) -> Metric:
    if unknown := set(row) - _KEYS:
        raise InternalError("metrics", f"grammar/metrics.toml, {name}: no key {', '.join(sorted(unknown))}")
    return Metric(
        name=name,
        aliases=tuple(row.get("aliases", ())),
        step=row["step"],
        starts_from=row["from"],
        let=tuple(Amount(**amount) for amount in row.get("let", ())),
        result=Amount(**{key: row[key] for key in _RESULT}),
        asked=row.get("asked", True),
        stages=row.get("stages", "max"),
        of=row.get("of", ""),
        words=frozenset(map(bare, (name, *row.get("aliases", ())))),
        chunks=row.get("chunks"),
    )
