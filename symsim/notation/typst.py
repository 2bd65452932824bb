"""Layout -> Typst: an aligned display of all steps, and tables of symbols and measurements."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from symsim.algebra.units import format_quantity
from symsim.notation.latex_article import equations, longer_prompts
from symsim.notation.layout import DIGITS, Layout
from symsim.notation.typst_math import typst_math, typst_prose

_LINE = 64.0
"""Letters that fit a line of an A4 page in 11 pt."""


def typst_text(layout: Layout) -> str:
    """A heading, the equations, and the symbols as a table; it compiles by itself and inside any document."""
    symbols = [
        (
            f"${typst_math(row.info.latex)}$",
            quoted(row.info.meaning),
            quoted(row.info.unit),
            "[]" if row.value is None else quoted(format_quantity(row.value, row.info.unit, DIGITS)),
            quoted(str(row.source)),
        )
        for row in layout.symbols
    ]
    tables = [(f"${typst_math(t.latex)}$", *map(quoted, (t.meaning, ", ".join(t.args), t.file))) for t in layout.tables]
    longer = longer_prompts(layout)
    parts = [
        f"== {layout.derivation.meaning[0].upper()}{layout.derivation.meaning[1:]}",
        f"#{quoted(layout.subject)}",
        typst_display(equations(layout, _LINE)),
        *([typst_prose(longer)] if longer else []),
        typst_table(("symbol", "meaning", "unit", "value", "source"), (1, 3, 1, 2, 3), symbols),
    ]
    if tables:
        parts.append(typst_table(("table", "meaning", "arguments", "file"), (1, 3, 3, 2), tables))
    return "\n\n".join(parts)


def typst_display(rows: Iterable[tuple[str, Sequence[str]]]) -> str:
    """Left sides and lines of right sides, in LaTeX -> a display that may break over pages."""
    lines = [f"  {typst_math(left)} &= " + " \\\n  & quad ".join(map(typst_math, right)) for left, right in rows]
    return "#[\n#show math.equation: set block(breakable: true)\n$ " + " \\\n".join(lines).lstrip() + " $\n]"


def typst_table(head: Sequence[str], shares: Sequence[float], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns have shares of the width; rows: of cells in code."""
    columns = ", ".join(f"{share}fr" for share in shares)
    titles = ", ".join(f"[*{title}*]" for title in head)
    body = "\n".join(f"  {', '.join(row)}," for row in rows)
    style = "stroke: none, inset: (x: 3pt, y: 3pt), align: left"
    return f"#table(\n  columns: ({columns}), {style},\n  table.header({titles}), table.hline(),\n{body}\n)"


def quoted(text: str) -> str:
    """Text as a Typst string, which no character of it can end."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
