"""symsim: a symbolic cost-model compiler for LLM inference.

>>> import symsim
>>> costs = symsim.compile("qwen3-8b", "h20")
>>> costs.tpot.unit
's'
"""

from symsim.answer import Answer
from symsim.api import Costs, compile
from symsim.comparison import Comparison, compare, crossings
from symsim.counts import Cache, Parameters, cache, flops, params
from symsim.deployment import Deployment
from symsim.errors import SymsimError
from symsim.formula import Formula
from symsim.kernel_costs import KernelCosts, kernel
from symsim.pieces import Regimes, regimes
from symsim.report import Report, simulate
from symsim.sensitivity import Sensitivity, sensitivities

__all__ = [
    "Answer",
    "Cache",
    "Comparison",
    "Costs",
    "Deployment",
    "Formula",
    "KernelCosts",
    "Parameters",
    "Regimes",
    "Report",
    "Sensitivity",
    "SymsimError",
    "cache",
    "compare",
    "compile",
    "crossings",
    "flops",
    "kernel",
    "params",
    "regimes",
    "sensitivities",
    "simulate",
]
