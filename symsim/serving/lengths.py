"""Input and output lengths by mean and spread; forms take their moments only."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from symsim.algebra.units import parse_quantity
from symsim.errors import BadUnit, SymsimError, did_you_mean


@dataclass(frozen=True, slots=True)
class Length:
    """Tokens: a family, its mean and its coefficient of variation (0 for a constant).

    >>> round(Length("geometric", 300).moment(2)), round(Length("constant", 10).moment(3))
    (179700, 1000)
    """

    family: str
    mean: float
    cv: float = 0.0

    def moment(self, k: int) -> float:
        """E[length^k]."""
        return 1.0 if k == 0 else FAMILIES[self.family](self.mean, self.cv, k)

    @property
    def is_constant(self) -> bool:
        return self.moment(2) <= self.mean**2

    def __str__(self) -> str:
        return f"{self.mean:g}" if self.is_constant else f"{self.family}({self.mean:g}, {self.spread:g})"

    @property
    def spread(self) -> float:
        """The coefficient of variation, of any family."""
        return math.sqrt(max(0.0, self.moment(2) / self.mean**2 - 1))


def _geometric(mean: float, _: float, k: int) -> float:
    """At least 1: factorial moments are k! (1 - p)^(k - 1)/p^k with p = 1/mean; powers by Stirling numbers."""
    p = 1 / mean
    return sum(_stirling(k, i) * math.factorial(i) * (1 - p) ** (i - 1) / p**i for i in range(1, k + 1))


def _stirling(n: int, k: int) -> int:
    """Stirling numbers of the second kind."""
    if n == k:
        return 1
    return 0 if k == 0 or k > n else k * _stirling(n - 1, k) + _stirling(n - 1, k - 1)


def _gamma(mean: float, cv: float, k: int) -> float:
    return mean**k * math.prod(1 + i * cv**2 for i in range(k))


def _lognormal(mean: float, cv: float, k: int) -> float:
    return mean**k * (1 + cv**2) ** (k * (k - 1) / 2)


FAMILIES: Mapping[str, Callable[[float, float, int], float]] = {
    "constant": lambda mean, cv, k: mean**k,
    "geometric": _geometric,
    "lognormal": _lognormal,
    "gamma": _gamma,
    "exponential": lambda mean, cv, k: _gamma(mean, 1, k),
}
"""Family -> E[length^k] of (mean, coefficient of variation, k)."""

_SHORT = {"geo": "geometric"}
_WITHOUT_SPREAD = ("geometric", "exponential", "constant")
_TEXT = re.compile(r"\s*([a-z]+)\s*\(\s*([0-9.eE+]+[kK]?)\s*(?:,\s*([0-9.eE+-]+)\s*)?\)\s*")


def length(value: object) -> Length:
    """A length as people write it: 4096, "lognormal(4096, 0.5)", or (family, mean, spread). Raises SymsimError.

    >>> length(4096).mean, str(length("lognormal(4096, 0.5)"))
    (4096.0, 'lognormal(4096, 0.5)')
    """
    if isinstance(value, Length):
        return value
    match value:
        case bool():
            pass
        case int() | float() if math.isfinite(value) and value > 0:
            return Length("constant", float(value))
        case [str() as family, int() | float() as mean, *rest] if len(rest) < 2:
            return _named(family, float(mean), float(rest[0]) if rest else None)
        case str():
            return _parsed(value)
        case _:
            pass
    raise SymsimError(f"{value!r} is no length; expected tokens, e.g. 4096, or lognormal(4096, 0.5)")


def _parsed(text: str) -> Length:
    with suppress(BadUnit):
        return length(float(parse_quantity(text, "tokens")))
    found = _TEXT.fullmatch(text)
    if found is None:
        raise SymsimError(f"{text!r} is no length; expected tokens, e.g. 4096, or lognormal(4096, 0.5)")
    return _named(found[1], float(parse_quantity(found[2], "tokens")), None if found[3] is None else float(found[3]))


def _named(family: str, mean: float, spread: float | None) -> Length:
    name = _SHORT.get(family, family)
    if name not in FAMILIES:
        raise SymsimError(f"there is no family of lengths {family!r}; {did_you_mean(name, FAMILIES)}")
    if spread is None and name not in _WITHOUT_SPREAD:
        raise SymsimError(f"{name} lengths need a mean and a coefficient of variation, e.g. {name}(4096, 0.5)")
    if not mean >= 1 or (spread or 0) < 0:
        raise SymsimError(f"{family} lengths of mean {mean:g}: expected at least 1 token, and no spread below 0")
    return Length(name, mean, spread or 0.0)
