"""An expression together with the names that it is printed with: results hold these, and print when they are asked."""

from __future__ import annotations

from dataclasses import dataclass

from sympy import Expr

from symsim.notation.latex import expression_latex
from symsim.notation.layout import Layout
from symsim.notation.text import expression_text


@dataclass(frozen=True, slots=True)
class Written:
    """unit: of the expression's value, which decides how lone numbers in it are printed."""

    expr: Expr
    layout: Layout
    unit: str = ""

    @property
    def text(self) -> str:
        return expression_text(self.expr, self.unit, self.layout)

    @property
    def latex(self) -> str:
        return expression_latex(self.expr, self.layout)
