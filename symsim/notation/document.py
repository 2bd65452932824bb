"""Sheet -> one JSON-ready document: every step with its expression, LaTeX, operator and source."""

from __future__ import annotations

from typing import Any

from symsim.algebra.powers import plain
from symsim.notation.cut import Cut
from symsim.notation.latex_article import equations
from symsim.notation.layout import Layout


def formula_json(layout: Layout) -> dict[str, Any]:
    """Steps from the metric down; values are exact SI numbers as floats at full precision."""
    cut = layout.cut
    latex = {left: " ".join(lines) for left, lines in equations(layout)}
    steps = [
        {
            "name": step.symbol.name,
            "expression": plain(step.expr),
            "latex": f"{step.latex} = {latex[step.latex]}",
            "unit": step.unit,
            "meaning": step.meaning,
            "operator": step.op,
            "graph_line": step.origin,
            "config_keys": layout.reads[step.symbol.name],
        }
        for step in layout.steps
    ]
    symbols = [
        {
            "name": row.info.name,
            "unit": row.info.unit,
            "meaning": row.info.meaning,
            "latex": row.info.latex,
            "value": None if row.value is None else float(row.value),
            "source": str(row.source),
        }
        for row in layout.symbols
    ]
    tables = [{"function": t.function, "arguments": t.args, "file": t.file, "source": t.source} for t in layout.tables]
    return {
        "metric": layout.derivation.name,
        "meaning": layout.derivation.meaning,
        "unit": layout.derivation.result.unit,
        "subject": layout.subject,
        "level": layout.level,
        "expression": plain(layout.derivation.inlined()),
        "holds_for": layout.conditions,
        "longer_prompts": None if cut is None else _longer_prompts(cut),
        "steps": steps,
        "symbols": symbols,
        "tables": tables,
        "in_place_of_tables": layout.stand_ins,
    }


def _longer_prompts(cut: Cut) -> dict[str, Any]:
    """What holds where a prompt is cut into chunks: the sum of metric `chunk` over i = 0 ... chunks - 1."""
    return {
        "longer_than": plain(cut.fitting),
        "chunks": plain(cut.count),
        "sum_of": "chunk",
        "T": plain(cut.tokens),
        "past": plain(cut.before),
        "sum": cut.total.symbol.name,
        "then": [{"name": step.symbol.name, "expression": plain(step.expr)} for step in cut.then],
    }
