"""Sheet -> MathML in HTML: what an author pastes into a page. Converted from the printed LaTeX by latex2mathml."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from symsim.algebra.units import format_quantity
from symsim.inputs.extras import load_extra
from symsim.notation.cut import cut_latex
from symsim.notation.latex import expression_latex
from symsim.notation.latex_lines import Lines
from symsim.notation.layout import Layout

MATHML = "http://www.w3.org/1998/Math/MathML"


def mathml_text(layout: Layout) -> str:
    """A section of HTML: a heading, one block of MathML with a row for each step, and tables of symbols and tables.

    Raises SymsimError without the `mathml` extra.
    """
    convert = _converter()
    rows = "\n".join(
        f'<mtr><mtd style="text-align: left">{convert(step.latex)}</mtd><mtd><mo>=</mo></mtd>'
        f'<mtd style="text-align: left">{convert(_whole(layout, step.expr, step.unit))}</mtd></mtr>'
        for step in layout.steps
    )
    block = (
        f'<math xmlns="{MATHML}" display="block">\n<mtable columnspacing="0.3em" rowspacing="0.7em"'
        f' displaystyle="true">\n{rows}\n</mtable>\n</math>'
    )
    symbols = _symbols(layout, convert)
    tables = [
        (_inline(convert, t.latex), escape(t.meaning), escape(", ".join(t.args)), escape(t.file)) for t in layout.tables
    ]
    parts = [
        "<section>",
        f"<h2>{escape(layout.derivation.meaning)}</h2>",
        f"<p>{escape(layout.subject)}</p>",
        block,
        _longer_prompts(layout, convert),
        _table(("symbol", "meaning", "unit", "value", "source"), symbols),
        _table(("table", "meaning", "arguments", "file"), tables) if tables else "",
        "</section>",
    ]
    return "\n".join(part for part in parts if part)


def _longer_prompts(layout: Layout, convert: Callable[[str], str]) -> str:
    """A paragraph on prompts that are longer than an iteration; empty where none is cut into chunks."""
    if layout.cut is None:
        return ""
    text = cut_latex(layout.cut, lambda expr: expression_latex(expr, layout))
    words = [_inline(convert, part) if i % 2 else escape(part) for i, part in enumerate(text.split("$"))]
    return f"<p>{''.join(words)}</p>"


def html_page(sheets: Sequence[Layout], note: str) -> str:
    """A self-contained page of several formulas. note: a comment at its head."""
    body = "\n".join(map(mathml_text, sheets))
    title = escape(sheets[0].subject)
    style = (
        "body{font-family:serif;margin:2em auto;max-width:70em;line-height:1.4}"
        "math[display=block]{overflow-x:auto;margin:1em 0;padding:.5em 0}"
        "table{border-collapse:collapse;margin:1em 0}"
        "th,td{text-align:left;vertical-align:top;padding:.15em .8em .15em 0}th{border-bottom:1px solid}"
    )
    head = f'<meta charset="utf-8"/>\n<title>{title}</title>\n<style>{style}</style>'
    page = f'<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>'
    return f"<!DOCTYPE html>\n<!-- {note} -->\n{page}\n"


def _whole(layout: Layout, expr: Any, unit: str) -> str:
    """On one line: a page scrolls where a paper breaks."""
    return Lines(layout, unit).of(expr, float("inf"))[0]


def _converter() -> Callable[[str], str]:
    """LaTeX -> the content of a math element."""
    convert = load_extra("latex2mathml.converter", "mathml", "MathML needs").convert

    def content(latex: str) -> str:
        found = re.fullmatch(r"<math[^>]*>(.*)</math>", convert(latex), re.DOTALL)
        return found.group(1) if found else ""

    return content


def _inline(convert: Callable[[str], str], latex: str) -> str:
    return f'<math xmlns="{MATHML}">{convert(latex)}</math>'


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    titles = "".join(f"<th>{cell}</th>" for cell in head)
    lines = "\n".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table>\n<thead><tr>{titles}</tr></thead>\n<tbody>\n{lines}\n</tbody>\n</table>"


def step_rows(layout: Layout) -> list[tuple[str, str, str]]:
    """Every step as (name, MathML of its symbol, MathML of what it is), the metric first.

    Raises SymsimError without the `mathml` extra.
    """
    convert = _converter()
    return [
        (
            step.symbol.name,
            _inline(convert, step.latex),
            _inline(convert, _whole(layout, step.expr, step.unit)).replace("<math ", '<math displaystyle="true" ', 1),
        )
        for step in layout.steps
    ]


def symbol_table(layout: Layout) -> str:
    """The table of a formula's symbols: what each stands for, its value and where that is from."""
    convert = _converter()
    return _table(("symbol", "meaning", "unit", "value", "source"), _symbols(layout, convert))


def _symbols(layout: Layout, convert: Callable[[str], str]) -> list[tuple[str, ...]]:
    return [
        (
            _inline(convert, row.info.latex),
            escape(row.info.meaning),
            escape(row.info.unit),
            "" if row.value is None else escape(format_quantity(row.value, row.info.unit, 6)),
            escape(str(row.source)),
        )
        for row in layout.symbols
    ]
