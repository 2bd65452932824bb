"""Which model of which graph library a config is of, and what it reads: everything that is known without a device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from symsim.errors import UnreadKey, UnsupportedArchitecture
from symsim.inputs.config import ModelConfig, load_config
from symsim.inputs.cost_model import COUNTING, graphs_of, named_cost_model
from symsim.language.library import load_library
from symsim.language.tree import Library, Model
from symsim.model.architecture import Architecture, read_architecture
from symsim.model.config_keys import keys_in, section_of
from symsim.model.match import find_model, stated_names, taken_for
from symsim.model.unread_keys import described
from symsim.paths import GRAPHS
from symsim.quantization.layers import Quantization
from symsim.quantization.reader import keys_beside, places, read_quantization, stamp_beside


@dataclass(frozen=True, eq=False)
class Family:
    """A config, the model of a graph library that serves it, and the sizes that the model reads.

    assumptions: keys that were not understood and that `fallback` went on without; graphs: folders with more families.
    """

    config: ModelConfig
    model: Model
    sizes: Architecture
    library: Library
    assumptions: tuple[str, ...]
    graphs: tuple[str, ...] = ()

    @cached_property
    def quantization(self) -> Quantization:
        """The formats of the checkpoint. Raises ConfigError for what is not understood."""
        file = self.config.file
        return _quantization(self.config, None if file is None else stamp_beside(file))

    @property
    def by_rule(self) -> str:
        """The sentence on keys that no line reads and that a pattern of keys.graph says to change no cost."""
        return f"{self.config.path}: by their names these keys change no cost: {', '.join(self.sizes.by_rule)}"

    @property
    def states_quantization(self) -> tuple[str, ...]:
        """The keys, and the file beside the config, that say how it is quantised, in one phrase; or none."""
        found = places(self.config.keys, self.config.file)
        return (f"{self.config.path}: {' and '.join(found)}",) if found else ()


@lru_cache(maxsize=64)
def _described(config: ModelConfig, library: Library) -> tuple[Model, Architecture]:
    """Cached: a model is compiled for many devices and deployments, and has every layer decided by itself."""
    model = find_model(config, library)
    return model, read_architecture(config, model, library)


@lru_cache(maxsize=64)
def _quantization(config: ModelConfig, stamp: tuple[int, int] | None) -> Quantization:
    """Cached by the config and the state of the file beside it: a checkpoint may list tens of thousands of layers, and
    is compiled for many devices and deployments."""
    beside = None if config.file is None or stamp is None else keys_beside(config.file)
    return read_quantization(config.keys, config.path, beside)


def find_family(
    model: str | Path,
    cost_model: str = COUNTING,
    graphs: Sequence[str | Path] = (),
    *,
    fallback: bool = False,
) -> Family:
    """The family of a bundled model, a config.json or a folder that holds one. graphs: folders with more families.

    Raises UnsupportedArchitecture for a model that no graph describes, UnreadKey for a key that may change cost and
    that the family does not describe, unless the cost model is one that leaves such keys out or fallback is set.
    """
    library = load_library(graphs_of(cost_model), (GRAPHS, *map(Path, graphs)))
    config = load_config(model)
    try:
        found, sizes = _described(config, library)
    except UnsupportedArchitecture as error:
        if not stated_names(config, library):
            raise
        raise UnsupportedArchitecture(f"{error}; by its keys the nearest is {nearest(config, library).name}") from None
    more = tuple(map(str, graphs))
    if not named_cost_model(cost_model).refuses_unread_keys or not sizes.unread:
        return Family(config, found, sizes, library, taken_for(config, library, found), more)
    keys = ", ".join(sizes.unread)
    what = f"{config.path}: {found.name} ({found.span}) does not describe {keys}"
    if not fallback:
        raise UnreadKey(
            f"{what}, which may change cost; describe it in a graph file of your own as graphs/README.md shows, or go "
            "on without it with --fallback"
        )
    return Family(config, found, sizes, library, (f"{what}: fallback, not counted",), more)


def nearest(config: ModelConfig, library: Library) -> Model:
    """The family that describes most keys of the config and asks for fewest that it does not have."""
    section = section_of(config, library)
    keys: Mapping[str, Any] = config.keys if section is None else keys_in(config, section)
    names = " ".join(stated_names(config, library)).lower()

    def likeness(model: Model) -> tuple[int, bool]:
        read = described(model)
        known = read | library.neutral | library.omitted
        missing = sum(key not in keys for key in read)
        stated = {key for key, value in keys.items() if value is not None and (value or key not in library.off)}
        unknown = sum(not library.neutral_by_rule(key) for key in stated - known)
        return -(2 * unknown + missing), model.name.split("_")[0] in names

    return max(library.models.values(), key=likeness)
