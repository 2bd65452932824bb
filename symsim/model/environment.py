"""Env: what a statement of a graph sees while it is lowered; one that names something makes a new one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import sympy
from sympy import Expr

from symsim.errors import ConfigError, Span, UndefinedName, did_you_mean
from symsim.language.symbolic import Scope
from symsim.quantization.layers import Mixture, joint_mixture


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in the model a statement stands.

    path: names of the nodes and bodies around it; repeat: how often one step executes it, body_repeat: the body of
    layers it is in; blocks: the blocks around it; part: under what weights are listed; inside: the module around it;
    step: which of the steps that an iteration holds, where it does something else in each; around: how many names of
    the path are those of bodies.
    """

    path: tuple[str, ...] = ()
    body: str = ""
    stage: str = ""
    repeat: Expr = sympy.S.One
    body_repeat: Expr = sympy.S.One
    blocks: tuple[str, ...] = ()
    part: str = ""
    inside: str = ""
    step: str = ""
    around: int = 0

    def of_node(self, name: str) -> Place:
        return replace(self, path=(*self.path, name), stage=self.stage or name)

    def of_stage(self, name: str) -> Place:
        """A stage that a block names itself stands where the node that calls the block does."""
        return replace(self, path=(*self.path[: self.around], name), stage=name)

    def repeated(self, name: str, count: Expr) -> Place:
        """A repeat of the model is a body of layers; one inside of a layer or a block repeats part of a layer."""
        times = self.repeat * count
        if self.blocks:
            return replace(self, repeat=times)
        inner = replace(self, path=(*self.path, name), repeat=times, around=len(self.path) + 1)
        return inner if self.body else replace(inner, body=name, body_repeat=times)


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """What a statement sees. A statement that names something hands on an environment that holds it.

    scope: names of expressions; work: what the blocks in it see of them: the step's work, deployment, constants;
    values: name -> the operators that make it (none: the step's input); outcomes: of each `when` that the kind of
    layer decides; formats: of the modules around, where a checkpoint gives each its own.
    """

    scope: Scope
    work: Scope
    values: Mapping[str, tuple[str, ...]]
    place: Place = Place()
    outcomes: Mapping[Span, bool] = field(default_factory=dict[Span, bool])
    formats: Mapping[str, Mixture] | None = None

    def defining(self, name: str, size: Expr) -> Env:
        """With an expression under a name."""
        return replace(self, scope={**self.scope, name: size})

    def making(self, name: str, ops: tuple[str, ...]) -> Env:
        """With a value that operators make."""
        return replace(self, values={**self.values, name: ops})

    def within(self, other: Env) -> Env:
        """What was named here, in the place and the kind of layer of another."""
        return replace(other, scope=self.scope, values=self.values)

    def value(self, name: str, span: Span) -> tuple[str, ...]:
        """The operators that make a value. Raises UndefinedName where none does before this line."""
        if name not in self.values:
            raise UndefinedName(span, f"no value {name} is made before this line; {did_you_mean(name, self.values)}")
        return self.values[name]

    def format(self, owner: str, modules: Sequence[str]) -> Mixture | None:
        """The formats of an operator's weights, where a checkpoint gives them theirs."""
        if self.formats is None or not modules:
            return None
        stored = {module: self.formats[module] for module in modules}
        if all(EXPERTS in module for module in modules):
            return joint_mixture(tuple(stored.values()))
        if len(set(stored.values())) > 1:
            stated = ", ".join(f"{module} {kind.name}" for module, kind in stored.items())
            raise ConfigError(
                f"{owner} multiplies by these weights at once, and the checkpoint stores them in different formats: "
                f"{stated}; give the operators apart in the graph text, or all one precision with --gemm bf16 or fp8"
            )
        return stored[modules[0]]


EXPERTS = ".experts.*."
"""Inside of a path: the matrices of experts that one operator multiplies by are of one size."""
