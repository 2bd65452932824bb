"""Where two arms of a metric cross, as people read it."""

from __future__ import annotations

from sympy import Expr

from symsim.formula.closed_form import ClosedForm
from symsim.notation.latex import expression_latex
from symsim.notation.layout import laid_out
from symsim.notation.text import expression_text


def crossing_text(form: ClosedForm, found: Expr) -> tuple[str, str]:
    """A crossing as text and as LaTeX."""
    printed = laid_out(form, "symbolic", "")
    return expression_text(found, "", printed), expression_latex(found, printed)
