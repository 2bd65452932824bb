"""Whether what tensor parallelism leaves of a matrix holds whole blocks and groups of its format."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

from sympy import Expr, Integer, Rational, Symbol

from symsim.algebra.symbols import substitute, symbol
from symsim.cost.metrics import PricedStep
from symsim.errors import DeploymentError
from symsim.formula.binding import Numbers
from symsim.model.environment import EXPERTS
from symsim.model.op_graph import Op
from symsim.model.stored_formats import ServedModel
from symsim.quantization.formats import Format

_CUTS = tuple(symbol(name) for name in ("tp", "moe_tp"))


def cut_blocks(phase: PricedStep, served: ServedModel, numbers: Numbers, *, allowed: bool) -> list[str]:
    """What is cut inside of blocks and counted all the same. Raises DeploymentError for it where it is not allowed.

    No engine loads such a shard: vLLM, SGLang and TensorRT-LLM refuse it.
    """
    if served.formats is None or served.deployment.tp == 1:
        return []
    spoken = {found for width, _, _ in _widths(phase) for found in width.free_symbols if isinstance(found, Symbol)}
    found = _cut(phase, frozenset((found, numbers.values[found.name]) for found in spoken))
    if found and not allowed:
        sentence, ways = found[0]
        raise DeploymentError(f"{served.origin}: {sentence}, and no engine loads that; choose {ways}")
    return [f"{served.origin}: {sentence}: counted all the same" for sentence, _ in found]


@lru_cache(maxsize=4096)
def _cut(phase: PricedStep, values: frozenset[tuple[Symbol, Fraction]]) -> tuple[tuple[str, str], ...]:
    """A sentence for every width of which blocks are cut, and what would do."""
    facts: dict[Symbol, Expr] = {name: Rational(value) for name, value in values}
    whole = {**facts, **dict.fromkeys(_CUTS, Integer(1))}
    found: list[tuple[str, str]] = []
    for width, weight, op in _widths(phase):
        left, full, block = substitute(width, facts), substitute(width, whole), weight.whole
        if left != full and left % block != 0:
            sentence = (
                f"{op.label}: {full}/{full / left} = {left} is no multiple of {block}, the block of {weight.name}"
            )
            found.append((sentence, _ways(op, width, int(full), int(full / left), block)))
    return tuple(found)


def _ways(op: Op, width: Expr, full: int, degree: int, block: int) -> str:
    """What would do: the largest smaller degree that leaves blocks whole, and whole experts."""
    experts = all(EXPERTS in module for module in op.modules)
    fits = [less for less in range(degree - 1, 0, -1) if degree % less == 0 and full % (less * block) == 0]
    name = "tp" if width.has(_CUTS[0]) else "moe_tp"
    ways = [f"{name} = {fits[0]}"] if fits and (fits[0] > 1 or not experts) else []
    ways += [f"expert parallelism (ep = {degree}: whole experts)"] if experts else []
    return " or ".join(ways) or "a precision of all weights (--gemm bf16 or fp8)"


@lru_cache(maxsize=1024)
def _widths(phase: PricedStep) -> tuple[tuple[Expr, Format, Op], ...]:
    """The widths that a degree cuts, with the format of the weights, each once."""
    found: dict[tuple[Expr, Format], Op] = {}
    for op in phase.graph.ops:
        width = phase.costs[op.name].shard
        if width is None or op.format is None or width.free_symbols.isdisjoint(_CUTS):
            continue
        for layer in op.format.layers:
            if layer.weight.whole > 1:
                found.setdefault((width, layer.weight), op)
    return tuple((width, weight, op) for (width, weight), op in found.items())
