"""Conditions on whole numbers as compiled functions: thousands of deployments are decided without sympy.

Where a condition divides, exact fractions go in and not integers, so quotients and what is rounded of them are exact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import sympy
from sympy import Rational, Symbol

from symsim.model.op_graph import Guard, OpGraph

Values = Mapping[str, Fraction]
Decision = Callable[[Values], bool]


def guards_decision(guards: Sequence[Guard]) -> Decision:
    """Whether every guard has its outcome for given numbers."""
    outcomes = [guard.outcome for guard in guards]
    decide = _compiled(tuple(guard.condition for guard in guards))

    def holds(values: Values) -> bool:
        found = decide(values)
        if found is not None:
            return found == outcomes
        facts = {s: Rational(values[s.name]) for guard in guards for s in guard.symbols() if s.name in values}
        return all(guard.holds(facts) for guard in guards)

    return holds


def no_refusal(graph: OpGraph) -> Decision:
    """Whether given numbers surely meet no refusal of the graph text."""
    decide = _compiled(tuple(refusal.condition for refusal in graph.refusals))

    def surely(values: Values) -> bool:
        found = decide(values)
        return found is not None and not any(found)

    return surely


def shards_are_whole(graph: OpGraph) -> Decision:
    """Whether given numbers surely give whole shards."""
    decide = _compiled(tuple(sympy.Eq(sympy.Mod(whole.dividend, whole.divisor), 0) for whole in graph.whole))

    def surely(values: Values) -> bool:
        found = decide(values)
        return found is not None and all(found)

    return surely


@lru_cache(maxsize=1024)
def _compiled(conditions: tuple[sympy.Basic, ...]) -> Callable[[Values], list[bool] | None]:
    """Outcomes of conditions for given numbers; None where a name has no number: then only sympy can say.

    Cached: phases of a model mostly have the same ones.
    """
    symbols = sorted({s for c in conditions for s in c.free_symbols if isinstance(s, Symbol)}, key=lambda s: s.name)
    names = [s.name for s in symbols]
    divides = [any(_is_quotient(part) for part in sympy.preorder_traversal(c)) for c in conditions]
    exact, plain = (
        sympy.lambdify(symbols, [c for c, d in zip(conditions, divides, strict=True) if d is wanted], modules="math")
        for wanted in (True, False)
    )

    def outcomes(values: Values) -> list[bool] | None:
        if any(name not in values for name in names):
            return None
        fractions = [values[name] for name in names]
        found: dict[bool, Any] = {True: iter(exact(*fractions)), False: iter(plain(*(f.numerator for f in fractions)))}
        return [bool(next(found[divided])) for divided in divides]

    return outcomes


def _is_quotient(part: sympy.Basic) -> bool:
    return (isinstance(part, sympy.Pow) and not part.exp.is_nonnegative) or (
        isinstance(part, sympy.Rational) and not part.is_Integer
    )
