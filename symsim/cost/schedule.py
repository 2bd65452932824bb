"""Stage times -> time of one step: serial, or with two batches overlapped.

Under two-batch overlap a GPU runs two half-offset batches, so that one computes while the other communicates
(DeepSeek-V3 technical report, section 3.4; terms as in InferSim). Only a body of layers that holds both attention
and experts can be paired up; the others stay serial.
"""

from __future__ import annotations

from collections.abc import Mapping

import sympy
from sympy import Expr, Integer

from symsim.algebra.symbols import symbol
from symsim.model.step import EngineStep

PAIRED = ("attention", "dispatch", "experts", "combine")

Stages = Mapping[str, Expr]
"""Stage name -> seconds, of one pass of a body."""


def overlaps(stages: Mapping[str, object]) -> bool:
    """Whether two batches can be paired up in this body."""
    return "attention" in stages and "experts" in stages


def serial(stages: Stages) -> Expr:
    """One after another."""
    return sympy.Add(*stages.values())


def two_batch(stages: Stages, step: EngineStep) -> Expr:
    """Seconds of one body for both batches together.

    Prefill: each half of a layer hides one message; messages take SMs, so computing runs on the rest (sm_ratio).
    Decode: low-latency messages take no SMs; attention of one batch hides everything else of the other.
    Stages that cannot be paired are done for each batch.
    """
    attention, dispatch, experts, combine = (stages.get(name, Integer(0)) for name in PAIRED)
    rest = sympy.Add(*(time for name, time in stages.items() if name not in PAIRED))
    if "decode" in step.kinds:
        return 2 * (_longer(attention, dispatch + experts + combine) + rest)
    share = symbol("sm_ratio")
    halves = [(half / share, message) for half in (attention, experts) for message in (dispatch, combine)]
    return sympy.Add(*(_longer(*pair) for pair in halves)) + 2 * rest


def batches(overlapped: bool) -> Expr:
    """How many batches one step serves."""
    return Integer(2) if overlapped else Integer(1)


def _longer(one: Expr, other: Expr) -> Expr:
    return sympy.Max(one, other, evaluate=False)
