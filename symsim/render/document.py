"""Sheet -> one JSON-ready document: every step with its expression, LaTeX, operator and source."""

from __future__ import annotations

from typing import Any

from sympy.printing.str import sstr

from symsim.render.latex import equations
from symsim.sheet import Sheet


def formula_json(sheet: Sheet) -> dict[str, Any]:
    """Steps from the metric down; values are exact SI numbers as floats at full precision."""
    latex = {left: " ".join(lines) for left, lines in equations(sheet)}
    steps = [
        {
            "name": step.symbol.name,
            "expression": sstr(step.expr),
            "latex": f"{step.latex} = {latex[step.latex]}",
            "unit": step.unit,
            "meaning": step.meaning,
            "operator": step.op,
            "graph_line": step.origin,
            "config_keys": sheet.reads[step.symbol.name],
        }
        for step in sheet.steps
    ]
    symbols = [
        {
            "name": row.info.name,
            "unit": row.info.unit,
            "meaning": row.info.meaning,
            "latex": row.info.latex,
            "value": None if row.value is None else float(row.value),
            "source": row.source,
        }
        for row in sheet.symbols
    ]
    tables = [{"function": t.function, "arguments": t.args, "file": t.file, "source": t.source} for t in sheet.tables]
    return {
        "metric": sheet.derivation.name,
        "meaning": sheet.derivation.meaning,
        "unit": sheet.derivation.result.unit,
        "subject": sheet.subject,
        "level": sheet.level,
        "expression": sstr(sheet.derivation.inlined()),
        "holds_for": sheet.conditions,
        "steps": steps,
        "symbols": symbols,
        "tables": tables,
        "in_place_of_tables": sheet.stand_ins,
    }
