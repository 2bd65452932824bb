"""Prediction: the public face of what a deployment serves."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from symsim.algebra.shown import html_table, one_line
from symsim.algebra.units import format_quantity
from symsim.errors import SymsimError, did_you_mean
from symsim.pipeline.compiled import Compiled
from symsim.serving.ask import Ask
from symsim.serving.prediction import Figures, predicted

if TYPE_CHECKING:
    from symsim.api.request_formula import RequestFormula

_QUANTITIES = {
    "tpot": ("handed_tpot", "mixed_tpot", "exclusive_tpot", "closed_tpot"),
    "ttft": ("pool_ttft", "mixed_ttft", "exclusive_tpot", "closed_ttft"),
}
"""Figure -> the quantities whose form it may be a step of, the first that is there."""


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Prediction:
    """Figures of requests under load, and the formulas behind them."""

    figures: Figures
    compiled: Compiled
    ask: Ask

    def __repr__(self) -> str:
        return one_line(self, self.sentence)

    def _repr_html_(self) -> str:
        return html_table(self.sentence, {name: str(value) for name, value in self.as_dict().items()})

    def __getattr__(self, name: str) -> Any:
        return getattr(self.figures, name)

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if not name.startswith("_")]

    @property
    def sentence(self) -> str:
        """The answer in one sentence."""
        if self.figures.sentence:
            return self.figures.sentence
        found = self.figures
        ttft = format_quantity(found.ttft["mean"] or 0.0, "s", 3)
        tpot = "" if found.tpot is None else f", TPOT {format_quantity(found.tpot, 's', 3)}"
        return f"TTFT {ttft}{tpot}, {found.request_rate:.4g} requests/s, {found.per_gpu:.4g} output tokens/s a GPU"

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, every float at full precision."""
        return self.figures.as_dict()

    def formula(self, name: str) -> RequestFormula:
        """The closed form behind a figure, `ttft` or `tpot`, at this load; `evaluate(rate=5)` works it out at another.

        Raises SymsimError for another name.
        """
        from symsim.api.request_formula import RequestFormula
        from symsim.serving.written import closed_form

        if name not in _QUANTITIES:
            raise SymsimError(f"a prediction has no formula {name}; {did_you_mean(name, _QUANTITIES)}")
        forms = self.figures.served.forms
        outcome = next((forms[quantity] for quantity in _QUANTITIES[name] if quantity in forms), None)
        if outcome is None:
            raise SymsimError(f"there is no {name} here: {self.figures.sentence or 'it has no formula'}")
        form = closed_form(outcome, self.figures.served, name, self.compiled)
        return RequestFormula(form, self.compiled, self.ask)


_WAITING = 0.01
"""Share of requests that wait for a place, from where on what would give them one is looked for."""


def predict(compiled: Compiled, ask: Ask) -> Prediction:
    """What a compiled model serves of these requests, and what would where it does not, or where they wait for room."""
    figures = predicted(compiled, ask)
    waits = "cache" in figures.binding or figures.served.letters.get("P_wait", 0.0) > _WAITING
    if figures.sentence or waits:
        from symsim.serving.way_out import more_room, way_out

        other = way_out(compiled, ask) if figures.sentence else more_room(compiled, ask, figures)
        figures = figures if other is None else replace(figures, helps=other, warnings=(*figures.warnings, other))
    return Prediction(figures, compiled, ask)
