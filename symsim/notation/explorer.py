"""ClosedForm -> sliders and a curve in a notebook, evaluated by its exported JavaScript (extra `notebook`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from symsim.algebra.symbols import DEFAULTS
from symsim.errors import SymsimError
from symsim.formula.closed_form import ClosedForm
from symsim.inputs.extras import load_extra
from symsim.notation.javascript import javascript_function
from symsim.paths import read_text

_Chosen = Mapping[str, "float | tuple[float, float]"]
"""Symbol -> a number that stays, or from where to where its slider goes."""


def explorer(form: ClosedForm, chosen: _Chosen) -> Any:
    """A widget with a slider for each symbol that has a range; its curve is along the first of them.

    Its `values` are those of the sliders, kept in step with the notebook. Raises SymsimError for a symbol that the
    metric does not have, where none has a range, and without the extra `notebook`.
    """
    ranges = {name: ends for name, ends in chosen.items() if isinstance(ends, tuple)}
    if not ranges:
        raise SymsimError("explore needs a range for at least one symbol, e.g. B=(1, 512)")
    form = form.for_inputs(chosen)
    for name in chosen:
        form.numbers.check_known(name)
    for name, (low, high) in ranges.items():
        if not 0 < low < high:
            raise SymsimError(f"{name} = ({low:g}, {high:g}): expected two numbers above zero, the smaller first")
    usual = {name: value for name, value in DEFAULTS.items() if name in form.symbols and name not in ranges}
    fixed = {**usual, **{name: value for name, value in chosen.items() if name not in ranges}}
    others = [name for name in chosen if name not in DEFAULTS and name != "C"]
    program = javascript_function(form, form.subject, others)
    widget = load_extra("anywidget", "notebook", "explore needs").AnyWidget
    traits = load_extra("traitlets", "notebook", "explore needs")
    kept = {name: traits.Dict().tag(sync=True) for name in ("fixed", "ranges", "values")}
    texts = {name: traits.Unicode().tag(sync=True) for name in ("metric", "unit")}
    script = f"{program}const evaluate = {form.name};\n{read_text(Path(__file__).with_name('explorer.js'))}"
    return type("Explorer", (widget,), {"_esm": script, **kept, **texts})(
        fixed=fixed,
        ranges={name: _range(form, name, *ends) for name, ends in ranges.items()},
        values={name: _start(form, name, *ends) for name, ends in ranges.items()},
        metric=form.applied.meaning,
        unit=form.unit,
    )


def _range(form: ClosedForm, name: str, low: float, high: float) -> dict[str, Any]:
    info = form.symbols[name]
    return {"low": low, "high": high, "whole": info.integer, "meaning": info.meaning}


def _start(form: ClosedForm, name: str, low: float, high: float) -> float:
    """Where a slider stands at first: the usual or the compiled number, within its range."""
    known = form.bound.values.get(name)
    usual = DEFAULTS.get(name, low) if known is None else float(known)
    return min(max(usual, low), high)
