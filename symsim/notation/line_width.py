"""How wide LaTeX is set, about, in letters of 6 pt; and how many of them a line has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

FULL_LINE = 73.0
"""Letters that fit a line of an A4 article in 10 pt; wider formulas break over lines."""

NARROW_LINE = 61.0
"""Letters that fit a line of one column of any class that a paper is written for: that of acmart is the narrowest."""

SMALL_LINE = NARROW_LINE / 0.9
"""Letters that fit it in small type."""

_LEAST = 24.0
"""Letters that a right side has, whatever stands beside it."""


NUMBER = 4.0
"""Letters that the number of an equation takes from a line."""


def width(latex: str) -> float:
    """About how many letters wide a formula is set: of a fraction the wider side, scripts at 0.7."""
    total, at = 0.0, 0
    while at < len(latex):
        if latex.startswith("\\frac{", at):
            upper, at = _group(latex, at + 5)
            lower, at = _group(latex, at)
            total += max(width(upper), width(lower)) + 0.4
        elif latex[at] in "_^" and latex.startswith("{", at + 1):
            script, at = _group(latex, at + 1)
            total += width(script) * 0.7
        elif latex[at] == "\\":
            name = re.match(r"\\([A-Za-z]+|.)", latex[at:])
            at += len(name.group()) if name else 1
            total += _WIDE.get(name.group(1), 1.0) if name else 0.0
        else:
            total += _WIDE.get(latex[at], 1.25 if latex[at].isupper() else 0.9)
            at += 1
    return total


_WIDE: Mapping[str, float] = {
    **dict.fromkeys((" ", "{", "}", "mathrm", "text"), 0.0),
    **dict.fromkeys(("bigl", "bigr"), 0.1),
    **dict.fromkeys(("Bigl", "Bigr"), 0.35),
    **dict.fromkeys((".", ";"), 0.5),
    **dict.fromkeys((",", "(", ")"), 0.65),
    **dict.fromkeys(("left", "right", "lfloor", "rfloor"), 0.9),
    "cdot": 1.2,
    "quad": 1.8,
    "+": 2.0,
    "-": 2.0,
    "=": 2.2,
    "min": 3.0,
    "max": 3.2,
}
"""Letters that a character or a command takes; any other command takes one."""


def _group(latex: str, at: int) -> tuple[str, int]:
    """What stands between the braces that open here, and where they end."""
    depth = 0
    for end in range(at, len(latex)):
        depth += {"{": 1, "}": -1}.get(latex[end], 0)
        if depth == 0:
            return latex[at + 1 : end], end + 1
    return latex[at:], len(latex)


def beside(lefts: Iterable[str], line: float = FULL_LINE) -> float:
    """Letters of a line that are left of it beside aligned left sides and their equals signs."""
    return max(_LEAST, line - max(map(width, lefts), default=0.0) - _WIDE["="])
