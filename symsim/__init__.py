"""symsim: a symbolic cost-model compiler for LLM inference.

>>> import symsim
>>> costs = symsim.compile("qwen3-8b", "h20")
>>> costs.tpot.unit
's'

Costs          .tpot .ttft .tgs_decode .memory .max_batch, .solve(question), .predict(...), .report(), .page(path)
Formula        .evaluate(B=64, S=4096, O=2048), .interval(...), .plot("B"), .to_latex(), .to_python()
of models      params, flops, cache, simulate, kernel
of questions   compare, crossings, regimes, regime_map, sensitivities, sweep, sweep_to_file, pareto, recommend
of papers      paper, verify
of measured    accuracy, fit

help(symsim.Costs) or help(symsim.recommend) tells more of each; every error that a user can cause is a SymsimError.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from symsim.analysis.comparison import Comparison
    from symsim.analysis.regime_map import RegimeMap
    from symsim.analysis.regimes import Regimes
    from symsim.analysis.sensitivity import Sensitivity
    from symsim.analysis.step_report import StepReport
    from symsim.api.costs import Costs, compile
    from symsim.api.formula import Formula
    from symsim.api.kernel import KernelCosts, kernel
    from symsim.api.prediction import Prediction
    from symsim.api.questions import compare, crossings, regime_map, regimes, sensitivities, verify
    from symsim.calibration.accuracy import Accuracy, accuracy
    from symsim.calibration.own_fit import OwnFit, fit
    from symsim.errors import SymsimError
    from symsim.infersim.report import Report, simulate
    from symsim.inputs.deployment import Deployment
    from symsim.pipeline.cache_size import Cache, cache
    from symsim.pipeline.counts import Parameters, flops, params
    from symsim.publication.write import paper
    from symsim.search.pareto import FrontPoint, pareto
    from symsim.search.recommend import Recommendation, recommend
    from symsim.search.run import sweep, sweep_to_file
    from symsim.solve.answer import Answer
    from symsim.verification.check import Difference, Verdict

    # Names only for type checkers: help(symsim) then is a screen, and not every method of every class.
    __all__ = [
        "Accuracy",
        "Answer",
        "Cache",
        "Comparison",
        "Costs",
        "Deployment",
        "Difference",
        "Formula",
        "FrontPoint",
        "KernelCosts",
        "OwnFit",
        "Parameters",
        "Prediction",
        "Recommendation",
        "RegimeMap",
        "Regimes",
        "Report",
        "Sensitivity",
        "StepReport",
        "SymsimError",
        "Verdict",
        "accuracy",
        "cache",
        "compare",
        "compile",
        "crossings",
        "fit",
        "flops",
        "kernel",
        "paper",
        "params",
        "pareto",
        "recommend",
        "regime_map",
        "regimes",
        "sensitivities",
        "simulate",
        "sweep",
        "sweep_to_file",
        "verify",
    ]

_HOMES = {
    "analysis.comparison": ("Comparison",),
    "analysis.regime_map": ("RegimeMap",),
    "analysis.regimes": ("Regimes",),
    "analysis.sensitivity": ("Sensitivity",),
    "analysis.step_report": ("StepReport",),
    "api.costs": ("Costs", "compile"),
    "api.formula": ("Formula",),
    "api.kernel": ("KernelCosts", "kernel"),
    "api.prediction": ("Prediction",),
    "api.questions": ("compare", "crossings", "regime_map", "regimes", "sensitivities", "verify"),
    "calibration.accuracy": ("Accuracy", "accuracy"),
    "calibration.own_fit": ("OwnFit", "fit"),
    "errors": ("SymsimError",),
    "infersim.report": ("Report", "simulate"),
    "inputs.deployment": ("Deployment",),
    "pipeline.cache_size": ("Cache", "cache"),
    "pipeline.counts": ("Parameters", "flops", "params"),
    "publication.write": ("paper",),
    "search.pareto": ("FrontPoint", "pareto"),
    "search.recommend": ("Recommendation", "recommend"),
    "search.run": ("sweep", "sweep_to_file"),
    "solve.answer": ("Answer",),
    "verification.check": ("Difference", "Verdict"),
}
"""Module -> what it has of the public names; it is imported when one of them is first asked for."""


def __getattr__(name: str) -> Any:
    for module, names in _HOMES.items():
        if name in names:
            return globals().setdefault(name, getattr(import_module(f"symsim.{module}"), name))
    raise AttributeError(f"module 'symsim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(name for names in _HOMES.values() for name in names)
