"""Sheet -> Markdown with math between dollar signs, and tables of symbols and measurements."""

from __future__ import annotations

from symsim.render.latex import equations
from symsim.sheet import Sheet
from symsim.units import format_quantity


def markdown_text(sheet: Sheet) -> str:
    """A heading, the equations as one aligned display, and the symbols as a table."""
    rows = [f"{left} &= " + " \\\\\n&\\quad ".join(lines) for left, lines in equations(sheet)]
    parts = [
        f"### {sheet.derivation.meaning}",
        sheet.subject,
        "$$\n\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}\n$$",
        _table(
            ("symbol", "meaning", "unit", "value", "source"),
            [
                (
                    f"${row.info.latex}$",
                    row.info.meaning,
                    row.info.unit,
                    "" if row.value is None else format_quantity(row.value, row.info.unit, 6),
                    row.source,
                )
                for row in sheet.symbols
            ],
        ),
    ]
    if sheet.tables:
        rows_of_tables = [(f"${t.latex}$", t.meaning, ", ".join(t.args), t.file) for t in sheet.tables]
        parts.append(_table(("table", "meaning", "arguments", "file"), rows_of_tables))
    return "\n\n".join(parts)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)
