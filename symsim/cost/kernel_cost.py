"""Kernel contract -> Cost of every operator: FLOPs, bytes and messages, exact and symbolic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import sympy
from sympy import Expr

from symsim.algebra.symbols import LINKS, one_if_any, symbol, weight_symbol
from symsim.errors import UndefinedName, did_you_mean
from symsim.language.symbolic import Amounts, Scope, condition, expression, priced
from symsim.language.tree import Clause, Kernel, Let, Library, Part, When
from symsim.model.op_graph import Guard, Op, OpGraph
from symsim.model.scope import Facts, decide, work_of
from symsim.quantization.kv_cache import PARTS
from symsim.quantization.layers import LayerFormat, Mixture

_AMOUNTS = ("flops", "read", "write", "weight")
_SIDES = ("outputs", "inputs")
"""What `scales` counts: rows and columns of the weights, each of which may have a scale of its own."""
_NUMBERS = ("shard", "mfu", "touch", "time", "latency")
COUNTED = ("linear", "attention", "convolution", "routed_experts")
"""What matrix-product FLOPs are counted as."""

_PLAIN = ("bf16", "fp8", "fp32", "kv", *PARTS)
QUANTISABLE: tuple[str, ...] = ("w", "listed")
"""Weights at the precision of the deployment; those that stay in bf16 unless the checkpoint lists them."""

ATTENTION = "attention"
"""At which queries, keys and values are multiplied: fp8 where the cache is and the device has such units, else bf16."""

NAMED = (*_PLAIN, *QUANTISABLE, ATTENTION)
"""The precisions that a graph may name."""

Rates = Mapping[LayerFormat, str]
"""Format of a linear layer -> the precision at whose peak the device multiplies it."""


@dataclass(frozen=True, slots=True)
class Cost:
    """One execution of an operator on one GPU.

    flops: FLOPs at each precision; read, write, weight: elements moved at each precision, weights streamed once;
    scales: outputs and inputs of the weights; shard: a width of the weights that degrees cut; touch: share of the
    weights that is streamed; send: link -> elements; mfu: share of peak, or None where the device's default stands in;
    time: measured seconds of computing, beside what FLOPs give; latency: seconds that nothing hides; counted: kind ->
    matrix-product FLOPs of the published implementation, where a kernel states them apart; part: under what the
    kernel's weights are always listed; clauses: clause name -> its graph line.
    """

    flops: Amounts = field(default_factory=dict[str | None, Expr])
    read: Amounts = field(default_factory=dict[str | None, Expr])
    write: Amounts = field(default_factory=dict[str | None, Expr])
    weight: Amounts = field(default_factory=dict[str | None, Expr])
    touch: Expr = sympy.S.One
    scales: Amounts = field(default_factory=dict[str | None, Expr])
    shard: Expr | None = None
    send: Mapping[str, Amounts] = field(default_factory=dict[str, Amounts])
    mfu: Expr | None = None
    time: Expr = sympy.S.Zero
    latency: Expr = sympy.S.Zero
    counted: Mapping[str, Expr] = field(default_factory=dict[str, Expr])
    part: str = ""

    @property
    def total_flops(self) -> Expr:
        """FLOPs at any precision."""
        return sympy.Add(*self.flops.values())

    @property
    def hbm_bytes(self) -> Expr:
        """Bytes moved to and from HBM."""
        return in_bytes(self.read) + in_bytes(self.write) + self.touch * in_bytes(self.weight)

    @property
    def link_bytes(self) -> Expr:
        """Bytes sent over all links."""
        return sympy.Add(*(in_bytes(amount) for amount in self.send.values()))


def in_bytes(amount: Amounts) -> Expr:
    """Elements at each precision -> bytes."""
    return sympy.Add(*(symbol(weight_symbol(str(precision))) * elements for precision, elements in amount.items()))


def costs(
    graph: OpGraph, library: Library, facts: Facts, *, rates: Rates | None = None, attention: str = "bf16"
) -> tuple[Mapping[str, Cost], tuple[Guard, ...]]:
    """The cost of every operator by name, and the conditions its kernels decided.

    rates: where a checkpoint gives weights their format; attention: the precision at which attention multiplies.
    Raises UndefinedName and PrecisionMissing at their place in the graph text.
    """
    guards: dict[sympy.Basic, bool] = {}
    work = {name: work_of(graph.step.part(name), graph.degrees) for name in {op.step for op in graph.ops}}
    found = {op.name: _cost(op, library.kernels[op.kernel], work[op.step], facts, guards) for op in graph.ops}
    found = {op.name: _stored(_if_any(found[op.name], work[op.step], op), op, rates) for op in graph.ops}
    multiplied = {ATTENTION: {attention: sympy.S.One}}
    found = {name: replace(cost, flops=_renamed(cost.flops, multiplied)) for name, cost in found.items()}
    return found, tuple(Guard(test, outcome) for test, outcome in guards.items())


def attends(graph: OpGraph, library: Library) -> bool:
    """Whether some kernel multiplies at the precision of attention: of others it is their own, whatever a cache is."""
    used = {op.kernel for op in graph.ops}
    clauses = [clause for name in used for clause in library.kernels[name].body if isinstance(clause, Clause)]
    precisions = [term.precision for clause in clauses for term in clause.cost]
    return any(precision is not None and precision.name == ATTENTION for precision in precisions)


def _if_any(cost: Cost, work: Scope, op: Op) -> Cost:
    """An iteration that holds none of a step does not read the weights that only that step needs."""
    return replace(cost, touch=cost.touch * one_if_any(work["rows"])) if op.step and cost.weight else cost


def _cost(op: Op, kernel: Kernel, work: Scope, facts: Facts, guards: dict[sympy.Basic, bool]) -> Cost:
    scope = {**work, **op.shape}
    fields: dict[str, object] = {}
    keyed: dict[str, dict[str, Clause]] = {"send": {}, "counted": {}}
    clauses = {clause.name: clause for clause in _chosen(kernel.body, scope, facts, guards, keyed)}
    for name, clause in clauses.items():
        if name in _AMOUNTS:
            fields[name] = _known_precisions(clause, priced(clause, scope))
        elif name == "scales":
            fields[name] = _known_precisions(clause, priced(clause, scope), _SIDES)
        elif name in _NUMBERS:
            fields[name] = _plain(clause, scope)
    send = {link: _known_precisions(clause, priced(clause, scope)) for link, clause in keyed["send"].items()}
    counted = {kind: _plain(clause, scope) for kind, clause in keyed["counted"].items()}
    part = next((rule.name for rule in kernel.body if isinstance(rule, Part)), "")
    return Cost(**fields, send=send, counted=counted, part=part)  # pyright: ignore[reportArgumentType]


def _stored(cost: Cost, op: Op, rates: Rates | None) -> Cost:
    """The cost with weights in the format of their module, multiplied at the peak that the device has for it."""
    used = {*cost.flops, *cost.read, *cost.write, *cost.weight}
    if used.isdisjoint(QUANTISABLE):
        return cost
    if rates is None:
        stored = peaks = {"listed": {"bf16": sympy.S.One}}
    elif op.format is None:
        raise UndefinedName(op.origin, f"`of` is missing: whose weights {op.label} multiplies by decides their format")
    else:
        stored = dict.fromkeys(QUANTISABLE, _shares(op.format, lambda layer: layer.weight.name))
        peaks = dict.fromkeys(QUANTISABLE, _shares(op.format, lambda layer: rates[layer]))
    moved = {name: _renamed(getattr(cost, name), stored) for name in ("read", "write", "weight")}
    if op.format is not None and rates is not None:
        moved["weight"] = _sum(moved["weight"], _scales(op.format, cost.scales))
    return replace(cost, flops=_renamed(cost.flops, peaks), **moved)


def _scales(mixture: Mixture, sides: Amounts) -> Amounts:
    """What formats keep once for each output or input of the weights, in 32-bit words; scales of groups are bytes of
    the weights themselves, and those of whole matrices are too few to count."""
    words = sympy.S.Zero
    for layer, share in mixture.parts:
        weight = layer.weight
        once = weight.scale_bits if weight.rows == 1 and not weight.inputs else 0
        for side, bits in (("outputs", once), ("inputs", weight.input_bits)):
            words += sympy.Rational(share * bits / 32) * sides.get(side, sympy.S.Zero)
    return {"fp32": words} if words != 0 else {}


def _sum(amounts: Amounts, others: Amounts) -> Amounts:
    return {name: amounts.get(name, sympy.S.Zero) + others.get(name, sympy.S.Zero) for name in {**amounts, **others}}


def _shares(mixture: Mixture, named: Callable[[LayerFormat], str]) -> Mapping[str, Expr]:
    """The share of the weights that has each name."""
    found: dict[str, Expr] = {}
    for layer, share in mixture.parts:
        found[named(layer)] = found.get(named(layer), sympy.S.Zero) + sympy.Rational(share)
    return found


def _renamed(amounts: Amounts, names: Mapping[str, Mapping[str, Expr]]) -> Amounts:
    """Amounts shared out under other names of their precisions, summed where two become one."""
    found: dict[str | None, Expr] = {}
    for precision, amount in amounts.items():
        shares = names.get(str(precision))
        for name, share in [(precision, sympy.S.One)] if shares is None else shares.items():
            found[name] = found.get(name, sympy.S.Zero) + share * amount
    return found


def _chosen(
    body: tuple[Clause | When | Part | Let, ...],
    scope: dict[str, Expr],
    facts: Facts,
    guards: dict[sympy.Basic, bool],
    keyed: dict[str, dict[str, Clause]],
) -> list[Clause]:
    """The clauses that apply; those with a key go into `keyed` too, messages by link and counted FLOPs by kind."""
    chosen: list[Clause] = []
    for rule in body:
        match rule:
            case Let():
                scope[rule.name] = expression(rule.value, scope)
            case When():
                branch = rule.body if decide(condition(rule.condition, scope), facts, guards) else rule.otherwise
                chosen += _chosen(branch, scope, facts, guards, keyed)  # pyright: ignore[reportArgumentType]
            case Part():
                pass
            case Clause():
                _check_clause(rule, keyed)
                if rule.name in keyed:
                    keyed[rule.name][str(rule.key)] = rule
                chosen.append(rule)
    return chosen


def _check_clause(clause: Clause, keyed: Mapping[str, object]) -> None:
    if clause.name == "send" and clause.key not in LINKS:
        raise UndefinedName(clause.span, f"there is no link {clause.key}; {did_you_mean(str(clause.key), LINKS)}")
    if clause.name == "counted" and clause.key not in COUNTED:
        known = did_you_mean(str(clause.key), COUNTED)
        raise UndefinedName(clause.span, f"FLOPs are not counted as {clause.key}; {known}")
    known = (*_AMOUNTS, "scales", *_NUMBERS, *keyed)
    if clause.name not in known:
        raise UndefinedName(clause.span, f"a kernel has no clause {clause.name}; {did_you_mean(clause.name, known)}")


def _known_precisions(clause: Clause, amount: Amounts, names: Sequence[str] = NAMED) -> Amounts:
    for precision in amount:
        if precision not in names:
            known = did_you_mean(str(precision), names)
            raise UndefinedName(clause.span, f"there is no precision {precision}; {known}")
    return amount


def _plain(clause: Clause, scope: Scope) -> Expr:
    if len(clause.cost) != 1 or clause.cost[0].precision is not None:
        raise UndefinedName(clause.span, f"`{clause.name}` is a plain number, without `@ precision`")
    return expression(clause.cost[0].amount, scope)
