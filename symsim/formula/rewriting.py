"""What stands in a formula in place of its applied look-ups: `call -> expression`, put in when numbers meet it.

A look-up that no row of its table can answer is the number that stands in for it: the symbol default_mfu, or what the
table states for missing rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Any, cast

from sympy import Expr, Rational, Symbol
from sympy.core.function import AppliedUndef

from symsim.algebra.symbols import applied_look_ups, substitute, symbol
from symsim.cost.derivation import Derivation
from symsim.errors import EmptyTable
from symsim.formula.program import positions, program
from symsim.tables.bind import bind
from symsim.tables.forms import UNANSWERED
from symsim.tables.lookup import Lookup
from symsim.tables.table import TableContext, policy, signatures

DEFAULT_MFU = symbol("default_mfu")

Swaps = Mapping[Expr, Expr]
"""Applied look-up -> the expression that stands in its place."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Rewriting:
    """swaps: what is put in; sentences: what is used in place of tables that do not answer by rows of their own.

    shaped: symbols that decide which rows a look-up has; partly: whether default_mfu answers a look-up at some points;
    columns: the figures that the rows in use rest on besides, b_kv among them.
    """

    swaps: Swaps
    sentences: tuple[str, ...]
    shaped: frozenset[str]
    partly: bool
    columns: frozenset[str]


def rewriting(derivation: Derivation, numbers: Mapping[str, Any], context: TableContext) -> Rewriting:
    """What stands in place of the look-ups of a derivation, whose shapes are those of the numbers."""
    swaps: dict[Expr, Expr] = {}
    sentences: set[str] = set()
    partly = False
    for call, shape in _shapes(derivation, numbers).items():
        try:
            lookup = bind(str(call.func), shape, context)
        except EmptyTable as error:
            sentences.add(str(error))
            continue
        stand_in = lookup.stand_in(float(numbers["default_mfu"])) if "default_mfu" in numbers else None
        sentences |= set[str]() if stand_in is None else {stand_in}
        if lookup.missing is not None:
            swaps[call] = _in_place_of(lookup)
        else:
            partly = partly or lookup.partly
    return Rewriting(
        swaps=swaps,
        sentences=tuple(sorted(sentences)),
        shaped=frozenset[str]().union(*(names for _, names in _sized(derivation).values())),
        partly=partly,
        columns=_columns({str(call.func) for call in _calls(derivation)}, context),
    )


@lru_cache(maxsize=256)
def _rewritten(derivation: Derivation, swaps: frozenset[tuple[Expr, Expr]]) -> Derivation:
    values = dict(swaps)
    return derivation.mapped(lambda expr: substitute(expr, values))


def rewritten(derivation: Derivation, swaps: Swaps) -> Derivation:
    """The derivation with look-ups replaced. Deployments with the same ones share the result."""
    return _rewritten(derivation, frozenset(swaps.items())) if swaps else derivation


@lru_cache(maxsize=256)
def tables_given(derivation: Derivation, names: frozenset[str]) -> Derivation:
    """The derivation with every look-up of these tables as one symbol under the table's name; itself where it has none.

    A share of peak that somebody states, as of a kernel that is to be written, then stands for all measured rows.
    """
    given: Swaps = {call: symbol(str(call.func)) for call in _calls(derivation) if str(call.func) in names}
    return derivation.mapped(lambda expr: substitute(expr, given)) if given else derivation


def defaults_at_point(derivation: Derivation, values: Mapping[str, Any], context: TableContext) -> Swaps:
    """The look-ups that default_mfu answers at a point."""
    calls = _calls(derivation)
    terms = tuple((f"argument_{i}_{j}", arg) for i, call in enumerate(calls) for j, arg in enumerate(_arguments(call)))
    steps = tuple((step.symbol.name, step.expr) for step in derivation.steps)
    compiled = program((*steps, *terms), tuple(name for name, _ in terms), "python")
    asked = iter(compiled.at(values, context) if terms else ())
    found: dict[Expr, Expr] = {}
    for call in calls:
        arguments = [next(asked) for _ in call.args]
        shape, axes = positions(str(call.func))
        lookup = bind(str(call.func), tuple(arguments[i] for i in shape), context)
        if lookup.table.at([arguments[i] for i in axes]) == UNANSWERED:
            found[call] = DEFAULT_MFU
    return found


def _arguments(call: AppliedUndef) -> tuple[Expr, ...]:
    return cast(tuple[Expr, ...], call.args)


def _in_place_of(lookup: Lookup) -> Expr:
    """The formula's default, or the number that the table states for missing rows."""
    stated = lookup.table.values[0]
    if stated == UNANSWERED:
        return DEFAULT_MFU
    exact = Fraction(repr(stated))
    return Rational(exact.numerator, exact.denominator)


@lru_cache(maxsize=256)
def _calls(derivation: Derivation) -> tuple[AppliedUndef, ...]:
    calls = {call for step in derivation.steps for call in applied_look_ups(step.expr)}
    return tuple(sorted(calls, key=str))


def _shape(call: AppliedUndef) -> tuple[Expr, ...]:
    return tuple(_arguments(call)[i] for i in positions(str(call.func))[0])


@lru_cache(maxsize=1024)
def _sized(derivation: Derivation) -> Mapping[AppliedUndef, tuple[tuple[Expr, ...], frozenset[str]]]:
    """Applied look-up -> the expressions of its shape, and the symbols that those speak of."""
    shapes = {call: _shape(call) for call in _calls(derivation)}
    return {
        call: (shape, frozenset(s.name for part in shape for s in part.free_symbols if isinstance(s, Symbol)))
        for call, shape in shapes.items()
    }


def _shapes(derivation: Derivation, numbers: Mapping[str, Any]) -> Mapping[AppliedUndef, tuple[float, ...]]:
    """Applied look-up -> the numbers of its shape, where all of them are known."""
    known = {call: shape for call, (shape, names) in _sized(derivation).items() if names <= numbers.keys()}
    if not known:
        return {}
    terms = tuple((f"size_{i}_{j}", part) for i, shape in enumerate(known.values()) for j, part in enumerate(shape))
    sizes = iter(program(terms, tuple(name for name, _ in terms), "python").run(numbers, {}))
    return {call: tuple(float(next(sizes)) for _ in shape) for call, shape in known.items()}


def _columns(functions: set[str], context: TableContext) -> frozenset[str]:
    """Symbols of figures by which rows are chosen or recomputed."""
    rules = [policy(function, context.vintage) for function in sorted(functions) if function in signatures()]
    figures = {rule.fallback[key] for rule in rules for key in ("scale_by", "peak") if key in rule.fallback}
    by_kv = {"b_kv"} if any(rule.kv_column is not None for rule in rules) else set[str]()
    return frozenset(by_kv | (figures if context.figures is not None else set()))
