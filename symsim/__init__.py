"""symsim: a symbolic cost-model compiler for LLM inference.

>>> import symsim
>>> costs = symsim.compile("qwen3-8b", "h20")
>>> costs.tpot.unit
's'
"""

from symsim.answer import Answer
from symsim.api import Costs, compile
from symsim.deployment import Deployment
from symsim.errors import SymsimError
from symsim.formula import Formula
from symsim.report import Report, simulate

__all__ = ["Answer", "Costs", "Deployment", "Formula", "Report", "SymsimError", "compile", "simulate"]
