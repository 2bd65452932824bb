"""Graph text + config + phase -> OpGraph: inlines blocks, decides `when`, keeps repeats as symbolic factors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import networkx as nx
import sympy
from sympy import Expr, Symbol

from symsim.algebra.symbols import KNOWN, architecture_symbol, symbol
from symsim.errors import ConfigError, CycleError, Span, UndefinedName, did_you_mean
from symsim.language.symbolic import Priced, Scope, condition, expression, priced
from symsim.language.tree import (
    Alias,
    Block,
    Clause,
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
from symsim.model.layer_kinds import LayerKind
from symsim.model.op_graph import DEGREES, SHARED, Guard, Op, OpGraph, Phase, Refusal, Resident, Whole, verify
from symsim.model.weight_paths import within
from symsim.quantization.layers import Formats, LayerFormat

Facts = Mapping[Symbol, Expr]
"""Numbers of the deployment and the config: they decide conditions and nothing else."""


@dataclass(slots=True)
class _Found:
    """What lowering has collected so far."""

    ops: list[Op] = field(default_factory=list[Op])
    edges: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    residents: list[Resident] = field(default_factory=list[Resident])
    guards: dict[sympy.Basic, bool] = field(default_factory=dict[sympy.Basic, bool])
    whole: dict[Whole, None] = field(default_factory=dict[Whole, None])
    refusals: dict[Refusal, None] = field(default_factory=dict[Refusal, None])
    pad: bool = False
    kinds: tuple[LayerKind, ...] = ()
    outcomes: Mapping[Span, bool] = field(default_factory=dict[Span, bool])
    formats: Mapping[str, LayerFormat] | None = None


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the model a statement stands."""

    path: tuple[str, ...] = ()
    body: str = ""
    stage: str = ""
    repeat: Expr = sympy.S.One
    body_repeat: Expr = sympy.S.One
    blocks: tuple[str, ...] = ()
    part: str = ""
    inside: str = ""


_PHASES = (symbol("prefill"), symbol("decode"))

STEP = ("tokens", "sequences", "logit_tokens")
"""What one GPU works on in one step: new tokens, sequences they belong to, tokens whose logits are needed."""


def degrees(facts: Facts, guards: dict[sympy.Basic, bool]) -> dict[str, Expr]:
    """What stands for each degree of parallelism in formulas: the number 1 where there is none of it, else its symbol.

    So formulas do not speak of what a deployment does not do.
    """
    alone = {name: decide(sympy.Eq(symbol(name), 1), facts, guards) for name in DEGREES}
    return {name: sympy.S.One if alone[name] else symbol(name) for name in DEGREES}


def step_scope(phase: Phase, cp: Expr = sympy.S.One) -> dict[str, Expr]:
    """The work of one step in workload symbols.

    B sequences decode on the cp ranks that share their context, each of which works on B/cp of them outside of
    attention; in prefill the ranks have T tokens each.
    """
    batch, tokens = symbol("B") / cp, symbol("T")
    if phase == "decode":
        return {"tokens": batch, "sequences": batch, "logit_tokens": batch}
    return {"tokens": tokens, "sequences": tokens / symbol("S"), "logit_tokens": tokens / symbol("S")}


def model_scope(model: Model, phase: Phase, kinds: tuple[LayerKind, ...] = ()) -> dict[str, Expr]:
    """Every name an expression of the model may use."""
    scope: dict[str, Expr] = {name: symbol(name) for name in KNOWN}
    for binding in model.bindings:
        if binding.symbol in KNOWN:
            raise UndefinedName(
                binding.span,
                f"{binding.symbol} already means {KNOWN[binding.symbol].meaning}; choose another name",
            )
        if binding.layer is None:
            scope[binding.symbol] = architecture_symbol(binding.symbol)
    counts = {kind.symbol: architecture_symbol(kind.symbol) for kind in kinds if kind.symbol is not None}
    return {**scope, **counts, **step_scope(phase)}


