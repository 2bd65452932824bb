"""RequestFormula: the closed form behind a figure of requests, which is worked out again at another load."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from symsim.api.formula import Formula
from symsim.errors import SymsimError, did_you_mean
from symsim.pipeline.compiled import Compiled
from symsim.serving.ask import Ask
from symsim.serving.lengths import length
from symsim.serving.prediction import Figures, predicted

_FIGURES: Mapping[str, tuple[str, Callable[[Figures], float | None]]] = {
    "tpot": ("tpot_s.mean", lambda figures: figures.tpot),
    "ttft": ("ttft_s.mean", lambda figures: figures.ttft["mean"]),
}
"""Formula of requests -> the name of its interval, and the figure."""

_CHANGES: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "rate": lambda value: {"rate": value, "concurrency": None},
    "concurrency": lambda value: {"concurrency": value, "rate": None},
    "budget": lambda value: {"budget": value},
    "hit": lambda value: {"prefix_hit": value},
    "drafts": lambda value: {"drafts": value},
    "acceptance": lambda value: {"acceptance": value, "accepted": None},
    "max_running": lambda value: {"max_running": value},
    "S": lambda value: {"isl": length(value)},
    "O": lambda value: {"osl": length(value)},
    "x": lambda value: {"prefill": value},
    "y": lambda value: {"decode": value},
}
"""Symbol of a question about requests -> what it changes of what is asked for."""


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class RequestFormula(Formula):
    """The formula as it holds at one load: roots of equations and means over queues are numbers of that load.

    With other values of `rate`, `concurrency`, `budget`, `hit`, `drafts`, `acceptance`, `max_running`, `S`, `O`, `x`
    or `y`, which are of all that is deployed, all of that is worked out again.
    """

    compiled: Compiled
    ask: Ask

    def evaluate(self, **values: float) -> float:
        """The value at this load, or with other values as `predict` gives it. Raises SymsimError for symbols that are
        none of requests, and where nothing is served."""
        if not values:
            return self.form.evaluate()
        value = _FIGURES[self.form.name][1](self._figures(self.ask.level, values))
        if value is None:
            raise SymsimError(f"there is no {self.form.name} there")
        return value

    def interval(self, level: float = 0.9, together: float = 1.0, **values: float) -> tuple[float, float] | None:
        """Between which values it is expected at this load or another, in `level` of all cases."""
        del together
        return self._figures(level, values).intervals.get(_FIGURES[self.form.name][0])

    def to_python(self) -> str:
        """Raises SymsimError: roots are numbers of one load."""
        raise _no_program(self.form.name)

    def to_c(self) -> str:
        """Raises SymsimError: roots are numbers of one load."""
        raise _no_program(self.form.name)

    def to_javascript(self, inputs: Sequence[str] = ()) -> str:
        """Raises SymsimError: roots are numbers of one load."""
        raise _no_program(self.form.name)

    def to_excel(self, cells: Mapping[str, str] | None = None) -> str:
        """Raises SymsimError: roots are numbers of one load."""
        raise _no_program(self.form.name)

    def _figures(self, level: float, values: Mapping[str, float]) -> Figures:
        changed: dict[str, Any] = {"level": level}
        for name, value in values.items():
            if name not in _CHANGES:
                raise SymsimError(f"a formula of requests has no {name}; {did_you_mean(name, _CHANGES)}")
            changed |= self._of_workers(name, value) if name in ("x", "y") else _CHANGES[name](value)
        found = predicted(self.compiled, replace(self.ask, **changed))
        if found.sentence:
            raise SymsimError(f"there is no {self.form.name} there: {found.sentence}")
        return found

    def _of_workers(self, name: str, count: float) -> dict[str, Any]:
        """So many workers of the deployment that they have."""
        stated = self.ask.prefill if name == "x" else self.ask.decode
        if stated is None:
            raise SymsimError(f"{name} are workers of disaggregated serving, and this is none")
        return _CHANGES[name]((int(count), stated[1]))


def _no_program(name: str) -> SymsimError:
    """Roots and means over queues are numbers of one load: a function of them would be a constant."""
    return SymsimError(
        f"{name} of requests has roots of equations, which no program of it finds; "
        "Costs.iteration_time() writes the time of an iteration, and evaluate(rate=...) works this out at another load"
    )
