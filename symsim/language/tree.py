"""The syntax tree of the graph and the query language: the whole of it on one page.

Every node that a user wrote keeps its Span, so that errors and derivations can point at the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from fractions import Fraction

from symsim.errors import Span


@dataclass(frozen=True, slots=True)
class Number:
    value: Fraction
    span: Span = field(default=Span("", 1), compare=False)


@dataclass(frozen=True, slots=True)
class Name:
    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Text:
    """A string of a config, as in `layer_types[i] == "full_attention"`."""

    value: str
    span: Span


@dataclass(frozen=True, slots=True)
class Items:
    """`[a, b]`: what `in` looks through."""

    items: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Index:
    """`name[index]`: an entry of a list or a string of the config, or what was decided for one layer.

    path: of an entry that is a section, the keys in it: `block_configs[i].attention.no_op`.
    """

    name: Name
    index: Expression
    path: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The key that it reads, whatever the entry."""
        return ".".join((self.name.name, *self.path))


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    args: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Negative:
    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    """`+ - * / % **` of numbers; `and or in` and the relations of conditions."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True, slots=True)
class Not:
    operand: Expression


Expression = Number | Text | Name | Items | Index | Call | Negative | Binary | Not


def children(node: Expression) -> tuple[Expression, ...]:
    """What an expression is made of, left to right."""
    match node:
        case Index(name, index):
            return name, index
        case Items(items, _) | Call(_, items, _):
            return items
        case Binary(_, left, right):
            return left, right
        case Negative(operand) | Not(operand):
            return (operand,)
        case _:
            return ()


@dataclass(frozen=True, slots=True)
class Priced:
    """`amount @ precision`; precision None is a plain count."""

    amount: Expression
    precision: Name | None


@dataclass(frozen=True, slots=True)
class Clause:
    """What a kernel costs, what a block keeps resident, or a figure that is only reported.

    window: of a cache, the tokens after which it holds no more; modules: of weights, the linear layers that they are.
    """

    name: str
    key: str | None
    cost: tuple[Priced, ...]
    span: Span
    window: Expression | None = None
    modules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Named:
    """`size = value`: a size given by its name."""

    name: str
    value: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Node:
    """`value = op(inputs; shape) of modules`; op names a kernel or a block. Sizes by place come before those by name.

    modules: paths of the linear layers that a kernel's weights are, inside of those that the blocks around it name;
    stage: whether, in a block, it stands among the stages of the layer, in place of the node that calls the block.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    shape: tuple[Expression | Named, ...]
    span: Span
    modules: tuple[str, ...] = ()
    stage: bool = False


@dataclass(frozen=True, slots=True)
class Alias:
    """`name = value`: another name for a value that is there already."""

    name: str
    value: str
    span: Span


@dataclass(frozen=True, slots=True)
class When:
    """names: what the branch taken and the other one are called, where layers of different kinds are told apart."""

    condition: Expression
    body: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]
    span: Span
    names: tuple[str | None, str | None] = (None, None)


@dataclass(frozen=True, slots=True)
class Repeat:
    count: Expression
    name: str
    body: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Each:
    """`each step:`: done once for each of the steps that one iteration holds together."""

    body: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Layers:
    """`layers L as i`: layers for which every `when` is decided alike become one body, repeated so many times."""

    count: Expression
    index: str
    body: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Part:
    """`part attention`: under what the weights below are listed."""

    name: str
    span: Span


@dataclass(frozen=True, slots=True)
class Let:
    name: str
    value: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Require:
    divisor: Expression
    dividend: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class Refuse:
    """`refuse condition: "sentence"`: deployments for which it holds are refused with the sentence."""

    condition: Expression
    sentence: str
    span: Span


Statement = Node | Alias | When | Each | Repeat | Layers | Part | Let | Require | Refuse | Clause


