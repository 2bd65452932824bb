"""A draft of a graph file: the nearest family's text under the new model's name, and what of it does not match."""

from __future__ import annotations

import re
from pathlib import Path

from symsim.errors import ConfigError, SymsimError
from symsim.inputs.config import ModelConfig
from symsim.language.tree import Library, Model
from symsim.model.architecture import read_architecture
from symsim.model.family import nearest
from symsim.model.match import stated_names
from symsim.paths import ROOT


def draft(config: ModelConfig, library: Library) -> str:
    """Graph text for the config. Raises ConfigError when the config names no model."""
    names = stated_names(config, library)
    if not names:
        raise ConfigError(f"{config.path}: neither `architectures` nor `model_type` names a model")
    model = nearest(config, library)
    title = re.sub(r"\W|ForCausalLM|ForConditionalGeneration", "", names[0])
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", title).lower()
    text = _source(model).replace(f"model {model.name} for", f"model {name} for", 1)
    head = re.sub(r" for [^:]*:", f" for {', '.join(dict.fromkeys(names))}:", text, count=1)
    remarks = [f"# Drafted from {model.name} ({model.span}), the nearest family."]
    remarks += [f"# Does not match yet: {line}" for line in _mismatches(config, model, library)]
    remarks += ["# Change what differs, then: symsim params CONFIG --graphs FOLDER, symsim check-model CONFIG."]
    return "\n".join([*remarks, "", head.rstrip(), ""])


def _mismatches(config: ModelConfig, model: Model, library: Library) -> list[str]:
    try:
        unread = read_architecture(config, model, library).unread
    except SymsimError as error:
        return [str(error).splitlines()[-1]]
    return [f"{key} is not described" for key in unread]


def _source(model: Model) -> str:
    """The text of one model: from its first line to the next line that is not indented."""
    path = ROOT / model.span.path
    lines = (path if path.is_file() else Path(model.span.path)).read_text(encoding="utf-8").splitlines()
    rest = lines[model.span.line :]
    end = next((i for i, line in enumerate(rest) if line and not line[0].isspace()), len(rest))
    return "\n".join([lines[model.span.line - 1], *rest[:end]])
