"""symsim params: how many weights a model has, by part and by layer."""

from __future__ import annotations

from itertools import chain, groupby
from typing import Any

from symsim.command.subject import add_model, family_of, write_json
from symsim.pipeline.counts import PARTS, Parameters, params
from symsim.render.terminal import write_table


def add(commands: Any) -> None:
    ask = commands.add_parser("params", help="the parameters of a model, exact")
    add_model(ask)
    ask.set_defaults(command=_params)


def _params(*, model: str, graphs: list[str], fallback: bool, json: bool) -> int:
    found = params(family_of(model, graphs, fallback=fallback))
    if json:
        write_json(found.as_dict())
    else:
        columns = tuple(dict.fromkeys((*PARTS, *chain.from_iterable(found.layers))))
        write_table(("parameters", "", "each layer", *columns), _rows(found, columns))
    return 0


def _rows(found: Parameters, columns: tuple[str, ...]) -> list[tuple[str, ...]]:
    tied = " (the LM head's)" if found.tied else ""
    whole = [
        ("total", found.total),
        ("active for one token", found.active),
        (f"embedding{tied}", found.embedding),
        ("LM head", found.lm_head),
        ("without embedding and LM head", found.non_embedding),
        ("outside of layers besides those", found.other),
    ]
    rows = [(name, f"{count:,}", "", *("" for _ in columns)) for name, count in whole]
    first = 0
    for layer, run in groupby(found.layers, key=lambda layer: tuple(sorted(layer.items()))):
        parts, length = dict(layer), len(list(run))
        name = f"layer {first}" if length == 1 else f"layers {first} to {first + length - 1}"
        each = sum(parts.values())
        rows.append((name, f"{each * length:,}", f"{each:,}", *(f"{parts.get(part, 0):,}" for part in columns)))
        first += length
    return rows
