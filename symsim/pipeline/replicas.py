"""What B stands for: of how many sequences a deployment that steps together, or several that do not, work at once."""

from __future__ import annotations

from symsim.pipeline.compiled import Compiled


def batch_in_words(compiled: Compiled, batch: int) -> str | None:
    """A batch as what it is, and how many sequences all GPUs decode; None where B is all of them.

    B is of one attention replica, and of one of the batches that it has in flight: one for each pipeline stage, two
    where two overlap.
    """
    deployment = compiled.deployment
    flights = deployment.pp * (2 if deployment.overlap == "two-batch" else 1)
    held = deployment.dp * flights
    if held == 1:
        return None
    dp, one = deployment.dp, "an attention replica" if compiled.sizes.has_experts else "a replica"
    of = (f" {one}" if dp > 1 else "") + (" and batch in flight" if dp > 1 and flights > 1 else "")
    parts = [f"B = {batch:,}{of}"]
    parts += [f"{dp} replicas"] if dp > 1 else []
    parts += [f"{flights} batches in flight"] if flights > 1 else []
    return f"{', '.join(parts)}: {held * batch:,} requests"


def replicas_in_words(compiled: Compiled) -> str | None:
    """That the GPUs of a model without experts are several replicas, where they are."""
    deployment = compiled.deployment
    if deployment.dp == 1 or compiled.sizes.has_experts:
        return None
    each = deployment.world_size // deployment.dp
    of = "one GPU" if each == 1 else f"{each} GPUs"
    return f"{deployment.world_size} GPUs are {deployment.dp} replicas of {of}, which share nothing; B is that of one"
