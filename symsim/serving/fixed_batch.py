"""A batch that only decodes: its pace, with drafts or without."""

from __future__ import annotations

from symsim.pipeline.compiled import Compiled
from symsim.serving.ask import Ask
from symsim.serving.engines import Served
from symsim.serving.model_step import step_of
from symsim.serving.prediction import Figures
from symsim.serving.workload import decoding


def decoding_alone(compiled: Compiled, ask: Ask, batch: float) -> Figures:
    """TPOT of `batch` sequences of each attention replica that decode together all the time; nothing else is known."""
    step, letters = step_of(compiled, ask.work), decoding(ask.work)
    rows = batch * step.layout.replicas
    seconds = step(letters["Q"] * rows, letters["C"] * rows, 0.0)
    tpot = letters["N"] / (letters["O"] - 1) * seconds
    known = {**letters, "B": rows, "step": seconds, "tpot": tpot}
    gpus = compiled.deployment.world_size
    output = rows * step.layout.engines / tpot
    return Figures(
        ttft=dict.fromkeys(("mean", "p50", "p90", "p99")),
        tpot=tpot,
        itl={"p50": seconds, "p99": seconds},
        e2e=None,
        request_rate=None,
        output_rate=output,
        gpus=gpus,
        input_length=ask.isl.mean,
        running=rows,
        load={},
        memory={},
        level=ask.level,
        served=Served(letters=known),
    )