@dataclass(frozen=True, slots=True)
class Kernel:
    """defaults: the value of each parameter that a node may leave out."""

    name: str
    params: tuple[str, ...]
    defaults: Mapping[str, Expression]
    body: tuple[Clause | When | Part | Let, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Block:
    name: str
    inputs: tuple[str, ...]
    params: tuple[str, ...]
    defaults: Mapping[str, Expression]
    output: str
    body: tuple[Statement, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class StepFact:
    """`tokens = B/cp`, or `pairs(W) = ...`, a function of params."""

    name: str
    params: tuple[str, ...]
    value: Expression
    span: Span


@dataclass(frozen=True, slots=True)
class StepCall:
    """`prefill(T, S, past)`: a step with what stands for its parameters."""

    name: str
    args: tuple[Expression, ...]
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRule:
    """What one GPU works on in one step, or the steps that one iteration holds together.

    like: the step whose other facts it has, and whose kind it is of; parts: of an iteration of several steps.
    """

    name: str
    params: tuple[str, ...] = ()
    defaults: Mapping[str, Expression] = field(default_factory=dict[str, Expression])
    like: StepCall | None = None
    facts: tuple[StepFact, ...] = ()
    parts: tuple[StepCall, ...] = ()
    span: Span


@dataclass(frozen=True, slots=True)
class Binding:
    """`symbol = key | other_key null value else default`: the first choice all of whose keys are there.

    null: what a key that is there and null means, where that is not the default; layer: of `symbol[layer] = ...`, the
    name of the layer's index; such a symbol decides what kind each layer is, and names tells what those for which it
    holds and the others are called.
    """

    symbol: str
    layer: str | None
    choices: tuple[Expression, ...]
    null: Expression | None
    defaults: tuple[Expression, ...]
    span: Span
    names: tuple[str | None, str | None] = (None, None)


@dataclass(frozen=True, slots=True)
class Expect:
    """A config key whose other values change cost in a way that this graph does not describe."""

    key: str
    values: tuple[object, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Renames:
    """`modules:`: path, or the beginning of one -> what checkpoints call it."""

    paths: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Words:
    """`words:`: what an argument may say in place of a number."""

    values: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Model:
    """One family: the architectures and model_types it serves, its config keys, its operators.

    ignores: config keys that real configs carry and the family does not look at; renames: modules that its checkpoints
    call otherwise than the blocks do; end: the block in place of `logits`, where the architecture has another.
    """

    name: str
    serves: tuple[str, ...]
    section: str | None
    bindings: tuple[Binding, ...]
    expects: tuple[Expect, ...]
    ignores: frozenset[str]
    renames: Mapping[str, tuple[str, ...]]
    body: tuple[Statement, ...]
    span: Span
    end: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Library:
    """All graph files of one cost model.

    serving: architecture or model_type -> the model that serves it; neutral: config keys without a cost, by name or
    (with a *) by pattern; off: those
    without one while they are false, null, 0 or empty; omitted: those with one that the cost model leaves out;
    sections: where a multimodal config keeps its language model; by_model_type: model_types that say more than the
    architectures beside them, a class that serves many; by_architecture: the reverse; ends: block -> patterns of the
    architectures that end
    with it in place of `logits`; renames: what checkpoints call modules where a model
    does not say otherwise, `layers` among them.
    """

    name: str
    kernels: Mapping[str, Kernel]
    blocks: Mapping[str, Block]
    models: Mapping[str, Model]
    steps: Mapping[str, StepRule]
    serving: Mapping[str, str]
    neutral: frozenset[str]
    off: frozenset[str]
    omitted: frozenset[str]
    sections: frozenset[str]
    by_model_type: frozenset[str]
    by_architecture: frozenset[str]
    ends: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    renames: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])

    def neutral_by_rule(self, key: str) -> bool:
        """Whether a pattern of `neutral:` says that a key of such a name has no cost."""
        return any(fnmatchcase(key, pattern) for pattern in self.neutral if "*" in pattern)
