"""Every notation that a formula is printed in, by the name that `--format` and the methods of Formula share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from symsim.errors import SymsimError, did_you_mean
from symsim.formula.closed_form import ClosedForm, Level
from symsim.notation.c_excel import c_function, excel_formula
from symsim.notation.document import formula_json
from symsim.notation.javascript import javascript_function
from symsim.notation.latex_article import latex_text
from symsim.notation.layout import laid_out
from symsim.notation.markdown import markdown_text
from symsim.notation.mathml import mathml_text
from symsim.notation.python import python_module
from symsim.notation.text import plain_text
from symsim.notation.typst import typst_text

_PRINTED = {
    "text": plain_text,
    "latex": latex_text,
    "markdown": markdown_text,
    "mathml": mathml_text,
    "typst": typst_text,
    "json": lambda layout: json.dumps(formula_json(layout), indent=2, ensure_ascii=False),
}
"""Mathematics, at a level of detail."""

_PROGRAMS: Mapping[str, Callable[[ClosedForm], str]] = {
    "python": lambda form: python_module(form, form.subject),
    "c": lambda form: c_function(form, form.subject),
    "javascript": lambda form: javascript_function(form, form.subject),
    "excel": excel_formula,
}
"""Programs of the workload symbols, in which every other number is put in."""

NOTATIONS = (*_PRINTED, *_PROGRAMS)
"""What --format takes."""


def written(form: ClosedForm, notation: str, level: Level = "model") -> str:
    """A formula in one notation; level: of mathematics. Raises SymsimError for a notation that is not there."""
    if notation in _PROGRAMS:
        return _PROGRAMS[notation](form)
    if notation not in _PRINTED:
        raise SymsimError(f"there is no notation {notation}; {did_you_mean(notation, NOTATIONS)}")
    return _PRINTED[notation](laid_out(form, level, form.subject, form.origin))
