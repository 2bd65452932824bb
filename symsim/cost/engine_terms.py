"""What a serving engine adds to the time of a step: launches, waiting collectives, its host, as its file writes it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import sympy
from sympy import Expr, Symbol

from symsim.algebra.symbols import KNOWN, one_if_any, step_symbol, substitute, symbol, symbol_info
from symsim.cost.derivation import Step
from symsim.errors import DataError
from symsim.language.graph_text import parse_expression
from symsim.language.symbolic import Scope, expression
from symsim.model.step import EngineStep


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineTerms:
    """text: the time of a step, over what its kernels take and the symbols of the engine; origin: where it is from;
    slow: the symbols that kernels of a running engine are multiplied by."""

    text: str
    origin: str
    slow: frozenset[str]

    def slowed(self, name: str, scope: Scope) -> Expr:
        """By what kernels of a kind take longer in a running engine than alone; the fullest of expert parallel ranks
        longer than the mean."""
        factor = symbol(name) if name in self.slow else sympy.S.One
        return factor * scope["ep"] ** symbol(SKEW) if name == "slow_experts" and SKEW in self.slow else factor


SKEW = "skew_experts"
"""The power of expert parallel ranks."""


def engine_time(
    terms: EngineTerms, step: EngineStep, kernels: Expr, launches: Expr, collectives: Expr
) -> tuple[tuple[Step, ...], Expr]:
    """Named steps, and the time of a step. kernels: seconds of all of them; launches: how many they are; collectives:
    how many of them GPUs wait for each other in.

    Raises UndefinedName at its place in the engine's text, DataError where that is no time.
    """
    counts = {
        "kernels": Step(step_symbol("t_kernels"), kernels, "s", "kernels of one step", "t_{\\mathrm{kernels}}"),
        "launches": _count("n_launch", launches, "kernels that one step launches", "n_{\\mathrm{launch}}"),
        "collectives": _count("n_collective", collectives, "collectives of one step", "n_{\\mathrm{coll}}"),
    }
    _check_seconds(terms.text, terms.origin)
    tree = parse_expression(terms.text, terms.origin)
    scope: dict[str, Expr] = {
        **{name: symbol(name) for name in KNOWN},
        **{name: count.symbol for name, count in counts.items()},
        "sequences": step.facts["sequences"],
        "has_prompts": one_if_any(step.facts["prompt_tokens"]),
        "max()": _larger,  # pyright: ignore[reportAssignmentType]
    }
    total = expression(tree, scope)
    used = {s for s in total.free_symbols if isinstance(s, Symbol)}
    return tuple(count for count in counts.values() if count.symbol in used), total


_HALF = sympy.Rational(1, 2)

_COUNTS = ("launches", "collectives", "sequences", "has_prompts")


@lru_cache(maxsize=64)
def _check_seconds(text: str, origin: str) -> None:
    """Raise DataError where the time of a step has another unit: where its times are doubled, it has to double."""
    own = {name: Symbol(name, positive=True) for name in ("kernels", *_COUNTS)}
    scope: dict[str, Expr] = {**{name: symbol(name) for name in KNOWN}, **own, "max()": sympy.Max}  # pyright: ignore[reportAssignmentType]
    total = expression(parse_expression(text, origin), scope)
    names = sorted((s for s in total.free_symbols if isinstance(s, Symbol)), key=str)
    units = {s: "s" if s == own["kernels"] else "1" if s in own.values() else symbol_info(s.name).unit for s in names}
    once = [(s, sympy.Rational(2 * place + 3, place + 2)) for place, s in enumerate(names)]
    twice = [(s, sympy.Mul(x, 2 if units[s] == "s" else _HALF if units[s].endswith("/s") else 1)) for s, x in once]
    if substitute(total, dict(twice)) != 2 * substitute(total, dict(once)):
        raise DataError(f"{origin}: {' '.join(text.split())} is no time; expected a formula in seconds")


def _count(name: str, count: Expr, meaning: str, latex: str) -> Step:
    return Step(step_symbol(name), count, "1", meaning, latex)


def _larger(one: Expr, other: Expr) -> Expr:
    """Unevaluated: sympy is slow on it. A time is never below zero."""
    return one if other == 0 else sympy.Max(one, other, evaluate=False)
