"""A form applied to numbers: the values of its steps, or a sentence that says why there are none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise
from types import MappingProxyType
from typing import Any

from symsim.serving.form_text import Band
from symsim.serving.forms import ServingForm, form
from symsim.serving.functions import STEP_TIME, NoEquilibrium
from symsim.serving.program import OutsideValidity, StepFunction, compiled_form


class FormStatus(Enum):
    """How a form ended. Outside of its validity there is no number."""

    SOLVED = "solved"
    UNSTABLE = "unstable"


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Outcome:
    """values: letter -> value of every step, empty where there is no answer, which `sentence` then explains.

    error: measured error of the form at this load, in percent, None where none is known; warnings: sentences.
    """

    form: ServingForm
    status: FormStatus
    values: Mapping[str, float]
    sentence: str = ""
    error: float | None = None
    warnings: tuple[str, ...] = ()

    @property
    def value(self) -> float | None:
        """Of the quantity."""
        return self.values.get(self.form.result.symbol.name)

    @property
    def solved(self) -> bool:
        return self.status is FormStatus.SOLVED


def applied(
    quantity: str,
    values: Mapping[str, Any],
    time: StepFunction | None = None,
    *,
    name: str | None = None,
    near: Mapping[str, float] = MappingProxyType({}),
) -> Outcome:
    """A form, the default unless named, of letters that hold its parameters. near: letters as another form found them,
    where roots are looked for first. Raises KeyError where one is missing.

    >>> outcome = applied("wait", {"rate": 8, "s": 0.1, "s_2": 0.01})
    >>> round(outcome.value, 6), applied("wait", {"rate": 11, "s": 0.1, "s_2": 0.01}).sentence
    (0.2, 'the prefill queue is unstable: rho = 1.1')
    """
    found = form(quantity, name)
    given = {param: values[param] for param in found.params if param != STEP_TIME}
    if STEP_TIME in found.params:
        given[STEP_TIME] = time
    try:
        worked = compiled_form(found)(near=near, **given)
    except OutsideValidity as refused:
        sentence = refused.sentence.format_map({name: f"{value:.4g}" for name, value in refused.values.items()})
        return Outcome(form=found, status=FormStatus.UNSTABLE, values={}, sentence=sentence)
    except NoEquilibrium as refused:
        return Outcome(form=found, status=FormStatus.UNSTABLE, values={}, sentence=str(refused))
    except (OverflowError, ZeroDivisionError, ValueError):
        sentence = f"{found.meaning} has no value here: the load is at its limit"
        return Outcome(form=found, status=FormStatus.UNSTABLE, values={}, sentence=sentence)
    errors = [_error(band, worked) for band in found.bands]
    warnings = tuple(sentence for band in found.bands if (sentence := _warning(found, band, worked)))
    return Outcome(
        form=found,
        status=FormStatus.SOLVED,
        values=worked,
        error=max(errors) if errors else None,
        warnings=warnings,
    )


def _error(band: Band, values: Mapping[str, float]) -> float:
    """Interpolated between the loads at which it was measured, and held beyond them."""
    at = values[band.name]
    points = band.measured
    if at <= points[0][0]:
        return points[0][1]
    for (low, first), (high, last) in pairwise(points):
        if at <= high:
            return first + (last - first) * (at - low) / (high - low)
    return points[-1][1]


_NEAR = 0.95
"""Share of the largest load that was measured from which an answer is near the edge."""


def _warning(found: ServingForm, band: Band, values: Mapping[str, float]) -> str:
    at, (edge, percent) = values[band.name], band.measured[-1]
    if at <= _NEAR * edge:
        return ""
    where = f"{band.name} = {at:.3g}"
    if at > edge:
        return (
            f"{found.meaning}: {where} is beyond {edge:g}, up to which {found.name} was measured (error {percent:g} %)"
        )
    return f"{found.meaning}: {where} is near {edge:g}, where the error of {found.name} is {percent:g} %"
