"""--at B=64,S=4096: numbers for symbols on the command line."""

from __future__ import annotations

from symsim.algebra.symbols import DEFAULTS, INPUTS, STEP_DEFAULTS
from symsim.errors import SymsimError
from symsim.formula.closed_form import ClosedForm
from symsim.inputs.number_checks import positive_integer


def assignments(text: str, example: str) -> dict[str, int]:
    """`B=64,S=4096` as a dictionary of whole numbers. Raises SymsimError showing the example."""
    found: dict[str, int] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value.isdigit():
            raise SymsimError(f"--at {text!r}: expected e.g. {example}")
        found[name] = int(value) if name in INPUTS else positive_integer(name, int(value))
    return found


def workload_point(text: str, *metrics: ClosedForm) -> dict[str, int]:
    """The workload point that --at states, over the defaults.

    C stands in place of S and O where a metric is given in it (`ClosedForm.for_inputs`).
    Raises SymsimError for a name that is no workload, or that none of the metrics has where they are given.
    """
    stated = assignments(text, "B=64,S=4096")
    own = {name for form in metrics for name in form.for_inputs(stated).symbols}
    for name in stated:
        if name not in INPUTS:
            raise SymsimError(f"--at {text!r}: expected e.g. B=64,S=4096 with names among {', '.join(INPUTS)}")
        if metrics and name not in own:
            of = " and ".join(dict.fromkeys(form.name for form in metrics))
            has = ", ".join(known for known in INPUTS if known in own) or "none"
            raise SymsimError(f"--at {text!r}: {of} does not depend on {name}; its workload is {has}")
    own_context = metrics and "C" in own and not own & {"S", "O"}
    usual = {**DEFAULTS, **{name: value for name, value in STEP_DEFAULTS.items() if name in own}}
    return {**{name: value for name, value in usual.items() if not own_context or name not in ("S", "O")}, **stated}
