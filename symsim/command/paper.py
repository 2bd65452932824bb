"""symsim paper: a section of a paper about a compiled model, as LaTeX with its figures and references."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from symsim.algebra.units import parse_quantity
from symsim.api.costs import Costs
from symsim.api.prediction import Prediction
from symsim.command.flags import add_json, write_json
from symsim.command.point import workload_point
from symsim.command.request_options import REQUESTS, add_requests
from symsim.command.subject import add_at, add_level, add_subject, compiled, note_defaults
from symsim.errors import SymsimError
from symsim.paths import display_path
from symsim.publication.section_latex import CLASSES
from symsim.publication.write import paper


def add(commands: Any) -> None:
    ask = commands.add_parser("paper", help="a section of a paper: formulas, symbols, worked example, figures")
    add_subject(ask)
    ask.add_argument("--out", required=True, metavar="DIR", help="folder to write into; only own files are replaced")
    ask.add_argument(
        "--short", action="store_true", help="half a column: a display, its symbols, a figure; no appendix"
    )
    ask.add_argument("--only", default="", metavar="METRICS", help="metrics, e.g. tpot,memory (all)")
    ask.add_argument("--class", dest="style", choices=CLASSES, default="article", help="class of main.tex (article)")
    ask.add_argument("--columns", type=int, choices=(1, 2), help="columns of a page (1 in article, else 2)")
    add_level(ask, "symbolic")
    add_at(ask, "workload point of the worked example")
    ask.add_argument("--sla", default="50 ms", metavar="LIMIT", help="a line in the picture of TPOT (50 ms)")
    add_requests(ask, required=False)
    ask.set_defaults(prefix_hit=0.0, drafts=0)
    add_json(ask)
    ask.set_defaults(command=_paper)


def _paper(
    *,
    out: str,
    level: Any,
    at: str,
    sla: str,
    style: str,
    columns: int | None,
    short: bool,
    only: str,
    json: bool,
    **subject: Any,
) -> int:
    asked = {name: subject.pop(name) for name in REQUESTS}
    costs = compiled(subject)
    note_defaults(costs.tpot.form, costs.ttft.form)
    limit = float(parse_quantity(sla, "s"))
    metrics = [name.strip().replace("-", "_") for name in only.split(",") if name.strip()]
    point = workload_point(at)
    files = paper(
        costs, out, level, limit,
        style=style, columns=columns, short=short, only=metrics, requests=_requests(costs, asked), **point,
    )  # fmt: skip
    if json:
        write_json({"files": list(map(str, files))})
    else:
        print("\n".join(map(display_path, files)))
    return 0


def _requests(costs: Costs, asked: Mapping[str, Any]) -> Prediction | None:
    """What a load is served, where one is asked for."""
    stated = [name for name in ("isl", "osl", "rate", "concurrency") if asked[name] is not None]
    if not stated:
        return None
    if {"isl", "osl"} - {*stated} or len(stated) != 3:
        raise SymsimError("a section about requests needs --isl, --osl and one of --rate and --concurrency")
    return costs.predict(**asked)
