"""Sheet -> Markdown with math between dollar signs, and tables of symbols and measurements."""

from __future__ import annotations

import re

from symsim.algebra.units import format_quantity
from symsim.errors import printable
from symsim.notation.cut import cut_latex
from symsim.notation.latex import expression_latex
from symsim.notation.latex_article import equations
from symsim.notation.layout import Layout


def markdown_text(layout: Layout) -> str:
    """A heading, the equations as one aligned display, and the symbols as a table."""
    cut = layout.cut
    rows = [f"{left} &= " + " \\\\\n&\\quad ".join(lines) for left, lines in equations(layout)]
    parts = [
        f"### {layout.derivation.meaning}",
        _escaped(layout.subject),
        "$$\n\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}\n$$",
        *([] if cut is None else [cut_latex(cut, lambda expr: expression_latex(expr, layout))]),
        _table(
            ("symbol", "meaning", "unit", "value", "source"),
            [
                (
                    f"${row.info.latex}$",
                    _escaped(row.info.meaning),
                    row.info.unit,
                    "" if row.value is None else format_quantity(row.value, row.info.unit, 6),
                    _escaped(str(row.source)),
                )
                for row in layout.symbols
            ],
        ),
    ]
    if layout.tables:
        rows_of_tables = [
            (f"${t.latex}$", *map(_escaped, (t.meaning, ", ".join(t.args), t.file))) for t in layout.tables
        ]
        parts.append(_table(("table", "meaning", "arguments", "file"), rows_of_tables))
    return "\n\n".join(parts)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)


def _escaped(text: str) -> str:
    """Plain text that Markdown shows as it stands: what would begin HTML, math, code, a link or stress is an entity."""
    return re.sub(r"[\\`*<>&$|~\[\]]|(?<!\w)_|_(?!\w)", lambda found: f"&#{ord(found.group())};", printable(text))
