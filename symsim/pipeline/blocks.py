"""Whether what tensor parallelism leaves of a matrix holds whole blocks and groups of its format."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from sympy import Expr, Integer, Rational, Symbol

from symsim.algebra.symbols import substitute, symbol
from symsim.cost.priced_step import PricedStep
from symsim.errors import DeploymentError
from symsim.formula.binding import Numbers
from symsim.model.environment import EXPERTS
from symsim.model.op_graph import Resident
from symsim.model.stored_formats import ServedModel

_CUTS = tuple(symbol(name) for name in ("tp", "moe_tp"))


@dataclass(frozen=True, slots=True)
class _Width:
    """A width of one GPU that holds whole blocks of so many, of the format of the linear layers that it is of.

    merged: loaded beside others as one matrix, which engines load also where blocks span two of them.
    """

    width: Expr
    block: int
    format: str
    label: str
    experts: bool
    merged: bool


@dataclass(frozen=True, slots=True)
class _Cut:
    """What is cut, and what would do."""

    sentence: str
    ways: str
    merged: bool


_MERGED = "vLLM from 0.13 on loads it, with scales that two matrices share; earlier ones and SGLang refuse it"
"""vLLM pull request 30836 (`allow_fp8_block_shape_mismatch`); what is left to do: vLLM issue 52997."""


def cut_blocks(phase: PricedStep, served: ServedModel, numbers: Numbers, *, allowed: bool) -> list[str]:
    """What is cut inside of blocks and counted all the same. Raises DeploymentError for it where it is not allowed.

    No engine loads such a shard: vLLM (`validate_fp8_block_shape`: block_k of what is cut along its inputs, block_n of
    its outputs), SGLang and TensorRT-LLM refuse it, but for one of merged matrices.
    """
    if served.formats is None or max(served.deployment.tp, served.deployment.experts_split) == 1:
        return []
    spoken = {found for each in _widths(phase) for found in each.width.free_symbols if isinstance(found, Symbol)}
    found = _cut(phase, frozenset((found, numbers.values[found.name]) for found in spoken))
    refused = next((cut for cut in found if not cut.merged), None)
    if refused is not None and not allowed:
        raise DeploymentError(f"{served.origin}: {refused.sentence}, and no engine loads that; choose {refused.ways}")
    merged = {True: f"{_MERGED}; {{}} cuts none", False: "counted all the same"}
    return [f"{served.origin}: {cut.sentence}: {merged[cut.merged].format(cut.ways)}" for cut in found]


@lru_cache(maxsize=4096)
def _cut(phase: PricedStep, values: frozenset[tuple[Symbol, Fraction]]) -> tuple[_Cut, ...]:
    """Every width of which blocks are cut."""
    facts: dict[Symbol, Expr] = {name: Rational(value) for name, value in values}
    found: list[_Cut] = []
    for each in _widths(phase):
        left, full = substitute(each.width, facts), _at(each.width, facts, 1)
        if left != full and left % each.block != 0:
            degree = max(int(facts[name]) for name in _CUTS if each.width.has(name))
            share = f"{full}/{degree} = {left}" if left * degree == full else f"{full} on {degree} GPUs: {left} of each"
            sentence = f"{each.label}: {share} is no multiple of {each.block}, the block of {each.format}"
            found.append(_Cut(sentence, _ways(each, facts, degree), each.merged))
    return tuple(found)


def _at(width: Expr, facts: dict[Symbol, Expr], degree: int) -> Expr:
    """The width that so many GPUs leave."""
    return substitute(width, {**facts, **dict.fromkeys(_CUTS, Integer(degree))})


def _ways(cut: _Width, facts: dict[Symbol, Expr], degree: int) -> str:
    """What would do: the largest smaller degree that leaves blocks whole, and whole experts."""
    smaller = (less for less in range(degree - 1, 0, -1) if degree % less == 0)
    fits = next((less for less in smaller if _at(cut.width, facts, less) % cut.block == 0), None)
    name = "tp" if cut.width.has(_CUTS[0]) else "moe_tp"
    ways = [f"{name} = {fits}"] if fits is not None and (fits > 1 or not cut.experts) else []
    ways += [f"expert parallelism (ep = {degree}: whole experts)"] if cut.experts else []
    return " or ".join(ways) or "a precision of all weights (--gemm bf16 or fp8)"


@lru_cache(maxsize=1024)
def _widths(phase: PricedStep) -> tuple[_Width, ...]:
    """The widths that a degree cuts, each once: of inputs, and of outputs where they are stated."""
    found: dict[tuple[Expr, str, bool], _Width] = {}
    inputs = ((op, phase.costs[op.name].shard, op.label) for op in phase.graph.ops)
    stated = (item for item in phase.graph.residents if item.kind == "shard")
    outputs = ((item, item.amount[None], item.modules[0].rpartition(".")[2]) for item in stated)
    for held, width, label in (*inputs, *outputs):
        if width is None or held.format is None or width.free_symbols.isdisjoint(_CUTS):
            continue
        of_outputs, modules = isinstance(held, Resident), set(held.modules)
        experts = all(EXPERTS in module for module in modules)
        merged = of_outputs and any(modules < set(op.modules) for op in phase.graph.ops)
        for layer in held.format.layers:
            block = layer.weight.whole_outputs if of_outputs else layer.weight.whole
            if block > 1:
                name = layer.weight.name
                found.setdefault((width, name, of_outputs), _Width(width, block, name, label, experts, merged))
    return tuple(found.values())
