"""Prompts that are longer than an iteration: a metric as the sum over the chunks that they are cut into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import sympy
from sympy import Expr, Integer, Symbol

from symsim.algebra.symbols import step_symbol, substitute, symbol, symbol_or_zero
from symsim.cost.derivation import Derivation, Step
from symsim.cost.metric_table import Metric, timed
from symsim.cost.metrics import derivation
from symsim.cost.priced_step import PricedStep
from symsim.model.op_graph import Guard

TOKENS, LENGTH, PAST = symbol("T"), symbol("S"), symbol_or_zero("past")
_LAST = step_symbol("T_last")
"""The tokens of the last chunk, a step of the metric with its chunks written out."""


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Chunks:
    """A metric of prompts of S > ranks*T tokens, which are cut into chunks of T tokens of each rank.

    chunk: the time of one, of T tokens of each rank after `past`; ranks: that share a prompt; cached: tokens before the
    first; then: from the sum of the chunks' times, which is under the name of the time of one, to the metric.
    """

    chunk: Derivation
    ranks: Expr
    cached: Expr
    then: tuple[Step, ...]

    @property
    def guards(self) -> tuple[Guard, ...]:
        """The conditions under which it holds."""
        return self.chunk.guards

    def mapped(self, change: Callable[[Derivation], Derivation]) -> Chunks:
        """With every derivation changed; the steps behind the sum are those of a derivation, too."""
        then = change(self.chunk.keeping(self.then)).steps if self.then else ()
        return replace(self, chunk=change(self.chunk), then=then)

    def scaled(self, factor: Expr) -> Chunks:
        """The metric times a factor."""
        if self.then:
            return replace(self, then=(*self.then[:-1], self.then[-1].times(factor)))
        return replace(self, chunk=self.chunk.scaled(factor))

    def one(self, derivation: Derivation) -> Derivation:
        """The metric as if one chunk were all: it moves with a figure of the device as the sum does."""
        return derivation.keeping((*self.chunk.steps, *self.then))

    def written_out(self, derivation: Derivation, count: int) -> Derivation:
        """The metric in S and T, of prompts of so many chunks, every one of them with its own steps.

        Chunks share the steps in which they are alike: full ones all that does not see the tokens before them.
        """
        last = Step(_LAST, LENGTH / self.ranks - (count - 1) * TOKENS, "tokens", "tokens of the last chunk", _LATEX)
        steps: dict[tuple[Symbol, Expr], Step] = {}
        times: list[Expr] = []
        for number in range(1, count + 1):
            tokens = _LAST if number == count else TOKENS
            values: dict[Expr, Expr] = {PAST: self.cached + (number - 1) * self.ranks * TOKENS, TOKENS: tokens}
            for step in self.chunk.steps:
                expr = substitute(step.expr, values)
                if (step.symbol, expr) not in steps:
                    steps[step.symbol, expr] = _of_chunk(step, expr, number, whole=step is self.chunk.result)
                values[step.symbol] = steps[step.symbol, expr].symbol
            times.append(values[self.chunk.result.symbol])
        total = replace(self.chunk.result, expr=sympy.Add(*times))
        return derivation.keeping((last, *steps.values(), total, *self.then))


_LATEX = "T_{\\mathrm{last}}"


def _of_chunk(step: Step, expr: Expr, number: int, *, whole: bool) -> Step:
    """A step of a chunk under a name of its own; whole: whether it is the time of the chunk."""
    name = f"t_chunk{number}" if whole else step.symbol.name + (f"_chunk{number}" if number > 1 else "")
    latex = "t_{\\mathrm{chunk}}" if whole else step.latex
    return replace(
        step,
        symbol=step_symbol(name),
        expr=expr,
        latex=f"{latex}^{{({number})}}",
        meaning=f"chunk {number}" if whole else f"{step.meaning}, chunk {number}",
    )


def in_chunks(metric: Metric, phase: PricedStep, *, after: bool) -> Chunks:
    """A metric of prompts that are cut into chunks. phase: the priced step of one chunk; after: whether tokens before
    the prompt may be cached."""
    *rows, first = timed(metric)
    ranks = phase.graph.degrees["cp"]
    found = chunk = derivation(first, phase)
    step = phase.graph.step.changed(tokens=LENGTH / ranks)  # what a rate counts: the tokens of the whole prompt
    whole = replace(phase, graph=replace(phase.graph, step=step))
    for row in reversed(rows):
        found = derivation(row, whole, found)
    cached = PAST if after else Integer(0)
    return Chunks(chunk=chunk, ranks=ranks, cached=cached, then=found.steps[len(chunk.steps) :])
