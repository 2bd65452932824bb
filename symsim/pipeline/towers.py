"""Weights of the image encoder that a config describes beside its language model: as text in graphs/towers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import sympy

from symsim.algebra.symbols import substitute
from symsim.errors import SymsimError
from symsim.formula.binding import bind_model, deciding_numbers
from symsim.inputs.deployment import Deployment
from symsim.language.library import load_library
from symsim.model.architecture import read_architecture
from symsim.model.family import Family
from symsim.model.lower import lower
from symsim.model.match import find_model

TOWER = "vision_config"
"""The key of the section."""

_WEIGHTS = Deployment(num_nodes=1, gemm="bf16", kv="bf16")


def tower_parameters(family: Family) -> int | None:
    """Parameters of the encoder and of what projects its output to the language model's width; None where no graph
    describes it, or one leaves a key unread."""
    section: Any = family.config.keys.get(TOWER)
    if not isinstance(section, dict) or "D" not in family.sizes.values:
        return None
    config = replace(family.config, keys=_keys(cast(Mapping[str, Any], section), family), file=None)
    library = load_library("towers")
    try:
        model = find_model(config, library)
        sizes = read_architecture(config, model, library)
    except SymsimError:
        return None
    if sizes.unread:
        return None
    bound = bind_model(sizes, _WEIGHTS)
    graph = lower(model, library, "decode", deciding_numbers(bound), sizes.kinds)
    amounts = (item.repeat * sympy.Add(*item.amount.values()) for item in graph.residents)
    return int(substitute(sympy.Add(*amounts), bound.symbols()))


def _keys(section: Mapping[str, Any], family: Family) -> Mapping[str, Any]:
    """The section, named by its own or the config's model_type, with the keys around it."""
    around = {f"around_{key}": value for key, value in family.config.keys.items() if not isinstance(value, dict)}
    named = section.get("model_type") or family.config.keys.get("model_type")
    return {
        **around,
        "text_hidden_size": family.sizes.values["D"],
        **section,
        "model_type": named,
        "architectures": None,
    }
