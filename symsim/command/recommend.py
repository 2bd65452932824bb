"""symsim recommend: the deployments that serve most within limits of time, or a load with the fewest GPUs."""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from symsim.algebra.units import format_quantity, format_range
from symsim.command.cluster import add_dask, executor_of
from symsim.command.flags import add_json, add_plot, note, write_answer
from symsim.command.request_options import add_rate, add_workload
from symsim.command.subject import add_device, add_formats, deployment_of
from symsim.errors import SymsimError
from symsim.formula.interval import LEVEL
from symsim.render.fronts import save_front
from symsim.render.style import check_picture
from symsim.render.terminal import table_text, write_words
from symsim.render.terminal_front import write_front
from symsim.search.many import Recommended, parted, recommend_many
from symsim.search.recommend import MODES, Recommendation, recommend
from symsim.search.rows import RecommendedRow

_ASKED = ("gpus", "ttft", "tpot", "rate", "users", "mode", "top")
_WORKLOAD = ("isl", "osl", "budget", "prefix_hit", "drafts", "acceptance", "max_running", "price")
_MODEL = ("cost_model", "tables", "graphs", "fallback")


def add(commands: Any) -> None:
    ask = commands.add_parser("recommend", help="the best deployments under limits of TTFT and TPOT, or for a load")
    ask.add_argument("model", metavar="MODEL", help="bundled name, config.json or folder; MODEL,MODEL: each")
    add_device(ask)
    ask.add_argument("--gpus", metavar="N[:M]", help="how many GPUs, or from and to how many")
    ask.add_argument("--ttft", metavar="2s", help="limit of the mean time to first token")
    ask.add_argument("--tpot", metavar="40ms", help="limit of the mean time per output token")
    load = ask.add_mutually_exclusive_group()
    add_rate(load, "requests per second to serve; the fewest GPUs for them")
    load.add_argument("--users", type=float, metavar="U", help="users at once to serve; the fewest GPUs for them")
    ask.add_argument("--mode", choices=MODES, help="prefill and decode on the same GPUs, apart, or both are tried")
    ask.add_argument("--top", type=int, default=10, metavar="N", help="how many to print")
    ask.add_argument("--launch", action="store_true", help="formula and launch lines of every row, not only the first")
    add_plot(ask, "the front of the rows")
    add_dask(ask)
    add_workload(ask, required=True)
    add_formats(ask)
    add_json(ask)
    ask.set_defaults(command=_recommend)


def _recommend(*, json: bool, launch: bool, plot: str | None, dask: str | None, **options: Any) -> int:
    if plot is not None:
        check_picture(plot)
    asked = {name: options[name] for name in (*_ASKED, *_WORKLOAD, *_MODEL)}
    devices = options["device"].split(",")
    lists = {"models": options["model"].split(","), "isl": parted(options["isl"]), "osl": parted(options["osl"])}
    if dask is not None or any(len(values) > 1 for values in lists.values()):
        if others := [f"--{name}" for name, value in (("plot", plot), ("launch", launch)) if value]:
            raise SymsimError(f"{' and '.join(others)}: of one model and load, and not with --dask; ask for it alone")
        asked = {name: value for name, value in asked.items() if name not in ("isl", "osl")}
        with executor_of(dask) as executor:
            every = recommend_many(
                devices=devices, executor=executor, deployment=deployment_of(options), **lists, **asked
            )
        return _tell_many(every, json=json)
    found = recommend(options["model"], devices, deployment=deployment_of(options), **asked)
    note(found.notes)
    if json:
        write_answer(found.as_dict(), "" if found.rows else found.verdict)
    else:
        for line in _screen(found):
            write_words(line)
        for line in _how_to_go_on(found.rows if launch else found.rows[:1]):  # whole, to be copied
            print(line)
        if found.rows and sys.stdout.isatty():
            write_front(found.front)
    if plot is not None and found.rows:
        title = f"{options['model']}: recommended deployments, over loads"
        save_front(found.fronts, title, plot, options["style"])
    return 0 if found.rows else 1


def _tell_many(every: Sequence[Recommended], *, json: bool) -> int:
    """The best of each model and load in a row, then why others have none. Raises SymsimError where all are amiss."""
    if all(one.error for one in every):
        raise SymsimError(every[0].error)
    note(tuple(dict.fromkeys(sentence for one in every for sentence in one.notes)))
    answered = any(one.document.get("rows") for one in every)
    if json:
        write_answer({"answers": [one.as_dict() for one in every]}, "" if answered else "no deployment does for any")
        return 0 if answered else 1
    firsts = [(one, next(iter(one.document.get("rows", ())), None)) for one in every]
    found = [(one, row) for one, row in firsts if row is not None]
    below = [(_interval(row["intervals"]),) for _, row in found]
    print("\n".join(_with_below(_MANY, [_many_cells(one, row) for one, row in found], below)))
    for one, row in firsts:
        if row is None:
            print(f"{one.model}, {one.isl} in, {one.osl} out: {one.error or one.document['verdict']}")
    return 0 if answered else 1


