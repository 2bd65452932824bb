"""Lines of plain text that are wider than a screen -> several, formulas broken where their brackets are least deep."""

from __future__ import annotations

import re
import textwrap

_LEAST = 20
"""Columns that a formula has, wherever its equals sign stands."""

_BREAKS = re.compile(r" (?=[-+*] |=)|(?<=,) |(?<=[^*]\*)(?=[^*])|(?=/)")
"""Where a formula may break: before a sum's sign, after a comma, in products; what is dropped there is a space."""


def folded_formula(line: str, width: int | None) -> list[str]:
    """`name = formula` in lines of `width` columns, those that go on set in below what follows the equals sign.

    >>> print("\\n".join(folded_formula("t = max(a*b, c + d) + eleven", 22)))
    t = max(a*b, c + d)
        + eleven
    """
    if width is None or len(line) <= width:
        return [line]
    sign = line.find(" = ")
    indent = " " * (sign + 3 if 0 <= sign <= width - _LEAST else len(line) - len(line.lstrip()) + 4)
    lines: list[str] = []
    rest, least = line, len(indent)
    while len(rest) > width and (place := _best_break(rest, least, width)) is not None:
        lines.append(rest[: place[0]])
        rest = indent + rest[place[1] :]
    return [*lines, rest]


def _best_break(line: str, least: int, width: int) -> tuple[int, int] | None:
    """The break in the second half of a line's room with the fewest brackets open, rather between terms than factors,
    and the last of several; without one there the last of all."""
    depths = [0]
    for letter in line:
        depths.append(depths[-1] + (letter in "([") - (letter in ")]"))
    places = [m.span() for m in _BREAKS.finditer(line) if least + 4 < m.start() <= width]
    late = [place for place in places if place[0] >= (least + width) // 2]
    if late:
        return min(late, key=lambda place: (depths[place[0]] + (place[0] == place[1]), -place[0]))
    return max(places, default=None)


def folded_words(line: str, width: int | None, indent: str = "") -> list[str]:
    """A sentence in lines of `width` columns, broken between words; further ones begin with the indent."""
    if width is None:
        return [line]
    return textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
