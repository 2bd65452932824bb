"""Layout -> LaTeX that compiles in an amsmath article: aligned equations in named steps, and a table of symbols."""

from __future__ import annotations

from collections.abc import Sequence

from sympy import Expr

from symsim.algebra.units import format_quantity
from symsim.notation.cut import cut_latex
from symsim.notation.escaping import escaped
from symsim.notation.latex import expression_latex
from symsim.notation.latex_lines import BRACKET, Lines
from symsim.notation.layout import ROUNDED, Layout
from symsim.notation.line_width import FULL_LINE, NUMBER, SMALL_LINE, beside

END_MARK = "end of what symsim derived"
"""Closes what a comment with a command opens."""


def equations(layout: Layout, line: float = FULL_LINE) -> list[tuple[str, list[str]]]:
    """Left side and lines of the right side of every step, from the metric down."""
    room = beside([step.latex for step in layout.steps], line)
    return [(step.latex, Lines(layout, step.unit).of(step.expr, room)) for step in layout.steps]


def latex_text(layout: Layout) -> str:
    """An `align*` of all steps and a `tabular` of symbols, for an article that loads amsmath."""
    return "\n".join(part for part in (derivation_latex(layout), longer_prompts(layout), _symbol_table(layout)) if part)


def longer_prompts(layout: Layout) -> str:
    """A paragraph on prompts that are longer than an iteration; empty where none is cut into chunks."""
    found = None if layout.cut is None else cut_latex(layout.cut, lambda expr: expression_latex(expr, layout))
    return "" if found is None else f"\\par{{\\sloppy\\noindent {found}\\par}}"


def numbered_latex(layout: Layout, label: str, below: Sequence[tuple[str, Expr]] = ()) -> str:
    """The equations in an `align` whose first line is numbered and labelled, with the same marks. below: left sides in
    LaTeX and what they are, in seconds, for a display of their own."""
    rows: list[str] = []
    for left, lines in equations(layout, SMALL_LINE - NUMBER):
        first, *more = lines
        tag = "\\notag" if rows else f"\\label{{{label}}}"
        rows += [f"  {left} &= {first} {tag}", *(f"  &\\quad {line} \\notag" for line in more)]
    body = " \\\\\n".join(rows)
    aligned = f"\\begin{{align}}\n{body}\n\\end{{align}}"
    whole = "\n".join([aligned, _defined(layout, below)] if below else [aligned])
    marked = f"% {layout.origin}\n{whole}\n% {END_MARK}" if layout.origin else whole
    return f"\\begingroup\\allowdisplaybreaks\\small\n{marked}\n\\endgroup"


def _defined(layout: Layout, below: Sequence[tuple[str, Expr]]) -> str:
    """Each left side on a line of its own: those of functions are wide."""
    rows = list[str]()
    for left, expr in below:
        first, *others = Lines(layout, "s").of(expr, SMALL_LINE - 2 * BRACKET)
        rows += [f"  &{left} =", f"  &\\quad {first}", *(f"  &\\quad\\quad {line}" for line in others)]
    body = " \\\\\n".join(rows)
    return f"\\begin{{align*}}\n{body}\n\\end{{align*}}"


def derivation_latex(layout: Layout) -> str:
    """The `align*` alone, marked with the command that derives it, so that `symsim verify` can check it."""
    rows = [f"  {left} &= " + " \\\\\n  &\\quad ".join(lines) + " \\\\" for left, lines in equations(layout)]
    body = "\n".join(rows).removesuffix(" \\\\")
    head = f"% {layout.derivation.meaning} of {layout.subject}"
    head += f"\n% {ROUNDED}" if layout.level == "numeric" else ""
    aligned = f"\\begin{{align*}}\n{body}\n\\end{{align*}}"
    marked = f"% {layout.origin}\n{aligned}\n% {END_MARK}" if layout.origin else aligned
    return f"{head}\n\\begingroup\\allowdisplaybreaks\n{marked}\n\\endgroup"


def _symbol_table(layout: Layout) -> str:
    lines: list[str] = []
    for row in layout.symbols:
        value = "" if row.value is None else escaped(format_quantity(row.value, row.info.unit, 6))
        unit = f" [{row.info.unit}]" if not value and row.info.unit != "1" else ""
        lines.append(f"${row.info.latex}$ & {escaped(row.info.meaning)}{unit} & {value} \\\\")
    for table in layout.tables:
        arguments = escaped(", ".join(table.args).replace("_", " "))
        lines.append(f"${table.latex}$ & {escaped(table.meaning)}, of {arguments} & measured \\\\")
    tables = [_tabular(lines[start : start + _ROWS]) for start in range(0, len(lines), _ROWS)]
    return "\n\n".join(tables)


def _tabular(rows: Sequence[str]) -> str:
    head = "\\begin{tabular}{@{}lp{0.55\\linewidth}l@{}}\nsymbol & meaning & value \\\\ \\hline\\noalign{\\smallskip}"
    return "\n".join([head, *rows, "\\end{tabular}"])


_ROWS = 36
"""Rows of a table that fit a page, some of them of two lines."""
