"""A draft of a graph file: a model that is like the nearest family, and what of the config that does not describe."""

from __future__ import annotations

import re

from symsim.errors import ConfigError, SymsimError
from symsim.inputs.config import ModelConfig
from symsim.language.library import origins, own_lines
from symsim.language.like import DEEPEST
from symsim.language.tree import Library, Model
from symsim.model.architecture import read_architecture
from symsim.model.family import nearest
from symsim.model.match import stated_names


def draft(config: ModelConfig, library: Library) -> str:
    """Graph text for the config. Raises ConfigError when the config names no model."""
    names = stated_names(config, library)
    if not names:
        raise ConfigError(f"{config.path}: neither `architectures` nor `model_type` names a model")
    model = nearest(config, library)
    title = re.sub(r"\W|ForCausalLM|ForConditionalGeneration", "", names[0])
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", title).lower()
    served = ", ".join(dict.fromkeys(names))
    remarks = [f"# Drafted from {model.name} ({model.span}), the nearest family."]
    remarks += [f"# Does not match yet: {line}" for line in _mismatches(config, model, library)]
    remarks += [
        f"# Say below what differs; symsim graph {model.name} --text shows that one in full.  Then:",
        "# symsim params CONFIG --graphs FOLDER, symsim check-model CONFIG.",
    ]
    return "\n".join([*remarks, "", *_like(name, served, model.name, library), ""])


def _like(name: str, served: str, nearest: str, library: Library) -> list[str]:
    """A model that is like the nearest one, or where that is too far back, like the same as that, with its lines."""
    back = origins(library, nearest)
    if len(back) < DEEPEST:
        return [f"model {name} like {nearest} for {served}:"]
    return [f"model {name} like {back[0]} for {served}:", *own_lines(library, nearest)]


def _mismatches(config: ModelConfig, model: Model, library: Library) -> list[str]:
    try:
        unread = read_architecture(config, model, library).unread
    except SymsimError as error:
        return [str(error).splitlines()[-1]]
    return [f"{key} is not described" for key in unread]
