r"""Section -> LaTeX, short: each metric as one display of few named terms, and a table of the symbols that occur."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import sympy
from sympy import Expr, Symbol

from symsim.algebra.symbols import WORKLOAD, substitute, symbol_info
from symsim.cost.derivation import Step
from symsim.notation.latex import expression_latex, grouped
from symsim.notation.latex_lines import Lines, filled_lines
from symsim.notation.layout import KINDS, Layout, SymbolRow
from symsim.notation.line_width import NARROW_LINE, NUMBER, beside
from symsim.notation.terms import terms_latex
from symsim.publication.section import Section
from symsim.publication.short_form import TERMS, ShortForm, ShortTerm
from symsim.render.latex_tables import breakable, floating_table, setting

COLUMN_LINE = 36.0
"""Letters that fit a line of a page in two columns."""

SHARES, HEAD = (0.19, 0.5, 0.25), ("sign", "meaning", "value")
"""Columns of the table of symbols: shares of the line, and titles."""

PREFILL = "t^{\\mathrm{p}}"
"""What times of the prefill phase are called, whose operators are those of the decode phase."""


def displays(section: Section) -> list[str]:
    """A numbered display for each metric."""
    return [_display(name, rows) for name, rows in display_rows(section).items()]


def display_rows(section: Section) -> Mapping[str, list[tuple[str, list[str]]]]:
    """Metric -> left sides, and the lines of their right sides."""
    return {name: _rows(form, section.printed[name], section.columns) for name, form in section.short.items()}


def _rows(form: ShortForm, layout: Layout, columns: int) -> list[tuple[str, list[str]]]:
    lefts = [_sign(form, term) for term in form.terms] or [form.result.latex, *(step.latex for step in _parts(form))]
    room = beside(lefts, (COLUMN_LINE if columns == 2 else NARROW_LINE) - NUMBER)
    return list(_equations(form, layout, room))


def _display(metric: str, equations: Sequence[tuple[str, list[str]]]) -> str:
    rows: list[str] = []
    for left, lines in equations:
        first, *more = lines
        tag = "\\notag" if rows else f"\\label{{eq:{metric.replace('_', '-')}-short}}"
        rows += [f"  {left} &= {first} {tag}", *(f"  &\\quad {line} \\notag" for line in more)]
    body = " \\\\\n".join(rows)
    return f"\\begin{{align}}\n{body}\n\\end{{align}}"


def _equations(form: ShortForm, layout: Layout, budget: float) -> Iterator[tuple[str, list[str]]]:
    left = form.result.latex
    if not form.terms:
        yield left, Lines(layout, form.result.unit).of(form.result.expr, budget)
        for step in _parts(form):
            yield step.latex, Lines(layout, step.unit).of(step.expr, budget)
        return
    names = [_sign(form, term) for term in form.terms]
    yield left, filled_lines([[name] for name in names], budget, _added)
    for term, name in zip(form.terms, names, strict=True):
        yield name, _term_lines(form, term, layout, budget)


def _term_lines(form: ShortForm, term: ShortTerm, layout: Layout, budget: float) -> list[str]:
    if term.closed is not None:
        parts = list(_fractions(term.closed, layout))
        return filled_lines([[part] for part in parts], budget, _added)
    by_count: dict[Expr, list[str]] = {}
    for part in sympy.Add.make_args(term.sum):
        number, rest = part.as_coeff_Mul()
        printed = expression_latex(rest, layout)
        by_count.setdefault(number, []).append(
            printed.replace("t_{", PREFILL + "_{") if form.metric == "ttft" else printed
        )
    return filled_lines([_times(count, signs, budget) for count, signs in by_count.items()], budget, _added)


def _times(count: Expr, signs: list[str], budget: float) -> list[str]:
    """A number of times a sum, in lines."""
    number = "" if count == 1 else f"{grouped(str(count))}\\,"
    if len(signs) == 1 or not number:
        return filled_lines([[f"{number}{signs[0]}"], *([sign] for sign in signs[1:])], budget, _added)
    first, *more = filled_lines([[sign] for sign in signs], budget - 6, _added)
    lines = [f"{number}\\bigl({first}", *(f"\\quad {line}" for line in more)]
    return [*lines[:-1], f"{lines[-1]}\\bigr)"]


def _added(term: str) -> str:
    return term if term.startswith("-") else f"+ {term}"


def _fractions(expr: Expr, layout: Layout) -> Iterator[str]:
    """A sum with its terms over the same denominator as one fraction, with units on the numbers."""
    over: dict[Expr, list[Expr]] = {}
    for term in sympy.Add.make_args(expr):
        above, below = sympy.fraction(term)
        number, below = below.as_coeff_Mul()
        over.setdefault(below, []).append(above / number)
    for below, parts in sorted(over.items(), key=lambda item: len(item[0].free_symbols), reverse=True):
        rates = [symbol_info(s.name).unit for s in below.free_symbols if isinstance(s, Symbol)]
        unit = next((rate.removesuffix("/s") for rate in rates if rate.endswith("/s")), "")
        whole = sympy.Add(*parts)
        above = terms_latex(whole, unit) if unit else expression_latex(whole, layout)
        yield above if below == 1 else f"\\frac{{{above}}}{{{expression_latex(below, layout)}}}"


def _sign(form: ShortForm, term: ShortTerm) -> str:
    return f"{PREFILL if form.metric == 'ttft' else 't'}_{{\\mathrm{{{term.name}}}}}"


def _parts(form: ShortForm) -> list[Step]:
    """Steps of the metric's first line that the workload changes, with their own steps put in."""
    inlined: dict[Expr, Expr] = {}
    for step in form.derivation.steps[:-1]:
        inlined[step.symbol] = substitute(step.expr, inlined)
    direct = [s for s in form.derivation.steps[:-1] if s.symbol in form.result.expr.free_symbols]
    moving = [s for s in direct if {str(free) for free in inlined[s.symbol].free_symbols} & {*WORKLOAD}]
    return [replace(s, expr=inlined[s.symbol]) for s in moving if s.symbol.name != "C"]


