"""Numbers of LaTeX formulas: the digits they are known to, their units, and how large they may be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from lark import Token
from sympy import Expr, Rational

from symsim.algebra.units import DIMENSIONS, exact_number
from symsim.errors import BadUnit, LatexSyntaxError, Span

_DIGITS = 6
"""A whole number with a unit is taken as rounded at this digit, which is how symsim prints."""

_MOST_POWER = 1000
"""The greatest exponent that is a number."""

MOST_BITS = 10_000
"""The longest number that a power may give."""


@dataclass(frozen=True, slots=True)
class Literal:
    """A number that is only known to the digits that were printed: value (SI) within a relative `slack`."""

    value: Fraction
    slack: Fraction


def printed_number(text: str, unit: Token | None, span: Span) -> Fraction | Literal:
    """A number as it is printed with its unit: exact, or known to its digits. Raises LatexSyntaxError for one that is
    too large or that its digits say nothing of."""
    bare = re.sub(r"\\[, ]|[{},']", "", text)
    digits, _, exponent = bare.partition("e")
    check_power(Rational(10), Rational(exponent or 0), span)
    try:
        value = exact_number(digits)
    except BadUnit as error:
        raise LatexSyntaxError(span, str(error)) from None
    factor = unit_factor(unit) * Fraction(10) ** int(exponent or 0)
    if "." in digits and not value:
        message = f"{text} may stand for any number that small; write 0 for exactly zero"
        raise LatexSyntaxError(span, message)
    if "." in digits and len(digits.replace(".", "").lstrip("0")) > 1:
        slack = Fraction(1, 2 * 10 ** len(digits.partition(".")[2]))
    elif "." in digits or unit is not None or exponent:
        slack = Fraction(10) ** (_places_before_point(value) - _DIGITS) / 2
    else:
        return value
    return Literal(value * factor, slack / value) if value else Fraction(0)


def check_power(base: Expr, exponent: Expr, span: Span) -> None:
    """Raise LatexSyntaxError for a power that no formula has and that would take for ever to multiply out."""
    if not exponent.is_number:
        return
    numbers = base.atoms(Rational)
    if base == 0 and not exponent.is_positive:
        raise LatexSyntaxError(span, "0^0 has no value" if exponent == 0 else "divides by zero")
    longest = max((max(abs(int(n.p)), int(n.q)).bit_length() for n in numbers if abs(n) != 1), default=0)
    if abs(exponent) > _MOST_POWER or abs(exponent) * longest > MOST_BITS:
        raise LatexSyntaxError(span, f"a power here is too large to be worked out; exponents go up to {_MOST_POWER}")


def _places_before_point(value: Fraction) -> int:
    """How many digits a number has before its point; 0 for 0.5, -1 for 0.05.

    >>> [_places_before_point(Fraction(text)) for text in ("61", "5", "0.5", "0.05")]
    [2, 1, 0, -1]
    """
    places = len(str(int(value))) if value >= 1 else 0
    while 0 < value < Fraction(1, 10):
        value, places = value * 10, places - 1
    return places


def unit_factor(unit: Token | None) -> Fraction:
    """What a unit stands for in SI units."""
    if unit is None:
        return Fraction(1)
    spelled = re.sub(
        r"\\(?:mathrm|text|textrm|mathsf|unit)|[{}\s]", "", unit.replace("\\upmu", "µ").replace("\\mu", "µ")
    )
    spelled = spelled.replace("\\%", "%")
    spelled = re.sub(r"bytes?$", "B", re.sub(r"FLOPs?$", "FLOP", spelled))
    return next(units[spelled] for units in DIMENSIONS.values() if spelled in units)
