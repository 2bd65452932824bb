"""Conditions compiled to plain arithmetic decide as sympy does."""

from dataclasses import replace
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

import symsim
from symsim.formula.binding import deciding_numbers
from symsim.inputs.deployment import Deployment
from symsim.model.predicates import guards_decision, no_refusal, shards_are_whole

MODELS = ("qwen3-235b-a22b", "deepseek-v3", "qwen3-next-80b-a3b")


DEGREES = st.fixed_dictionaries({name: st.integers(1, 12) for name in ("tp", "dp", "pp", "ep")})


@given(st.sampled_from(MODELS), st.sampled_from(("infersim", "roofline")), DEGREES)
def test_compiled_conditions_decide_as_sympy(model: str, cost_model: str, degrees: dict[str, int]) -> None:
    compiled = symsim.compile(model, "h800", Deployment(8, tp=2), cost_model=cost_model).compiled
    asked = {**degrees, "world_size": degrees["tp"] * degrees["dp"] * degrees["pp"]}
    known = {**compiled.numbers.values, **{name: Fraction(value) for name, value in asked.items()}}
    numbers = replace(compiled.numbers, values=known)
    for phase in (compiled.prefill, compiled.decode):
        graph = phase.graph
        facts, plain = deciding_numbers(numbers), numbers.deciding
        assert guards_decision(phase.guards)(plain) == all(guard.holds(facts) for guard in phase.guards)
        refused = any(refusal.failure(facts) for refusal in graph.refusals)
        assert no_refusal(graph)(plain) == (not refused)
        broken = any(whole.failure(facts, {}) for whole in graph.whole)
        assert shards_are_whole(graph)(plain) == (not broken)
