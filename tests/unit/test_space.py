"""Deployments that are tried: what follows where a degree is another, and ways out that are found."""

import pytest

import symsim
from symsim.inputs.deployment import Deployment
from symsim.inputs.space import resized


@pytest.mark.parametrize(
    ("base", "changes", "gpus"),
    [
        (Deployment(), {"tp": 2}, 2),
        (Deployment(dp=4), {"tp": 2}, 8),
        (Deployment(tp=4, ep=8), {"tp": 2}, 8),
        (Deployment(tp=4, ep=8), {"ep": 16}, 16),
        (Deployment(8), {"tp": 2}, 8),
        (Deployment(8), {"dp": 4}, 4),
        (Deployment(dp=4), {"world_size": 16}, 16),
        (Deployment(16, 2), {"tp": 4}, 16),
    ],
)
def test_gpus_that_were_not_stated_follow(base: Deployment, changes: dict[str, int], gpus: int) -> None:
    assert resized(base, changes).world_size == gpus


def test_a_swept_degree_is_that_of_the_flag() -> None:
    """--over tp=1,2,4 without GPUs: as --tp 1, --tp 2 and --tp 4."""
    at = {"B": 1, "S": 1024, "O": 1024}
    grid = {"tp": [1, 2, 4], **at}
    swept = symsim.sweep("qwen3-8b", "h100", grid, cost_model="roofline", metrics=["tpot"], subject_to="")
    alone = [symsim.compile("qwen3-8b", "h100", Deployment(tp=tp), "roofline").tpot.evaluate(**at) for tp in (1, 2, 4)]
    assert [float(value) for value in swept["tpot"].values.ravel()] == pytest.approx(alone)


@pytest.mark.parametrize(("model", "device", "gpus"), [("llama-3.1-405b", "h100", 16), ("gemma3-27b", "rtx4090", 4)])
def test_a_model_that_does_not_fit_is_shared_by_more_gpus(model: str, device: str, gpus: int) -> None:
    """World size alone changes nothing for a dense model, and tp alone cannot be: both together do."""
    query = "max B subject to memory <= capacity with S = 1024, O = 1024"
    answer = symsim.compile(model, device, cost_model="roofline").solve(query)
    assert dict(answer.sizes) == {"world_size": gpus, "tp": gpus}
