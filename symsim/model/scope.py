"""What expressions of a graph may name: the work of a step, the deployment, sizes of the model; and its conditions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import sympy
from sympy import Expr, Symbol

from symsim.algebra.symbols import KNOWN, architecture_symbol, is_symbol, symbol, symbol_info
from symsim.errors import UndefinedName
from symsim.language.symbolic import Scope
from symsim.language.tree import (
    Model,
)
from symsim.model.layer_kinds import LayerKind
from symsim.model.op_graph import DEGREES
from symsim.model.step import EngineStep

Facts = Mapping[Symbol, Expr]
"""Numbers of the deployment and the config: they decide conditions and nothing else."""


def degrees(facts: Facts, guards: dict[sympy.Basic, bool]) -> dict[str, Expr]:
    """What stands for degrees of parallelism in formulas: the number 1 where there is none of it, else its symbol.

    moe_tp is tp where experts are shared as all else is; there are 0 redundant experts where none were asked for.

    So formulas do not speak of what a deployment does not do.
    """
    alone = {name: decide(sympy.Eq(symbol(name), 1), facts, guards) for name in DEGREES}
    found: dict[str, Expr] = {name: sympy.S.One if alone[name] else symbol(name) for name in DEGREES}
    if decide(sympy.Eq(symbol("moe_tp"), symbol("tp")), facts, guards):
        found["moe_tp"] = symbol("tp")
    if decide(sympy.Eq(symbol("redundant_experts"), 0), facts, guards):
        found["redundant_experts"] = sympy.S.Zero
    ranks = facts.get(symbol("ep"), sympy.S.One)
    if decide(sympy.Ne(symbol("imbalance"), 0), facts, guards) and ranks != 1:  # z is the score of so many
        decide(sympy.Eq(symbol("ep"), ranks), facts, guards)
    return found


def model_scope(model: Model, work: Scope, kinds: tuple[LayerKind, ...] = ()) -> dict[str, Expr]:
    """Every name an expression of the model may use. work: what blocks see too.

    Raises UndefinedName for a size with the name of something else.
    """
    own: dict[str, Expr] = {}
    for binding in model.bindings:
        if is_symbol(binding.symbol) or binding.symbol in work:
            means = symbol_info(binding.symbol).meaning if is_symbol(binding.symbol) else "something of a step"
            raise UndefinedName(binding.span, f"{binding.symbol} already means {means}; choose another name")
        if binding.layer is None:
            own[binding.symbol] = architecture_symbol(binding.symbol)
    counts = {kind.symbol: architecture_symbol(kind.symbol) for kind in kinds if kind.symbol is not None}
    return {**own, **counts, **work}


def work_of(step: EngineStep, degrees: Scope) -> dict[str, Expr]:
    """What blocks and kernels see besides their parameters: a step's work, the deployment, constants."""
    return {**{name: symbol(name) for name in KNOWN}, **degrees, **step.facts}


def decide(test: sympy.Basic, facts: Facts, guards: dict[sympy.Basic, bool]) -> bool:
    """Whether the condition holds; remembered as a guard unless it holds, or does not, whatever the deployment."""
    outcome = _outcome(test, tuple((s, facts[s]) for s in _spoken_of(test) if s in facts))
    if test not in (sympy.true, sympy.false):
        guards[test] = outcome
    return outcome


@lru_cache(maxsize=4096)
def _spoken_of(test: sympy.Basic) -> tuple[Symbol, ...]:
    """The symbols of a condition, in one order."""
    return tuple(sorted((s for s in test.free_symbols if isinstance(s, Symbol)), key=lambda s: s.name))


@lru_cache(maxsize=8192)
def _outcome(test: sympy.Basic, facts: tuple[tuple[Symbol, Expr], ...]) -> bool:
    """Cached: steps and deployments ask for the same ones again."""
    return test.xreplace(dict(facts)) == sympy.true
