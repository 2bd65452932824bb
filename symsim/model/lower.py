"""Graph text + config + step -> OpGraph: inlines blocks, decides `when`, keeps repeats as symbolic factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import networkx as nx
import sympy
from sympy import Expr, Symbol

from symsim.algebra.symbols import KNOWN, architecture_symbol, is_symbol, symbol, symbol_info
from symsim.errors import CycleError, Span, UndefinedName, did_you_mean
from symsim.language.symbolic import Amounts, Scope, condition, expression, priced
from symsim.language.tree import (
    Alias,
    Block,
    Clause,
    Each,
    Expression,
    Kernel,
    Layers,
    Let,
    Library,
    Model,
    Name,
    Named,
    Node,
    Part,
    Refuse,
    Repeat,
    Require,
    Statement,
    When,
)
from symsim.model.environment import Env
from symsim.model.layer_kinds import LayerKind
from symsim.model.op_graph import DEGREES, HELD_ALREADY, Guard, Op, OpGraph, Refusal, Resident, Whole, checked
from symsim.model.pipeline_stages import fullest_stages
from symsim.model.step import EngineStep, step_named
from symsim.model.weight_paths import refuse_large, within
from symsim.quantization.layers import Formats

Facts = Mapping[Symbol, Expr]
"""Numbers of the deployment and the config: they decide conditions and nothing else."""


def degrees(facts: Facts, guards: dict[sympy.Basic, bool]) -> dict[str, Expr]:
    """What stands for degrees of parallelism in formulas: the number 1 where there is none of it, else its symbol.

    moe_tp is tp where experts are shared as all else is; there are 0 redundant experts where none were asked for.

    So formulas do not speak of what a deployment does not do.
    """
    alone = {name: decide(sympy.Eq(symbol(name), 1), facts, guards) for name in DEGREES}
    found: dict[str, Expr] = {name: sympy.S.One if alone[name] else symbol(name) for name in DEGREES}
    if decide(sympy.Eq(symbol("moe_tp"), symbol("tp")), facts, guards):
        found["moe_tp"] = symbol("tp")
    if decide(sympy.Eq(symbol("redundant_experts"), 0), facts, guards):
        found["redundant_experts"] = sympy.S.Zero
    ranks = facts.get(symbol("ep"), sympy.S.One)
    if decide(sympy.Ne(symbol("imbalance"), 0), facts, guards) and ranks != 1:  # z is the score of so many
        decide(sympy.Eq(symbol("ep"), ranks), facts, guards)
    return found


def model_scope(model: Model, work: Scope, kinds: tuple[LayerKind, ...] = ()) -> dict[str, Expr]:
    """Every name an expression of the model may use. work: what blocks see too.

    Raises UndefinedName for a size with the name of something else.
    """
    own: dict[str, Expr] = {}
    for binding in model.bindings:
        if is_symbol(binding.symbol) or binding.symbol in work:
            means = symbol_info(binding.symbol).meaning if is_symbol(binding.symbol) else "something of a step"
            raise UndefinedName(binding.span, f"{binding.symbol} already means {means}; choose another name")
        if binding.layer is None:
            own[binding.symbol] = architecture_symbol(binding.symbol)
    counts = {kind.symbol: architecture_symbol(kind.symbol) for kind in kinds if kind.symbol is not None}
    return {**own, **counts, **work}


def work_of(step: EngineStep, degrees: Scope) -> dict[str, Expr]:
    """What blocks and kernels see besides their parameters: a step's work, the deployment, constants."""
    return {**{name: symbol(name) for name in KNOWN}, **degrees, **step.facts}


def lower(
    model: Model,
    library: Library,
    step: str,
    facts: Facts,
    kinds: tuple[LayerKind, ...] = (),
    *,
    pad: bool = False,
    changed: Mapping[str, str] | None = None,
    formats: Formats | None = None,
    pp_layers: tuple[int, ...] | None = None,
) -> OpGraph:
    """The operator graph of one step of the library. kinds: the kinds of layers that the config has.

    pad: what does not divide into whole shards is padded until it does; changed: fact of the step -> the one that
    stands in for it; formats: of the modules outside of layers, where a checkpoint gives each its own; pp_layers: of
    each pipeline stage, where stated.
    Raises UndefinedName and CycleError at their place in the text, ConfigError for a merged operator of two formats.
    """
    refuse_large(model, library)
    alone: dict[sympy.Basic, bool] = {}
    shared = degrees(facts, alone)
    engine = step_named(step, library, shared)
    engine = engine.changed(**{fact: engine.facts[other] for fact, other in (changed or {}).items()})
    work = work_of(engine, shared)
    lowering = _Lowering(library=library, step=engine, degrees=shared, facts=facts, kinds=kinds, pad=pad)
    outside = None if formats is None else dict(formats)
    scope = model_scope(model, work, kinds)
    lowering.body(model.body, Env(scope=scope, work=work, values={"input": ()}, formats=outside))
    stages = _stages(shared, facts, kinds, pp_layers, alone)
    guards = {**lowering.guards, **alone}
    return checked(
        OpGraph(
            model=model.name,
            step=engine,
            ops=tuple(lowering.ops.values()),
            dag=lowering.dag(),
            residents=tuple(lowering.residents),
            guards=tuple(Guard(test, outcome) for test, outcome in guards.items()),
            whole=tuple(lowering.whole),
            refusals=tuple(lowering.refusals),
            degrees=shared,
            stages=stages,
        )
    )


