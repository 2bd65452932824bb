"""Plain text for LaTeX, whose characters none is a command of."""

from __future__ import annotations

import unicodedata

from symsim.errors import printable


def escaped(text: str) -> str:
    r"""Plain text that LaTeX sets as it stands; a letter that its usual fonts lack is named by its number.

    >>> print(escaped(r"\input{a_1} 5% µ"), escaped("Vélo \u4e2d"))
    \textbackslash{}input\{a\_1\} 5\% $\mu$ Vélo [U+4E2D]
    """
    return "".join(_SPECIAL.get(c) or (c if _settable(c) else f"[U+{ord(c):04X}]") for c in printable(text))


_SPECIAL = {
    **{c: f"\\{c}" for c in "&%#_{}$"},
    "\\": "\\textbackslash{}",
    "^": "\\textasciicircum{}",
    "~": "\\textasciitilde{}",
    "<": "\\textless{}",
    ">": "\\textgreater{}",
    "|": "\\textbar{}",
    '"': "{''}",
    "µ": "$\\mu$",
}


def _settable(character: str) -> bool:
    """ASCII, ASCII letters with an accent (but the ogonek), and usual punctuation: what every font of LaTeX has."""
    base, accent = (*unicodedata.normalize("NFD", character), "")[:2]
    return (
        character.isascii() or character in "ßæøåÆØÅ×°±·–—‘’“”…€" or (base.isascii() and "\u0300" <= accent < "\u0328")
    )
