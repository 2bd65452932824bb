"""symsim regimes: the exact pieces of a metric along one symbol or over two, and pictures of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from symsim.algebra.symbols import INPUTS, is_symbol, symbol_info
from symsim.algebra.units import format_quantity, parse_quantity
from symsim.analysis.regime_map import RegimeMap
from symsim.analysis.regimes import Regimes
from symsim.api.costs import Costs
from symsim.api.formula import Formula
from symsim.command.flags import add_plot, note, write_json
from symsim.command.load_tables import stated, write_load_regimes
from symsim.command.point import workload_point
from symsim.command.subject import add_at, add_metric, add_subject, compiled, note_defaults
from symsim.cost.metric_table import named_metric
from symsim.errors import SymsimError
from symsim.language.query_text import parse_limits
from symsim.language.words import meant
from symsim.notation.terms import terms_text
from symsim.pipeline.memory_parts import shortage
from symsim.render.curves import band_along, save_regimes
from symsim.render.plane import save_plane
from symsim.render.regime_map import binding_text, curve_text, latex_plane, others_text, point_text, told_regions
from symsim.render.regimes import SMOOTH, is_smooth, latex_cases, piece_text, range_text
from symsim.render.roofline import save_roofline
from symsim.render.style import check_picture
from symsim.render.terminal import write_formula, write_table, write_words, written_or_told
from symsim.serving.points import LOADS, load_symbol
from symsim.solve.limits import bound_of

_LONGEST = 120
"""Characters of a formula in a table; one of measured rows has fewer, one of fitted times may have thousands."""


def add(commands: Any) -> None:
    ask = commands.add_parser(
        "regimes", help="the exact pieces of a metric along a symbol or two, and what binds there"
    )
    add_subject(ask)
    add_metric(ask)
    ask.add_argument(
        "--along", default="B", metavar="SYMBOL", help="B, S, O, T, C, a hardware symbol or rate; two: B,S"
    )
    ask.add_argument("--range", default="", metavar="LOW:HIGH", help="e.g. 1:512, 1 TB/s:8 TB/s; of two: 1:512,1:8192")
    add_at(ask)
    ask.add_argument("--format", default="text", choices=["text", "latex", "json"])
    ask.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")
    add_plot(ask, "the metric, and what limits each step")
    ask.add_argument("--sla", metavar="LIMIT", help="a line in the picture, e.g. '50 ms'")
    ask.add_argument("--roofline", metavar="FILE", help="draw a roofline of prefill and decode at the point")
    ask.set_defaults(command=_regimes)


def _regimes(
    *,
    metric: str,
    along: str,
    range: str,
    at: str,
    format: str,
    plot: str | None,
    style: str,
    sla: str | None,
    roofline: str | None,
    **subject: Any,
) -> int:
    for file in filter(None, (plot, roofline)):
        check_picture(file)
    costs = compiled(subject)
    along = ",".join(meant(name.strip()) for name in along.split(","))
    if load_symbol(along) in LOADS:
        return _of_load(costs, load_symbol(along), range, at, format)
    formula = costs.metric(metric)
    point = workload_point(at, *([] if roofline else [formula.form]))  # a roofline shows every operator
    note_defaults(formula.form)
    limit = None if sla is None else _limit(sla, formula)
    if sla is not None and plot is None:
        note([f"--sla {sla} is a line in the picture of --plot, and none is asked for"])
    symbols = [name.strip() for name in along.split(",")]
    ranges = [part.strip() for part in range.split(",")] if range else [""] * len(symbols)
    if len(symbols) > 2 or len(ranges) != len(symbols):
        raise SymsimError(f"--along {along} --range {range}: expected one symbol or two, and a range for each, or none")
    ends = [_range(text, name) for name, text in zip(symbols, ranges, strict=True)]
    if roofline is not None:
        save_roofline([costs], ["tpot", "ttft"], point, roofline, style=style)
    if len(symbols) == 2:
        mapped = costs.regime_map(metric, (symbols[0], symbols[1]), (ends[0], ends[1]), **point)
        if plot is not None:
            save_plane(mapped, limit, plot, style)
        _map(costs, mapped, format)
    else:
        found = costs.regimes(metric, along, *ends[0], **point)
        if plot is not None:
            band = band_along(formula, found.variable, found.at, (found.pieces[0].low, found.pieces[-1].high))
            save_regimes(found, limit, _fits(costs, found), plot, style=style, band=band)
        _line(costs, found, format)
    return 0


def _limit(text: str, formula: Formula) -> float:
    """`50 ms`, or a constraint on the metric, `TPOT <= 50 ms`."""
    if not re.search("[<>=\u2264\u2265]", text):
        return float(parse_quantity(text, formula.unit))
    limits = parse_limits(text)
    if len(limits) != 1 or named_metric(limits[0].metric).name != formula.name:
        raise SymsimError(f"--sla {text!r}: expected one limit of {formula.name}, e.g. '50 ms' or 'TPOT <= 50 ms'")
    return float(bound_of(limits[0].bound, formula.form))


def _of_load(costs: Costs, along: str, ends: str, at: str, format: str) -> int:
    """What limits requests along their rate, or another symbol of the load."""
    if format == "latex":
        raise SymsimError(f"--format latex: regimes along {along} are found by bisection, and have no cases to write")
    low, high = _range(ends, along)
    found = costs.load_regimes(along, low, high, **stated(at))
    if format == "json":
        write_json(found.as_dict())
    else:
        write_load_regimes(found)
    return 0


def _fits(costs: Costs, found: Regimes) -> float | None:
    """The largest batch in memory, where the batch is followed."""
    lengths = [name for name in ("S", "O") if name in costs.max_batch.symbols]
    whole = found.variable == "B" and all(name in found.at for name in lengths)
    return costs.max_batch.evaluate(**{name: int(found.at[name]) for name in lengths}) if whole else None


def _line(costs: Costs, found: Regimes, format: str) -> None:
    match format:
        case "json":
            write_json({**found.as_dict(), "warnings": _warnings(costs, found.at)})
        case "latex":
            print(latex_cases(found))
        case _:
            _write(found)
            for warning in _warnings(costs, found.at):
                write_words(warning)


def _map(costs: Costs, found: RegimeMap, format: str) -> None:
    match format:
        case "json":
            write_json({**found.as_dict(), "warnings": _warnings(costs, found.at)})
        case "latex":
            print(latex_plane(found))
        case _:
            _write_map(found)
            for warning in _warnings(costs, found.at):
                write_words(warning)


def _warnings(costs: Costs, at: Mapping[str, float]) -> list[str]:
    """That the workload point does not fit in memory."""
    short = shortage(costs.compiled, {name: int(value) for name, value in at.items() if name in INPUTS})
    return [] if short is None else [short]


def _range(text: str, along: str) -> tuple[float | None, float | None]:
    if not text:
        return None, None
    low, colon, high = text.partition(":")
    if not colon or not (is_symbol(along) or along in LOADS):
        raise SymsimError(f"--range {text!r}: expected LOW:HIGH, e.g. 1:512")
    unit = LOADS[along].unit if along in LOADS else symbol_info(along).unit
    ends = float(parse_quantity(low.strip(), unit)), float(parse_quantity(high.strip(), unit))
    if not 0 < ends[0] < ends[1]:
        raise SymsimError(f"--range {text!r}: the low end must be above zero and below the high end")
    return ends


def _write(found: Regimes) -> None:
    print(f"{found.metric} along {found.variable}")
    write_words(f"of {found.subject}")
    print(f"at {point_text(found.at)}\n")
    rows = [
        (
            "here" if i == found.here else "",
            range_text(piece, found),
            _short(piece_text(piece, found)),
            format_quantity(piece.value_low, found.unit),
            "; ".join(f"{b.step}: {b.was} -> {b.now}" for b in piece.borders),
        )
        for i, piece in enumerate(found.pieces)
    ]
    write_table(("", found.variable, found.metric, "at its start", "what changes there"), rows)
    if is_smooth(found.pieces[0].expression):
        print()
        write_words(SMOOTH)
    for border in (b for piece in found.pieces for b in piece.borders):
        if border.formula is None:
            continue
        where = format_quantity(border.at, found.variable_unit, 6)
        print()
        write_words(f"{border.step}: {border.was} binds below, {border.now} from {found.variable} = {where} on")
        exact = "" if border.root is None else f" = {format_quantity(border.root, found.variable_unit, 6)}"
        write_formula(f"  {found.variable}* = {written_or_told(border.formula.text)}{exact}")
    print()
    write_words(_distance(found))


def _write_map(found: RegimeMap) -> None:
    print(f"{found.metric} over {' and '.join(found.variables)}")
    write_words(f"of {found.subject}")
    print(f"at {point_text(found.at)}\n")
    smooth = is_smooth(found.expression)
    told = told_regions(found)
    rows = [
        (
            "here" if i == found.here else "",
            f"{region.share:.1%}",
            binding_text(region, told.values()),
            point_text(dict(zip(found.variables, region.at, strict=True))),
            format_quantity(region.value, found.unit),
            "" if smooth else _short(terms_text(region.expression, found.unit)),
        )
        for i, region in told.items()
    ]
    write_table(("", "of the map", "what binds", "e.g. at", found.metric, "" if smooth else "around there"), rows)
    if others := others_text(found):
        print(f"and {others} of the map; --format json tells each")
    for curve in found.curves:
        print()
        write_words(curve_text(curve, found))
        if curve.formula is not None:
            write_formula(f"  {curve.variable}* = {written_or_told(curve.formula.text)}")
    here = SMOOTH if smooth else f"at the point {found.metric} = {_short(terms_text(found.expression, found.unit))}"
    print()
    write_words(here)
    for along in found.along:
        write_words(f"  {_distance(along)}")


def _short(formula: str) -> str:
    """What fits in a table; `--format json` and `latex` have the whole."""
    return formula if len(formula) <= _LONGEST else f"{formula[:_LONGEST].rsplit(' ', 1)[0]} ..."


def _distance(found: Regimes) -> str:
    below, above = (None if gap is None else format_quantity(gap, found.variable_unit, 6) for gap in found.to_next)
    sides = [f"{below} above the start of its piece" if below else "", f"{above} below the next" if above else ""]
    stated = " and ".join(side for side in sides if side) or "in the only piece"
    where = point_text({found.variable: found.at[found.variable]})
    return f"{where} is {stated if found.here >= 0 else 'outside of the range'}"
