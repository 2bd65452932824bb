"""symsim paper: a section of a paper about a compiled model, as LaTeX with its figures and references."""

from __future__ import annotations

from typing import Any

from symsim.algebra.units import parse_quantity
from symsim.command.flags import add_json, write_json
from symsim.command.point import workload_point
from symsim.command.subject import add_at, add_level, add_subject, compiled, note_defaults
from symsim.paths import display_path
from symsim.publication.write import paper


def add(commands: Any) -> None:
    ask = commands.add_parser("paper", help="a section of a paper: formulas, symbols, worked example, figures")
    add_subject(ask)
    ask.add_argument("--out", required=True, metavar="DIR", help="folder to write into; only own files are replaced")
    add_level(ask, "symbolic")
    add_at(ask, "workload point of the worked example")
    ask.add_argument("--sla", default="50 ms", metavar="LIMIT", help="a line in the picture of TPOT (50 ms)")
    add_json(ask)
    ask.set_defaults(command=_paper)


def _paper(*, out: str, level: Any, at: str, sla: str, json: bool, **subject: Any) -> int:
    costs = compiled(subject)
    note_defaults(costs.tpot.form, costs.ttft.form)
    limit = float(parse_quantity(sla, "s"))
    files = paper(costs, out, level, limit, **workload_point(at))
    if json:
        write_json({"files": list(map(str, files))})
    else:
        print("\n".join(map(display_path, files)))
    return 0
