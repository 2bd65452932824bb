"""symsim accuracy: predictions beside measured runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symsim.calibration.accuracy import GROUP_KEYS, Accuracy, accuracy
from symsim.command.flags import add_json, add_plot, note, write_json
from symsim.command.request_options import add_together
from symsim.errors import SymsimError, did_you_mean
from symsim.inputs.cost_model import COST_MODELS
from symsim.render.terminal import write_table


def add(commands: Any) -> None:
    ask = commands.add_parser("accuracy", help="predictions beside measured runs: how far off, how sure")
    ask.add_argument("files", metavar="FILE", nargs="*", help="tables of measured runs (default: those that ship)")
    ask.add_argument("--by", default="table,device,engine", metavar="NAMES", help=f"of {', '.join(GROUP_KEYS)}")
    ask.add_argument("--cost-model", default="calibrated", choices=sorted(set(COST_MODELS) - {"infersim"}))
    ask.add_argument("--interval", type=float, default=0.9, metavar="0.9", help="level of intervals")
    add_together(ask)
    add_plot(ask, "predicted against measured")
    add_json(ask)
    ask.set_defaults(command=_accuracy)


def _accuracy(
    *,
    files: Sequence[str],
    by: str,
    cost_model: str,
    interval: float,
    together: float,
    plot: str | None,
    style: str,
    json: bool,
) -> int:
    names = tuple(filter(None, by.split(",")))
    for name in names:
        if name not in GROUP_KEYS:
            raise SymsimError(f"--by: there is no {name}; {did_you_mean(name, GROUP_KEYS)}")
    found = accuracy(files, cost_model=cost_model, level=interval, together=together)
    if plot is not None:
        from symsim.render.accuracy import save_accuracy

        save_accuracy(found, plot, style)
    note(
        [
            f"{count} {'run has' if count == 1 else 'runs have'} no prediction: {why}"
            for why, count in found.refused.items()
        ]
    )
    if json:
        write_json(found.as_dict())
    else:
        write_table(*_table(found, names))
    return 0


def _table(found: Accuracy, names: Sequence[str]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    head = ("metric", *names, "rows", "median", "p90", "bias", "inside", "high/low")
    rows = [
        (
            one.metric,
            *(one.key[name] for name in names),
            str(one.rows),
            f"{one.median:.1%}",
            f"{one.p90:.1%}",
            f"{one.bias:+.1%}",
            "-" if one.inside is None else f"{one.inside:.0%}",
            "-" if one.width is None else f"{one.width:.2f}",
        )
        for one in found.summary(names)
    ]
    return head, rows
