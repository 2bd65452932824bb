"""Derivations: a metric as named steps, each with its unit and meaning."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from sympy import Expr, Symbol

from symsim.algebra.symbols import step_symbol, substitute
from symsim.errors import InternalError
from symsim.model.op_graph import Guard, Op


@dataclass(frozen=True, slots=True)
class Step:
    """`symbol = expr`: one named sub-term. op: the operator whose time it is, if one's; origin: its graph line."""

    symbol: Symbol
    expr: Expr
    unit: str
    meaning: str
    latex: str
    op: str | None = None
    origin: str | None = None

    def times(self, factor: Expr) -> Step:
        return replace(self, expr=factor * self.expr)


@dataclass(frozen=True, slots=True, eq=False)
class Derivation:
    """A metric as steps in order of evaluation (each uses earlier ones); the last step is the metric itself.

    guards: the conditions under which it holds.
    """

    name: str
    meaning: str
    steps: tuple[Step, ...]
    guards: tuple[Guard, ...]

    @property
    def result(self) -> Step:
        return self.steps[-1]

    def inlined(self) -> Expr:
        """The metric as one expression, every step put in."""
        values: dict[Expr, Expr] = {}
        for step in self.steps:
            values[step.symbol] = substitute(step.expr, values)
        return values[self.result.symbol]

    def substituted(self, values: Mapping[Symbol, Expr]) -> Derivation:
        """The same derivation with symbols replaced by numbers."""
        return self.mapped(lambda expr: substitute(expr, values))

    def mapped(self, change: Callable[[Expr], Expr]) -> Derivation:
        """The same steps with every expression changed."""
        return self.keeping(tuple(replace(step, expr=change(step.expr)) for step in self.steps))

    def scaled(self, factor: Expr) -> Derivation:
        """The metric times a factor."""
        return self.keeping((*self.steps[:-1], self.result.times(factor)))

    def keeping(self, steps: tuple[Step, ...]) -> Derivation:
        """The same metric, derived by these steps."""
        return replace(self, steps=steps)

    def free(self) -> tuple[Symbol, ...]:
        """Symbols that are not steps, by name."""
        return _free(self)


@lru_cache(maxsize=1024)
def _free(derivation: Derivation) -> tuple[Symbol, ...]:
    own = {step.symbol for step in derivation.steps}
    found = {s for step in derivation.steps for s in step.expr.free_symbols if s not in own}
    return tuple(sorted((s for s in found if isinstance(s, Symbol)), key=lambda s: s.name))


def step_called(steps: list[Step], name: str) -> Step | None:
    return next((step for step in steps if step.symbol.name == name), None)


def named_step(
    steps: list[Step], names: list[str], expr: Expr, meaning: str, op: Op | None = None, unit: str = "s"
) -> Symbol:
    """The step of this amount: one of these names that stands for the same expression, else the first that is free."""
    for name in names:
        found = step_called(steps, name)
        if found is None:
            letter, _, words = name.replace("_", "\\,").partition("\\,")
            latex = f"{letter}_{{\\mathrm{{{words}}}}}"
            of = (None, None) if op is None else (op.name, str(op.origin))
            steps.append(Step(step_symbol(name), expr, unit, meaning, latex, *of))
            return steps[-1].symbol
        if found.expr == expr:
            return found.symbol
    raise InternalError("metrics", f"no name is left for {meaning}")
