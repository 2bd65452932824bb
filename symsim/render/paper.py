r"""Section -> LaTeX: what to \input into a paper (amsmath, longtable, graphicx, url), and an article around it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from symsim.pieces import Border, Piece
from symsim.render.cases import case_row
from symsim.render.latex import escaped, grouped, numbered_latex, quantity, width
from symsim.render.worked import worked_latex
from symsim.section import Section
from symsim.sheet import KINDS, Row, Sheet
from symsim.symbols import KNOWN
from symsim.units import format_quantity

MARK = "written by symsim paper"
"""Stands in every file, so that only own files are replaced."""

AROUND = 3
"""Pieces that are printed to each side of the point's."""

SPANS = 10
"""Rows of the table of regimes; of more, those around the point are printed."""

BORDERS = 6
"""Borders that are given in closed form, the nearest first."""

WIDEST = 78.0
"""Letters of a border's closed form that fit a line."""

BOUNDS = ("compute", "memory", "link", "latency")

PACKAGES = ("amsmath", "array", "graphicx", "longtable", "url")

TITLES = {
    "tpot": "Time per output token",
    "tgs_decode": "Tokens per GPU and second, decode",
    "ttft": "Time to first token",
    "tgs_prefill": "Tokens per GPU and second, prefill",
    "memory": "Memory",
    "max_batch": "Largest batch",
}


AFTER = {"tgs_decode": "tpot", "tgs_prefill": "ttft", "max_batch": "memory"}
"""Metrics that go on from another one's steps."""


def wrapper(section: Section) -> str:
    """An article that holds nothing but the section and its references."""
    packages = "\n".join(f"\\usepackage{{{name}}}" for name in PACKAGES)
    title = breakable(f"Serving cost of {section.name} on {section.costs.device.name}, in closed form")
    return f"""% {MARK}: pdflatex main, bibtex main, pdflatex main, pdflatex main
\\documentclass[a4paper]{{article}}
\\usepackage[utf8]{{inputenc}}
\\usepackage[margin=2.5cm]{{geometry}}
{packages}
\\title{{{title}}}
\\author{{}}
\\date{{}}
\\begin{{document}}
\\maketitle
\\input{{section}}
\\bibliographystyle{{unsrt}}
\\bibliography{{references}}
\\end{{document}}
"""


