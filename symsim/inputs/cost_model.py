"""Every magic number of a cost model, as one frozen value each, with its source. No arithmetic holds a constant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction

from symsim.errors import SymsimError, did_you_mean

GIB = 2**30
VINTAGES = ("2025-10", "2026-05")
LATEST = VINTAGES[-1]

DEFAULT = "calibrated"
"""The cost model of a compiled model and of a kernel by itself, unless another is asked for."""

COUNTING = "roofline"
"""The one by which a model is counted by itself: its graphs describe every family."""


@dataclass(frozen=True, slots=True, eq=False)
class CostModel:
    """How a cost model counts; equal to itself only, as a Device is.

    scale: unit -> factor on the device's SI figures of that unit; constants: convention symbol -> value (SI);
    mfu_decimals: to how many places a table's MFU is rounded before use (None: not at all);
    sources: constant or unit -> where it is from; refuses_unread_keys: whether a config key that the graphs do not
    describe is refused, or only reported; reads_checkpoint: whether weights are in the formats of the checkpoint where
    a deployment states no precision; plans_by_engine: whether memory is planned as a serving engine does; graphs: the
    graph library that it counts, its own unless stated; fitted: whether kernels take as long as forms fitted to
    measurements say; cuts_prompts: whether a prompt longer than an iteration is timed chunk by chunk, or one iteration
    stands for it.
    """

    name: str
    scale: Mapping[str, Fraction]
    constants: Mapping[str, Fraction]
    mfu_decimals: int | None
    sources: Mapping[str, str]
    refuses_unread_keys: bool = False
    reads_checkpoint: bool = False
    plans_by_engine: bool = False
    graphs: str = ""
    fitted: bool = False
    cuts_prompts: bool = False


INFERSIM = CostModel(
    name="infersim",
    scale={
        "FLOP/s": Fraction(1024, 1000),
        "B/s": Fraction(GIB, 10**9),
        "B": Fraction(GIB, 10**9),
    },
    constants={
        "causal_divisor": Fraction(9, 5),
        "t_sched_prefill": Fraction(30, 1000),
        "t_sched_decode": Fraction(5, 1000),
        "t_sched_hybrid": Fraction(2, 1000),
        "reserve_runtime": Fraction(15 * GIB),
        "reserve_encoder": Fraction(5 * GIB),
    },
    mfu_decimals=3,
    sources={
        "FLOP/s": "InferSim counts a TFLOP/s as 1024e9 FLOP/s",
        "B/s": "InferSim divides sizes in GiB by bandwidths in GB/s",
        "B": "InferSim reads a device's GB as GiB",
        "causal_divisor": "InferSim divides full attention FLOPs by 1.8 for the causal mask",
        "t_sched_prefill": "InferSim adds 30 ms to a prefill iteration for the scheduler",
        "t_sched_decode": "InferSim adds 5 ms to a decode step for the scheduler",
        "t_sched_hybrid": "InferSim adds 2 ms to a hybrid model's decode step for the scheduler",
        "reserve_runtime": "InferSim keeps 15 GiB for the runtime",
        "reserve_encoder": "InferSim keeps 5 GiB for an encoder",
    },
)

ROOFLINE = CostModel(
    name="roofline",
    scale={},
    constants={},
    mfu_decimals=None,
    sources={},
    refuses_unread_keys=True,
    reads_checkpoint=True,
    plans_by_engine=True,
    cuts_prompts=True,
)

CALIBRATED = replace(ROOFLINE, name="calibrated", graphs="roofline", fitted=True)

COST_MODELS: Mapping[str, CostModel] = {cost_model.name: cost_model for cost_model in (INFERSIM, ROOFLINE, CALIBRATED)}


def graphs_of(cost_model: str) -> str:
    """The graph library that a cost model counts.

    >>> graphs_of("calibrated")
    'roofline'
    """
    return COST_MODELS[cost_model].graphs or cost_model if cost_model in COST_MODELS else cost_model


def named_cost_model(cost_model: str) -> CostModel:
    """The numbers of a cost model. Raises SymsimError with the nearest known names."""
    if cost_model not in COST_MODELS:
        raise SymsimError(f"no cost model {cost_model!r}; {did_you_mean(cost_model, COST_MODELS)}")
    return COST_MODELS[cost_model]
