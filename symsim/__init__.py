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
from symsim.plane import Plane, plane
from symsim.publication import paper
from symsim.report import Report, simulate
from symsim.sensitivity import Sensitivity, sensitivities
from symsim.sweep import sweep, sweep_to_file
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
