"""symsim sensitivity: what moves a metric, ranked."""

from __future__ import annotations

from typing import Any

from symsim.algebra.units import format_quantity
from symsim.analysis.sensitivity import Sensitivity
from symsim.command.flags import add_json, add_plot, write_json
from symsim.command.point import workload_point
from symsim.command.subject import add_at, add_metric, add_subject, compiled, note_defaults
from symsim.render.bars import save_tornado
from symsim.render.terminal import write_table
from symsim.tables.table import signatures


def add(commands: Any) -> None:
    ask = commands.add_parser("sensitivity", help="what moves a metric: derivatives, elasticities, 10 %% more of each")
    add_subject(ask)
    add_metric(ask)
    add_at(ask)
    ask.add_argument("--inputs", default="", metavar="NAME,NAME", help="only these; sizes of the model are allowed")
    ask.add_argument("--formulas", action="store_true", help="print each derivative as a formula too")
    add_plot(ask, "a tornado")
    add_json(ask)
    ask.set_defaults(command=_sensitivity)


def _sensitivity(
    *, metric: str, at: str, inputs: str, formulas: bool, plot: str | None, style: str, json: bool, **subject: Any
) -> int:
    costs = compiled(subject)
    point = workload_point(at, costs.metric(metric).form)
    names = [name.strip() for name in inputs.split(",") if name.strip()]
    found = costs.sensitivities(metric, names, **point)
    note_defaults(costs.metric(metric).form)
    if plot is not None:
        save_tornado(found, costs.metric(metric), plot, style=style)
    if json:
        write_json({"metric": metric, "at": point, "inputs": [one.as_dict() for one in found]})
        return 0
    formula = costs.metric(metric)
    own = {name: at for name, at in point.items() if name in formula.form.for_inputs(point).symbols}
    value = formula.evaluate(**own)
    used = ", ".join(f"{name} = {at}" for name, at in own.items())
    print(f"{metric} = {format_quantity(value, formula.unit, 6)} at {used}\nof {formula.subject}\n")
    head = ("input", "value", f"10 % more: {metric}", "elasticity", "derivative (SI)", "meaning")
    write_table(head, [_cells(one) for one in found])
    if formulas:
        print()
        for one in found:
            print(f"d {metric} / d {one.name} = {one.formula.text}")
    return 0


def _cells(one: Sensitivity) -> tuple[str, ...]:
    gain = "" if one.gain is None else f"{one.gain:+.2%}"
    below, above = (f"{side:+.4f}" for side in one.elasticity)
    slopes = [f"{side:+.4g}" for side in one.derivative]
    sided = (f"{below} to {above}", f"{slopes[0]} to {slopes[1]}") if one.kink else (above, slopes[1])
    value = "all rows alike" if one.name in signatures() else format_quantity(one.value, one.unit, 6)
    return one.name, value, gain, *sided, one.meaning
