"""symsim page: the formula, sliders and live pictures of a compiled model, as one HTML file."""

from __future__ import annotations

from typing import Any

from symsim.algebra.units import parse_quantity
from symsim.command.flags import add_json, write_json
from symsim.command.point import workload_point
from symsim.command.subject import add_at, add_subject, compiled, note_defaults


def add(commands: Any) -> None:
    ask = commands.add_parser("page", help="one HTML file with the formula, sliders and live pictures")
    add_subject(ask)
    ask.add_argument("--out", required=True, metavar="FILE", help="the HTML file")
    ask.add_argument("--sla", default="50 ms", metavar="LIMIT", help="limit of TPOT that is drawn (50 ms)")
    add_at(ask, "where the sliders stand at first")
    add_json(ask)
    ask.set_defaults(command=_page)


def _page(*, out: str, sla: str, at: str, json: bool, **subject: Any) -> int:
    costs = compiled(subject)
    note_defaults(costs.tpot.form)
    file = costs.page(out, float(parse_quantity(sla, "s")), **workload_point(at))
    if json:
        write_json({"files": [str(file)]})
    else:
        print(file)
    return 0
