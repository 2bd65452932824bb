"""What of a checkpoint is quantised: the format of every linear layer by its module path, and of the KV cache."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

from symsim.errors import ConfigError
from symsim.quantization.formats import Format, stored
from symsim.quantization.patterns import core, layer_named, layer_of, names


@dataclass(frozen=True, slots=True)
class LayerFormat:
    """A linear layer. weight: how its matrix is stored; activation: the element format of what it multiplies."""

    weight: Format
    activation: str

    @property
    def name(self) -> str:
        """Weights x activations, e.g. `int4 g128 x bf16`."""
        return f"{self.weight.name} x {self.activation}"


BF16 = LayerFormat(stored("bf16"), "bf16")
"""What is not quantised: 16 bits each."""


Formats = tuple[tuple[str, LayerFormat], ...]
"""Module paths as the graph text names them, each with its format; sorted."""


@dataclass(frozen=True)
class Rule:
    """Modules that patterns name, compared as the library `how` does, and their format."""

    how: str
    patterns: tuple[str, ...]
    layer: LayerFormat

    def names(self, module: str) -> bool:
        by_layer, own = self._by_layer, layer_of(module)
        patterns = chain(by_layer.get(None, ()), by_layer.get(own, ()) if own else ())
        return any(names(self.how, pattern, module) for pattern in patterns)

    @cached_property
    def _by_layer(self) -> Mapping[str | None, list[str]]:
        """The patterns by the one layer that each can name; None: those of any layer."""
        found: dict[str | None, list[str]] = {}
        for pattern in self.patterns:
            found.setdefault(layer_named(pattern), []).append(pattern)
        return found


@dataclass(frozen=True, slots=True)
class Never:
    """Modules that no library converts by itself: by the last component of their path, whole or its end, or by any."""

    last: tuple[str, ...] = ()
    ends: tuple[str, ...] = ()
    inside: tuple[str, ...] = ()

    def names(self, module: str) -> bool:
        parts = module.split(".")
        return parts[-1] in self.last or parts[-1].endswith(self.ends) or not set(self.inside).isdisjoint(parts)


_NUMBER = re.compile(r"(?<![^.])\d+(?![^.])")


@dataclass(frozen=True)
class Quantization:
    """The whole answer for a checkpoint. Asked in this order, the first that names a module decides its format:

    rules: patterns, those that keep bf16 first; listed: modules by their own path (without wrappers); never: modules
    that stay in bf16 unless named; default: every other linear layer. kv: the KV cache; method: `quant_method`, or
    None where nothing is quantised; origin: the file as shown to the user.

    Ask for linear layers only. A parameter that is no linear layer (a router's bare weight, a norm, a table, a
    convolution, a decay) has no format of its own: `never` answers for the usual names of such modules, and whoever
    describes a model knows the others.
    """

    method: str | None
    origin: str
    default: LayerFormat
    kv: Format
    rules: tuple[Rule, ...] = ()
    listed: Mapping[str, LayerFormat] = field(default_factory=dict[str, LayerFormat])
    never: Never = field(default_factory=Never)

    def format_of(self, module: str, layer: int | None = None) -> LayerFormat:
        """The format of a linear layer by its Hugging Face module path; `{layer}` in it stands for the layer's index.

        A container, such as a layer's `experts`, answers for the layers in it where all agree; so does a path with `*`
        in place of an expert's index, for which rules are asked about the first expert.
        Raises ConfigError where they do not, or where `{layer}` and the index do not come together.
        """
        if ("{layer}" in module) != (layer is not None):
            raise ConfigError(f"{module}: a layer's index and {{layer}} in the path come together, or neither does")
        path = module.replace("{layer}", str(layer))
        one = path.replace(".*", ".0")
        for rule in self.rules:
            if rule.names(one):
                return rule.layer
        return self._listed(path) or (BF16 if self.never.names(one) else self.default)

    def counted(self, module: str, layers: Iterable[int]) -> Mapping[LayerFormat, int]:
        """How many of the layers have this module in each format: `repeat` of a graph operator, split by format."""
        found: dict[LayerFormat, int] = {}
        for layer in layers:
            kind = self.format_of(module, layer)
            found[kind] = found.get(kind, 0) + 1
        return found

    @property
    def formats(self) -> frozenset[LayerFormat]:
        """Every format that some linear layer may have.

        One that no operator of a graph turns out to have is a sign that the graph spells paths otherwise than the
        checkpoint: say so, for a path that nothing names is in bf16 or in the default format.
        """
        return frozenset((self.default, *(rule.layer for rule in self.rules), *self.listed.values()))

    def _listed(self, path: str) -> LayerFormat | None:
        name = core(path)
        if not self.listed or name in self.listed:
            return self.listed.get(name)
        inside = self._inside.get(name) or self._inside.get(name.partition(".*")[0], {})
        if len(inside) > 1:
            kinds = ", ".join(sorted(kind.name for kind in inside.values()))
            raise ConfigError(f"{self.origin}: layers of {path} differ in format ({kinds}); ask for each by its path")
        return next(iter(inside.values()), None)

    @cached_property
    def _inside(self) -> Mapping[str, Mapping[int, LayerFormat]]:
        """Path of a container, or with `*` for an expert's index -> what is listed inside, each format once.

        Layers of a format share one value (see the reader), which tells formats apart without comparing them.
        """
        listed: dict[str, dict[int, LayerFormat]] = {}
        for path, kind in self.listed.items():
            first, _, rest = path.partition(".")
            index, _, inner = rest.partition(".")
            starred = f"{first}.{index}.{_NUMBER.sub('*', inner)}" if inner else path
            listed.setdefault(starred, {})[id(kind)] = kind
        found: dict[str, dict[int, LayerFormat]] = {}
        for path, kinds in listed.items():
            parts = path.split(".")
            for end in range(1, len(parts) + 1):
                found.setdefault(".".join(parts[:end]), {}).update(kinds)
        return found


def unquantised(origin: str) -> Quantization:
    """A checkpoint in 16 bits throughout."""
    return Quantization(None, origin, BF16, BF16.weight)
