"""Costs -> one HTML file: formula, sliders, live numbers and pictures; it asks no address for anything."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from symsim.algebra.symbols import DEFAULTS, SymbolInfo, symbol_info
from symsim.errors import SymsimError
from symsim.formula.extrapolation import EACH_DOUBLING, measured_reach
from symsim.inputs.extras import load_extra
from symsim.notation.colours import colours
from symsim.notation.layout import laid_out
from symsim.notation.mathml import step_rows, symbol_table
from symsim.paths import read_text, replacing
from symsim.pipeline.compiled import Compiled
from symsim.webpage.programs import Variant, forms_of, hardware_inputs, variants

WITH_ENDS = ("tpot", "ttft", "tgs_decode", "tgs_prefill")
"""Metrics whose intervals are shown."""

_PARTS = Path(__file__).parent


def write_page(compiled: Compiled, file: str | Path, sla: float, at: Mapping[str, float]) -> Path:
    """Write the page of a compiled model. at: where its sliders stand at first; sla: limit of TPOT, in seconds.

    Raises SymsimError for a symbol that is no input of the page, for a file that cannot be written, and without the
    extra `page`.
    """
    path = Path(file)
    if not 0 < sla < float("inf"):
        raise SymsimError(f"sla = {sla!r}: expected seconds above zero, e.g. 0.05")
    text = page_text(compiled, sla, at)
    with replacing(path) as unfinished:
        unfinished.write_text(text, encoding="utf-8")
    return path


def page_text(compiled: Compiled, sla: float, at: Mapping[str, float]) -> str:
    """The whole page as text."""
    found = list(variants(compiled))
    forms = forms_of(compiled)
    layout = laid_out(compiled.form("tpot"), "symbolic", compiled.subject, compiled.origin)
    inputs = [*_workload(at), *_device(hardware_inputs(forms), at)]
    if unknown := sorted(set(at) - {row["id"] for row in inputs}):
        raise SymsimError(f"{unknown[0]} is no input of the page; its inputs are {', '.join(r['id'] for r in inputs)}")
    data = {
        "inputs": inputs,
        "sla": sla,
        "takes": {name: _takes(compiled, name) for name in WITH_ENDS},
        "reach": dict(measured_reach()),
        "each_doubling": EACH_DOUBLING,
        "variant": next(i for i, one in enumerate(found) if one.tp == compiled.deployment.tp),
        "variants": [_described(one) for one in found],
    }
    environment = load_extra("jinja2", "page", "a page needs").Environment(autoescape=True, keep_trailing_newline=True)
    return environment.from_string(read_text(_PARTS / "page.html.jinja")).render(
        title=_title(compiled),
        subject=compiled.subject,
        model=compiled.config.name or compiled.config.path,
        device=compiled.device.name,
        command=f"symsim page {compiled.origin}",
        cost_model=compiled.cost_model.name,
        style=_variables() + read_text(_PARTS / "page.css"),
        data=json.dumps(data).replace("<", "\\u003c"),
        programs=",\n".join(one.source for one in found).replace("</", "<\\/"),
        script=read_text(_PARTS / "page.js"),
        rows=step_rows(layout),
        notes=[*compiled.notes, *compiled.assumptions, *compiled.form("tpot").stand_ins],
        symbols=symbol_table(layout),
        meanings={step.symbol.name: step.meaning for step in layout.steps},
    )


def _takes(compiled: Compiled, metric: str) -> list[str]:
    """The workload that a metric depends on."""
    return [name for name in DEFAULTS if compiled.form(metric).takes(name)]


def _title(compiled: Compiled) -> str:
    config = compiled.config
    name = config.name or Path(config.path).stem
    return f"{name} on {compiled.device.name}"


def _variables() -> str:
    """The colours of pictures as variables of CSS, on a light and on a dark ground."""
    light, dark = (" ".join(f"--{name}: {of};" for name, of in colours(on).items()) for on in ("light", "dark"))
    return f":root {{ {light} }}\n@media (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"


def _workload(at: Mapping[str, float]) -> Iterator[dict[str, Any]]:
    for name, usual in DEFAULTS.items():
        info = symbol_info(name)
        low, high = info.range or (1, 64 * usual)
        yield _input(info, max(1, low), high, at.get(name, usual), "workload")


def _device(figures: Mapping[str, Any], at: Mapping[str, float]) -> Iterator[dict[str, Any]]:
    """A share moves up to one, any other figure over a factor of four to both sides."""
    for name, value in figures.items():
        info, number = symbol_info(name), float(value)
        high = 1.0 if info.unit == "1" and number <= 1 else 4 * number
        yield {**_input(info, number / 4, high, at.get(name, number), "device"), "compiled": number}


def _input(info: SymbolInfo, low: float, high: float, value: float, group: str) -> dict[str, Any]:
    return {
        "id": info.name,
        "meaning": info.meaning,
        "unit": info.unit,
        "whole": info.integer,
        "min": min(low, value),
        "max": max(high, value),
        "value": value,
        "group": group,
    }


def _described(one: Variant) -> dict[str, Any]:
    return {
        "tp": one.tp,
        "text": one.text,
        "gpus": one.gpus,
        "held": one.held,
        "in_flight": one.in_flight,
        "ops": one.ops,
        "weights": one.weights,
        "running": one.running,
    }
