"""symsim sensitivity: what moves a metric, ranked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from symsim.algebra.units import format_quantity
from symsim.analysis.sensitivity import Sensitivity
from symsim.api.formula import Formula
from symsim.command.flags import add_json, add_plot, write_json
from symsim.command.point import workload_point
from symsim.command.subject import add_at, add_subject, compiled, note_defaults
from symsim.cost.metric_table import metrics
from symsim.errors import SymsimError
from symsim.render.bars import save_tornado
from symsim.render.terminal import write_table, write_words
from symsim.tables.table import signatures


def add(commands: Any) -> None:
    known = ", ".join(metric.flag for metric in metrics().values())
    ask = commands.add_parser("sensitivity", help="what moves a metric: derivatives, elasticities, 10 %% more of each")
    add_subject(ask)
    ask.add_argument("--metric", default="tpot", metavar="NAME,NAME", help=f"among {known}")
    add_at(ask)
    ask.add_argument("--inputs", default="", metavar="NAME,NAME", help="only these; sizes of the model are allowed")
    ask.add_argument("--formulas", action="store_true", help="print each derivative as a formula too")
    add_plot(ask, "a tornado of one metric")
    add_json(ask)
    ask.set_defaults(command=_sensitivity)


def _sensitivity(
    *, metric: str, at: str, inputs: str, formulas: bool, plot: str | None, style: str, json: bool, **subject: Any
) -> int:
    asked = _listed(metric)
    if not asked:
        raise SymsimError(f"--metric {metric!r} names no metric; expected e.g. tpot,ttft")
    if plot is not None and len(asked) > 1:
        raise SymsimError(f"--plot {plot}: a tornado is of one metric, and --metric {metric} names {len(asked)}")
    costs = compiled(subject)
    formulas_asked = [costs.metric(name) for name in asked]
    point = workload_point(at, *(formula.form for formula in formulas_asked))
    moved = [costs.sensitivities(name, _listed(inputs), **point) for name in asked]
    note_defaults(*(formula.form for formula in formulas_asked))
    if plot is not None:
        save_tornado(moved[0], formulas_asked[0], plot, style=style)
    if json:
        told = [
            {"metric": name, "at": point, "inputs": [one.as_dict() for one in inputs_of]}
            for name, inputs_of in zip(asked, moved, strict=True)
        ]
        write_json(told[0] if len(told) == 1 else {"metrics": told})
        return 0
    for i, (name, formula, inputs_of) in enumerate(zip(asked, formulas_asked, moved, strict=True)):
        print("\n" * (i > 0), end="")
        _write(name, formula, inputs_of, point, derivatives=formulas)
    return 0


def _listed(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _write(
    metric: str, formula: Formula, found: Sequence[Sensitivity], point: Mapping[str, int], *, derivatives: bool
) -> None:
    own = {name: at for name, at in point.items() if name in formula.form.for_inputs(point).symbols}
    value = formula.evaluate(**own)
    used = ", ".join(f"{name} = {at}" for name, at in own.items())
    print(f"{metric} = {format_quantity(value, formula.unit, 6)} at {used}")
    write_words(f"of {formula.subject}")
    print()
    head = ("input", "value", f"10 % more: {metric}", "elasticity", "derivative (SI)", "meaning")
    write_table(head, [_cells(one) for one in found])
    if derivatives:
        print()
        for one in found:
            print(f"d {metric} / d {one.name} = {one.formula.text}")


def _cells(one: Sensitivity) -> tuple[str, ...]:
    gain = "" if one.gain is None else f"{one.gain:+.2%}"
    below, above = (f"{side:+.4f}" for side in one.elasticity)
    slopes = [f"{side:+.4g}" for side in one.derivative]
    sided = (f"{below} to {above}", f"{slopes[0]} to {slopes[1]}") if one.kink else (above, slopes[1])
    value = "all rows alike" if one.name in signatures() else format_quantity(one.value, one.unit, 6)
    return one.name, value, gain, *sided, one.meaning
