"""Kernel contract -> Cost of every operator: FLOPs, bytes and messages, exact and symbolic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import sympy
from sympy import Expr

from symsim.algebra import Priced, Scope, condition, expression, priced
from symsim.errors import Span, UndefinedName, did_you_mean
from symsim.graph import Guard, Op, OpGraph
from symsim.lower import Facts, decide
from symsim.symbols import KNOWN, LINKS, symbol
from symsim.tree import Clause, Kernel, Let, Library, When

_AMOUNTS = ("flops", "read", "write", "weight")
_NUMBERS = ("mfu", "touch", "time", "latency")
WIDTHS: Mapping[str, Expr] = {precision: symbol(f"b_{precision}") for precision in ("bf16", "fp8", "fp32", "w", "kv")}
"""Bytes of an element at each precision a graph may name."""


@dataclass(frozen=True, slots=True)
class Cost:
    """One execution of an operator on one GPU.

    flops: FLOPs at each precision; read, write, weight: elements moved at each precision, weights streamed once;
    touch: share of the weights that is streamed; send: link -> elements; mfu: share of peak, or None where the
    device's default stands in; time: measured seconds of computing, beside what FLOPs give; latency: seconds that
    nothing hides; clauses: clause name -> its graph line.
    """

    flops: Priced = field(default_factory=dict[str | None, Expr])
    read: Priced = field(default_factory=dict[str | None, Expr])
    write: Priced = field(default_factory=dict[str | None, Expr])
    weight: Priced = field(default_factory=dict[str | None, Expr])
    touch: Expr = sympy.S.One
    send: Mapping[str, Priced] = field(default_factory=dict[str, Priced])
    mfu: Expr | None = None
    time: Expr = sympy.S.Zero
    latency: Expr = sympy.S.Zero
    clauses: Mapping[str, Span] = field(default_factory=dict[str, Span])

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


def in_bytes(amount: Priced) -> Expr:
    """Elements at each precision -> bytes."""
    return sympy.Add(*(WIDTHS[str(precision)] * elements for precision, elements in amount.items()))


def costs(graph: OpGraph, library: Library, facts: Facts) -> tuple[Mapping[str, Cost], tuple[Guard, ...]]:
    """The cost of every operator by name, and the conditions its kernels decided.

    Raises UndefinedName and PrecisionMissing at their place in the graph text.
    """
    guards: dict[sympy.Basic, bool] = {}
    found = {op.name: _cost(op, library.kernels[op.kernel], graph, facts, guards) for op in graph.ops}
    return found, tuple(Guard(test, outcome) for test, outcome in guards.items())


def _cost(op: Op, kernel: Kernel, graph: OpGraph, facts: Facts, guards: dict[sympy.Basic, bool]) -> Cost:
    tokens = symbol("T") if graph.phase == "prefill" else symbol("B")
    scope = {**{name: symbol(name) for name in KNOWN}, "tokens": tokens, **op.shape}
    fields: dict[str, object] = {}
    send: dict[str, Priced] = {}
    clauses = {clause.name: clause for clause in _chosen(kernel.body, scope, facts, guards, send)}
    for name, clause in clauses.items():
        if name in _AMOUNTS:
            fields[name] = _known_precisions(clause, priced(clause, scope))
        elif name in _NUMBERS:
            fields[name] = _plain(clause, scope)
    spans = {name: clause.span for name, clause in clauses.items()}
    return Cost(**fields, send=send, clauses=spans)  # pyright: ignore[reportArgumentType]


def _chosen(
    body: tuple[Clause | When | Let, ...],
    scope: dict[str, Expr],
    facts: Facts,
    guards: dict[sympy.Basic, bool],
    send: dict[str, Priced],
) -> list[Clause]:
    """The clauses that apply; messages go straight into `send`, by link."""
    chosen: list[Clause] = []
    for rule in body:
        if isinstance(rule, Let):
            scope[rule.name] = expression(rule.value, scope)
        elif isinstance(rule, When):
            branch = rule.body if decide(condition(rule.condition, scope), facts, guards) else rule.otherwise
            chosen += _chosen(branch, scope, facts, guards, send)  # pyright: ignore[reportArgumentType]
        elif rule.name == "send":
            if rule.key not in LINKS:
                raise UndefinedName(rule.span, f"there is no link {rule.key}; {did_you_mean(str(rule.key), LINKS)}")
            send[rule.key] = _known_precisions(rule, priced(rule, scope))
            chosen.append(rule)
        elif rule.name in (*_AMOUNTS, *_NUMBERS):
            chosen.append(rule)
        else:
            known = (*_AMOUNTS, *_NUMBERS, "send")
            raise UndefinedName(rule.span, f"a kernel has no clause {rule.name}; {did_you_mean(rule.name, known)}")
    return chosen


def _known_precisions(clause: Clause, amount: Priced) -> Priced:
    for precision in amount:
        if precision not in WIDTHS:
            known = did_you_mean(str(precision), WIDTHS)
            raise UndefinedName(clause.span, f"there is no precision {precision}; {known}")
    return amount


def _plain(clause: Clause, scope: Scope) -> Expr:
    if len(clause.cost) != 1 or clause.cost[0].precision is not None:
        raise UndefinedName(clause.span, f"`{clause.name}` is a plain number, without `@ precision`")
    return expression(clause.cost[0].amount, scope)
