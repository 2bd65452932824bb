"""symsim: a symbolic cost-model compiler for LLM inference.

>>> import symsim
>>> costs = symsim.compile("qwen3-8b", "h20")
>>> costs.tpot.unit
's'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symsim.analysis.comparison import Comparison, compare, crossings
    from symsim.analysis.regime_map import RegimeMap, regime_map
    from symsim.analysis.regimes import Regimes, regimes
    from symsim.analysis.sensitivity import Sensitivity, sensitivities
    from symsim.errors import SymsimError
    from symsim.infersim.report import Report, simulate
    from symsim.inputs.deployment import Deployment
    from symsim.pipeline.counts import Cache, Parameters, cache, flops, params
    from symsim.pipeline.formula import Formula
    from symsim.pipeline.kernel_costs import KernelCosts, kernel
    from symsim.pipeline.pipeline import Costs, compile
    from symsim.publication.write import paper
    from symsim.search.pareto import FrontPoint, pareto
    from symsim.search.run import sweep, sweep_to_file
    from symsim.solve.answer import Answer
    from symsim.verification.check import Difference, Verdict, verify

__all__ = [
    "Answer",
    "Cache",
    "Comparison",
    "Costs",
    "Deployment",
    "Difference",
    "Formula",
    "FrontPoint",
    "KernelCosts",
    "Parameters",
    "RegimeMap",
    "Regimes",
    "Report",
    "Sensitivity",
    "SymsimError",
    "Verdict",
    "cache",
    "compare",
    "compile",
    "crossings",
    "flops",
    "kernel",
    "paper",
    "params",
    "pareto",
    "regime_map",
    "regimes",
    "sensitivities",
    "simulate",
    "sweep",
    "sweep_to_file",
    "verify",
]

_HOMES = {
    "solve.answer": ("Answer",),
    "pipeline.pipeline": ("Costs", "compile"),
    "analysis.comparison": ("Comparison", "compare", "crossings"),
    "pipeline.counts": ("Cache", "Parameters", "cache", "flops", "params"),
    "inputs.deployment": ("Deployment",),
    "errors": ("SymsimError",),
    "pipeline.formula": ("Formula",),
    "search.pareto": ("FrontPoint", "pareto"),
    "pipeline.kernel_costs": ("KernelCosts", "kernel"),
    "analysis.regimes": ("Regimes", "regimes"),
    "publication.write": ("paper",),
    "analysis.regime_map": ("RegimeMap", "regime_map"),
    "infersim.report": ("Report", "simulate"),
    "analysis.sensitivity": ("Sensitivity", "sensitivities"),
    "search.run": ("sweep", "sweep_to_file"),
    "verification.check": ("Difference", "Verdict", "verify"),
}
"""Module -> what it has of the public names; it is imported when one of them is first asked for."""


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return globals().setdefault(name, getattr(import_module(f"symsim.{module}"), name))
    raise AttributeError(f"module 'symsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
