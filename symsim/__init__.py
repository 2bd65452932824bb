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
from symsim.pareto import FrontPoint, pareto
from symsim.pieces import Regimes, regimes
from symsim.report import Report, simulate
from symsim.sensitivity import Sensitivity, sensitivities
from symsim.sweep import sweep, sweep_to_file

__all__ = [
    "Answer",
    "Cache",
    "Comparison",
    "Costs",
    "Deployment",
    "Formula",
    "FrontPoint",
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
    "pareto",
    "regimes",
    "sensitivities",
    "simulate",
    "sweep",
    "sweep_to_file",
]