def _shown(form: ShortForm) -> set[str]:
    """Names of the symbols of a display."""
    if not form.terms:
        exprs = [form.result.expr, *(step.expr for step in _parts(form))]
    else:
        exprs = [term.sum if term.closed is None else term.closed for term in form.terms]
    return {s.name for expr in exprs for s in expr.free_symbols if isinstance(s, Symbol)}


def symbols(section: Section) -> str:
    """A table of them."""
    caption, lines = symbol_rows(section)
    return floating_table(caption, "tab:short", SHARES, HEAD, lines)


def symbol_rows(section: Section) -> tuple[str, list[str]]:
    """A caption; the terms with their values and shares, and every symbol that occurs."""
    lines = [line for form in section.short.values() for line in _term_rows(form)]
    rows: dict[str, SymbolRow] = {}
    for name, form in section.short.items():
        wanted = _shown(form) | ({"S", "O"} if "C" in _shown(form) else set())
        rows |= {row.info.name: row for row in section.printed[name].symbols if row.info.name in wanted}
        lines += [line for line in _step_rows(form, section.printed[name]) if line not in lines]
    ordered = sorted(rows.values(), key=lambda row: (KINDS[row.info.kind], row.info.name))
    lines += [_symbol_row(row, section) for row in ordered]
    named = {name for form in section.short.values() for name in form.values}
    point = ", ".join(f"${symbol_info(n).latex} = {grouped(str(v))}$" for n, v in section.point.items() if n in named)
    caption = f"Terms and symbols; values at {point}, shares of the metric."
    return caption, lines


def _term_rows(form: ShortForm) -> list[str]:
    phase = {"ttft": ", prefill"}.get(form.metric, "")
    meaning = breakable(form.derivation.meaning)
    whole = f"${form.result.latex}$ & {meaning} & {setting(form.value, form.result.unit)}"
    return [
        whole,
        *(
            f"${_sign(form, term)}$ & {TERMS[term.name]}{phase}"
            f" & {setting(term.value, 's')}, {100 * term.value / form.value:.0f}\\%"
            for term in form.terms
        ),
    ]


def _step_rows(form: ShortForm, layout: Layout) -> list[str]:
    """Steps whose number stands for them: C, and what a memory is made of."""
    wanted = _shown(form)
    steps = [s for s in form.derivation.steps[:-1] if s.symbol.name in wanted and s.op is None]
    texts = {s: f", ${expression_latex(s.expr, layout)}$" if s.symbol.name == "C" else "" for s in steps}
    return [
        f"${s.latex}$ & {breakable(s.meaning)}{text} & {setting(form.values[s.symbol.name], s.unit)}"
        for s, text in texts.items()
    ]


def _symbol_row(row: SymbolRow, section: Section) -> str:
    info = row.info
    value = section.point.get(info.name) if row.value is None else float(row.value)
    return f"${info.latex}$ & {breakable(info.meaning)} & {'' if value is None else setting(value, info.unit)}"
