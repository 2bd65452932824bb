"""The store of compilations: bounded, shared by threads, and no part of an answer."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction

import pytest
import sympy

import symsim
import symsim.pipeline.compilations
from symsim.algebra.symbols import symbol
from symsim.model.op_graph import Guard
from symsim.pipeline.compilations import Compilations


@dataclass(frozen=True, eq=False)
class Value:
    guards: tuple[Guard, ...] = ()


TP = symbol("tp")
ALONE, SHARED = (Value((Guard(sympy.Eq(TP, 1), outcome),)) for outcome in (True, False))


def test_a_value_answers_where_its_conditions_hold() -> None:
    store = Compilations(8)
    assert store.find("key", {"tp": Fraction(1)}) is None
    assert store.keep("key", ALONE) is ALONE
    assert store.keep("key", SHARED) is SHARED
    assert store.find("key", {"tp": Fraction(1)}) is ALONE
    assert store.find("key", {"tp": Fraction(4)}) is SHARED
    assert store.find("other", {"tp": Fraction(4)}) is None


def test_of_two_for_the_same_conditions_the_first_is_kept() -> None:
    store = Compilations(8)
    store.keep("key", ALONE)
    assert store.keep("key", Value(ALONE.guards)) is ALONE


def test_what_was_asked_for_longest_ago_is_given_up() -> None:
    store = Compilations(2)
    for key in ("first", "second"):
        store.keep(key, Value())
    assert store.find("first") is not None
    store.keep("third", Value())
    assert [store.find(key) is not None for key in ("first", "second", "third")] == [True, False, True]


def test_one_key_does_not_outgrow_the_store() -> None:
    store = Compilations(2)
    sizes = [sympy.Integer(n) for n in (1, 2, 4)]
    for size in sizes:
        store.keep("key", Value((Guard(sympy.Eq(TP, size), True),)))
    assert [store.find("key", {"tp": Fraction(int(size))}) is not None for size in sizes] == [False, True, True]


def test_two_threads_compile_to_equal_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thread compiles every case from nothing, both at once; a third has them alone."""
    cases = [
        (model, symsim.Deployment(world_size=gpus, tp=tp), cost_model)
        for model in ("qwen3-8b", "qwen3-30b-a3b")
        for gpus, tp in ((1, 1), (8, 1), (8, 4))
        for cost_model in ("infersim", "roofline")
    ]

    def answers() -> list[tuple[float, ...]]:
        found = [symsim.compile(model, "h200", deployment, how) for model, deployment, how in cases]
        points = [
            ("tpot", {"B": 16, "S": 4096, "O": 512}),
            ("ttft", {"T": 4096, "S": 4096}),
            ("max_batch", {"S": 1, "O": 1}),
        ]
        return [tuple(costs.metric(name).evaluate(**at) for name, at in points) for costs in found]

    def emptied() -> None:
        for name in ("_PHASES", "DERIVATIONS"):
            monkeypatch.setattr(symsim.pipeline.compilations, name, Compilations(6))

    emptied()
    alone = answers()
    emptied()
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(lambda _: answers(), range(2))) == [alone, alone]
