r"""Tables, and text in their cells, for LaTeX articles."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from math import ceil

from symsim.algebra.units import format_quantity
from symsim.notation.escaping import escaped
from symsim.notation.latex import grouped, quantity
from symsim.notation.line_width import width


def setting(value: float, unit: str) -> str:
    """A value in text, with its unit."""
    if unit in ("1", "tokens"):
        text = format_quantity(value, "1", 6)
        return f"${grouped(text)}$" if text.isdigit() else f"${text}$"
    return f"${quantity(value, unit)}$"


FULL = 40
"""Lines of text that a table has on one page; longer ones go on in further tables."""

RULE = "\\hline\\noalign{\\smallskip}"
"""A line below the titles of columns, which letters do not touch."""

LINE = 105
"""Letters of a line of a table over the width of a page."""


def tabular(head: Sequence[str], rows: Sequence[Sequence[str]], right: int = 0) -> str:
    """A small table without a caption; right: how many of the last columns are numbers, in LaTeX already."""
    left = len(head) - right
    lines = [" & ".join([*map(escaped, row[:left]), *row[left:]]) + " \\\\" for row in rows]
    first = " & ".join(map(escaped, head)) + f" \\\\ {RULE}"
    return "\n".join((f"\\begin{{tabular}}{{{'l' * left}{'r' * right}}}", first, *lines, "\\end{tabular}"))


def table(
    caption: str, label: str, widths: Sequence[float], head: Sequence[str], rows: Sequence[str], line: float = LINE
) -> str:
    """A table where it stands, or several where it is longer than a page; columns are shares of the line, of so many
    letters."""
    columns = _columns(widths)
    tables = [
        _captioned(
            f"{caption}\\label{{{label}}}" if i == 0 else f"Table~\\ref{{{label}}}, continued.", columns, head, part
        )
        for i, part in enumerate(_pages(rows, [share * line for share in widths]))
    ]
    return "\n".join(
        f"\\par\\medskip\\noindent\\begin{{minipage}}{{\\linewidth}}\n\\makeatletter\\def\\@captype{{table}}\\makeatother\n"
        f"{one}\n\\end{{minipage}}\\par\\medskip"
        for one in tables
    )


def floating_table(caption: str, label: str, widths: Sequence[float], head: Sequence[str], rows: Sequence[str]) -> str:
    """A table that a class places; columns are shares of the line."""
    whole = _captioned(f"{caption}\\label{{{label}}}", _columns(widths), head, rows)
    return f"\\begin{{table}}[!htbp]\n{whole}\n\\end{{table}}"


def _columns(widths: Sequence[float]) -> str:
    return "".join(f">{{\\raggedright\\arraybackslash}}p{{{share}\\linewidth}}" for share in widths)


def _captioned(caption: str, columns: str, head: Sequence[str], rows: Sequence[str]) -> str:
    body = " \\\\\n".join((" & ".join(head) + f" \\\\ {RULE}\n" + rows[0], *rows[1:]) if rows else (" & ".join(head),))
    return f"""\\caption{{{caption}}}
\\footnotesize\\setlength{{\\tabcolsep}}{{3pt}}\\renewcommand{{\\arraystretch}}{{1.1}}\\sloppy
\\begin{{tabular}}{{@{{}}{columns}@{{}}}}
{body}
\\end{{tabular}}"""


def _pages(rows: Sequence[str], letters: Sequence[float]) -> Iterator[Sequence[str]]:
    """Rows as many as fit a page."""
    page: list[str] = []
    used = 0.0
    for row in rows:
        high = max(ceil(width(_plain(cell)) / room) for cell, room in zip(row.split(" & "), letters, strict=False))
        if page and used + high > FULL:
            yield page
            page, used = [], 0.0
        page.append(row)
        used += high
    yield page


def _plain(cell: str) -> str:
    return cell.replace("\\allowbreak{}", "").replace(" ", "x")


def breakable(text: str) -> str:
    """Text whose paths and long names may break over lines."""
    return "\\allowbreak{}".join(map(escaped, re.split(r"(?<=[/_.,:=\-])(?=[A-Za-z0-9])", text)))
