"""How results show themselves at a prompt and in a notebook: one line, or a small table."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

_LONGEST = 240
"""Characters of one line at the most."""


def one_line(value: object, facts: str) -> str:
    """What a value is, in one line.

    >>> one_line(3, "less\\nthan four")
    '<int: less than four>'
    """
    text = f"{type(value).__name__}: {' '.join(facts.split())}"
    return f"<{text if len(text) <= _LONGEST else text[: _LONGEST - 3] + '...'}>"


def html_table(title: str, rows: Mapping[str, object]) -> str:
    """A title over rows of a name and a value.

    >>> html_table("a < b", {"a": 1})
    '<table><caption>a &lt; b</caption><tr><th>a</th><td>1</td></tr></table>'
    """
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in rows.items())
    return f"<table><caption>{escape(title)}</caption>{cells}</table>"
