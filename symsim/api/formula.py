"""Formula: the public face of a metric in closed form. Evaluate it, compile it, print it.

A method imports what it delegates to, as those of Costs do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sympy import Expr

from symsim.algebra.shown import one_line
from symsim.algebra.symbols import SymbolInfo
from symsim.formula.closed_form import ClosedForm, Level

if TYPE_CHECKING:
    from symsim.analysis.regimes import Regimes
    from symsim.analysis.sensitivity import Sensitivity
    from symsim.formula.scattered import Backend
    from symsim.notation.curve import Picture
    from symsim.notation.layout import Layout


@dataclass(frozen=True, eq=False, slots=True, repr=False)
class Formula:
    """A metric in closed form, with the numbers of one model, device and deployment behind its symbols.

    Values are SI: seconds, bytes, tokens per second.
    """

    form: ClosedForm

    def __repr__(self) -> str:
        symbols = ", ".join(name for name, info in self.symbols.items() if info.kind == "workload")
        return one_line(self, f"{self.name} [{self.unit}] in {symbols} of {self.subject}")

    def _repr_latex_(self) -> str:
        from symsim.notation.latex import expression_latex

        layout = self.layout("model")
        step = layout.derivation.result
        return f"$\\displaystyle {step.latex} = {expression_latex(step.expr, layout)}$"

    def __dir__(self) -> list[str]:
        return [name for name in object.__dir__(self) if not name.startswith("_")]

    @property
    def name(self) -> str:
        """As the table of metrics has it: tpot, ttft, memory, ..."""
        return self.form.name

    @property
    def unit(self) -> str:
        """SI unit of the value: s, B, tokens/s or 1."""
        return self.form.unit

    @property
    def subject(self) -> str:
        """What it is the metric of, in words."""
        return self.form.subject

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

        C, the mean context while decoding, may stand for S and O where only C enters.  A largest batch of 0 says that
        not one sequence fits.
        Raises SymsimError for a symbol that the metric does not have or that is missing, EmptyTable where a measured
        row cannot be used.
        """
        return self.form.for_inputs(values).evaluate(**values)

    __call__ = evaluate

    def regimes(self, variable: str, low: float | None = None, high: float | None = None, **at: float) -> Regimes:
        """The exact pieces along one symbol; see `symsim.regimes`."""
        from symsim.analysis.regimes import regimes_along

        return regimes_along(self.form, variable, low, high, **at)

    def sensitivities(self, names: Sequence[str] = (), **at: float) -> tuple[Sensitivity, ...]:
        """Every input of the metric, the one that moves it most first; see `symsim.sensitivities`."""
        from symsim.analysis.sensitivity import ranked_inputs

        return ranked_inputs(self.form, names, **at)

    def interval(self, level: float = 0.9, together: float = 1.0, **values: float) -> tuple[float, float] | None:
        """Between which values the metric is expected at a point (low, high), in `level` of all cases.

        together: the correlation of the errors of kernels; 1 adds up their ends, 0.3 is the tighter choice.

        None where nothing is known: only the cost model `calibrated` knows how far off kernels are. Raises as evaluate.
        """
        return self.form.for_inputs(values).interval(level, together, **values)

    def function(self, names: Sequence[str], backend: Backend = "numpy") -> Callable[..., Any]:
        """A vectorised function of the named symbols in that order, broadcasting as NumPy does.

        Points where a measured row cannot be used give NaN.  backend="numba" needs the `compiled` extra.
        Symbols are as in `evaluate`.
        """
        from symsim.formula.scattered import compiled_function

        return compiled_function(self.form.for_inputs(names), names, backend)

    def plot(self, variable: str, low: float | None = None, high: float | None = None, **at: float) -> Picture:
        """A picture of the metric along one symbol, with the band of its interval where it has one.

        low, high: as the symbol is usually looked at unless stated; at: the other symbols, over the usual workload.
        Needs the `plot` extra; a notebook shows it, `save` writes it. Raises as evaluate.
        """
        from symsim.notation.curve import drawn_along

        return drawn_along(self.form, variable, low, high, at)

    def explore(self, **chosen: float | tuple[float, float]) -> Any:
        """Sliders and a curve in a notebook: `formula.explore(B=(1, 512), S=4096)`; the curve is along the first range.

        Evaluated by the exported JavaScript; the widget's `values` are its sliders'. Needs the `notebook` extra.
        """
        from symsim.notation.explorer import explorer

        return explorer(self.form, chosen)

    def layout(self, level: Level) -> Layout:
        """The formula laid out for printing at a level of detail."""
        from symsim.notation.layout import laid_out

        return laid_out(self.form, level, self.subject, self.form.origin)

    def to_text(self, level: Level = "model", width: int | None = None) -> str:
        """Plain text: the metric, its named steps, and what every symbol stands for.

        width: columns that no line is to be wider than, as of a screen; None for lines as long as they are.
        """
        from symsim.notation.text import plain_text

        return plain_text(self.layout(level), width)

    def _written(self, notation: str, level: Level = "model") -> str:
        from symsim.notation.notations import written

        return written(self.form, notation, level)

    def to_latex(self, level: Level = "model") -> str:
        """LaTeX for an amsmath article: equations in named steps and a table of symbols."""
        return self._written("latex", level)

    def to_markdown(self, level: Level = "model") -> str:
        """Markdown with math between dollar signs."""
        return self._written("markdown", level)

    def to_mathml(self, level: Level = "model") -> str:
        """MathML in a section of HTML, with a table of symbols; needs the `mathml` extra."""
        return self._written("mathml", level)

    def to_typst(self, level: Level = "model") -> str:
        """Typst math with a table of symbols."""
        return self._written("typst", level)

    def to_json(self, level: Level = "model") -> dict[str, Any]:
        """A JSON-ready document of all steps, symbols and tables."""
        from symsim.notation.document import formula_json

        return formula_json(self.layout(level))

    def to_python(self) -> str:
        """A module that needs only the standard library; its last function is named after the metric."""
        return self._written("python")

    def to_c(self) -> str:
        """C99 source of one function of the workload symbols; it needs <math.h> only."""
        return self._written("c")

    def to_javascript(self, inputs: Sequence[str] = ()) -> str:
        """JavaScript source of one function that takes symbols as an object: `tpot({B: 64, S: 4096, O: 2048})`.

        inputs: symbols that it takes besides the workload's, of hardware, coefficients or the deployment; where a call
        leaves one out, it is the number that was compiled. Where a deployment is another kind of one the result is NaN.
        Raises SymsimError for a symbol that only compiling can change.
        """
        from symsim.notation.javascript import javascript_function

        return javascript_function(self.form, self.subject, inputs)

    def to_excel(self, cells: Mapping[str, str] | None = None) -> str:
        """A cell formula. cells: symbol -> the cell that holds it (A1, B1, ... by default)."""
        from symsim.notation.c_excel import excel_formula

        return excel_formula(self.form, cells)
