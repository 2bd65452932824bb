"""A table as a function of formulas: what it is called, its arguments, and where its figures are from."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A table as a function: args in order; shape_args choose rows, axes are looked up among them."""

    function: str
    args: tuple[str, ...]
    shape_args: tuple[str, ...]
    axes: tuple[str, ...]
    meaning: str
    latex: str
    unit: str
    file: str
    library: str
    source: str
    value: tuple[str, ...]
