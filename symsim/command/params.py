"""symsim params: how many weights a model has, by part and by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from symsim.algebra.units import format_quantity
from symsim.command.flags import add_model, note, write_json
from symsim.inputs.config import load_config
from symsim.inputs.kept import files_below, kept, stamps
from symsim.render.terminal import write_table


def add(commands: Any) -> None:
    ask = commands.add_parser("params", help="the parameters of a model, exact")
    add_model(ask)
    ask.set_defaults(command=_params)


def _params(*, model: str, graphs: list[str], fallback: bool, json: bool) -> int:
    counted, notes = kept(_key(model, graphs, fallback), lambda: _count(model, graphs, fallback))
    note(notes)
    if json:
        write_json(counted)
    else:
        columns = tuple(dict.fromkeys(chain.from_iterable(counted["layers"])))
        write_table(("parameters", "", "each layer", *columns), _rows(counted, columns))
    return 0


def _key(model: str, graphs: Sequence[str], fallback: bool) -> tuple[object, ...]:
    """Everything that a count depends on besides symsim itself."""
    config = load_config(model)
    described = [path for folder in graphs if Path(folder).is_dir() for path in files_below(folder)]
    named = config.file if config.name is None else None  # bundled ones are part of the installation
    beside = [] if named is None else named.parent.glob("*.json")
    return "params", model, config.path, dict(config.keys), graphs, fallback, stamps([*described, *beside])


def _count(model: str, graphs: Sequence[str], fallback: bool) -> Any:
    """Counting takes sympy, and importing that alone takes longer than all else that this command does."""
    return import_module("symsim.command.subject").counted_parameters(model, graphs, fallback)


def _rows(counted: Mapping[str, Any], columns: Sequence[str]) -> list[tuple[str, ...]]:
    tied = " (the LM head's)" if counted["tied"] else ""
    whole = {
        "total": "total",
        "active for one token": "active",
        f"embedding{tied}": "embedding",
        "LM head": "lm_head",
        "without embedding and LM head": "non_embedding",
        "outside of layers besides those": "other",
    }
    rows = [(name, f"{counted[key]:,}", "", *("" for _ in columns)) for name, key in whole.items()]
    rows += _bytes(counted["checkpoint"], len(columns))
    first = 0
    for layer, run in groupby(counted["layers"], key=lambda layer: tuple(sorted(layer.items()))):
        parts, length = dict(layer), len(list(run))
        name = f"layer {first}" if length == 1 else f"layers {first} to {first + length - 1}"
        each = sum(parts.values())
        rows.append((name, f"{each * length:,}", f"{each:,}", *(f"{parts.get(part, 0):,}" for part in columns)))
        first += length
    return rows


def _bytes(stored: Mapping[str, int] | str, columns: int) -> list[tuple[str, ...]]:
    """What the checkpoint's files hold, by number format where there are several."""
    if isinstance(stored, str):
        return []
    total = sum(stored.values())
    formats = stored if len(stored) > 1 or "bf16" not in stored else {}
    blank = ("", *("" for _ in range(columns)))
    rows = [(f"checkpoint, bytes ({format_quantity(total, 'B')})", f"{total:,}", *blank)]
    return [*rows, *((f"  in {name}", f"{amount:,}", *blank) for name, amount in formats.items())]
