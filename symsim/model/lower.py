"""Graph text + config + step -> OpGraph: inlines blocks, decides `when`, keeps repeats as symbolic factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import sympy
from sympy import Expr

from symsim.algebra.symbols import architecture_symbol, symbol
from symsim.errors import CycleError, Span, UndefinedName, did_you_mean
from symsim.language.symbolic import Scope, condition, expression
from symsim.language.tree import (
    Alias,
    Clause,
    Each,
    Layers,
    Let,
    Library,
    Model,
    Name,
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
from symsim.model.op_graph import HELD_ALREADY, Guard, Op, OpGraph, Refusal, Resident, Whole, checked
from symsim.model.pipeline_stages import fullest_stages
from symsim.model.placed import placed_op, placed_resident, sizes_given
from symsim.model.scope import Facts, decide, degrees, model_scope, work_of
from symsim.model.step import EngineStep, step_named
from symsim.model.weight_paths import refuse_large, within
from symsim.quantization.layers import Formats


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
            edges=tuple(lowering.edges),
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
                self.residents.append(placed_resident(statement, env))
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
        self.ops[name] = placed_op(name, node, sizes_given(node, self.library.kernels[node.op], env), inner)
        self.edges += [(source, name) for made in sources for source in made]
        return (name,)

    def block(self, node: Node, sources: Sequence[tuple[str, ...]], env: Env) -> tuple[str, ...]:
        block, place = self.library.blocks[node.op], env.place
        if block.name in place.blocks:
            raise CycleError(node.span, f"blocks contain each other: {' -> '.join((*place.blocks, block.name))}")
        if len(sources) != len(block.inputs):
            raise UndefinedName(node.span, f"{block.name} takes {len(block.inputs)} inputs, found {len(sources)}")
        inside = replace(place, blocks=(*place.blocks, block.name), inside=within(place.inside, node.modules))
        own = {**env.work, **sizes_given(node, block, env)}
        values = dict(zip(block.inputs, sources, strict=True))
        return self.body(block.body, replace(env, scope=own, values=values, place=inside)).value(
            block.output, block.span
        )


def _of_a_stage(some: Expr, layers: Expr, scope: Scope) -> Expr:
    """How many of some of all layers the fullest of pp stages has, kinds of layers spread evenly over stages."""
    stages = scope["pp"]
    return some if stages == 1 else some / layers * sympy.ceiling(layers / stages)