def lower(
    model: Model,
    library: Library,
    phase: Phase,
    facts: Facts,
    kinds: tuple[LayerKind, ...] = (),
    *,
    pad: bool = False,
    step: Scope | None = None,
    formats: Formats | None = None,
) -> OpGraph:
    """The operator graph of one phase. kinds: the kinds of layers that the config has.

    pad: what does not divide into whole shards is padded until it does; step: what stands in for names of STEP;
    formats: of the modules outside of layers, where a checkpoint gives each its own.
    Raises UndefinedName and CycleError at their place in the text, ConfigError for a merged operator of two formats.
    """
    found = _Found(pad=pad, kinds=kinds, formats=None if formats is None else dict(formats))
    alone: dict[sympy.Basic, bool] = {}
    shared = degrees(facts, alone)
    work = {**shared, **step_scope(phase, shared["cp"]), **(step or {})}
    scope = {**model_scope(model, phase, kinds), **work}
    _lower_all(model.body, scope, {"input": ""}, _Place(), found, library, facts)
    dag: nx.DiGraph[str] = nx.DiGraph()
    dag.add_nodes_from(op.name for op in found.ops)
    dag.add_edges_from(found.edges)
    guards = tuple(Guard(test, outcome) for test, outcome in {**found.guards, **alone}.items())
    parts = (tuple(found.ops), nx.freeze(dag), tuple(found.residents), guards, tuple(found.whole))
    return verify(OpGraph(model.name, phase, *parts, tuple(found.refusals), shared))


def decide(test: sympy.Basic, facts: Facts, guards: dict[sympy.Basic, bool]) -> bool:
    """Whether the condition holds; remembered as a guard unless it holds by itself, or in this phase whatever else."""
    test = test.xreplace({flag: facts[flag] for flag in _PHASES if flag in facts})
    outcome = test.xreplace(dict(facts)) == sympy.true
    if test not in (sympy.true, sympy.false):
        guards[test] = outcome
    return outcome


def _lower_all(
    body: Sequence[Statement],
    scope: dict[str, Expr],
    values: dict[str, str],
    place: _Place,
    found: _Found,
    library: Library,
    facts: Facts,
) -> None:
    """Lower statements in order. values: name -> the op that produces it ('' for the step's input)."""
    for statement in body:
        match statement:
            case Node():
                values[statement.name] = _lower_node(statement, scope, values, place, found, library, facts)
            case Alias(name, value, span):
                values[name] = _value(value, span, values)
            case When(test, then, otherwise, span):
                known = found.outcomes.get(span)
                holds = decide(condition(test, scope), facts, found.guards) if known is None else known
                _lower_all(then if holds else otherwise, scope, values, place, found, library, facts)
            case Part(name):
                place = place if place.part == SHARED else replace(place, part=name)
            case Layers():
                _lower_layers(statement, scope, values, place, found, library, facts)
            case Repeat(count, name, inner, _):
                times = expression(count, scope)
                outermost = not (place.body or place.blocks)
                repeated = _repeated(place, name, _of_a_stage(times, times, scope) if outermost else times)
                _lower_all(inner, scope, values, repeated, found, library, facts)
            case Let(name, value, _):
                scope[name] = expression(value, scope)
            case Require():
                _require(statement, scope, found, facts)
            case Refuse(test, sentence, span):
                _refuse(condition(test, scope), sentence, span, found)
            case Clause():
                found.residents.append(_resident(statement, scope, place, found))


def _lower_layers(
    statement: Layers,
    scope: dict[str, Expr],
    values: dict[str, str],
    place: _Place,
    found: _Found,
    library: Library,
    facts: Facts,
) -> None:
    """One body for each kind of layer; the values of one kind's layers go on to the next."""
    count = expression(statement.count, scope)
    _refuse(sympy.Gt(scope["pp"], count), "there are fewer layers than pipeline stages", statement.span, found)
    for kind in (kind for kind in found.kinds if kind.statement == statement.span):
        times = _of_a_stage(count if kind.symbol is None else scope[kind.symbol], count, scope)
        found.outcomes = dict(kind.outcomes)
        outside, found.formats = found.formats, None if found.formats is None else dict(kind.formats)
        repeated = _repeated(place, kind.name, times)
        _lower_all(statement.body, dict(scope), values, repeated, found, library, facts)
        found.formats = outside
    found.outcomes = {}


def _require(statement: Require, scope: dict[str, Expr], found: _Found, facts: Facts) -> None:
    """Note what must divide; under padding a size that does not is the next multiple for the rest of the block."""
    shards, size = expression(statement.divisor, scope), expression(statement.dividend, scope)
    found.whole[Whole(shards, size, statement.span)] = None
    padded = shards * sympy.ceiling(size / shards)
    if found.pad and isinstance(statement.dividend, Name) and decide(sympy.Ne(padded, size), facts, found.guards):
        scope[statement.dividend.name] = padded


def _refuse(test: sympy.Basic, sentence: str, span: Span, found: _Found) -> None:
    if test != sympy.false:
        found.refusals[Refusal(test, sentence, span)] = None


def _of_a_stage(some: Expr, layers: Expr, scope: Scope) -> Expr:
    """How many of some of all layers the fullest of pp stages has, kinds of layers spread evenly over stages."""
    stages = scope["pp"]
    return some if stages == 1 else some / layers * sympy.ceiling(layers / stages)


