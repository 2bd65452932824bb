"""symsim: a symbolic cost-model compiler for LLM inference.

>>> import symsim
>>> costs = symsim.compile("qwen3-8b", "h20")
>>> costs.tpot.unit
's'
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symsim.answer import Answer
    from symsim.api import Costs, compile
    from symsim.comparison import Comparison, compare, crossings
    from symsim.counts import Cache, Parameters, cache, flops, params
    from symsim.deployment import Deployment
    from symsim.errors import SymsimError
    from symsim.formula import Formula
    from symsim.front import FrontPoint, pareto
    from symsim.kernel_costs import KernelCosts, kernel
    from symsim.pieces import Regimes, regimes
    from symsim.publication import paper
    from symsim.regime_map import Plane, plane
    from symsim.report import Report, simulate
    from symsim.sensitivity import Sensitivity, sensitivities
    from symsim.sweeping import sweep, sweep_to_file
    from symsim.verification import Difference, Verdict, verify

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
    "Plane",
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
    "plane",
    "regimes",
    "sensitivities",
    "simulate",
    "sweep",
    "sweep_to_file",
    "verify",
]

_HOMES = {
    "answer": ("Answer",),
    "api": ("Costs", "compile"),
    "comparison": ("Comparison", "compare", "crossings"),
    "counts": ("Cache", "Parameters", "cache", "flops", "params"),
    "deployment": ("Deployment",),
    "errors": ("SymsimError",),
    "formula": ("Formula",),
    "front": ("FrontPoint", "pareto"),
    "kernel_costs": ("KernelCosts", "kernel"),
    "pieces": ("Regimes", "regimes"),
    "publication": ("paper",),
    "regime_map": ("Plane", "plane"),
    "report": ("Report", "simulate"),
    "sensitivity": ("Sensitivity", "sensitivities"),
    "sweeping": ("sweep", "sweep_to_file"),
    "verification": ("Difference", "Verdict", "verify"),
}
"""Module -> what it has of the public names; it is imported when one of them is first asked for."""


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return globals().setdefault(name, getattr(import_module(f"symsim.{module}"), name))
    raise AttributeError(f"module 'symsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
