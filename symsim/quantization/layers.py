"""What of a checkpoint is quantised: the format of every linear layer by its module path, and of the KV cache."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import chain

from symsim.errors import ConfigError
from symsim.quantization.formats import Format, stored
from symsim.quantization.patterns import core, layer_named, layer_of, names_module


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


@dataclass(frozen=True, slots=True)
class Mixture:
    """The formats in which one operator's weights are stored, each with its share of them; experts may differ.

    >>> Mixture(((BF16, Fraction(1, 4)), (LayerFormat(stored("nvfp4"), "nvfp4"), Fraction(3, 4)))).name
    '1/4 bf16 x bf16, 3/4 nvfp4 x nvfp4'
    """

    parts: tuple[tuple[LayerFormat, Fraction], ...]

    @property
    def name(self) -> str:
        """Of the one format, or of each with its share."""
        if len(self.parts) == 1:
            return self.parts[0][0].name
        return ", ".join(f"{share} {layer.name}" for layer, share in self.parts)

    @property
    def layers(self) -> tuple[LayerFormat, ...]:
        return tuple(layer for layer, _ in self.parts)


def joint_mixture(mixtures: Sequence[Mixture]) -> Mixture:
    """The formats of several modules of one size, each with its share of them all."""
    found: dict[LayerFormat, Fraction] = {}
    for mixture in mixtures:
        for layer, share in mixture.parts:
            found[layer] = found.get(layer, Fraction(0)) + share / len(mixtures)
    return Mixture(tuple(found.items()))


Formats = tuple[tuple[str, Mixture], ...]
"""Module paths as the graph text names them, each with its formats; sorted."""


_EXPERT = re.compile(r"experts\W*((?<!\[)\d|\[(?!0-9\][+*])|\((?!\\?\.\.?\*\))|\\d(?![+*]))")
r"""An index, or an expression for some, behind `experts` in a pattern; `\d+`, `[0-9]+` and `(\..*)` name any."""


@dataclass(frozen=True)
class Rule:
    """Modules that patterns name, compared as the library `how` does, and their format."""

    how: str
    patterns: tuple[str, ...]
    layer: LayerFormat

    def names(self, module: str) -> bool:
        by_layer, own = self._by_layer, layer_of(module)
        patterns = chain(by_layer.get(None, ()), by_layer.get(own, ()) if own else ())
        return any(names_module(self.how, pattern, module) for pattern in patterns)

    @cached_property
    def tells_experts_apart(self) -> bool:
        """Whether a pattern may name one expert and not another."""
        return any(_EXPERT.search(pattern) for pattern in self.patterns)

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
        path = _placed(module, layer)
        found = self._counted(path, None)
        if len(found) > 1:
            kinds = ", ".join(sorted(kind.name for kind in found))
            raise ConfigError(f"{self.origin}: layers of {path} differ in format ({kinds}); ask for each by its path")
        return next(iter(found))

    def mixture(self, module: str, layer: int | None = None, experts: int | None = None) -> Mixture:
        """The formats of a module as `format_of` finds them; `*` stands for every one of so many experts."""
        found = self._counted(_placed(module, layer), experts)
        every = sum(found.values())
        return Mixture(tuple((kind, Fraction(count, every)) for kind, count in found.items()))

    def _counted(self, path: str, experts: int | None) -> Counter[LayerFormat]:
        """How many of the experts that `*` stands for, or of what is listed inside of a path, have which format."""
        starred = path if ".*" in path else None
        if starred and experts and any(rule.tells_experts_apart for rule in self.rules):
            return Counter(self._of(starred.replace(".*", f".{expert}")) for expert in range(experts))
        one = path.replace(".*", ".0")
        for rule in self.rules:
            if rule.names(one):
                return Counter((rule.layer,))
        listed = self._inside.get(core(path)) if self.listed else None
        if listed is None:
            return Counter((self._of(one),))
        missing = (experts or 0) - listed.total() if starred else 0
        return listed + Counter({self._unlisted(one): missing}) if missing > 0 else listed

    def _of(self, path: str) -> LayerFormat:
        """The format of one module: of the first rule that names it, else as it or what it is inside of is listed."""
        named = next((rule.layer for rule in self.rules if rule.names(path)), None)
        return named or self.listed.get(core(path)) or self._unlisted(path)

    def _unlisted(self, path: str) -> LayerFormat:
        """The format of a module that is not listed by its own path: as what it is inside of, or as all others."""
        if self.never.names(path):
            return BF16
        around = (self.listed.get(name) for name in _around(core(path))) if self.listed else ()
        return next((kind for kind in around if kind is not None), None) or self._fused(path) or self.default

    def _fused(self, path: str) -> LayerFormat | None:
        """The format of what is listed beside an expert, as `experts.gate_up_proj` of all: experts in one tensor."""
        before, numbered, _ = core(path).rpartition(".experts.")
        inside = self._inside.get(f"{before}.experts", {}) if numbered and self.listed else {}
        return next(iter(inside)) if len(inside) == 1 and f"{before}.experts.*" not in self._inside else None

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

    @cached_property
    def _inside(self) -> Mapping[str, Counter[LayerFormat]]:
        """Path of a module or container, with `*` for an expert's index -> what is listed there, by format."""
        kinds = {id(kind): kind for kind in self.listed.values()}  # layers of a format share one value: see the reader
        found: dict[str, Counter[LayerFormat]] = {}
        for (path, kind), count in Counter((_starred(path), id(kind)) for path, kind in self.listed.items()).items():
            for name in (path, *_around(path)):
                found.setdefault(name, Counter())[kinds[kind]] += count
        return found


def _placed(module: str, layer: int | None) -> str:
    if ("{layer}" in module) != (layer is not None):
        raise ConfigError(f"{module}: a layer's index and {{layer}} in the path come together, or neither does")
    return module.replace("{layer}", str(layer))


def _starred(path: str) -> str:
    """The path with `*` in place of every index behind that of the layer.

    >>> _starred("layers.3.mlp.experts.7.up_proj"), _starred("experts.0.up_proj")
    ('layers.3.mlp.experts.*.up_proj', 'experts.0.up_proj')
    """
    first = _NUMBER.search(path)
    return path if first is None else path[: first.end()] + _NUMBER.sub("*", path[first.end() :])


def _around(path: str) -> Iterator[str]:
    """What a module is inside of, the nearest first."""
    while "." in path:
        path = path.rpartition(".")[0]
        yield path


def unquantised(origin: str) -> Quantization:
    """A checkpoint in 16 bits throughout."""
    return Quantization(None, origin, BF16, BF16.weight)