_MANY = ("model", "in", "out", "deployment", "x", "users", "tok/s/GPU", "TTFT", "TPOT", "binds")


def _many_cells(one: Recommended, row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        one.model,
        one.isl,
        one.osl,
        f"{_short(row['words'])} on {row['device']}",
        str(row["replicas"]),
        f"{row['concurrency']:,.0f}",
        f"{row['output_tok_per_s_per_gpu'] or 0:,.0f}",
        _quantity(row["ttft_s"], "s"),
        _quantity(row["tpot_s"], "s"),
        row["binding"][0],
    )


def _short(words: str) -> str:
    """`tp2 pp2 mtp1 chunk512`."""
    words = re.sub(r"(\d+) drafts?", r"mtp \1", re.sub(r"chunks of (\d+)", r"chunk \1", words))
    return re.sub(r"(\w) (\d)", r"\1\2", words.replace(" redundant experts", " spare")).replace(",", "")


def _screen(found: Recommendation) -> Iterator[str]:
    """The verdict, a table of 80 columns, what was refused and why."""
    yield found.verdict
    if found.rows:
        yield ""
        yield from _table(found.rows)
    yield ""
    yield f"searched {found.searched:,} deployments in {found.seconds:.1f} s"
    yield from (f"  {count:,}: {reason}" for reason, count in found.refused.items())


def _how_to_go_on(rows: Sequence[RecommendedRow]) -> Iterator[str]:
    """The command for a row's formula and its launch lines."""
    for number, row in enumerate(rows, 1):
        yield ""
        yield f"{number}. {row.words}"
        yield f"formula: {row.formula}"
        for engine, lines in row.launch.items():
            sides = zip(("",) if row.mode == "aggregated" else (" prefill", " decode"), lines.split("\n"), strict=True)
            yield from (f"{engine}{side}: {line}" for side, line in sides)


_HEAD = ("", "x", "users", "tok/s/GPU", "TTFT", "TPOT", "free", "$/Mtok", "binds")
_WIDTH = 80
_INDENT = 4 * " "


def _table(rows: Sequence[RecommendedRow]) -> Iterator[str]:
    """Figures of each on a line; below it the deployment, and between which values figures are expected."""
    cells = [_cells(number, row) for number, row in enumerate(rows, 1)]
    return _with_below(_HEAD, cells, [(_short(row.words), _interval(row.figures.intervals)) for row in rows])


def _with_below(head: Sequence[str], cells: Sequence[Sequence[str]], below: Sequence[Sequence[str]]) -> Iterator[str]:
    """A table with texts of each row on one line below it, or on lines of their own where that is too long; on a
    terminal that is too narrow for the table they are its last column."""
    first, *lines = table_text(head, cells).split("\n")
    joined = ["; ".join(filter(None, texts)) for texts in below]
    if len(lines) != len(cells):
        yield table_text((*head, ""), [(*row, text) for row, text in zip(cells, joined, strict=True)])
        return
    yield first
    for line, texts, text in zip(lines, below, joined, strict=True):
        yield line
        for part in [text] if len(_INDENT + text) <= _WIDTH else texts:
            yield from textwrap.wrap(part, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT)


def _interval(known: Mapping[str, Sequence[float]]) -> str:
    """Between which values figures are expected, but for those that are one number."""
    parts: list[str] = []
    for name, figure in _EXPECTED.items():
        low, high = known.get(figure, (0.0, 0.0))
        if low < high:
            ends = format_range(low, high, "s", joint="-").replace(" ", "")
            parts.append(f"{name} {ends}" if figure.endswith("mean") else f"{low:,.0f}-{high:,.0f} {name}")
    return f"{100 * LEVEL:g} %: {', '.join(parts)}" if parts else ""


_EXPECTED = {"tok/s/GPU": "output_tok_per_s_per_gpu", "TTFT": "ttft_s.mean", "TPOT": "tpot_s.mean"}
"""Column -> its figure among the intervals."""


def _cells(number: int, row: RecommendedRow) -> tuple[str, ...]:
    figures, free = row.figures, row.figures.memory["free"]
    return (
        str(number),
        str(row.replicas),
        f"{row.users:,.0f}",
        f"{figures.per_gpu or 0:,.0f}",
        _quantity(figures.ttft["mean"], "s"),
        _quantity(figures.tpot, "s"),
        _quantity(free, "B"),
        "-" if figures.cost is None else f"{figures.cost:.3g}",
        " ".join(row.stopped) or figures.binding[0],
    )


def _quantity(value: float | None, unit: str) -> str:
    return "-" if value is None else format_quantity(value, unit, 3).replace(" ", "")
