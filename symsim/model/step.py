"""Steps as text -> EngineStep: what one GPU works on in one step, in workload symbols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import cast

import sympy
from sympy import Expr, Symbol

from symsim.algebra.symbols import KNOWN, symbol, symbol_or_zero
from symsim.errors import SymsimError, UndefinedName, did_you_mean
from symsim.language.decide import names
from symsim.language.symbolic import Scope, expression
from symsim.language.tree import Library, StepCall, StepFact, StepRule

TOTALS = ("tokens", "prompt_tokens", "sequences", "logit_tokens")
"""Of an iteration of several steps, the facts that are known of all of them together: their sums."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineStep:
    """What one GPU works on. kinds: its name and the names of those that it is like; facts: name -> expression, and
    `name()` -> a function of the keys that a query meets; together: by name, the steps of an iteration of several."""

    name: str
    kinds: frozenset[str]
    facts: Mapping[str, Expr]
    together: Mapping[str, EngineStep] = field(default_factory=dict[str, "EngineStep"])

    @property
    def is_mixed(self) -> bool:
        """Whether the iteration holds several steps."""
        return bool(self.together)

    @property
    def parts(self) -> Mapping[str, EngineStep]:
        """The steps that the iteration holds; itself under '' if one."""
        return self.together or {"": self}

    def part(self, name: str) -> EngineStep:
        """One of the steps that it holds; '' is the whole."""
        return self.together[name] if name else self

    def changed(self, **facts: Expr) -> EngineStep:
        """The same step with other facts."""
        return replace(self, facts={**self.facts, **facts})


def step_named(name: str, library: Library, degrees: Scope) -> EngineStep:
    """A step of the library in workload symbols. degrees: what stands for degrees of parallelism.

    In an iteration of several steps any of them may be empty, so its symbols may be zero.
    Raises SymsimError for a step that the library does not have.
    """
    if name not in library.steps:
        raise SymsimError(f"there is no step {name}; {did_you_mean(name, library.steps)}")
    spoken = _spoken_of(library)
    return _step_named(name, library, tuple((degree, value) for degree, value in degrees.items() if degree in spoken))


@lru_cache(maxsize=16)
def _spoken_of(library: Library) -> frozenset[str]:
    """Every name in the facts of the library's steps."""
    facts = (fact for rule in library.steps.values() for fact in rule.facts)
    return frozenset(name.name for fact in facts for name in names(fact.value))


@lru_cache(maxsize=256)
def _step_named(name: str, library: Library, spoken: tuple[tuple[str, Expr], ...]) -> EngineStep:
    """Cached: of all degrees that deployments differ in, steps speak of few."""
    rule, degrees = library.steps[name], dict(spoken)
    known = {**{word: _own(word) for word in KNOWN}, **degrees}
    if not rule.parts:
        own = {size: _own(size) for size in rule.params if size not in rule.defaults}
        return _step(rule, own, library, known)
    if len(rule.parts) > 1:
        known = {**{word: symbol_or_zero(word) for word in KNOWN}, **degrees}
    parts = {call.name: _called(call, library, known) for call in rule.parts}
    if len(parts) == 1:
        (part,) = parts.values()
        kinds = part.kinds | {name}
        return replace(part, kinds=kinds, facts={**part.facts, **_flags(kinds, library)})
    totals = {fact: sympy.Add(*(part.facts[fact] for part in parts.values())) for fact in TOTALS}
    kinds = frozenset({name})
    return EngineStep(name=name, kinds=kinds, facts={**_flags(kinds, library), **totals}, together=parts)


def _own(size: str) -> Symbol:
    """A size of a step as a symbol; tokens before it may be none."""
    return symbol_or_zero(size) if size == "past" else symbol(size)


def _called(call: StepCall, library: Library, known: Scope) -> EngineStep:
    rule = _rule(call, library)
    return _step(rule, _arguments(call, rule, known), library, known)


def _rule(call: StepCall, library: Library) -> StepRule:
    if call.name not in library.steps:
        raise UndefinedName(call.span, f"there is no step {call.name}; {did_you_mean(call.name, library.steps)}")
    return library.steps[call.name]


def _arguments(call: StepCall, rule: StepRule, known: Scope) -> dict[str, Expr]:
    needed = [size for size in rule.params if size not in rule.defaults]
    if not len(needed) <= len(call.args) <= len(rule.params):
        message = f"{call.name} takes {', '.join(rule.params)}; found {len(call.args)} of them"
        raise UndefinedName(call.span, message)
    return {size: expression(value, known) for size, value in zip(rule.params, call.args, strict=False)}


def _step(rule: StepRule, given: Mapping[str, Expr], library: Library, known: Scope) -> EngineStep:
    """given: the values of its parameters; those that are not given have their defaults."""
    facts: dict[str, Expr] = {}
    stated, kinds = _stated(rule, given, library, known)
    for key, (fact, own) in stated.items():
        facts[key] = _fact(fact, {**known, **own, **facts})
    return EngineStep(name=rule.name, kinds=kinds, facts={**_flags(kinds, library), **facts})


StatedFact = dict[str, tuple[StepFact, Mapping[str, Expr]]]
"""Key of a fact -> its line, and the parameters that it speaks of."""


def _stated(
    rule: StepRule, given: Mapping[str, Expr], library: Library, known: Scope
) -> tuple[StatedFact, frozenset[str]]:
    """The facts of a step and of those that it is like, its own in the place of theirs; and the names of all."""
    own = dict(given)
    for size, default in rule.defaults.items():
        own.setdefault(size, expression(default, {**known, **own}))
    facts: StatedFact = {}
    kinds = frozenset[str]()
    if rule.like is not None:
        base = _rule(rule.like, library)
        facts, kinds = _stated(base, _arguments(rule.like, base, {**known, **own}), library, known)
    facts |= {f"{fact.name}()" if fact.params else fact.name: (fact, own) for fact in rule.facts}
    return facts, kinds | {rule.name}


def _fact(fact: StepFact, scope: Scope) -> Expr:
    if not fact.params:
        return expression(fact.value, scope)
    params = {name: sympy.Dummy(name, integer=True, positive=True) for name in fact.params}
    body = expression(fact.value, {**scope, **params})
    return cast(Expr, sympy.Lambda(tuple(params.values()), body))


def _flags(kinds: frozenset[str], library: Library) -> dict[str, Expr]:
    """`when decode` holds in the step of that name and in those that are like it."""
    return {name: sympy.Integer(name in kinds) for name in library.steps}
