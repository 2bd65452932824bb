"""symsim list: what is bundled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

from symsim.algebra.symbols import KNOWN
from symsim.algebra.units import format_quantity
from symsim.command.flags import add_json, wants_why, write_json
from symsim.cost.metric_table import metrics
from symsim.inputs.cost_model import COST_MODELS, graphs_of
from symsim.inputs.device import bundled_devices, load_device
from symsim.inputs.engine import FIELDS, bundled_engines, load_engine
from symsim.inputs.model_names import bundled
from symsim.language.library import load_library
from symsim.quantization.kv_cache import kv_layouts
from symsim.render.terminal import write_table
from symsim.serving.forms import Check, all_forms
from symsim.tables.table import rows, signatures


class _Quantity(NamedTuple):
    """An amount in SI units: a number in JSON, with a prefix and its unit in a table."""

    amount: Fraction
    unit: str


Cell = str | int | _Quantity | None
Listed = tuple[tuple[str, ...], Sequence[tuple[Cell, ...]]]
"""Head and rows."""


def add(commands: Any) -> None:
    ask = commands.add_parser("list", help=f"what is bundled: {', '.join(LISTS)}")
    ask.add_argument("what", choices=list(LISTS))
    add_json(ask)
    ask.set_defaults(command=_list)


def _list(*, what: str, json: bool) -> int:
    head, found = LISTS[what]()
    if json:
        write_json([dict(zip(head, map(_plain, row), strict=True)) for row in found])
    else:
        shown = [i for i, name in enumerate(head) if wants_why() or name not in _FOR_WHY.get(what, _WHERE_FROM)]
        write_table([head[i] for i in shown], [tuple(_shown(row[i]) for i in shown) for row in found])
    return 0


def _plain(cell: Cell) -> str | int | float | None:
    if not isinstance(cell, _Quantity):
        return cell
    return int(cell.amount) if cell.amount.denominator == 1 else float(cell.amount)


def _shown(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case _Quantity(amount, unit):
            return format_quantity(amount, unit)
        case int():
            return f"{cell:,}"
        case _:
            return cell


def _models() -> Listed:
    """From the index alone, so that it is as quick with hundreds."""
    head = ("model", "id", "total", "active", "format", "context")
    return head, [(name, row.id, row.total, row.active, row.format, row.context) for name, row in bundled().items()]


def _families() -> Listed:
    found = [
        (model.name, ", ".join(model.serves), cost_model, str(model.span))
        for cost_model in COST_MODELS
        if graphs_of(cost_model) == cost_model
        for model in load_library(cost_model).models.values()
    ]
    return ("family", "architectures and model types", "cost model", "defined at"), found


def _devices() -> Listed:
    fields = (
        ("peak_bf16", "FLOP/s"),
        ("peak_fp8", "FLOP/s"),
        ("hbm_capacity", "B"),
        ("hbm_bandwidth", "B/s"),
    )
    head = ("device", "name", *(field for field, _ in fields), "precisions", "source")
    found: list[tuple[Cell, ...]] = []
    for name in bundled_devices():
        device = load_device(name)
        figures = [_Quantity(device.figures[f], unit) if f in device.figures else None for f, unit in fields]
        found.append((name, device.name, *figures, " ".join(device.precisions), device.source))
    return head, found


def _engines() -> Listed:
    found: list[tuple[Cell, ...]] = []
    for name in bundled_engines():
        engine = load_engine(name)
        figures = [_Quantity(engine.figures[field], unit) for field, unit in FIELDS.items()]
        captured = engine.captured.text if engine.captured is not None else ""
        found.append((name, engine.name, engine.version, *figures, captured, engine.unused, engine.source))
    return ("engine", "name", "version", *FIELDS, "captured", "leaves unused", "source"), found


def _layouts() -> Listed:
    """Of rows of the KV cache; bytes of an element of each part, others are as the cache is."""
    found: list[tuple[str, ...]] = []
    for layout in kv_layouts().values():
        parts = ", ".join(f"{part} {float(size):.6g} B" for part, size in layout.parts.items())
        found.append((layout.name, layout.format or "any", parts, layout.meaning, layout.source))
    return ("layout", "of a cache in", "parts", "meaning", "source"), found


def _tables() -> Listed:
    found: list[tuple[str, ...]] = []
    for name, table in signatures().items():
        devices = ", ".join(sorted({row.cells["device"] for row in rows(name)}))
        found.append((name, table.file, str(len(rows(name))), devices, table.library, table.meaning))
    return ("function", "file", "rows", "devices", "library", "meaning"), found


def _kernels() -> Listed:
    found = [
        (kernel.name, ", ".join(kernel.params), cost_model, str(kernel.span))
        for cost_model in COST_MODELS
        if graphs_of(cost_model) == cost_model
        for kernel in load_library(cost_model).kernels.values()
    ]
    return ("kernel", "sizes", "cost model", "defined at"), found


def _metrics() -> Listed:
    found = [
        (metric.flag, ", ".join(metric.aliases), metric.step, metric.unit, metric.result.formula, metric.meaning)
        for metric in metrics().values()
    ]
    return ("metric", "also", "step", "unit", "formula", "meaning"), found


def _symbols() -> Listed:
    found: list[tuple[str, ...]] = []
    for name, info in KNOWN.items():
        usual = "" if info.default is None else str(info.default)
        low_high = "" if info.range is None else "{:,} to {:,}".format(*info.range)
        found.append((name, info.kind, info.unit, info.latex, usual, low_high, info.meaning))
    return ("symbol", "kind", "unit", "LaTeX", "default", "range", "meaning"), found


def _forms() -> Listed:
    found: list[tuple[str, ...]] = []
    for form in all_forms():
        measured = [(percent, band.name, at) for band in form.bands for at, percent in band.measured]
        bands = "; ".join(f"{percent:g} % at {name} = {at:g}" for percent, name, at in measured)
        valid = ", ".join(str(line.condition) for line in form.body if isinstance(line, Check))
        steps = "; ".join(f"{step.symbol} = {step.expr}" for step in form.steps)
        words = (form.family, form.meaning, ", ".join(form.params), steps, valid, form.assumes, form.note, form.place)
        found.append((form.quantity, form.name, form.unit, bands or form.note, form.source, *words))
    first = ("quantity", "form", "unit", "error", "source")
    return (*first, "family", "meaning", "of", "formula", "valid", "assumes", "note", "defined at"), found


LISTS: Mapping[str, Callable[[], Listed]] = {
    "models": _models,
    "families": _families,
    "devices": _devices,
    "engines": _engines,
    "layouts": _layouts,
    "tables": _tables,
    "kernels": _kernels,
    "metrics": _metrics,
    "symbols": _symbols,
    "forms": _forms,
}

_WHERE_FROM = frozenset({"source", "defined at"})
_FOR_WHY: Mapping[str, frozenset[str]] = {
    "devices": _WHERE_FROM | {"name"},
    "engines": _WHERE_FROM | {"captured", "leaves unused"},
    "forms": _WHERE_FROM | {"family", "meaning", "of", "formula", "valid", "assumes", "note"},
}
"""Columns that leave no room for the others on a screen: shown with --why; JSON has all."""
