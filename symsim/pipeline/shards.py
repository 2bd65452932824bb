"""Which deployments a model can be served in: what the graph text refuses, and whole shards."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import sympy

from symsim.algebra.symbols import KNOWN, symbol
from symsim.cost.priced_step import PricedStep
from symsim.errors import DeploymentError
from symsim.formula.binding import Numbers, deciding_numbers
from symsim.inputs.deployment import Deployment
from symsim.model.op_graph import Guard
from symsim.model.predicates import no_refusal, shards_are_whole

_none_refused = lru_cache(maxsize=1024)(no_refusal)
_all_whole = lru_cache(maxsize=1024)(shards_are_whole)


def check_deployment(deployment: Deployment, phases: Iterable[PricedStep], numbers: Numbers) -> None:
    """Raise DeploymentError for a deployment that the graph text refuses, or that makes no sense for the model."""
    every = tuple(phases)
    for phase in every:
        if _none_refused(phase.graph)(numbers.deciding):
            continue
        facts = deciding_numbers(numbers)
        for refusal in phase.graph.refusals:
            sentence = refusal.failure(facts)
            if sentence is not None:
                raise DeploymentError(f"{sentence}; choose another deployment or cost model")
    asked = {name: getattr(deployment, name) for name in ("ep", "moe_tp", "redundant_experts")}
    stated = next((name for name, value in asked.items() if value), None)
    if deployment.expert_imbalance is not None:
        asked["expert_imbalance"], stated = deployment.expert_imbalance, "expert_imbalance"
    if stated is not None and not any(map(_has_experts, every)):
        raise DeploymentError(f"{stated} = {asked[stated]}: the model has no experts to spread; leave {stated} out")


@lru_cache(maxsize=1024)
def _has_experts(phase: PricedStep) -> bool:
    """Whether anything of it depends on how experts are spread."""
    ep = symbol("ep")
    spoken = [guard for guard in phase.guards if ep in guard.symbols() and not _fixed(guard)]
    return bool(spoken) or any(ep in cost.hbm_bytes.free_symbols for cost in phase.costs.values())


def _fixed(guard: Guard) -> bool:
    """Whether a formula was decided for one number of expert parallel ranks, whether there are experts or not."""
    match guard.condition:
        case sympy.Eq(lhs=sympy.Symbol(), rhs=sympy.Integer() as ranks):
            return ranks != 1
        case _:
            return False


def whole_shards(phase: PricedStep, numbers: Numbers, *, pad: bool) -> list[str]:
    """What is padded so that shards are whole. Raises DeploymentError where they are not and nothing may be padded."""
    if _all_whole(phase.graph)(numbers.deciding):
        return []
    facts = deciding_numbers(numbers)
    sources = {name: str(source) for name, source in numbers.sources.items()}
    meanings = {**sources, **{name: info.meaning for name, info in KNOWN.items()}}
    failures = [found for whole in phase.graph.whole if (found := whole.failure(facts, meanings)) is not None]
    if failures and not pad:
        hint = "choose a deployment in which it does, or pad with --fallback"
        raise DeploymentError(f"{failures[0][0]}; {hint}")
    return [f"{sentence}: fallback, padded to {padded}" for sentence, padded in failures]
