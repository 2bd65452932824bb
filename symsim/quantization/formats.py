"""quantization/formats.toml -> Format: how numbers are stored, exact to the scale, and which peak multiplies them."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

from symsim.errors import DataError, did_you_mean
from symsim.paths import QUANTIZATION


@dataclass(frozen=True, slots=True)
class Element:
    """A number format. bits: of one element; peak: precision whose peak rate multiplies it, or None where no matrix
    unit takes it; group, scale_bits: the scales that the format itself fixes (0: none); units_scale:
    matrix units apply the group scales, or cannot multiply it; padded: engines pad what tensor parallelism leaves of a
    group; source: the specification.
    """

    name: str
    bits: int
    peak: str | None
    group: int
    scale_bits: int
    units_scale: bool
    padded: bool
    source: str


@dataclass(frozen=True, slots=True)
class Format:
    """How a matrix of outputs x inputs is stored: elements, and scales beside them.

    rows, inputs: outputs and inputs that share one scale; 0 stands for all of them. scale_bits: of that scale with its
    zero point (a Fraction where scales are themselves quantised); input_bits: kept once for each input (GPTQ's g_idx,
    AWQ's pre-scale in ModelOpt).

    >>> stored("nvfp4").bytes_per_weight, stored("mxfp4").bytes_per_weight
    (Fraction(9, 16), Fraction(17, 32))
    """

    element: Element
    rows: int
    inputs: int
    scale_bits: Fraction
    input_bits: int

    @property
    def name(self) -> str:
        """The element, and what shares a scale where the format does not fix it: `fp8 128x128`, `int4 g128`."""
        if self.element.group or not self.scale_bits:
            return self.element.name
        match (self.rows, self.inputs):
            case (0, 0):
                return f"{self.element.name} per tensor"
            case (1, 0):
                return f"{self.element.name} per channel"
            case (1, group):
                return f"{self.element.name} g{group}"
            case (rows, inputs):
                return f"{self.element.name} {rows}x{inputs}"

    @property
    def bits_per_weight(self) -> Fraction:
        """Bits of an element and its part of the group scales, in the limit of a large matrix.

        Scales kept once for each row, each input or the matrix vanish in that limit.
        """
        if not (self.rows and self.inputs):
            return Fraction(self.element.bits)
        return self.element.bits + self.scale_bits / (self.rows * self.inputs)

    @property
    def bytes_per_weight(self) -> Fraction:
        """`bits_per_weight` in bytes."""
        return self.bits_per_weight / 8

    @property
    def whole(self) -> int:
        """What a width that tensor parallelism leaves must be a multiple of; 1 where any can be loaded."""
        return 1 if self.element.padded else math.lcm(max(self.rows, 1), max(self.inputs, 1))

    @property
    def whole_outputs(self) -> int:
        """The same of a width of outputs that is loaded for itself: blocks span rows, groups of inputs do not."""
        return 1 if self.element.padded else max(self.rows, 1)


@cache
def elements() -> Mapping[str, Element]:
    """Every number format by name."""
    path = QUANTIZATION / "formats.toml"
    tables: Mapping[str, Mapping[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))
    return {name: _element(name, table) for name, table in tables.items()}


def _element(name: str, table: Mapping[str, Any]) -> Element:
    return Element(
        name,
        table["bits"],
        table.get("peak"),
        table.get("group", 0),
        table.get("scale_bits", 0),
        table.get("units_scale", False),
        table.get("padded", False),
        table["source"],
    )


def element(name: str) -> Element:
    """A number format by name. Raises DataError with the nearest names."""
    if name not in elements():
        raise DataError(f"there is no number format {name}; {did_you_mean(name, elements())}")
    return elements()[name]


def stored(name: str, rows: int = 0, inputs: int = 0, scale_bits: int | Fraction = 0, input_bits: int = 0) -> Format:
    """A Format of the element; one that fixes its own scales takes them from its specification."""
    kind = element(name)
    if kind.group:
        return Format(kind, 1, kind.group, Fraction(kind.scale_bits), input_bits)
    return Format(kind, rows, inputs, Fraction(scale_bits), input_bits)