def _stages(
    shared: Scope,
    facts: Facts,
    kinds: tuple[LayerKind, ...],
    pp_layers: tuple[int, ...] | None,
    guards: dict[sympy.Basic, bool],
) -> dict[int, Mapping[str, Expr]]:
    """Pipeline stages that may be the fullest; a formula that tells them apart holds for their number only."""
    if shared["pp"] == 1:
        return {}
    pp = facts[symbol("pp")]
    stages = fullest_stages(kinds, int(pp), pp_layers)
    if stages:
        decide(sympy.Eq(shared["pp"], pp), facts, guards)
    return {
        stage.number: {
            kind: architecture_symbol(stage.symbol(kind)) if count else sympy.S.Zero
            for kind, count in stage.counts.items()
        }
        for stage in stages
    }


def decide(test: sympy.Basic, facts: Facts, guards: dict[sympy.Basic, bool]) -> bool:
    """Whether the condition holds; remembered as a guard unless it holds, or does not, whatever the deployment."""
    outcome = test.xreplace(dict(facts)) == sympy.true
    if test not in (sympy.true, sympy.false):
        guards[test] = outcome
    return outcome


@dataclass(slots=True, kw_only=True)
class _Lowering:
    """Lowers statements one after another. What it collects only grows; what a statement sees is in its Env."""

    library: Library
    step: EngineStep
    degrees: Scope
    facts: Facts
    kinds: tuple[LayerKind, ...]
    pad: bool
    ops: dict[str, Op] = field(default_factory=dict[str, Op])
    edges: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    residents: list[Resident] = field(default_factory=list[Resident])
    guards: dict[sympy.Basic, bool] = field(default_factory=dict[sympy.Basic, bool])
    whole: dict[Whole, None] = field(default_factory=dict[Whole, None])
    refusals: dict[Refusal, None] = field(default_factory=dict[Refusal, None])

    def dag(self) -> nx.DiGraph[str]:
        """The data flow between the operators so far."""
        dag: nx.DiGraph[str] = nx.DiGraph()
        dag.add_nodes_from(self.ops)
        dag.add_edges_from(self.edges)
        return nx.freeze(dag)

    def body(self, statements: Sequence[Statement], env: Env) -> Env:
        """All statements in order; what they name stays known behind them."""
        for statement in statements:
            env = self.statement(statement, env)
        return env

    def statement(self, statement: Statement, env: Env) -> Env:
        match statement:
            case Node(name):
                return env.making(name, self.node(statement, env))
            case Alias(name, value, span):
                return env.making(name, env.value(value, span))
            case Let(name, value, _):
                return env.defining(name, expression(value, env.scope))
            case Part(name):
                listed = env.place.part in HELD_ALREADY
                return env if listed else replace(env, place=replace(env.place, part=name))
            case When():
                return self.when(statement, env)
            case Each(body, _):
                return self.each(body, env)
            case Repeat():
                return self.repeat(statement, env)
            case Layers():
                return self.layers(statement, env)
            case Require():
                return self.require(statement, env)
            case Refuse(test, sentence, span):
                self.refuse(condition(test, env.scope), sentence, span)
                return env
            case Clause():
                self.residents.append(_resident(statement, env))
                return env

    def when(self, statement: When, env: Env) -> Env:
        """The branch that holds; a `part` in it ends with it."""
        holds = env.outcomes.get(statement.span)
        if holds is None:
            holds = decide(condition(statement.condition, env.scope), self.facts, self.guards)
        return self.body(statement.body if holds else statement.otherwise, env).within(env)

    def each(self, body: Sequence[Statement], env: Env) -> Env:
        """The body in each of the steps that this iteration holds; what it makes is what all of them make."""
        made: dict[str, tuple[str, ...]] = {}
        for name, part in self.step.parts.items():
            seen = {fact: value for fact, value in part.facts.items() if env.scope.get(fact) is env.work.get(fact)}
            inner = replace(
                env,
                scope={**env.scope, **seen},
                work=work_of(part, self.degrees),
                place=replace(env.place, step=env.place.step or name),
            )
            for value, ops in self.body(body, inner).values.items():
                if ops != env.values.get(value):
                    made[value] = (*made.get(value, ()), *ops)
        return replace(env, values={**env.values, **made})

    def repeat(self, statement: Repeat, env: Env) -> Env:
        times, place = expression(statement.count, env.scope), env.place
        if not (place.body or place.blocks):
            times = _of_a_stage(times, times, env.scope)
        inner = replace(env, place=place.repeated(statement.name, times))
        return self.body(statement.body, inner).within(env)

    def layers(self, statement: Layers, env: Env) -> Env:
        """One body for each kind of layer; the values of one kind's layers go on to the next."""
        count = expression(statement.count, env.scope)
        self.refuse(sympy.Gt(env.scope["pp"], count), "there are fewer layers than pipeline stages", statement.span)
        values = env.values
        for kind in (kind for kind in self.kinds if kind.statement == statement.span):
            times = _of_a_stage(count if kind.symbol is None else env.scope[kind.symbol], count, env.scope)
            facts = {fact: sympy.Rational(value) for fact, value in kind.facts}
            inner = replace(
                env,
                scope={**env.scope, **facts},
                values=values,
                place=env.place.repeated(kind.name, times),
                outcomes=dict(kind.outcomes),
                formats=None if env.formats is None else dict(kind.formats),
            )
            values = self.body(statement.body, inner).values
        return replace(env, values=values)

    def require(self, statement: Require, env: Env) -> Env:
        """Note what must divide; under padding a size that does not is the next multiple for the rest of the block."""
        shards, size = expression(statement.divisor, env.scope), expression(statement.dividend, env.scope)
        self.whole[Whole(shards, size, statement.span)] = None
        padded = shards * sympy.ceiling(size / shards)
        if (
            self.pad
            and isinstance(statement.dividend, Name)
            and decide(sympy.Ne(padded, size), self.facts, self.guards)
        ):
            return env.defining(statement.dividend.name, padded)
        return env

    def refuse(self, test: sympy.Basic, sentence: str, span: Span) -> None:
        if test != sympy.false:
            self.refusals[Refusal(test, sentence, span)] = None

    def node(self, node: Node, env: Env) -> tuple[str, ...]:
        """The name of the operator that makes a node's value; of a block, what is behind its output."""
        sources = [env.value(name, node.span) for name in node.inputs]
        place = env.place.of_stage(node.name) if node.stage else env.place.of_node(node.name)
        inner = replace(env, place=place)
        if node.op in self.library.blocks:
            return self.block(node, sources, inner)
        if node.op not in self.library.kernels:
            known = [*self.library.kernels, *self.library.blocks]
            raise UndefinedName(node.span, f"there is no kernel or block {node.op}; {did_you_mean(node.op, known)}")
        name = ".".join((*place.path[:-1], place.step, node.name) if place.step else place.path)
        if name in self.ops:
            raise UndefinedName(node.span, f"{name} is made already; give this operator another name")
        self.ops[name] = _op(name, node, _sizes(node, self.library.kernels[node.op], env), inner)
        self.edges += [(source, name) for made in sources for source in made]
        return (name,)

    def block(self, node: Node, sources: Sequence[tuple[str, ...]], env: Env) -> tuple[str, ...]:
        block, place = self.library.blocks[node.op], env.place
        if block.name in place.blocks:
            raise CycleError(node.span, f"blocks contain each other: {' -> '.join((*place.blocks, block.name))}")
        if len(sources) != len(block.inputs):
            raise UndefinedName(node.span, f"{block.name} takes {len(block.inputs)} inputs, found {len(sources)}")
        inside = replace(place, blocks=(*place.blocks, block.name), inside=within(place.inside, node.modules))
        own = {**env.work, **_sizes(node, block, env)}
        values = dict(zip(block.inputs, sources, strict=True))
        return self.body(block.body, replace(env, scope=own, values=values, place=inside)).value(
            block.output, block.span
        )


def _op(name: str, node: Node, shape: Mapping[str, Expr], env: Env) -> Op:
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


def _resident(clause: Clause, env: Env) -> Resident:
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


def _of_a_stage(some: Expr, layers: Expr, scope: Scope) -> Expr:
    """How many of some of all layers the fullest of pp stages has, kinds of layers spread evenly over stages."""
    stages = scope["pp"]
    return some if stages == 1 else some / layers * sympy.ceiling(layers / stages)


def _sizes(node: Node, called: Kernel | Block, env: Env) -> dict[str, Expr]:
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
