"""symsim compare: what changes between two models, devices, cost models, engines or number formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

from symsim.algebra.symbols import symbol_info
from symsim.algebra.units import format_quantity
from symsim.analysis.comparison import Comparison, StepChange
from symsim.analysis.crossings import Crossing
from symsim.api.costs import Costs
from symsim.command.compare_loads import add_load, compare_loads, taken
from symsim.command.flags import WHY, add_json, add_plot, wants_why, write_json
from symsim.command.point import workload_point
from symsim.command.subject import add_at, add_deployment, add_metric, compiled, note_defaults
from symsim.errors import SymsimError
from symsim.inputs.cost_model import COST_MODELS
from symsim.inputs.deployment import Precision
from symsim.inputs.device import is_device
from symsim.inputs.engine import bundled_engines
from symsim.language.words import value_like
from symsim.notation.written import Written
from symsim.pipeline.memory_parts import shortage
from symsim.render.roofline import save_roofline
from symsim.render.style import check_picture
from symsim.render.terminal import LONGEST_WRITTEN, write_formula, write_table, write_words


def add(commands: Any) -> None:
    ask = commands.add_parser("compare", help="what changes between two models, devices, engines or formats")
    ask.add_argument(
        "a",
        metavar="A",
        nargs="?",
        type=value_like,
        help="a model, device, cost model, engine or number format; of requests also aggregated, aic, ...",
    )
    ask.add_argument("b", metavar="B", nargs="?", type=value_like, help="another of the same kind")
    ask.add_argument("--model", metavar="MODEL", help="the model, where A and B are none")
    add_deployment(ask)
    add_metric(ask)
    add_at(ask, "workload point of the figures")
    ask.add_argument("--crossover", metavar="C", help="also where B becomes smaller than A, in C, B, S, O or T")
    add_plot(ask, "the metric of both along B (or --crossover), and the ratio")
    ask.add_argument(
        "--roofline", metavar="FILE", help="draw rooflines of both at the point, prefill and decode, side by side"
    )
    add_load(ask)
    add_json(ask)
    ask.set_defaults(command=_compare)


def _compare(
    *,
    a: str | None,
    b: str | None,
    model: str | None,
    metric: str,
    at: str,
    crossover: str | None,
    plot: str | None,
    style: str,
    roofline: str | None,
    json: bool,
    **subject: Any,
) -> int:
    asked = taken(subject)
    if asked["isl"] is not None:
        if plot or roofline:
            raise SymsimError(
                "--plot and --roofline of compare draw steps, not requests; see sweep --over rate=... --plot"
            )
        shown: Any = {"metric": metric, "crossover": crossover, "json": json}
        return compare_loads(a, b, asked, lambda name: {**subject, **_served(name, model, subject)}, **shown)
    if a is None or b is None:
        raise SymsimError("compare two: A and B; of requests (--isl, --osl, --rate) also --queue NAME --queue NAME")
    one, other = (compiled({**subject, **_subject(name, model, subject)}) for name in _same_kind(a, b))
    note_defaults(one.metric(metric).form, other.metric(metric).form)
    point = workload_point(at, one.metric(metric).form, other.metric(metric).form)
    found = one.compare(other, metric, **point)
    crossed = one.crossings(other, metric, crossover, **point) if crossover else None
    for file in filter(None, (plot, roofline)):
        check_picture(file)
    if roofline is not None:  # it shows operators of both steps, of all that they depend on
        save_roofline([one, other], ["tpot", "ttft"], workload_point(at), roofline, style=style)
    if plot is not None:
        _draw(one, other, metric, crossover or "B", point, plot, style)
    short = {side: why for side, costs in (("A", one), ("B", other)) if (why := shortage(costs.compiled, found.at))}
    if json:
        crossed_json = {} if crossed is None else {"crossings": [crossing.as_dict() for crossing in crossed]}
        write_json(found.as_dict() | crossed_json | ({"does_not_fit": short} if short else {}))
        return 0
    _write(found, short)
    if crossed is not None and crossover is not None:
        _write_crossings(crossed, crossover, one, other)
    return 0


def _draw(one: Costs, other: Costs, metric: str, along: str, point: Mapping[str, int], file: str, style: str) -> None:
    """Both along a workload symbol, all others at the point."""
    from symsim.render.curves import band_along, save_comparison  # matplotlib is not loaded for a table

    def metric_of(costs: Costs) -> Callable[[Any], Any]:
        fixed = {name: x for name, x in point.items() if name != along and name in costs.metric(metric).symbols}
        along_it = costs.metric(metric).function([along, *fixed])
        return lambda points: along_it(points, *fixed.values())

    result = one.metric(metric).form.derivation.result
    ends = symbol_info(along).range or (1, 2**17)
    names = (one.compiled.subject, other.compiled.subject)
    metrics, about = (metric_of(one), metric_of(other)), (result.latex, result.unit)
    bands = tuple(band_along(costs.metric(metric), along, point, ends) for costs in (one, other))
    save_comparison(names, metrics, along, ends, about, file, style, bands)


_KINDS: Mapping[str, tuple[str, Callable[[str], bool]]] = {
    "cost model": ("cost_model", lambda name: name in COST_MODELS),
    "engine": ("engine", lambda name: name in bundled_engines()),
    "number format": ("gemm", lambda name: name in get_args(Precision)),
    "device": ("device", is_device),
}
"""What A and B may be besides models -> the flag that each of them stands for, and how its names are told."""


def _kind(name: str) -> str:
    return next((kind for kind, (_, is_one) in _KINDS.items() if is_one(name)), "model")


def _same_kind(a: str, b: str) -> tuple[str, str]:
    if _kind(a) != _kind(b):
        raise SymsimError(f"{a} is among {_kind(a)}s and {b} among {_kind(b)}s; compare two of one kind")
    return a, b


def _subject(name: str, model: str | None, subject: Mapping[str, Any]) -> dict[str, Any]:
    match _kind(name):
        case "model" if model is None:
            return {"model": name}
        case "model":
            others = ", ".join(f"{kind}s" for kind in _KINDS)
            raise SymsimError(f"--model {model} is for comparing two of its {others}; {name!r} is read as a model")
        case kind if model is None:
            raise SymsimError(f"comparing two {kind}s needs --model")
        case kind:
            return {"model": model, _KINDS[kind][0]: name}


def _served(name: str, model: str | None, subject: Mapping[str, Any]) -> dict[str, Any]:
    """What serves requests: the model stated apart where the name says how, not what."""
    if name:
        return _subject(name, model, subject)
    if model is None:
        raise SymsimError("comparing ways to serve needs --model")
    return {"model": model}


def _write(found: Comparison, short: Mapping[str, str]) -> None:
    """The comparison, and of each side that does not fit in memory why."""
    write_words(f"A: {found.a}")
    write_words(f"B: {found.b}")
    print()
    write_words(f"{found.metric}, B - A, from the metric down (terms with the same formula are left out)")
    print()
    formulas = [term for term in found.changed if term.is_otherwise and not term.within]
    width = max((len(term.name) for term in formulas), default=0)
    for term in formulas:
        write_formula(f"  {term.name:<{width}} {_line(term)}")
    if not formulas:
        print("  the formula is the same; only the inputs below differ")
    if found.inputs:
        rows = [
            (i.info.name, *(format_quantity(v, i.info.unit, 6) for v in (i.value_a, i.value_b)), i.info.meaning)
            for i in found.inputs
        ]
        print()
        write_table(("input", "A", "B", "meaning"), rows)
    print(f"\nat {', '.join(f'{name} = {value}' for name, value in found.at.items())}")
    write_table(("term", "A", "B", "B - A", "change", "meaning"), [_cells(term) for term in found.changed])
    for side, ends in (("A", found.ends_a), ("B", found.ends_b)):
        if ends is not None:
            low, high = (format_quantity(end, found.unit, 3) for end in ends)
            print(f"{side}: in 90 % of cases from {low} to {high}")
    for side, why in short.items():
        write_words(f"{side}: {why}")


def _line(term: StepChange) -> str:
    match term.a, term.b:
        case None, Written() as only:
            return f"only in B: {only.text}"
        case Written() as only, None:
            return f"only in A: {only.text}"
        case _ if len(term.difference.text) > LONGEST_WRITTEN and not wants_why():
            return f"by another formula ({WHY} prints the difference)"
        case _:
            return f"= {term.difference.text}"


def _cells(term: StepChange) -> tuple[str, ...]:
    quantities = [format_quantity(v, term.unit) if v else "" for v in (term.value_a, term.value_b)]
    share = f"{term.value_b / term.value_a - 1:+.1%}" if term.value_a and term.value_b else ""
    sign = "+" if term.change > 0 else ""
    return term.name, *quantities, f"{sign}{format_quantity(term.change, term.unit)}", share, term.meaning


def _write_crossings(found: tuple[Crossing, ...], variable: str, a: Costs, b: Costs) -> None:
    print()
    if not found:
        print(f"A and B do not cross in {variable}")
    for crossing in found:
        other = "B" if crossing.smaller_after == "A" else "A"
        print(f"{crossing.smaller_after} is smaller from {variable} = {crossing.after:,} on, {other} below it")
        if crossing.jump:
            print("  measured rows change there, so the two jump past each other")
        elif crossing.formula is not None:
            write_formula(f"  {variable}* = {crossing.formula.text} = {crossing.value:.6g}")
