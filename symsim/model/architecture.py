"""What a model of a graph library reads from a config: its sizes, and what kinds of layers it has.

Nothing is defaulted silently: an absent key is an error unless the graph itself says `else`, two spellings that
disagree are an error, and every key that no graph line read is known by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from symsim.inputs.config import ModelConfig
from symsim.inputs.source import Source
from symsim.language.tree import Library, Model
from symsim.model.config_keys import keys_of_model
from symsim.model.layer_kinds import LayerKind, kinds, layer_counts
from symsim.model.plausible import check_counts, check_lists, check_sizes
from symsim.model.reading import ReadSoFar, chosen_reading, joint_source, size_of_binding
from symsim.model.unread_keys import unread_keys


@dataclass(frozen=True, slots=True)
class Architecture:
    """The architecture numbers of one config under one model of a library.

    values: symbol -> integer; sources: symbol -> the config keys it was read from, or what stands in for them;
    unread: `key = value` of keys that may change cost and that the graph does not describe; omitted: keys it leaves
    out on purpose; by_rule: keys that a pattern says to change no cost; kinds: the kinds of layers, each
    with the indices of its layers.
    """

    values: Mapping[str, int]
    sources: Mapping[str, Source]
    unread: tuple[str, ...]
    omitted: tuple[str, ...]
    by_rule: tuple[str, ...] = ()
    kinds: tuple[LayerKind, ...] = ()

    @property
    def has_experts(self) -> bool:
        """Whether attention replicas share experts: E is what every family calls their number (graphs/README.md)."""
        return self.values.get("E", 0) > 1


def read_architecture(config: ModelConfig, model: Model, library: Library) -> Architecture:
    """Read what the model's `config:` section asks for.

    Raises MissingConfigKey for an absent key, ConfigError for a value that is no whole number, or two spellings
    of one key that disagree.
    """
    keys = keys_of_model(config, model, library)
    check_counts(config.path, keys)
    read = ReadSoFar(config.path, keys, model, {}, {})
    for binding in model.bindings:
        if binding.layer is None:
            read.values[binding.symbol], read.sources[binding.symbol] = size_of_binding(binding, read)
    check_sizes(config.path, model, read.values, read.sources)
    count = max(layer_counts(model, read.values), default=0)
    check_lists(config.path, model, keys, count)
    layers: dict[str, tuple[Any, ...]] = {}
    each = replace(read, values=dict(read.values), sources=dict(read.sources))
    for binding in model.bindings:
        if binding.layer is not None:
            readings = [chosen_reading(binding, each, i) for i in range(count)]
            layers[binding.symbol] = each.values[binding.symbol] = tuple(reading.value for reading in readings)
            each.sources[binding.symbol] = joint_source([reading.source for reading in readings])
    values, sources = dict(read.values), each.sources
    alike = kinds(model, values, layers)
    for kind in alike:
        if kind.symbol is not None:
            values[kind.symbol] = len(kind.layers)
            decided = joint_source([sources[name] for name in kind.decided_by])
            sources[kind.symbol] = _counted(kind, replace(decided, file=config.path))
    unread, omitted, by_rule = unread_keys(keys, config, model, library)
    return Architecture(values, sources, unread, omitted, by_rule, alike)


def _counted(kind: LayerKind, decided: Source) -> Source:
    """The source of the number of such layers; a default that decides on them is said."""
    note = f"{len(kind.layers)} of {kind.count} layers"
    return replace(decided, how="computed", note=f"{note} ({decided.note})" if decided.note else note)
