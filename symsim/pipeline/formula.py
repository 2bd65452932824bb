"""Formula: the public face of a metric in closed form. Evaluate it, compile it, print it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sympy import Expr

from symsim.algebra.symbols import SymbolInfo
from symsim.formula.closed_form import ClosedForm, Level
from symsim.formula.numba_backend import numba_function
from symsim.notation.c_js_excel import c_function, excel_formula, javascript_function
from symsim.notation.document import formula_json
from symsim.notation.latex import latex_text
from symsim.notation.layout import Layout, laid_out
from symsim.notation.markdown import markdown_text
from symsim.notation.mathml import mathml_text
from symsim.notation.python import python_module
from symsim.notation.text import plain_text
from symsim.notation.typst import typst_text


@dataclass(frozen=True, eq=False)
class Formula:
    """A metric in closed form, with the numbers of one model, device and deployment behind its symbols.

    Values are SI: seconds, bytes, tokens per second.  subject: what it is the metric of, in words; origin: the words of
    the command line that say the same, empty where no command derives it.
    """

    form: ClosedForm
    subject: str
    origin: str = ""

    @property
    def name(self) -> str:
        """tpot, ttft, tgs_decode, tgs_prefill, memory or max_batch."""
        return self.form.name

    @property
    def unit(self) -> str:
        """SI unit of the value: s, B, tokens/s or 1."""
        return self.form.unit

    @property
    def expr(self) -> Expr:
        """The whole formula as one sympy expression in all its symbols; tables stay applied functions."""
        return self.form.expr

    @property
    def symbols(self) -> Mapping[str, SymbolInfo]:
        """Name -> unit, meaning and LaTeX of every symbol of `expr`."""
        return self.form.symbols

    def evaluate(self, **values: float) -> float:
        """The value at a workload point, e.g. B=64, S=4096, O=2048; other symbols may be overridden the same way.

        Raises SymsimError for an unknown or missing symbol, EmptyTable where a measured row cannot be used.
        """
        return self.form.evaluate(**values)

    def function(self, names: Sequence[str], backend: Literal["numpy", "numba"] = "numpy") -> Callable[..., Any]:
        """A vectorised function of the named symbols in that order, broadcasting as NumPy does.

        Points where a measured row cannot be used give NaN.  backend="numba" needs the `compiled` extra.
        """
        return numba_function(self.form, names) if backend == "numba" else self.form.function(names)

    def layout(self, level: Level) -> Layout:
        """The formula laid out for printing at a level of detail."""
        return laid_out(self.form, level, self.subject, self.origin)

    def to_text(self, level: Level = "model") -> str:
        """Plain text: the metric, its named steps, and what every symbol stands for."""
        return plain_text(self.layout(level))

    def to_latex(self, level: Level = "model") -> str:
        """LaTeX for an amsmath article: equations in named steps and a table of symbols."""
        return latex_text(self.layout(level))

    def to_markdown(self, level: Level = "model") -> str:
        """Markdown with math between dollar signs."""
        return markdown_text(self.layout(level))

    def to_mathml(self, level: Level = "model") -> str:
        """MathML in a section of HTML, with a table of symbols; needs the `mathml` extra."""
        return mathml_text(self.layout(level))

    def to_typst(self, level: Level = "model") -> str:
        """Typst math with a table of symbols."""
        return typst_text(self.layout(level))

    def to_json(self, level: Level = "model") -> dict[str, Any]:
        """A JSON-ready document of all steps, symbols and tables."""
        return formula_json(self.layout(level))

    def to_python(self) -> str:
        """A module that needs only the standard library; its last function is named after the metric."""
        return python_module(self.form, self.subject)

    def to_c(self) -> str:
        """C99 source of one function of the workload symbols; it needs <math.h> only."""
        return c_function(self.form, self.subject)

    def to_javascript(self) -> str:
        """JavaScript source of one function that takes the workload symbols as an object."""
        return javascript_function(self.form, self.subject)

    def to_excel(self, cells: Mapping[str, str] | None = None) -> str:
        """A cell formula. cells: symbol -> the cell that holds it (A1, B1, ... by default)."""
        return excel_formula(self.form, cells)
