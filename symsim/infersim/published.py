"""The published set-ups, recomputed: ours beside the reference's and the measured figure."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass
from typing import Any

from symsim.infersim.report import simulate
from symsim.paths import PUBLISHED


@dataclass(frozen=True, slots=True)
class PublishedFigure:
    """One published set-up, tokens per GPU and second; error is ours against the measurement."""

    name: str
    ours: float
    reference: int
    measured: int

    @property
    def same(self) -> bool:
        """Whether ours rounds to the figure that the reference printed."""
        return round(self.ours) == self.reference

    @property
    def error(self) -> float:
        return self.ours / self.measured - 1

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "error": self.error, "same": self.same}


def compare_published() -> tuple[PublishedFigure, ...]:
    """All set-ups of examples/published.toml, in the vintage in which they were published (2025-10)."""
    setups: list[dict[str, Any]] = tomllib.loads(PUBLISHED.read_text(encoding="utf-8"))["setup"]
    return tuple(_compare(setup) for setup in setups)


def _compare(setup: dict[str, Any]) -> PublishedFigure:
    report = simulate(**setup["flags"], tables="2025-10")
    figures = report.prefilling if setup["phase"] == "prefill" else report.decoding
    return PublishedFigure(setup["name"], figures["Throughput (TGS)"], setup["reference"], setup["measured"])
