"""Steps of pipeline stages: how that of one is told apart, and the largest or smallest of all."""

from __future__ import annotations

import sympy
from sympy import Expr


def of_all_stages(which: str, stages: list[Expr]) -> Expr:
    """The largest or the smallest over pipeline stages; each Max binary and unevaluated (sympy is slow on more)."""
    chosen = stages[0]
    for other in stages[1:]:
        chosen = (sympy.Max if which == "max" else sympy.Min)(chosen, other, evaluate=False)
    return chosen


def stage_meaning(meaning: str, suffix: str) -> str:
    """What a step stands for. suffix: `_stage1` of the step of that stage, or nothing."""
    return f"{meaning}, pipeline stage {suffix.removeprefix('_stage')}" if suffix else meaning


def stage_mark(suffix: str) -> str:
    """What tells a stage apart in LaTeX."""
    return f"\\,{suffix.removeprefix('_')}" if suffix else ""
