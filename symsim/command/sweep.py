"""symsim sweep: metrics over a grid, to a table, a file, a Pareto front."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from symsim.algebra.symbols import is_symbol, symbol_info
from symsim.algebra.units import format_quantity
from symsim.command.axes import axis_of
from symsim.command.cluster import add_dask, executor_of
from symsim.command.flags import add_json, add_plot, note, note_alike, write_answer
from symsim.command.load_tables import limits_of_load, sweep_document, write_load_sweep
from symsim.command.subject import add_at, add_subject, compiled, deployment_of
from symsim.cost.metric_table import metrics as metric_table
from symsim.errors import SymsimError
from symsim.language.words import meant
from symsim.notation.latex import quantity
from symsim.render.fronts import save_front
from symsim.render.latex_tables import tabular
from symsim.render.style import check_picture
from symsim.render.terminal import write_table, write_words
from symsim.search.blocks import FEASIBLE, SweepBlock
from symsim.search.files import check_ending, write
from symsim.search.load_files import write_loads
from symsim.search.load_sweep import is_of_load, sweep_loads
from symsim.search.pareto import NEEDS, FrontPoint
from symsim.search.plan import SweepPlan, plan_sweep, stand_ins
from symsim.search.run import SweepSummary, block_rows, blocks_of, less_is_better, run_blocks, summary_of
from symsim.serving.points import key, load_symbol

_PRINTED = 40
"""Points of a sweep that are printed one by one; larger ones are summed up."""

NONE_FEASIBLE = "no point of the sweep is feasible; `reason` and `counts` say why"

FRONT = 25
"""Points of a front that are printed; of a longer one evenly spaced ones."""

LARGEST_JSON = 100_000


def add(commands: Any) -> None:
    ask = commands.add_parser("sweep", help="metrics over grids of symbols, deployments and devices")
    add_subject(ask)
    ask.add_argument(
        "--over",
        action="append",
        default=[],
        metavar="NAME=VALUES",
        help="an axis: B=1:256, S=1024,4096, B=1:1024:*2, hbm_bandwidth='3 TB/s,4 TB/s', tp=1,2, gemm=bf16,fp8",
    )
    add_at(ask, "values that all points share", "S=4096,O=1024")
    ask.add_argument(
        "--metrics", default=",".join(NEEDS), metavar="NAME,NAME", help=f"among {', '.join(metric_table())}"
    )
    ask.add_argument(
        "--subject-to", default="memory <= capacity", metavar="CONSTRAINTS", help="'TPOT <= 50 ms, memory <= capacity'"
    )
    ask.add_argument("--out", metavar="FILE", help="write all points: .csv, .parquet (a row a point) or .nc")
    ask.add_argument("--pareto", action="store_true", help="print the front of tokens/GPU/s against tokens/user/s")
    add_plot(ask, "the front of each device")
    ask.add_argument("--backend", default="numpy", choices=["numpy", "numba"])
    add_dask(ask)
    add_json(ask)
    ask.add_argument(
        "--format", default="text", choices=["text", "latex"], help="latex: a tabular, also of several models"
    )
    ask.set_defaults(command=_sweep)


def _sweep(*, over: list[str], at: str, metrics: str, out: str | None, dask: str | None, **options: Any) -> int:
    over = [*over, *filter(None, map(str.strip, at.split(",")))]  # one value makes no dimension
    if out is not None:
        check_ending(out)
    if options["plot"] is not None:
        check_picture(options["plot"])
    latex = options.pop("format") == "latex"
    if is_of_load(given := {load_symbol(name): values for name, values in map(axis_of, over)}):
        if latex:
            raise SymsimError("--format latex: tables are of steps, not of requests; --out FILE.parquet has their rows")
        return _of_load(given, metrics, out, options)
    wants_front = options["pareto"] or options["plot"] is not None
    names = [name.strip() for name in metrics.split(",") if name.strip()]
    if latex:
        return _latex(over, names, options)
    names += [name for name in NEEDS if name not in names] if wants_front else []
    plan = _planned(_axes(over), names, options)
    summary, rows = summary_of(plan), list[Mapping[str, Any]]()
    if options["json"] and plan.points > LARGEST_JSON:
        raise SymsimError(f"{plan.points:,} points are too many for JSON; write them with --out FILE.parquet")
    with executor_of(dask) as executor:
        blocks = _with_progress(plan, summary.watched(run_blocks(plan, executor)))
        if out is not None:
            write(plan, blocks, out)
        for block in blocks:  # what is not written is gone through for the summary, and kept where it is printed
            rows += block_rows(plan, block) if options["json"] or plan.points <= _PRINTED else []
    front = summary.front.points if wants_front and summary.front is not None else []
    if options["plot"] is not None:
        fronts = {} if summary.fronts is None else {name: one.points for name, one in summary.fronts.items()}
        save_front(fronts, plan.subject, options["plot"], options["style"])
    if options["json"]:
        write_answer(_document(plan, summary, rows, front), "" if FEASIBLE in summary.counts else NONE_FEASIBLE)
    else:
        _print(plan, summary, rows, front if options["pareto"] else [])
    return 0 if FEASIBLE in summary.counts else 1


def _axes(over: Sequence[str]) -> dict[str, Any]:
    axes = list(map(axis_of, over))
    twice = [name for name, _ in axes if sum(name == other for other, _ in axes) > 1]
    if twice:
        raise SymsimError(f"{twice[0]} is given twice; give all its values at once, e.g. B=1,2,4")
    return dict(axes)


def _latex(over: Sequence[str], names: Sequence[str], options: Mapping[str, Any]) -> int:
    """A table of all points for an article, of one model or several; a dash where a point is masked."""
    if others := [f"--{name}" for name in ("json", "plot", "pareto") if options[name]]:
        raise SymsimError(f"--format latex prints a table alone; ask for {' and '.join(others)} apart")
    plans = [_planned(_axes(over), names, {**options, "model": model}) for model in options["model"].split(",")]
    if (points := sum(plan.points for plan in plans)) > _PRINTED:
        raise SymsimError(
            f"--format latex: a table of {points:,} points is too long for a page; ask for {_PRINTED} at most"
        )
    dims = [name for name in plans[0].dims if name not in plans[0].scalars]
    rows = [
        [
            Path(plan.cases[0].model).name.removesuffix(".json"),
            *(_label(name, row[name]) for name in dims),
            *_in_latex(plan, row),
        ]
        for plan in plans
        for block in run_blocks(plan)
        for row in block_rows(plan, block)
    ]
    print(f"% {'; '.join(plan.subject for plan in plans)}")
    print(tabular(("model", *dims, *plans[0].metrics), rows, right=len(plans[0].metrics)))
    return 0


def _in_latex(plan: SweepPlan, row: Mapping[str, Any]) -> list[str]:
    """Metrics of a point with three digits, enough to compare."""
    return ["--" if row[name] is None else f"${quantity(row[name], unit, 3)}$" for name, unit in plan.units.items()]


def _of_load(axes: Mapping[str, Any], metrics: str, out: str | None, options: Mapping[str, Any]) -> int:
    """A grid of requests: each point is a prediction."""
    usual = metrics == ",".join(NEEDS)
    names = [key(meant(name.strip())) for name in (LOAD_METRICS if usual else metrics).split(",") if name.strip()]
    wants_front = options["pareto"] or options["plot"] is not None
    names += [name for name in ("tokens/s/user", "tokens/s/gpu") if wants_front and name not in names]
    subjects = {name: compiled({**options, "device": name}).compiled for name in options["device"].split(",")}
    found = sweep_loads(subjects, axes, names, limits_of_load(options["subject_to"]))
    front = found.front() if wants_front else []
    if out is not None:
        write_loads(found, out)
    if options["plot"] is not None:
        save_front({name: found.front(name) for name in subjects}, found.subject, options["plot"], options["style"])
    if options["json"]:
        write_answer(sweep_document(found, front), "" if found.feasible else NONE_FEASIBLE)
    else:
        write_load_sweep(found, front if options["pareto"] else None)
    return 0 if found.feasible else 1


LOAD_METRICS = "ttft,tpot,requests/s,tokens/s/user,tokens/s/gpu,cost"


def _planned(grid: Mapping[str, Any], metrics: Sequence[str], options: Mapping[str, Any]) -> SweepPlan:
    chosen: Any = {
        name: options[name] for name in ("subject_to", "cost_model", "tables", "fallback", "graphs", "backend")
    }
    devices = options["device"].split(",")
    compiled_for = devices[0] if len(devices) == 1 else devices
    plan = plan_sweep(
        options["model"], compiled_for, grid, deployment=deployment_of(options), metrics=metrics, **chosen
    )
    note(plan.notes)
    note_alike(stand_ins(plan), "other look-ups like it")
    if plan.assumed:
        stated = ", ".join(f"{name} = {value}" for name, value in plan.assumed.items())
        note([f"assumed {stated}; state others as --over S=8192"])
    return plan


def _with_progress(plan: SweepPlan, blocks: Iterator[SweepBlock]) -> Iterator[SweepBlock]:
    """A progress bar on a terminal."""
    if not sys.stderr.isatty():
        yield from blocks
        return
    from rich.console import Console
    from rich.progress import track

    total = blocks_of(plan)
    yield from track(blocks, f"{plan.points:,} points", total=total, console=Console(stderr=True), transient=True)


def _document(
    plan: SweepPlan, summary: SweepSummary, rows: Sequence[Mapping[str, Any]], front: Sequence[FrontPoint]
) -> dict[str, Any]:
    counts = {plan.reasons[code]: count for code, count in sorted(summary.counts.items())}
    head = {"subject": plan.subject, "units": dict(plan.units), "assumed": dict(plan.assumed), "points": plan.points}
    return {**head, "counts": counts, "rows": list(rows), "front": [asdict(point) for point in front]}


def _print(
    plan: SweepPlan, summary: SweepSummary, rows: Sequence[Mapping[str, Any]], front: Sequence[FrontPoint]
) -> None:
    feasible = summary.counts.get(FEASIBLE, 0)
    write_words(f"{plan.subject}: {feasible:,} of {plan.points:,} points are feasible")
    for code, count in sorted(summary.counts.items()):
        if code != FEASIBLE:
            write_words(f"  {count:,}: {plan.reasons[code]}")
    dims = [name for name in plan.dims if name not in plan.scalars]
    if rows:
        print()
        cells = [[*(_label(n, row[n]) for n in dims), *_values(plan, row), row["reason"] or ""] for row in rows]
        write_table((*dims, *plan.metrics, "reason"), cells)
    elif summary.best:
        print()
        words = {name: "least" if less_is_better(unit) else "most" for name, unit in plan.units.items()}
        found = [
            (f"{words[name]} {name}", format_quantity(value, plan.units[name], 6), _at(labels, dims))
            for (_, name), (value, labels) in summary.best.items()
        ]
        write_table(("", "value", "at"), found)
    if front:
        spread = np.linspace(0, len(front) - 1, min(len(front), FRONT)).round().astype(int)
        shown = [front[i] for i in spread]
        of = "" if len(shown) == len(front) else f", {len(shown)} of {len(front)} points"
        print()
        write_words(f"Pareto front of decoding alone{of}; with prefill on the same GPUs: --over concurrency=...")
        rates = [(f"{p.per_user:.6g}", f"{p.per_gpu:.6g}", *(_label(n, p.labels[n]) for n in dims)) for p in shown]
        write_table(("tokens/s of a user", "tokens/s of a GPU", *dims), rates)


def _values(plan: SweepPlan, row: Mapping[str, Any]) -> list[str]:
    return ["" if row[name] is None else format_quantity(row[name], unit, 6) for name, unit in plan.units.items()]


def _at(labels: Mapping[str, Any], dims: Sequence[str]) -> str:
    return ", ".join(f"{name} = {_label(name, labels[name])}" for name in dims)


def _label(name: str, value: Any) -> str:
    if isinstance(value, str) or not is_symbol(name):
        return str(value)
    return format_quantity(value, symbol_info(name).unit, 6).removesuffix(" tokens")
