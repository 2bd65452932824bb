r"""Tables over pages, and text in their cells, for LaTeX articles."""

from __future__ import annotations

import re
from collections.abc import Sequence

from symsim.algebra.units import format_quantity
from symsim.notation.latex import escaped, grouped, quantity


def setting(value: float, unit: str) -> str:
    """A value in text, with its unit."""
    if unit in ("1", "tokens"):
        text = format_quantity(value, "1", 6)
        return f"${grouped(text)}$" if text.isdigit() else f"${text}$"
    return f"${quantity(value, unit)}$"


def table(caption: str, label: str, widths: Sequence[float], head: Sequence[str], rows: Sequence[str]) -> str:
    """A table over pages; columns are shares of the line."""
    columns = "".join(f">{{\\raggedright\\arraybackslash}}p{{{share}\\linewidth}}" for share in widths)
    title = " & ".join(head) + " \\\\ \\hline"
    body = " \\\\\n".join(rows)
    return f"""\\begingroup\\small\\setlength{{\\tabcolsep}}{{3pt}}\\renewcommand{{\\arraystretch}}{{1.1}}\\sloppy
\\begin{{longtable}}{{@{{}}{columns}@{{}}}}
\\caption{{{caption}}}\\label{{{label}}}\\\\
{title}
\\endfirsthead
{title}
\\endhead
{body}
\\end{{longtable}}
\\endgroup"""


def breakable(text: str) -> str:
    """Text whose paths and long names may break over lines."""
    return "\\allowbreak{}".join(map(escaped, re.split(r"(?<=[/_.,:=\-])(?=[A-Za-z0-9])", text)))
