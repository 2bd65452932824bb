"""Questions about requests without an answer: each change that is said to give one does, a smaller one does not."""

import functools

import pytest

import symsim
from symsim.solve.answer import Answer, Status
from tests.commands import run


@functools.cache
def costs() -> symsim.Costs:
    return symsim.compile("qwen3-8b", "h100", cost_model="roofline")


QUESTIONS = (
    ("max budget subject to ITL_max <= 60 ms", {"rate": 40.0, "S": 1024.0, "O": 256.0}, {"rate", "world_size"}),
    ("max hit subject to TTFT_p90 <= 1 s", {"rate": 30.0, "S": 4096.0, "O": 256.0}, {"rate", "world_size"}),
    ("min x subject to TTFT_p90 <= 1 s", {"rate": 20.0, "y": 1.0, "S": 2048.0, "O": 512.0}, {"rate", "y"}),
    ("min cost subject to TPOT <= 10 ms", {"rate": 10.0, "S": 1024.0, "O": 256.0}, {"rate", "hit", "world_size"}),
    ("max rate subject to TPOT <= 5 ms", {"S": 1024.0, "O": 256.0}, {"tp"}),
    ("max users subject to TTFT_p90 <= 60 ms", {"S": 4096.0, "O": 256.0}, {"hit"}),
    ("best x:y subject to TPOT <= 5 ms", {"rate": 20.0, "S": 1024.0, "O": 256.0}, {"tp"}),
)


def _asked(query: str, stated: dict[str, float]) -> Answer:
    return costs().solve(f"{query} with {', '.join(f'{name} = {value}' for name, value in stated.items())}")


@pytest.mark.parametrize(("query", "stated", "expected"), QUESTIONS)
def test_what_is_said_to_help_does_and_less_of_it_does_not(
    query: str, stated: dict[str, float], expected: set[str]
) -> None:
    answer = _asked(query, stated)
    assert answer.status is Status.INFEASIBLE
    assert {*answer.relief} == expected
    for name, value in answer.relief.items():
        assert _asked(query, {**stated, name: value}).status is not Status.INFEASIBLE
        today = stated.get(name, 1.0 if name in ("world_size", "tp") else 0.0)
        whole = name in ("world_size", "tp", "x", "y")
        nearer = value / 2 if name == "tp" else value - 1 if whole else value + 0.03 * (today - value)
        assert _asked(query, {**stated, name: nearer}).status is Status.INFEASIBLE


def test_lengths_that_were_assumed_are_named_and_those_that_were_stated_are_not() -> None:
    question = "max users subject to TTFT_p90 <= 60 ms"
    assert "S" in costs().solve(question).relief
    assert "S" not in costs().solve(f"{question} with S = 4096, O = 2048").relief


def test_the_command_says_what_would_help_or_that_nothing_was_found() -> None:
    subject = ("solve", "qwen3-8b", "--device", "h100", "--cost-model", "roofline")
    unstable = run(*subject, "min cost with rate = 400, S = 1024, O = 256")
    assert unstable.returncode == 1
    assert "\n  feasible with world_size = 27\n" in unstable.stdout
    assert "\n  feasible with rate = 15.3 requests/s\n" in unstable.stdout
    impossible = run(*subject, "max rate subject to TPOT <= 1 us with S = 1024, O = 256")
    assert impossible.returncode == 1
    assert "no change of one symbol alone was found" in impossible.stdout


def test_users_are_clients_who_always_wait() -> None:
    clients = costs().solve("max concurrency subject to TPOT <= 10 ms with S = 1024, O = 256")
    users = costs().solve("max users subject to TPOT <= 10 ms with S = 1024, O = 256")
    assert users.value == clients.value
    assert costs().solve("max users subject to TPOT <= 40 ms").status is Status.UNBOUNDED
    at = costs().solve("TPOT at users = 64, S = 1024, O = 256").value
    assert at == costs().predict(1024, 256, concurrency=64).figures.tpot
    assert (
        costs().solve("users at rate = 4, S = 1024, O = 256").value == costs().predict(1024, 256, rate=4).figures.users
    )


def test_the_price_at_which_tokens_cost_as_much() -> None:
    answer = costs().solve("solve cost = 0.2 $ for price with rate = 2, S = 1024, O = 256")
    assert answer.unit == "$/h"
    at = costs().predict(1024, 256, rate=2, price=f"{answer.value} $/h").figures
    assert at.cost == pytest.approx(0.2, rel=1e-3)
