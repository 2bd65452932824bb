"""symsim kernel: one kernel by itself, as a formula and as figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from symsim.algebra.units import format_quantity
from symsim.api.kernel import kernel
from symsim.command.flags import note, write_json
from symsim.command.point import assignments
from symsim.command.subject import add_at, add_deployment, add_level, add_phase, deployment_of, note_defaults
from symsim.inputs.cost_model import graphs_of
from symsim.language.library import load_library
from symsim.paths import GRAPHS
from symsim.render.terminal import folding_width, write_text


def add(commands: Any) -> None:
    ask = commands.add_parser("kernel", help="one kernel by itself: its time and the FLOP/s it achieves")
    ask.add_argument("name", metavar="KERNEL", help="a kernel of the graphs; see `symsim list kernels`")
    add_deployment(ask)
    add_phase(ask)
    add_at(ask, "the kernel's sizes, and workload for figures", "B=128,h=128")
    add_level(ask)
    ask.add_argument("--format", default="text", choices=["text", "latex", "markdown", "json"])
    ask.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")
    ask.set_defaults(command=_kernel)


def _kernel(*, name: str, phase: Any, at: str, level: Any, format: str, **subject: Any) -> int:
    given = assignments(at, "B=128,h=128")
    library = load_library(graphs_of(subject["cost_model"]), (GRAPHS, *map(Path, subject["graphs"])))
    params = library.kernels[name].params if name in library.kernels else ()
    sizes = {key: value for key, value in given.items() if key in params}
    point = {key: value for key, value in given.items() if key not in params}
    words = (deployment_of(subject), subject["cost_model"], phase, subject["tables"])
    found = kernel(name, subject["device"], sizes, *words, graphs=subject["graphs"], fallback=subject["fallback"])
    note(found.notes)
    note_defaults(found.time.form)
    formula = found.achieved or found.time
    figures, ends = {}, None
    if set(found.time.symbols) <= {*point, *found.time.form.bound.values}:
        figures = {f.name: f.evaluate(**point) for f in (found.time, found.achieved) if f is not None}
        ends = found.time.interval(**point)
    match format:
        case "latex":
            print(formula.to_latex(level))
        case "markdown":
            print(formula.to_markdown(level))
        case "json":
            write_json(formula.to_json(level) | {"at": given, "figures": figures, "interval": ends})
        case _:
            write_text(formula.to_text(level, folding_width()))
            texts = [f"{key} {format_quantity(value, _UNITS[key], 6)}" for key, value in figures.items()]
            if texts:
                print(f"\n{', '.join(texts)} at {', '.join(f'{key} = {value}' for key, value in given.items())}")
            if ends is not None:
                print("in 90 % of cases from {} to {}".format(*(format_quantity(end, "s", 3) for end in ends)))
    return 0


_UNITS = {"time": "s", "achieved": "FLOP/s"}
