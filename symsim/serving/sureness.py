"""How sure a prediction is: between which times the predicted figures measured ones are expected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from symsim.formula.closed_form import ClosedForm
from symsim.formula.extrapolation import stretch
from symsim.formula.interval import RUNNING, of_level, widened
from symsim.pipeline.compiled import Compiled
from symsim.serving.aggregated import Deployed
from symsim.serving.engines import Served
from symsim.serving.step_functions import in_context

_Factors = tuple[float, float]

_NONE: _Factors = (1.0, 1.0)


@lru_cache(maxsize=64)
def _steps(compiled: Compiled) -> tuple[ClosedForm, ClosedForm]:
    """The decode step in its mean context, and the same as far off as its kernels alone are."""
    form = in_context(compiled)
    return form, replace(form, ends={name: ends for name, ends in form.ends.items() if name != RUNNING})


def batch_of(of: Deployed, found: Served) -> Mapping[str, int]:
    """Sequences of a replica that decode together, and their context."""
    return {"B": max(1, round(found.values["rows"] / of.layout.replicas)), "C": round(found.letters["C"])}


def prompt_of(of: Deployed) -> Mapping[str, float]:
    """A prompt, whole, as a metric of prompts is asked for one."""
    return {"T": 1.0, "S": of.step.prompt, "past": of.step.past}


def sureness(of: Deployed, found: Served, level: float) -> Mapping[str, _Factors]:
    """Figure -> factors: of kernels at the mean iteration of decodes, and of runs of the engine that were left out.

    Nothing is known where no kernel was fitted.
    """
    nothing: dict[str, _Factors] = dict.fromkeys(("tpot_s.mean", "ttft_s.mean", "output_tok_per_s_per_gpu"), _NONE)
    fitted = of.compiled.fitted
    if fitted is None or not found.solved or not found.values.get("rows"):
        return nothing
    form, kernels = _steps(of.compiled)
    at = batch_of(of, found)
    value, interval = form.evaluate(**at), kernels.interval(level, of.ask.together, **at)
    if interval is None:
        return nothing
    own = interval[0] / value, interval[1] / value
    running = fitted.engine
    steps, first = (_NONE, _NONE) if running is None else (running.ends, running.first_ends)
    low, high = widened(1.0, own, of_level(steps, level, stretch(at)))
    return {
        "tpot_s.mean": (low, high),
        "ttft_s.mean": widened(1.0, own, of_level(first, level, stretch(prompt_of(of)))),
        "output_tok_per_s_per_gpu": (1 / high, 1 / low),
    }
