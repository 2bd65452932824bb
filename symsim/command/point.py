"""--at B=64,S=4096: numbers for symbols on the command line."""

from __future__ import annotations

from symsim.algebra.symbols import DEFAULTS, INPUTS, STEP_DEFAULTS, is_symbol, symbol_info
from symsim.algebra.units import parse_quantity
from symsim.errors import BadUnit, SymsimError
from symsim.formula.closed_form import ClosedForm
from symsim.inputs.number_checks import positive_integer
from symsim.language.words import meant


def assignments(text: str, example: str) -> dict[str, int]:
    """`B=64,S=4096` as a dictionary of whole numbers. Raises SymsimError showing the example."""
    found: dict[str, int] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        number = _whole(value)
        if not equals or number is None:
            device = is_symbol(name) and symbol_info(name).kind == "hardware"
            instead = f"; a figure of the device is said with it: --device 'h100 with {name} = {value}'" * device
            raise SymsimError(f"--at {text!r}: expected e.g. {example}{instead}")
        found[name] = number if name in INPUTS else positive_integer(name, number)
    return found


def _whole(text: str) -> int | None:
    """4096, or 4k as in questions; None for what is no whole number."""
    try:
        number = parse_quantity(text, "tokens")
    except BadUnit:
        return None
    return int(number) if number.denominator == 1 and number >= 0 else None


def stated_workload(text: str) -> dict[str, int]:
    """What --at states by itself; case matters as little as in questions.

    Raises SymsimError for a name that is no workload, or that is given twice.
    """
    found: dict[str, int] = {}
    for written, value in assignments(text, "B=64,S=4096").items():
        name = next((known for known in INPUTS if known.casefold() == meant(written).casefold()), None)
        if name is None:
            raise SymsimError(f"--at {text!r}: expected e.g. B=64,S=4096 with names among {', '.join(INPUTS)}")
        if name in found:
            raise SymsimError(f"--at {text!r}: {name} is given twice; a symbol has one value")
        found[name] = value
    return found


def workload_point(text: str, *metrics: ClosedForm) -> dict[str, int]:
    """The workload point that --at states, over the defaults.

    C stands in place of S and O where a metric is given in it (`ClosedForm.for_inputs`).
    Raises SymsimError for a name that is no workload, or that none of the metrics has where they are given.
    """
    stated = stated_workload(text)
    own = {name for form in metrics for name in form.for_inputs(stated).symbols}
    for name in stated:
        if metrics and name not in own:
            of = " and ".join(dict.fromkeys(form.name for form in metrics))
            has = ", ".join(known for known in INPUTS if known in own) or "none"
            raise SymsimError(f"--at {text!r}: {of} does not depend on {name}; its workload is {has}")
    own_context = metrics and "C" in own and not own & {"S", "O"}
    usual = {**DEFAULTS, **{name: value for name, value in STEP_DEFAULTS.items() if name in own}}
    return {**{name: value for name, value in usual.items() if not own_context or name not in ("S", "O")}, **stated}
