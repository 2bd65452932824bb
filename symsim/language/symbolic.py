"""Expressions of the languages (symsim.language.tree) -> exact sympy expressions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Any, cast

import sympy
from sympy import Expr, Integer, Rational
from sympy.logic.boolalg import Boolean

from symsim.algebra.symbols import table_function
from symsim.errors import GraphSyntaxError, PrecisionMissing, Span, UndefinedName, did_you_mean
from symsim.language.syntax import spans
from symsim.language.tree import Binary, Call, Clause, Expression, Index, Items, Name, Negative, Not, Number, Text
from symsim.tables.table import signatures

Scope = Mapping[str, Expr]
"""Names to expressions; `name()` is a function of the scope, a sympy Lambda."""
Amounts = Mapping[str | None, Expr]
"""Elements or FLOPs at each precision; None is a plain count."""

_RELATIONS: Mapping[str, Callable[..., Any]] = {
    "<": sympy.Lt,
    "<=": sympy.Le,
    ">": sympy.Gt,
    ">=": sympy.Ge,
    "==": sympy.Eq,
    "!=": sympy.Ne,
}


@cache
def functions() -> Mapping[str, tuple[Callable[..., Expr], int | None]]:
    """Functions an expression may call, with how many arguments each takes (None: any number)."""
    tables = {name: (table_function(name), len(found.args)) for name, found in signatures().items()}
    own = {
        "ceil": (sympy.ceiling, 1),
        "floor": (sympy.floor, 1),
        "max": (sympy.Max, None),
        "min": (sympy.Min, None),
    }
    return cast(Mapping[str, tuple[Callable[..., Expr], int | None]], {**own, **tables})


def expression(node: Expression, scope: Scope) -> Expr:
    """The exact value of an arithmetic expression. Raises UndefinedName at its place."""
    match node:
        case Number(value):
            return Rational(value.numerator, value.denominator)
        case Name(name, span):
            return _defined(name, span, scope)
        case Negative(operand):
            return -expression(operand, scope)
        case Call(name, args, span):
            return _call(name, [expression(argument, scope) for argument in args], span, scope)
        case Binary("+", left, right):
            return expression(left, scope) + expression(right, scope)
        case Binary("-", left, right):
            return expression(left, scope) - expression(right, scope)
        case Binary("*", left, right):
            return expression(left, scope) * expression(right, scope)
        case Binary("/", left, right):
            divisor = expression(right, scope)
            if divisor == 0:
                raise GraphSyntaxError(next(spans(right), Span("", 1)), "divides by zero")
            return expression(left, scope) / divisor
        case Binary("%", left, right):
            return sympy.Mod(expression(left, scope), expression(right, scope))
        case Binary("**", left, right):
            return expression(left, scope) ** expression(right, scope)
        case Index(Name(name, span), index):
            return _of_layer(name, index, span, scope)
        case Text(_, span) | Items(_, span):
            raise UndefinedName(span, "texts and lists of a config may stand in its `config:` section only")
        case _:
            return cast(Expr, condition(node, scope))  # a condition where a number belongs: sympy refuses it


def condition(node: Expression, scope: Scope) -> Boolean:
    """A condition as a sympy Boolean; a bare number is true when it is not zero."""
    match node:
        case Binary("and", left, right):
            return sympy.And(condition(left, scope), condition(right, scope))
        case Binary("or", left, right):
            return sympy.Or(condition(left, scope), condition(right, scope))
        case Not(operand):
            return sympy.Not(condition(operand, scope))
        case Binary(relation, left, right) if relation in _RELATIONS:
            return _applied(_RELATIONS[relation], expression(left, scope), expression(right, scope))
        case _:
            return cast(Boolean, sympy.Ne(expression(node, scope), 0))


def priced(clause: Clause, scope: Scope, *, count: bool = False) -> Amounts:
    """The clause's amounts, summed by precision. Raises PrecisionMissing unless plain counts are meant."""
    amounts: dict[str | None, Expr] = {}
    for part in clause.cost:
        if part.precision is None and not count:
            raise PrecisionMissing(
                clause.span,
                f"`{clause.name}` needs `amount @ precision`; put sums in parentheses: (a + b) @ w",
            )
        key = None if part.precision is None else part.precision.name
        amounts[key] = amounts.get(key, Integer(0)) + expression(part.amount, scope)
    return amounts


def of_layer(name: str, index: str) -> str:
    """What a scope calls `name[index]`, a fact of each layer of one kind."""
    return f"{name}[{index}]"


def _of_layer(name: str, index: Expression, span: Span, scope: Scope) -> Expr:
    found = scope.get(of_layer(name, index.name)) if isinstance(index, Name) else None
    if found is None:
        raise UndefinedName(
            span, f"{name}[...] is known for each layer only within `layers`, as {name}[i] where `i` is its index"
        )
    return found


def _defined(name: str, span: Span, scope: Scope) -> Expr:
    if name not in scope:
        raise UndefinedName(span, f"{name} is not defined here; {did_you_mean(name, scope)}")
    return scope[name]


def _call(name: str, args: list[Expr], span: Span, scope: Scope) -> Expr:
    local = scope.get(f"{name}()")
    if local is not None:
        return _applied(cast(Callable[..., Expr], local), *args)
    known = functions()
    if name not in known:
        raise UndefinedName(span, f"there is no function {name}; {did_you_mean(name, known)}")
    function, arity = known[name]
    if arity is not None and len(args) != arity:
        raise UndefinedName(span, f"{name} takes {arity} arguments, found {len(args)}")
    return _applied(function, *args)


@lru_cache(maxsize=8192)
def _applied(function: Callable[..., Any], *args: Expr) -> Any:
    """Steps and deployments ask for the same ones again; sympy takes its time to compare their arguments."""
    return function(*args)
