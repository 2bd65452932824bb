r"""Symbols of a section and the operators behind its steps -> LaTeX tables."""

from __future__ import annotations

from collections.abc import Mapping

from symsim.notation.layout import KINDS, SymbolRow
from symsim.publication.coefficients_latex import fitted_rows
from symsim.publication.section import Section
from symsim.render.latex_tables import breakable, setting, table


def symbols_section(section: Section) -> str:
    """Every symbol of all formulas, and what every step stands for."""
    fitted = section.costs.compiled.fitted
    apart = () if fitted is None else fitted_rows(section, fitted)
    every = [row for layout in section.sheets.values() for row in layout.symbols]
    rows: dict[str, SymbolRow] = {row.info.name: row for row in every if row.info.name not in apart}
    ordered = sorted(rows.values(), key=lambda row: (KINDS[row.info.kind], row.info.name))
    lines = [_symbol_row(row, section.point) for row in ordered]
    steps: dict[tuple[str, str], str] = {}
    for layout in section.sheets.values():
        for step in layout.steps:
            if step.op is not None:
                steps.setdefault((step.latex, step.op), str(step.origin))
    operators = [f"${latex}$ & {breakable(op)} & {breakable(line)}" for (latex, op), line in steps.items()]
    symbols = table(
        "Symbols, their values and where each is from.",
        "tab:symbols",
        (0.16, 0.31, 0.19, 0.26),
        ("symbol", "meaning [unit]", "value", "source"),
        lines,
    )
    return (
        "\\section{Symbols}\\label{sec:symbols}\nTable~\\ref{tab:symbols} has the symbols of all formulas,"
        " Table~\\ref{tab:steps} the operators behind their steps.\n"
        + symbols
        + "\n"
        + table(
            "Steps that are the time of one operator, with the line of the graph library that prices it.",
            "tab:steps",
            (0.2, 0.36, 0.36),
            ("step", "operator", "priced by"),
            operators,
        )
    )


def _symbol_row(row: SymbolRow, point: Mapping[str, int]) -> str:
    info = row.info
    unit = f" [{info.unit}]" if info.unit != "1" else ""
    if row.value is not None:
        source = row.source.origin if row.source.meaning == info.meaning else str(row.source)
        value, source = setting(float(row.value), info.unit), breakable(source)
    elif info.name in point:
        value, source = setting(point[info.name], info.unit), "chosen for the worked example"
    else:
        value, source = "", ""
    return f"${info.latex}$ & {breakable(info.meaning)}{unit} & {value} & {source}"
