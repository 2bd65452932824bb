"""Public functions that ask about Formulas and Costs."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType

from symsim.analysis.comparison import Comparison
from symsim.analysis.crossings import Crossing
from symsim.analysis.regime_map import AxisEnds, RegimeMap, map_regimes
from symsim.analysis.regimes import Regimes
from symsim.analysis.sensitivity import Sensitivity
from symsim.api.costs import Costs
from symsim.api.formula import Formula
from symsim.cost.derivation import Step
from symsim.verification.check import Verdict, verify_text


def regimes(
    formula: Formula, variable: str, low: float | None = None, high: float | None = None, **at: float
) -> Regimes:
    """The exact piecewise form of a metric along one workload symbol, C (mean context) or real symbol.

    at: the point, which fixes all other symbols.  Whole-number symbols are looked at from 1 to 1024 (B) or 131,072
    tokens unless a range is given.  Raises SymsimError for a symbol that the metric does not have.
    """
    return formula.regimes(variable, low, high, **at)


def regime_map(
    formula: Formula, variables: tuple[str, str], ranges: tuple[AxisEnds, AxisEnds], **at: float
) -> RegimeMap:
    """The regime map of a metric in two symbols, as `regimes` has it in one.

    ranges: from where to where along each; None as in `regimes`. at: the point, which fixes all other symbols.
    Raises SymsimError for symbols that the metric does not have, EmptyTable where a measured row cannot be used.
    """
    return map_regimes(formula.form, variables, ranges, **at)


def sensitivities(
    of: Costs | Formula, metric: str = "tpot", names: Sequence[str] = (), **at: float
) -> tuple[Sensitivity, ...]:
    """Every input of a metric, the one that moves it most first. of: a compiled model, of which `metric` is meant, or a
    formula; names: only these; architecture sizes are allowed.

    at: the workload point; any other symbol may be overridden too.
    A measured table is an input of its own, by its function's name: all its figures grow alike.
    Raises SymsimError for a name that the metric does not have.
    """
    return of.sensitivities(names, **at) if isinstance(of, Formula) else of.sensitivities(metric, names, **at)


def compare(a: Costs, b: Costs, metric: str = "tpot", **at: int) -> Comparison:
    """What changes from A to B, at a workload point.

    Formulas are compared in symbols where every symbol means the same number in both, or differs only in hardware
    and constants; architecture and deployment numbers are put in where they differ.
    """
    return a.compare(b, metric, **at)


def crossings(a: Costs, b: Costs, metric: str = "tpot", variable: str = "C", **at: int) -> tuple[Crossing, ...]:
    """Every whole number of a workload symbol (or C, the mean context) past which the smaller metric is another.

    A crossing's closed form is the root of B - A on the piece where the same arms of all maxima bind.
    Raises SymsimError for a symbol that the metric does not move with.
    """
    return a.crossings(b, metric, variable, **at)


def verify(
    text: str,
    costs: Costs,
    metric: str = "tpot",
    path: str = "formula",
    given: Collection[Step] = (),
    define: Mapping[str, str] = MappingProxyType({}),
    **at: float,
) -> Verdict:
    r"""Compare a formula in LaTeX (grammar/latex.lark says which) with the derived one.

    text: one formula, or equations in named steps; path: what to call it in errors; given: steps that were
    compared elsewhere; define: the text's own names -> what they stand for, in LaTeX; at: the workload point at which
    terms are given a value.
    Raises LatexSyntaxError or UndefinedName for what cannot be read, with its place.

    >>> from symsim.api.costs import compile
    >>> costs = compile("qwen3-8b", "h20", cost_model="infersim")
    >>> verify(r"\mathrm{TPOT} = 36 t_{\mathrm{layer}} + 5\,\mathrm{ms}", costs).equal
    True
    >>> verify(r"\mathrm{TPOT} = 35 t_{layer} + 5\,\mathrm{ms}", costs).differences[0].sentence()[:62]
    'wrong coefficient in TPOT (line 1): you have 35*t_layer, deriv'
    """
    return verify_text(text, costs.compiled, metric, path, given, define, **at)
