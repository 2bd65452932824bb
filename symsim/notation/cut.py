"""What a formula says of prompts that are longer than an iteration: the sum over their chunks, in each notation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sympy import Expr, Min, Symbol, ceiling

from symsim.cost.chunks import LENGTH, TOKENS, Chunks
from symsim.cost.derivation import Step

INDEX = Symbol("i", integer=True, nonnegative=True)
"""Counts chunks."""

Show = Callable[[Expr], str]


@dataclass(frozen=True, slots=True)
class Cut:
    """Prompts of more than `fitting` tokens are cut into `count` chunks, the i-th of so many tokens of each rank after
    those before it. total: the step that is their sum; then: the steps from there to the metric."""

    fitting: Expr
    count: Expr
    tokens: Expr
    before: Expr
    total: Step
    then: tuple[Step, ...]


def cut_of(chunks: Chunks) -> Cut:
    """In the symbols of the chunks."""
    fitting = chunks.ranks * TOKENS
    tokens = Min(TOKENS, LENGTH / chunks.ranks - INDEX * TOKENS)
    return Cut(
        fitting, ceiling(LENGTH / fitting), tokens, chunks.cached + INDEX * fitting, chunks.chunk.result, chunks.then
    )


def cut_text(cut: Cut, show: Show) -> list[str]:
    """Lines of plain text."""
    total, tokens, before = cut.total.symbol, show(cut.tokens), show(cut.before)
    return [
        f"holds for S <= {show(cut.fitting)}; a longer prompt takes n = {show(cut.count)} chunks, one after another:",
        f"  {total} = sum(t_chunk({tokens}, {before}), i = 0 ... n - 1), t_chunk(T, past) as --metric chunk prints it",
        *(f"  {step.symbol} = {show(step.expr)}" for step in cut.then),
    ]


def cut_latex(cut: Cut, show: Show) -> str:
    """A sentence for an article."""
    then = "".join(f", and ${step.latex} = {show(step.expr)}$" for step in cut.then)
    time = "t_{\\mathrm{chunk}}"
    return (
        f"This holds for $S \\le {show(cut.fitting)}$; a longer prompt takes $n = {show(cut.count)}$ chunks, one after "
        f"another: ${cut.total.latex} = \\sum_{{i=0}}^{{n-1}} {time}({show(cut.tokens)}, {show(cut.before)})${then}, "
        f"where ${time}(T, H)$ is the time of a chunk of $T$ tokens after $H$ that are cached."
    )
