"""--at B=64,S=4096: numbers for symbols on the command line."""

from __future__ import annotations

from symsim.algebra.symbols import DEFAULTS, INPUTS
from symsim.errors import SymsimError
from symsim.inputs.deployment import positive_integer


def assignments(text: str, example: str) -> dict[str, int]:
    """`B=64,S=4096` as a dictionary of whole numbers. Raises SymsimError showing the example."""
    found: dict[str, int] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value.isdigit():
            raise SymsimError(f"--at {text!r}: expected e.g. {example}")
        found[name] = int(value) if name in INPUTS else positive_integer(name, int(value))
    return found


def workload_point(text: str) -> dict[str, int]:
    """The workload point that --at states, over the defaults."""
    stated = assignments(text, "B=64,S=4096")
    for name in stated:
        if name not in INPUTS:
            raise SymsimError(f"--at {text!r}: expected e.g. B=64,S=4096 with names among {', '.join(INPUTS)}")
    return {**DEFAULTS, **stated}
