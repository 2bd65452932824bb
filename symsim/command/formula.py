"""symsim formula: the closed form of a metric, or its breakdown at a point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from json import dumps, loads
from typing import Any

from symsim.algebra.units import format_quantity
from symsim.api.costs import Costs
from symsim.api.formula import Formula
from symsim.command.flags import note, write_json
from symsim.command.point import workload_point
from symsim.command.subject import add_at, add_level, add_metric, add_subject, compiled, note_defaults
from symsim.formula.breakdown import OpLine, breakdown
from symsim.formula.extrapolation import extrapolated
from symsim.notation.at_point import value_latex
from symsim.notation.notations import NOTATIONS, written
from symsim.pipeline.memory_parts import MemoryParts, memory_parts, shortage
from symsim.pipeline.prompts import prompts_in_words
from symsim.pipeline.replicas import batch_in_words
from symsim.render.terminal import folding_width, write_table, write_text, write_words


def add(commands: Any) -> None:
    ask = commands.add_parser("formula", help="the closed form of a metric")
    add_subject(ask)
    add_metric(ask)
    add_level(ask)
    ask.add_argument("--format", default="text", choices=NOTATIONS)
    ask.add_argument("--json", dest="format", action="store_const", const="json", help="the same as --format json")
    ask.add_argument("--breakdown", action="store_true", help="one line an operator, at the point of --at")
    add_at(ask, "workload point of the breakdown, or of a value")
    ask.set_defaults(command=_formula)


def _formula(*, metric: str, level: Any, format: str, at: str, **subject: Any) -> int:
    wants_breakdown = subject.pop("breakdown")
    costs = compiled(subject)
    formula = costs.metric(metric)
    point = workload_point(at, formula.form)
    note_defaults(formula.form)
    if wants_breakdown:
        return _breakdown(costs, formula, point, as_json=format == "json")
    if format == "text":
        write_text(formula.to_text(level, folding_width()))
        if at:
            return _at(costs, formula, point)
        return 0
    text = written(formula.form, format, level).removesuffix("\n")
    print(_with_value(formula, point, text, format) if at else text)
    return 0


def _with_value(formula: Formula, point: Mapping[str, int], text: str, format: str) -> str:
    """What is printed, with the metric at the point of --at, and its interval, where the notation has room for it."""
    own = {name: value for name, value in point.items() if name in formula.form.for_inputs(point).symbols}
    value, ends = formula.evaluate(**own), formula.interval(**own)
    match format:
        case "json":
            at = {"point": own, "value": value, "unit": formula.unit, "interval": ends}
            return dumps({**loads(text), "at": at}, indent=2, ensure_ascii=False)
        case "latex" | "markdown":
            begin, end = ("\\[", "\\]") if format == "latex" else ("\n$$", "$$")
            return f"{text}\n{begin} {value_latex(formula.form, own, value, ends)} {end}"
        case _:
            note([f"--at gives a value in text, latex, markdown and json; {format} has no room for it"])
            return text


def _at(costs: Costs, formula: Formula, point: Mapping[str, int]) -> int:
    """Print the metric at a point, in words; where not even one sequence fits, why, and what would help."""
    symbols = formula.form.for_inputs(point).symbols
    own = {name: value for name, value in point.items() if name in symbols}
    value = formula.evaluate(**own)
    where = f"at {', '.join(f'{name} = {x}' for name, x in own.items())}; {formula.subject}"
    if not _none_fits(formula, value):
        print()
        write_words(f"{formula.name} = {format_quantity(value, formula.unit, 6)} {where}")
        if ends := formula.interval(**own):
            print("in 90 % of cases from {} to {}".format(*(format_quantity(end, formula.unit, 3) for end in ends)))
            for sentence in extrapolated(own):
                write_words(sentence)
        if formula.name == "memory":
            write_words(_goes_to(memory_parts(costs.compiled, own)))
        if short := shortage(costs.compiled, own):
            write_words(short)
        if formula.name == "ttft" and (together := prompts_in_words(costs.compiled, own)):
            write_words(together)
        told = batch_in_words(costs.compiled, own["B"]) if "B" in own else None
        if told is not None:
            write_words(told)
        return 0
    from symsim.command.solve import ways_of  # what questions need: few formulas do

    answer = costs.solve(f"max B subject to memory <= capacity with {', '.join(f'{n} = {x}' for n, x in own.items())}")
    print("\n".join([f"\nnot even one sequence fits {where}", answer.sentence, *ways_of(answer)]))
    return 1


def _none_fits(formula: Formula, value: float) -> bool:
    """Whether a largest batch says that there is none."""
    return formula.name == "max_batch" and value < 1


def _breakdown(costs: Costs, formula: Formula, point: Mapping[str, int], *, as_json: bool) -> int:
    timed = costs.tpot.form if formula.name in ("memory", "max_batch") else formula.form  # it knows the mean context
    count = formula.form.chunk_count(point)
    lines = breakdown(costs.compiled.phase_at(formula.name, count), timed, point, cut=count > 1)
    symbols = formula.form.for_inputs(point).symbols
    used = {name: value for name, value in point.items() if name in symbols or name in ("B", "S", "O")}
    value = formula.evaluate(**{name: v for name, v in point.items() if name in symbols})
    if formula.name == "memory":
        return _memory(costs, formula, point, lines, as_json=as_json)
    if as_json:
        write_json({"metric": formula.name, "at": used, "value": value, "operators": [x.as_dict() for x in lines]})
        return 1 if _none_fits(formula, value) else 0
    formats = ("format",) if any(x.format for x in lines) else ()
    write_table(
        ("operator", "FLOPs", "HBM bytes", "link bytes", "time", "x", "bound by", *formats, "from"),
        [_cells(x, formats) for x in lines],
    )
    return _at(costs, formula, point)


def _memory(costs: Costs, formula: Formula, point: Mapping[str, int], lines: Sequence[OpLine], *, as_json: bool) -> int:
    """What memory goes to, a line a part, with its share of the device's."""
    own = {name: value for name, value in point.items() if name in formula.symbols}
    parts = memory_parts(costs.compiled, own)
    if as_json:
        amounts = {"value": formula.evaluate(**own), **parts.as_dict()}
        write_json({"metric": formula.name, "at": own, **amounts, "operators": [line.as_dict() for line in lines]})
        return 0
    rows = [
        (name, f"{amount:,.0f}", format_quantity(amount, "B"), f"{amount / parts.capacity:.1%}")
        for name, amount in parts.as_dict().items()
    ]
    write_table(("memory of one GPU", "bytes", "", "of capacity"), rows)
    return _at(costs, formula, point)


def _goes_to(parts: MemoryParts) -> str:
    """A line of the parts of memory; weights and cache to the byte, as they can be checked by hand."""
    others = {name: parts.as_dict()[name] for name in ("unfilled_pages", "activations", "reserves", "free")}
    named = [f", {name.replace('_', ' ')} {format_quantity(x, 'B')}" for name, x in others.items() if x]
    return f"weights and cache {parts.weights_and_cache:,.0f} B{''.join(named)}"


def _cells(line: OpLine, formats: tuple[str, ...]) -> tuple[str, ...]:
    amounts = ((line.flops, "FLOP"), (line.hbm_bytes, "B"), (line.link_bytes, "B"), (line.seconds, "s"))
    texts = [format_quantity(amount, unit) if amount else "" for amount, unit in amounts]
    return line.name, *texts, f"{line.times:g}", line.bound, *[line.format or ""] * len(formats), line.source
