"""What a node and a clause of a graph become at their place: an operator, its sizes, and what stays in memory."""

from __future__ import annotations

from collections.abc import Mapping

import sympy
from sympy import Expr

from symsim.errors import UndefinedName, did_you_mean
from symsim.language.symbolic import Amounts, expression, priced
from symsim.language.tree import (
    Block,
    Clause,
    Expression,
    Kernel,
    Named,
    Node,
)
from symsim.model.environment import Env
from symsim.model.op_graph import Op, Resident


def placed_op(name: str, node: Node, shape: Mapping[str, Expr], env: Env) -> Op:
    place = env.place
    modules = tuple(place.inside + module for module in node.modules)
    return Op(
        name=name,
        body=place.body,
        stage=place.stage,
        kernel=node.op,
        shape=shape,
        repeat=place.repeat,
        body_repeat=place.body_repeat,
        origin=node.span,
        part=place.part,
        modules=modules,
        format=env.format(name, modules),
        step=place.step,
    )


def placed_resident(clause: Clause, env: Env) -> Resident:
    place = env.place
    amount: Amounts = priced(clause, env.scope, count=clause.name in ("report", "reserve", "shard"))
    modules = tuple(place.inside + module for module in clause.modules)
    stored = env.format(place.stage, modules)
    if stored is not None and clause.name != "shard":
        whole = sympy.Add(*amount.values())
        amount = {layer.weight.name: sympy.Rational(share) * whole for layer, share in stored.parts}
    return Resident(
        kind=clause.name,
        key=clause.key,
        body=place.body,
        stage=place.stage,
        amount=amount,
        repeat=place.repeat,
        body_repeat=place.body_repeat,
        origin=clause.span,
        part=place.part,
        modules=modules,
        format=stored,
        window=None if clause.window is None else expression(clause.window, env.scope),
    )


def sizes_given(node: Node, called: Kernel | Block, env: Env) -> dict[str, Expr]:
    """The value of every parameter: by place, then by name, else its default in the parameters before it."""
    given: dict[str, Expression] = {}
    places = [argument for argument in node.shape if not isinstance(argument, Named)]
    named = [argument for argument in node.shape if isinstance(argument, Named)]
    params = ", ".join(called.params)
    for argument in named:
        if argument.name not in called.params:
            hint = did_you_mean(argument.name, called.params)
            raise UndefinedName(argument.span, f"{node.op} has no size {argument.name} ({params}); {hint}")
        if argument.name in called.params[: len(places)]:
            raise UndefinedName(argument.span, f"{argument.name} is given by its place already")
        given[argument.name] = argument.value
    missing = [name for name in called.params[len(places) :] if name not in given and name not in called.defaults]
    if len(places) > len(called.params) or missing:
        raise UndefinedName(
            node.span, f"{node.op} takes {len(called.params)} sizes ({params}), found {len(node.shape)}"
        )
    scope = env.scope
    sizes = {name: expression(place, scope) for name, place in zip(called.params, places, strict=False)}
    for name in called.params[len(places) :]:
        if name in given:
            sizes[name] = expression(given[name], scope)
        else:
            sizes[name] = expression(called.defaults[name], {**env.work, **sizes})
    return sizes
