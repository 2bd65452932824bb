"""symsim new-model: a draft of a graph file for a model that no graph describes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from symsim.command.flags import add_graphs, add_json, write_json
from symsim.inputs.config import load_config
from symsim.inputs.cost_model import COUNTING
from symsim.language.library import load_library
from symsim.model.draft import draft
from symsim.paths import GRAPHS


def add(commands: Any) -> None:
    ask = commands.add_parser("new-model", help="draft a graph file for a config, from the nearest known family")
    ask.add_argument("config", metavar="CONFIG", help="config.json or a folder that holds one")
    add_graphs(ask)
    add_json(ask)
    ask.set_defaults(command=_new_model)


def _new_model(*, config: str, graphs: Sequence[str], json: bool) -> int:
    library = load_library(COUNTING, (GRAPHS, *map(Path, graphs)))
    text = draft(load_config(config), library)
    if json:
        write_json({"draft": text})
    else:
        print(text, end="")
    return 0
