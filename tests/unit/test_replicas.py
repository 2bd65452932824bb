"""B is of one replica: what all GPUs decode is said, and that a dense model's are replicas."""

import pytest

import symsim
from symsim.pipeline.replicas import batch_in_words, replicas_in_words
from tests.cli.test_cli import run


@pytest.mark.parametrize(
    ("model", "how", "words"),
    [
        ("qwen3-8b", {"world_size": 8}, "B = 66 a replica, 8 replicas: 528 requests"),
        ("qwen3-30b-a3b", {"ep": 8}, "B = 66 an attention replica, 8 replicas: 528 requests"),
        ("qwen3-8b", {"tp": 2, "pp": 4}, "B = 66, 4 batches in flight: 264 requests"),
        (
            "qwen3-8b",
            {"pp": 2, "dp": 4},
            "B = 66 a replica and batch in flight, 4 replicas, 2 batches in flight: 528 requests",
        ),
        ("qwen3-8b", {"tp": 8}, None),
    ],
)
def test_what_b_is(model: str, how: dict[str, int], words: str | None) -> None:
    costs = symsim.compile(model, "h800", symsim.Deployment(**how), "roofline")  # type: ignore[arg-type]
    assert batch_in_words(costs.compiled, 66) == words


def test_gpus_of_a_dense_model_are_replicas() -> None:
    costs = symsim.compile("qwen3-8b", "h800", symsim.Deployment(8, tp=2), "roofline")
    told = "8 GPUs are 4 replicas of 2 GPUs, which share nothing; B is that of one"
    assert replicas_in_words(costs.compiled) == told
    shared = symsim.compile("qwen3-30b-a3b", "h800", symsim.Deployment(8), "roofline")
    assert replicas_in_words(shared.compiled) is None


def test_answers_say_it() -> None:
    query = "max B subject to TPOT <= 50 ms with S = 4096, O = 1024"
    answer = symsim.compile("qwen3-8b", "h20", symsim.Deployment(8), "roofline").solve(query)
    assert answer.value is not None
    assert answer.batch == f"B = {answer.value:,} a replica, 8 replicas: {8 * answer.value:,} requests"
    done = run(
        *("formula", "qwen3-8b", "--device", "h20", "--cost-model", "infersim"),
        "--world-size",
        "8",
        "--at",
        "B=66,S=4096",
    )
    assert "B = 66 a replica, 8 replicas: 528 requests" in done.stdout
    assert "8 GPUs are 8 replicas of one GPU" in done.stderr
