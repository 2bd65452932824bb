"""symsim report: TTFT, TPOT, throughput, memory and what binds, on one screen."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from symsim.algebra.units import format_quantity, format_range
from symsim.analysis.step_report import StepReport
from symsim.command.flags import add_json, add_plot, write_json
from symsim.command.point import stated_workload
from symsim.command.subject import add_at, add_subject, compiled, note_defaults

WIDTH = 80
_BAR = 30


def add(commands: Any) -> None:
    ask = commands.add_parser("report", help="TTFT, TPOT, throughput, memory and what binds, on one screen")
    add_subject(ask)
    add_at(ask, "workload point", "B=64,S=4096,O=1024")
    add_plot(ask, "the time of a step, of prefill, and the memory")
    add_json(ask)
    ask.set_defaults(command=_report)


def _report(*, at: str, plot: str | None, style: str, json: bool, **subject: Any) -> int:
    costs = compiled(subject)
    told = costs.report(**stated_workload(at))  # it has defaults of its own
    if plot is not None:
        from symsim.render.bars import save_step  # matplotlib takes as long as the report

        save_step(told, plot, style)
    if json:
        write_json(told.as_dict())
    else:
        print("\n".join(_screen(told)))
    note_defaults(costs.ttft.form, costs.tpot.form)
    return 0


def _screen(told: StepReport) -> Iterator[str]:
    """What a person reads, in lines of 80 columns at the most."""
    yield from textwrap.wrap(told.subject, WIDTH)
    yield f"at {', '.join(f'{name} = {value:g}' for name, value in told.at.items())}"
    yield ""
    yield _line(told, "TTFT", "ttft", "s")
    yield _line(told, "TPOT", "tpot", "s", f", {1 / told.figures['tpot']:.4g} tokens/s a user")
    yield _line(told, "prefill", "tgs_prefill", "tokens/s", " a GPU")
    yield _line(told, "decode", "tgs_decode", "tokens/s", " a GPU")
    yield f"{'binds':8} prefill: {told.binding('ttft')}; decode: {told.binding('tpot')}"
    most = told.figures["max_batch"]
    yield f"{'fits':8} B up to {most:,.0f}" if most else f"{'fits':8} no sequence"
    for sentence in told.sentences:
        yield from textwrap.wrap(sentence, WIDTH)
    for title, time in (("prefill", "ttft"), ("a decode step", "tpot")):
        yield ""
        yield f"time of {title}, by what limits operators"
        yield from _bars(told.bound[time], sum(told.bound[time].values()), "s")
    yield ""
    memory = told.memory
    yield f"memory of a GPU, of {format_quantity(memory.capacity, 'B', 3)}"
    yield from _bars(_parts_of_memory(told), memory.capacity, "B")


def _parts_of_memory(told: StepReport) -> Mapping[str, float]:
    names = ("weights", "cache", "unfilled_pages", "activations", "reserves", "free")
    parts = {name.replace("_", " "): told.memory.as_dict()[name] for name in names}
    if parts["free"] < 0:
        parts["lacks"] = -parts.pop("free")
    return {name: amount for name, amount in parts.items() if amount}


def _line(told: StepReport, title: str, name: str, unit: str, more: str = "") -> str:
    """A figure, between which values it is expected, and what it means."""
    line = f"{title:8} {format_quantity(told.figures[name], unit, 4)}"
    if name not in told.intervals:
        return line + more
    return f"{line} ({format_range(*told.intervals[name], unit)}, {told.level:.0%}){more}"


def _bars(parts: Mapping[str, float], whole: float, unit: str) -> Iterator[str]:
    for name, value in parts.items():
        share = value / whole if whole else 0.0
        bar = "#" * min(_BAR, max(1, round(_BAR * share))) if share > 0 else ""
        yield f"  {name:17} {bar:{_BAR}} {format_quantity(value, unit, 3)}, {share:.0%}"