def _repeated(place: _Place, name: str, count: Expr) -> _Place:
    """A repeat of the model is a body of layers; one inside a block repeats part of a layer."""
    if place.blocks:
        return replace(place, repeat=place.repeat * count)
    times = place.repeat * count
    return replace(place, path=(*place.path, name), body=name, repeat=times, body_repeat=times)


def _lower_node(
    node: Node,
    scope: Scope,
    values: Mapping[str, str],
    place: _Place,
    found: _Found,
    library: Library,
    facts: Facts,
) -> str:
    sources = [_value(name, node.span, values) for name in node.inputs]
    stage = place.stage or node.name
    inner = replace(place, path=(*place.path, node.name), stage=stage)
    if node.op in library.blocks:
        block = library.blocks[node.op]
        named = replace(inner, inside=within(place.inside, node.modules))
        return _lower_block(block, node, sources, scope, named, found, library, facts)
    if node.op not in library.kernels:
        known = [*library.kernels, *library.blocks]
        raise UndefinedName(node.span, f"there is no kernel or block {node.op}; {did_you_mean(node.op, known)}")
    kernel = library.kernels[node.op]
    name = ".".join(inner.path)
    if any(op.name == name for op in found.ops):
        raise UndefinedName(node.span, f"{name} is made already; give this operator another name")
    sizes = _sizes(node, kernel, scope)
    words = (name, place.body, stage, node.op, sizes, place.repeat, place.body_repeat, node.span, place.part)
    weights = tuple(place.inside + module for module in node.modules)
    found.ops.append(Op(*words, weights, _format(name, weights, found)))
    found.edges += [(source, name) for source in sources if source]
    return name


def _format(name: str, weights: tuple[str, ...], found: _Found) -> LayerFormat | None:
    """The one format of an operator's weights, where a checkpoint gives them theirs."""
    if found.formats is None or not weights:
        return None
    kinds = {module: found.formats[module] for module in weights}
    if len(set(kinds.values())) > 1:
        stated = ", ".join(f"{module} {kind.name}" for module, kind in kinds.items())
        raise ConfigError(
            f"{name} multiplies by these weights at once, and the checkpoint stores them in different formats: "
            f"{stated}; give the operators apart in the graph text, or all one precision with --gemm bf16 or fp8"
        )
    return kinds[weights[0]]


def _lower_block(
    block: Block,
    node: Node,
    sources: Sequence[str],
    scope: Scope,
    place: _Place,
    found: _Found,
    library: Library,
    facts: Facts,
) -> str:
    if block.name in place.blocks:
        raise CycleError(node.span, f"blocks contain each other: {' -> '.join((*place.blocks, block.name))}")
    if len(sources) != len(block.inputs):
        raise UndefinedName(node.span, f"{block.name} takes {len(block.inputs)} inputs, found {len(sources)}")
    own = global_scope(scope) | _sizes(node, block, scope)
    values = dict(zip(block.inputs, sources, strict=True))
    inside = replace(place, blocks=(*place.blocks, block.name))
    _lower_all(block.body, own, values, inside, found, library, facts)
    return _value(block.output, block.span, values)


def global_scope(scope: Scope) -> dict[str, Expr]:
    """What blocks and kernels see besides their parameters: workload, deployment and convention symbols."""
    return {name: scope[name] for name in (*KNOWN, *STEP)}


def _resident(clause: Clause, scope: Scope, place: _Place, found: _Found) -> Resident:
    amount: Priced = priced(clause, scope, count=clause.name in ("report", "reserve"))
    stored = _format(place.stage, tuple(place.inside + module for module in clause.modules), found)
    if stored is not None:
        amount = {stored.weight.name: sympy.Add(*amount.values())}
    words = (clause.name, clause.key, place.body, place.stage)
    window = None if clause.window is None else expression(clause.window, scope)
    return Resident(*words, amount, place.repeat, place.body_repeat, clause.span, place.part, window)


def _value(name: str, span: Span, values: Mapping[str, str]) -> str:
    if name not in values:
        raise UndefinedName(span, f"no value {name} is made before this line; {did_you_mean(name, values)}")
    return values[name]


def _sizes(node: Node, called: Kernel | Block, scope: Scope) -> dict[str, Expr]:
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
    sizes = {name: expression(place, scope) for name, place in zip(called.params, places, strict=False)}
    for name in called.params[len(places) :]:
        if name in given:
            sizes[name] = expression(given[name], scope)
        else:
            sizes[name] = expression(called.defaults[name], {**global_scope(scope), **sizes})
    return sizes
