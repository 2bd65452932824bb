"""Quantities with units <-> exact SI values. GB is 10^9 bytes and GiB 2^30; they are never confused."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache

from symsim.errors import BadUnit, shortened

_DECIMAL = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_SMALL = {
    "": Fraction(1),
    "m": Fraction(1, 10**3),
    "u": Fraction(1, 10**6),
    "µ": Fraction(1, 10**6),
    "n": Fraction(1, 10**9),
}


def _prefixed(unit: str, *families: Mapping[str, int | Fraction]) -> dict[str, Fraction]:
    return {prefix + unit: Fraction(factor) for family in families for prefix, factor in family.items()}


DIMENSIONS: Mapping[str, Mapping[str, Fraction]] = {
    "B": _prefixed("B", _DECIMAL, _BINARY),
    "B/s": _prefixed("B/s", _DECIMAL, _BINARY),
    "FLOP": _prefixed("FLOP", _DECIMAL),
    "FLOP/s": {**_prefixed("FLOP/s", _DECIMAL), **_prefixed("FLOPS", _DECIMAL)},
    "Hz": _prefixed("Hz", _DECIMAL),
    "s": _prefixed("s", _SMALL),
    "W": _prefixed("W", _DECIMAL),
    "J": {**_prefixed("J", _SMALL), "kJ": Fraction(1000)},
    "$": {"$": Fraction(1)},
    "$/s": {
        f"$/{gpu}{word}": Fraction(1, of)
        for gpu in ("", "GPU/", "GPU-")
        for word, of in (("h", 3600), ("hr", 3600), ("hour", 3600), ("s", 1))
    },
    "1/s": dict.fromkeys(("", "/s", "rps", "qps", "req/s", "reqs/s", "request/s", "requests/s"), Fraction(1)),
    "tokens/s": {f"{word}/s{of}": Fraction(1) for word in ("tokens", "tok") for of in ("", "/user", "/GPU")},
    "tokens": {"tokens": Fraction(1), "": Fraction(1), "k": Fraction(1024), "K": Fraction(1024)},
    "1": {"": Fraction(1), "%": Fraction(1, 100)},
}
"""Dimension (named by its SI unit) -> spelling -> factor."""

_EXAMPLES: Mapping[str, str] = {
    "B": "96 GB",
    "B/s": "4.0 TB/s",
    "FLOP": "2 GFLOP",
    "FLOP/s": "148 TFLOP/s",
    "Hz": "1980 MHz",
    "s": "50 ms",
    "W": "700 W",
    "J": "0.5 J",
    "$": "2 $",
    "$/s": "2.5 $/h",
    "1/s": "4 requests/s",
    "tokens/s": "2500 tokens/s",
    "tokens": "4096",
    "1": "0.8",
}
_NUMBER = re.compile(r"\s*([-+]?[0-9]+(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?)\s*(.*?)\s*", re.DOTALL)

MAGNITUDE = 60
"""Every quantity but zero is between 10 to the power of minus this and of this: products of a few stay floats."""

_LONGEST = 400
"""Letters of a number at the most."""


def exact_number(text: str) -> Fraction:
    """The exact value of a number as people write it. Raises BadUnit for one that is greater or smaller than any
    quantity.

    >>> exact_number("1.5e3"), exact_number("0.1")
    (Fraction(1500, 1), Fraction(1, 10))
    """
    exponent = text.lower().partition("e")[2] or "0"
    if len(text) <= _LONGEST and abs(int(exponent)) <= _LONGEST:
        value = Fraction(text)
        if value == 0 or Fraction(1, 10**MAGNITUDE) <= abs(value) <= 10**MAGNITUDE:
            return value
    known = f"0, or 1e-{MAGNITUDE} to 1e{MAGNITUDE}"
    raise BadUnit(f"{shortened(text, 24)} is no number of a quantity; expected {known}")


def parse_quantity(text: str, dimension: str) -> Fraction:
    """The exact SI value of a number with its unit. Raises BadUnit unless it is of the dimension.

    >>> parse_quantity("4.0 TB/s", "B/s"), parse_quantity("1 GiB", "B"), parse_quantity("$2.5", "$")
    (Fraction(4000000000000, 1), Fraction(1073741824, 1), Fraction(5, 2))
    """
    match = _NUMBER.fullmatch(re.sub(r"^\s*\$\s*([\d.eE+-]+)", r"\1 $", text))  # $2.5 is 2.5 $
    expected = f"expected a quantity in {dimension}, e.g. {_EXAMPLES[dimension]!r}"
    if match is None:
        raise BadUnit(f"{shortened(text)!r} is not a number with a unit; {expected}")
    number, unit = match[1], shortened(match[2])
    if unit in DIMENSIONS[dimension]:
        return exact_number(number) * DIMENSIONS[dimension][unit]
    if not unit:
        raise BadUnit(f"{shortened(text)!r} has no unit; {expected}")
    if re.fullmatch(r"[kMGT]?(b|bit)(/s|ps)?", unit):
        raise BadUnit(f"{unit!r} counts bits, and B is a byte: divide by 8; {expected}")
    raise BadUnit(f"{unit!r} is no unit of {dimension}; {expected}")


@lru_cache(maxsize=4096, typed=True)
def format_quantity(value: float | Fraction, dimension: str, digits: int = 4, *, binary: bool = False) -> str:
    """A value in SI units as people write it, with a prefix; `binary` prints bytes as KiB, MiB, GiB.

    >>> format_quantity(Fraction(1, 20), "s"), format_quantity(4e12, "B/s"), format_quantity(2**30, "B", binary=True)
    ('50 ms', '4 TB/s', '1 GiB')
    """
    number = float(value)
    if dimension in _SHOWN:
        factor, unit = _SHOWN[dimension]
        return f"{_significant(number * factor, digits)} {unit}"
    if dimension == "$":
        return f"${_significant(number, digits)}"
    if dimension in ("1", "tokens", "tokens/s") or not math.isfinite(number) or number == 0:
        unit = "" if dimension == "1" else f" {dimension}"
        return f"{_significant(number, digits)}{unit}"
    shown = number if binary else float(f"{number:.{digits}g}")  # 999.6 ms is 1 s where three digits are shown
    factor, unit = _scale(abs(shown), dimension, binary)
    return f"{_significant(number / float(factor), digits)} {unit}"


def format_range(low: float, high: float, dimension: str, digits: int = 3, joint: str = " to ") -> str:
    """Both ends as people write them, their unit once where they share it.

    >>> format_range(0.0789, 0.124, "s"), format_range(0.95, 1.2, "s")
    ('78.9 to 124 ms', '950 ms to 1.2 s')
    """
    first, last = (format_quantity(end, dimension, digits) for end in (low, high))
    number, _, unit = first.partition(" ")
    return f"{number if unit == last.partition(' ')[2] else first}{joint}{last}"


_SHOWN: Mapping[str, tuple[int, str]] = {"$/s": (3600, "$/h"), "1/s": (1, "requests/s")}
"""Dimension -> how many of the unit that people say are one of its SI unit."""


def _significant(number: float, digits: int) -> str:
    """Up to `digits` significant digits; whole numbers stay whole."""
    if math.isfinite(number) and (number == int(number) or abs(number) >= 10**digits):
        return f"{number:.0f}"
    return f"{number:.{digits}g}"


def _scale(magnitude: float, dimension: str, binary: bool) -> tuple[Fraction, str]:
    """The largest prefix that leaves at least 1, else the smallest there is."""
    prefixes: Mapping[str, int | Fraction] = _DECIMAL
    if dimension in ("s", "J"):
        prefixes = {prefix: factor for prefix, factor in _SMALL.items() if prefix != "u"}
    elif binary:
        prefixes = {"": 1, **_BINARY}
    choices = sorted((Fraction(factor), prefix + dimension) for prefix, factor in prefixes.items())
    fitting = [choice for choice in choices if float(choice[0]) <= magnitude]
    return fitting[-1] if fitting else choices[0]