def fragment(section: Section, figures: Mapping[str, str]) -> str:
    """The section itself. figures: file -> caption."""
    costs = section.costs
    head = [
        f"% {MARK}; needs {', '.join(PACKAGES)}",
        f"% {costs.tpot.subject}",
        f"% symsim verify section.tex compares its equations with the derived ones",
    ]
    parts = [
        "\n".join(head),
        _setting(section),
        _formulas(section),
        _symbols(section),
        _regimes(section),
        _check(section),
        _sources(section),
        _figures(figures),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _setting(section: Section) -> str:
    costs, cites = section.costs, section.cites
    model = breakable(", ".join(costs.config.keys.get("architectures", ())))
    words = [
        f"\\section{{Cost model}}\\label{{sec:cost-model}}",
        f"The formulas below give the cost of serving {breakable(section.name)} ({model}){_cite(cites['architecture'])}"
        f" on {breakable(costs.device.name)}, {breakable(costs.deployment.in_words())}"
        f"{_cite((*cites['comm'], *cites['overlap']))}, counted by the {costs.counting.name}"
        f" cost model{_cite(cites['cost_model'])}: the time of an operator is the larger of its FLOPs over the peak rate"
        f" times a measured MFU and its bytes over the achievable bandwidth~\\cite{{roofline}}."
        f" They were derived with symsim from the model's configuration, symbolically~\\cite{{sympy}}, and hold exactly"
        f" in all their symbols; measured kernel figures are those of {section.costs.context.vintage}"
        f"{_cite(cites['library'])}. All values are in SI units: seconds, bytes, FLOP; GB is $10^9$ bytes and GiB $2^{{30}}$.",
    ]
    if section.remarks:
        items = "\n".join(f"\\item[--] {breakable(sentence)}" for sentence in section.remarks)
        words.append(f"\\paragraph{{Assumptions.}}\n\\begin{{itemize}}\\small\\raggedright\n{items}\n\\end{{itemize}}")
    return "\n".join(words)


def _cite(keys: Sequence[str]) -> str:
    return f"~\\cite{{{','.join(dict.fromkeys(keys))}}}" if keys else ""


def _formulas(section: Section) -> str:
    """Each metric, without the steps that stand there already."""
    parts = ["\\section{Formulas}\\label{sec:formulas}"]
    for name, title in TITLES.items():
        sheet = section.sheets[name]
        above = {step.symbol for step in section.sheets[AFTER[name]].steps} if name in AFTER else set()
        new = tuple(step for step in sheet.steps if step.symbol not in above)
        earlier = f", with the steps of Eq.~(\\ref{{eq:{AFTER[name]}}})" if name in AFTER else ""
        if name == "ttft":
            earlier = "; steps of the prefill phase bear the names that they have in the decode phase"
        meaning = f"{sheet.derivation.meaning[0].upper()}{sheet.derivation.meaning[1:]}"
        unit = sheet.derivation.result.unit
        stated = f" [{unit}]" if unit != "1" else ""
        parts.append(f"\\subsection{{{title}}}\n{meaning}{stated}{earlier}:")
        parts.append(numbered_latex(replace(sheet, steps=new), f"eq:{name.replace('_', '-')}"))
    return "\n".join(parts)


def _symbols(section: Section) -> str:
    """Every symbol of all formulas, and what every step stands for."""
    rows: dict[str, Row] = {row.info.name: row for sheet in section.sheets.values() for row in sheet.symbols}
    ordered = sorted(rows.values(), key=lambda row: (KINDS[row.info.kind], row.info.name))
    lines = [_symbol_row(row, section.point) for row in ordered]
    steps: dict[tuple[str, str], str] = {}
    for sheet in section.sheets.values():
        for step in sheet.steps:
            if step.op is not None:
                steps.setdefault((step.latex, step.op), str(step.origin))
    operators = [f"${latex}$ & {breakable(op)} & {breakable(line)}" for (latex, op), line in steps.items()]
    symbols = _table(
        "Symbols, their values and where each is from.", "tab:symbols", (0.1, 0.33, 0.19, 0.3), ("symbol", "meaning [unit]", "value", "source"), lines
    )
    return "\\section{Symbols}\\label{sec:symbols}\n" + symbols + "\n" + _table(
        "Steps that are the time of one operator, with the line of the graph library that prices it.",
        "tab:steps",
        (0.2, 0.36, 0.36),
        ("step", "operator", "priced by"),
        operators,
    )


def _symbol_row(row: Row, point: Mapping[str, int]) -> str:
    info = row.info
    unit = f" [{info.unit}]" if info.unit != "1" else ""
    if row.value is not None:
        source = row.source.removesuffix(f": {info.meaning}")
        value, source = setting(float(row.value), info.unit), breakable(source)
    elif info.name in point:
        value, source = setting(point[info.name], info.unit), "chosen for the worked example"
    else:
        value, source = "", ""
    return f"${info.latex}$ & {breakable(info.meaning)}{unit} & {value} & {source}"


def setting(value: float, unit: str) -> str:
    """A value in text, with its unit."""
    if unit in ("1", "tokens"):
        text = format_quantity(value, "1", 6)
        return f"${grouped(text)}$" if text.isdigit() else f"${text}$"
    return f"${quantity(value, unit)}$"


def _table(caption: str, label: str, widths: Sequence[float], head: Sequence[str], rows: Sequence[str]) -> str:
    """A table over pages; columns are shares of the line."""
    columns = "".join(f">{{\\raggedright\\arraybackslash}}p{{{share}\\linewidth}}" for share in widths)
    title = " & ".join(head) + " \\\\ \\hline"
    body = " \\\\\n".join(rows)
    return f"""\\begingroup\\small\\setlength{{\\tabcolsep}}{{3pt}}\\renewcommand{{\\arraystretch}}{{1.1}}\\sloppy
\\begin{{longtable}}{{@{{}}{columns}@{{}}}}
\\caption{{{caption}}}\\label{{{label}}}\\\\
{title}
\\endfirsthead
{title}
\\endhead
{body}
\\end{{longtable}}
\\endgroup"""


def _regimes(section: Section) -> str:
    """How many pieces there are, those around the point, the runs on which the same arms bind, and their borders."""
    found, point = section.map, section.point
    pieces = found.pieces
    low, high = max(found.here - AROUND, 0), min(found.here + AROUND + 1, len(pieces))
    shown = pieces[low:high]
    name, variable = found.latex, KNOWN[found.variable].latex
    ends = f"{grouped(str(pieces[0].low))} to {grouped(str(pieces[-1].high))}"
    arms = len(section.spans)
    kind = "affine piece" if all(piece.affine is not None for piece in pieces) else "piece"
    all_of = "" if len(shown) == len(pieces) else f", here the {len(shown)} around ${variable} = {point[found.variable]}$"
    opening = (
        f"\\section{{Regimes}}\\label{{sec:regimes}}\nAt $S = {grouped(str(point['S']))}$ and $O = {grouped(str(point['O']))}$, ${name}$ as a function of"
        f" ${variable}$ from {ends.replace(' to ', '$ to $').join('$$')} is made of {_many(len(pieces), kind)}{all_of}. They fall into {_many(arms, 'run')}"
        f" on which the same arms of the maxima bind (Table~\\ref{{tab:regimes}}); within a run, pieces change where another"
        f" measured row answers."
    )
    rows = " \\\\\n  ".join(case_row(piece, found) for piece in shown)
    left = f"{name}({variable}) = " if len(shown) == len(pieces) else f"{name}({variable}) = "
    cases = f"\\begin{{equation}}\\label{{eq:regimes}}\n{left}\\begin{{cases}}\n  {rows}\n\\end{{cases}}\n\\end{{equation}}"
    return "\n".join([opening, cases, _spans(section), _borders(section)])


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _spans(section: Section) -> str:
    found = section.map
    here = next((i for i, run in enumerate(section.spans) if found.pieces[found.here] in run), 0)
    first = max(0, min(here - SPANS // 2, len(section.spans) - SPANS))
    runs = section.spans[first : first + SPANS]
    latex = {step.symbol.name: step.latex for step in section.sheets["tpot"].steps}
    rows: list[str] = []
    before: Mapping[str, str] = {}
    for run in runs:
        binds = run[0].binds
        ends = _value(run[0].low) if run[0].low == run[-1].high else f"{_value(run[0].low)} to {_value(run[-1].high)}"
        first_last = (run[0].value_low, run[-1].value_high)
        values = " to ".join(dict.fromkeys(f"${quantity(value, found.unit)}$" for value in first_last))
        rows.append(f"{ends} & {_many(len(run), 'piece')} & {_binding(binds, before, latex)} & {values}")
        before = binds
    rest = len(section.spans) - len(runs)
    cut = f" The {rest} runs farther from the worked example are left out." if rest else ""
    caption = f"What binds as ${KNOWN[found.variable].latex}$ grows (in later rows: what changes), and ${found.latex}$ at both ends.{cut}"
    return _table(caption, "tab:regimes", (0.13, 0.1, 0.45, 0.25), (f"${KNOWN[found.variable].latex}$", "pieces", "binds", f"${found.latex}$"), rows)


def _binding(binds: Mapping[str, str], before: Mapping[str, str], latex: Mapping[str, str]) -> str:
    """What binds each step: all of them in a first row, then only what changes."""
    if before:
        changed = [(step, before.get(step, ""), now) for step, now in binds.items() if before.get(step) != now]
        return "; ".join(f"${latex.get(s, s)}$: {_arm(was, latex)} $\\to$ {_arm(now, latex)}" for s, was, now in changed)
    by = {kind: [f"${latex.get(step, step)}$" for step, what in binds.items() if what == kind] for kind in BOUNDS}
    kinds = [f"{kind}: {', '.join(steps)}" for kind, steps in by.items() if steps]
    others = [f"${latex.get(s, s)}$ by {_arm(what, latex)}" for s, what in binds.items() if what not in BOUNDS]
    return "; ".join((*kinds, *others))


def _arm(what: str, latex: Mapping[str, str]) -> str:
    """compute, memory or link; or the steps that are longer than the others, cut where they are many."""
    if what in BOUNDS:
        return what
    names = [f"${latex[name]}$" for name in what.removesuffix("...").split(" + ") if name in latex]
    return " + ".join([*names, *(["\\dots"] if what.endswith("...") else [])]) or breakable(what)


def _value(value: float) -> str:
    return f"${grouped(str(value))}$"


def _borders(section: Section) -> str:
    """Borders of arms in closed form, the nearest to the point first; equal formulas once."""
    found = section.map
    at = section.point[found.variable]
    borders: dict[str, tuple[Piece, Border]] = {}
    for piece in found.pieces:
        for border in piece.borders:
            if border.latex is not None:
                kept = borders.get(border.latex)
                if kept is None or abs(border.at - at) < abs(kept[1].at - at):
                    borders[border.latex] = (piece, border)
    near = sorted(borders.items(), key=lambda item: abs(item[1][1].at - at))
    fitting = [(text, border) for text, (_, border) in near if width(text) <= WIDEST][:BORDERS]
    if not near:
        return "No border between arms has a closed form in this range."
    steps = {step.symbol.name: step.latex for step in section.sheets["tpot"].steps}
    variable = KNOWN[found.variable].latex
    lines = [
        f"  {variable}^*_{{{steps[border.step]}}} &= {text} \\\\\n  &\\quad \\text{{({_arm(border.was, steps)} to"
        f" {_arm(border.now, steps)}, at }} {variable} = {format_quantity(border.at, '1', 6)}\\text{{)}}"
        for text, border in fitting
    ]
    printed = {id(border) for text, border in fitting}
    others = [border for _, (_, border) in near if id(border) not in printed]
    parts: list[str] = []
    if lines:
        body = " \\\\\n".join(lines)
        parts.append(f"Where one arm takes over from another, in closed form:\n\\begin{{align*}}\n{body}\n\\end{{align*}}")
    if others:
        at_once: dict[str, list[str]] = {}
        for border in others:
            at_once.setdefault(format_quantity(border.at, "1", 6), []).append(f"${steps.get(border.step, border.step)}$")
        places = [f"of {', '.join(names)} at ${variable} = {place}$" for place, names in at_once.items()]
        what = "Borders whose closed forms are too long to print here" if lines else "All borders have closed forms, too long to print here"
        parts.append(f"{what} (\\texttt{{symsim regimes}} has them): {'; '.join(places)}.")
    return "\n".join(parts)


def _check(section: Section) -> str:
    """Each metric worked out from its operators up."""
    parts = ["\\section{Worked example}\\label{sec:check}"]
    at = ", ".join(f"${KNOWN[name].latex} = {grouped(str(value))}$" for name, value in section.point.items())
    parts.append(f"The formulas at {at}, all other symbols as in Table~\\ref{{tab:symbols}}, from the operators up. Values are printed to six digits.")
    for name, check in section.checks.items():
        result = check.steps[-1]
        parts.append(f"\\subsection{{{TITLES[name]}: ${quantity(result.value, result.step.unit)}$}}")
        parts.append(f"\\begingroup\\allowdisplaybreaks\\small\n{worked_latex(check)}\n\\endgroup")
    measured = {str(one.call) + str(one.arguments): one for check in section.checks.values() for one in check.measured}
    if measured:
        latex = {table.function: table.latex for sheet in section.sheets.values() for table in sheet.tables}
        rows = [
            f"${latex[str(one.call.func)]}({', '.join(grouped(f'{a:g}') if f'{a:g}'.isdigit() else f'{a:g}' for a in one.arguments)})$ & {setting(one.value, one.unit)} & {breakable(one.source)}"
            for one in measured.values()
        ]
        parts.append(_table("Measured figures of the worked example.", "tab:measured", (0.44, 0.12, 0.36), ("look-up", "value", "from"), rows))
    return "\n".join(parts)


def _sources(section: Section) -> str:
    costs = section.costs
    rows = [
        f"model & {breakable(costs.config.path)} & {breakable(str(costs.config.keys.get('_source', 'given by the user')))}",
        f"device & {breakable('hardware/' + costs.device.path.name)} & {breakable(costs.device.source)}",
    ]
    for dated in section.tables:
        table = dated.table
        span = f"{dated.rows} rows of this device, published {dated.first} to {dated.last}" if dated.rows else "no rows of this device"
        rows.append(f"${table.latex}$, {breakable(table.meaning)} & {breakable(table.file)} & {breakable(f'{table.library}; {table.source}; {span}')}")
    used = {row.info.name: row for sheet in section.sheets.values() for row in sheet.symbols}
    for name, source in costs.counting.sources.items():
        if name in used and name in costs.counting.constants:
            rows.append(f"${used[name].info.latex}$ & {breakable(costs.counting.name)} cost model & {breakable(source)}")
        elif name not in costs.counting.constants:
            rows.append(f"figures in {name} & {breakable(costs.counting.name)} cost model & {breakable(source)}")
    return "\\section{Sources}\\label{sec:sources}\n" + _table(
        f"Where the numbers are from; measured tables of vintage {costs.context.vintage}.", "tab:sources", (0.28, 0.24, 0.4), ("what", "file", "source"), rows
    )


def _figures(figures: Mapping[str, str]) -> str:
    return "\n".join(
        f"""\\begin{{figure}}[htbp]
\\centering
\\includegraphics[width=0.8\\linewidth]{{{file}}}
\\caption{{{breakable(caption)}.}}\\label{{fig:{file.partition('.')[0]}}}
\\end{{figure}}"""
        for file, caption in figures.items()
    )


def breakable(text: str) -> str:
    """Text whose paths and long names may break over lines."""
    marked = re.sub(r"(?<=[/_.,:=\-])(?=[A-Za-z0-9])", "\u200b", text)
    return escaped(marked).replace("\u200b", "\\allowbreak{}")
