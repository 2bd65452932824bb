r"""Section -> LaTeX: what to \input into a paper (amsmath, array, graphicx, url), and a document around it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from symsim.algebra.symbols import symbol_info
from symsim.inputs.extras import load_extra
from symsim.notation.latex import grouped, quantity
from symsim.notation.typst import typst_display, typst_table
from symsim.notation.typst_math import typst_prose
from symsim.paths import read_text
from symsim.publication.bibliography import reference
from symsim.publication.coefficients_latex import coefficients_section
from symsim.publication.formulas_latex import TITLES, formulas_section
from symsim.publication.regimes_latex import regimes_latex
from symsim.publication.section import Section
from symsim.publication.short_latex import HEAD, SHARES, display_rows, displays, symbol_rows, symbols
from symsim.publication.symbols_latex import symbols_section
from symsim.publication.worked_example import Measured
from symsim.publication.worked_latex import worked_latex
from symsim.render.latex_tables import breakable, setting, table

MARK = "written by symsim paper"
"""Stands in every file, so that only own files are replaced."""

PACKAGES = ("amsmath", "array", "graphicx", "url")

CLASSES = ("article", "IEEEtran", "acmart")

_TEMPLATES = Path(__file__).parent / "templates"


def _filled_in(template: str, **values: Any) -> str:
    """A template of this package with its values; LaTeX is not escaped again."""
    environment = load_extra("jinja2", "paper", "a paper needs").Environment(
        autoescape=False, keep_trailing_newline=True, trim_blocks=True
    )
    return environment.from_string(read_text(_TEMPLATES / f"{template}.jinja")).render(mark=MARK, **values)


def wrapper(section: Section, style: str, *, long: bool, requests: bool) -> str:
    """A document of a class that holds nothing but the section, its references and, if long, the appendix; requests:
    whether there is a section about a load."""
    named = _title(section)
    return _filled_in(
        f"{style}.tex", packages=PACKAGES, title=named, columns=section.columns, long=long, requests=requests
    )


def short_section(section: Section, figures: Mapping[str, str]) -> str:
    """The section: a display and a table of symbols. figures: file -> caption, in LaTeX."""
    return _filled_in(
        "section.tex",
        packages=", ".join(PACKAGES),
        subject=section.costs.tpot.subject,
        **_said(section),
        displays=displays(section),
        symbols=symbols(section),
        figures=[_figure(file, caption, 1.0 if section.columns == 2 else 0.5) for file, caption in figures.items()],
    )


def typst_section(section: Section, figures: Mapping[str, str]) -> str:
    """The same section in Typst."""
    caption, rows = symbol_rows(section)
    cells = [[f"[{typst_prose(cell)}]" for cell in row.split(" & ")] for row in rows]
    return _filled_in(
        "section.typ",
        subject=section.costs.tpot.subject,
        **{name: typst_prose(words) for name, words in _said(section).items()},
        displays=[typst_display(equations) for equations in display_rows(section).values()],
        caption=typst_prose(caption),
        table=typst_table(HEAD, SHARES, cells),
        figures={file: typst_prose(words) for file, words in figures.items()},
    )


def typst_wrapper(section: Section) -> str:
    """A document in Typst that holds nothing but the section and its references."""
    return _filled_in("main.typ", title=typst_prose(_title(section)), columns=section.columns)


def _title(section: Section) -> str:
    return breakable(f"Serving cost of {section.name} on {section.costs.compiled.device.name}, in closed form")


def _said(section: Section) -> Mapping[str, str]:
    """What the section says in words."""
    costs, cites = section.costs, section.cites
    keys = (*cites["architecture"], *cites["comm"], *cites["overlap"], *cites["cost_model"])
    return {
        "model": breakable(section.name),
        "device": breakable(costs.compiled.device.name),
        "deployment": breakable(costs.compiled.deployment.in_words()),
        "cost_model": costs.compiled.cost_model.name,
        "cited": reference(keys),
        "prose": _prose(section),
    }


def _prose(section: Section) -> str:
    """What a reader is to know of the terms: where they hold, what is an operator, and what is assumed."""
    words: list[str] = []
    closed = [term.closed is not None for form in section.short.values() for term in form.terms if term.name != "fixed"]
    if any(closed):
        words.append("Closed terms hold where the same arms bind as at the point of Table~\\ref{tab:short}.")
    if not all(closed):
        words.append("The other times $t$ are those of single operators.")
    derived = "The formulas are derived with symsim from the model's configuration, symbolically~\\cite{sympy}."
    return " ".join([*words, _time_of_an_operator(section), *_assumption(section), *_expected(section), derived])


def _expected(section: Section) -> Iterator[str]:
    """Between which values the metrics are expected at the point, where their error is known."""
    for name, form in section.short.items():
        formula = section.costs.metric(name)
        ends = formula.interval(**{symbol: x for symbol, x in section.point.items() if symbol in formula.symbols})
        if ends is not None and ends[0] < ends[1]:
            low, high = (setting(float(f"{end:.3g}"), form.result.unit) for end in ends)
            yield f"In 90\\,\\% of cases ${form.result.latex}$ is from {low} to {high} at the point of the table."


def _time_of_an_operator(section: Section) -> str:
    kind = section.costs.compiled.cost_model.name
    if kind == "calibrated":
        cites = section.cites
        runs = f" and to measured runs{reference(cites['runs'])} of the engine" if cites["runs"] else ""
        return (
            "The time of an operator is a closed form of its shape whose coefficients are fitted to measured"
            f" kernels{reference(cites['measured'])}{runs}."
        )
    mfu = "a measured MFU" if section.cites["library"] and not section.assumed else "an MFU"
    if section.cites["library"] and section.assumed:
        mfu = f"an MFU, measured{reference(section.cites['library'])} or assumed"
    elif section.cites["library"]:
        mfu += reference(section.cites["library"])
    return (
        f"The time of an operator is the larger of its FLOPs over the peak rate times {mfu}"
        " and its bytes over the achievable bandwidth~\\cite{roofline}."
    )


def _assumption(section: Section) -> list[str]:
    said = [
        f"{setting(float(row.value), row.info.unit)} ({breakable(row.info.meaning)})"
        for row in section.assumed
        if row.value
    ]
    return [f"Assumed, not measured: {', '.join(said)}."] if said else []


def fragment(section: Section, figures: Mapping[str, str]) -> str:
    """The appendix: formulas in full, symbols, regimes, a worked example, sources. figures: file -> caption."""
    costs = section.costs
    head = [
        f"% {MARK}; needs {', '.join(PACKAGES)}",
        f"% {costs.tpot.subject}",
        "% symsim verify appendix.tex compares its equations with the derived ones",
        "\\onecolumn\\raggedbottom" if section.columns == 2 else "\\raggedbottom",
    ]
    parts = [
        "\n".join(head),
        _setting(section),
        formulas_section(section),
        symbols_section(section),
        coefficients_section(section),
        regimes_latex(section, section.map) if section.map is not None else "",
        _check(section),
        _sources(section),
        "\n".join(_figure(file, caption, 0.5) for file, caption in figures.items()),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _setting(section: Section) -> str:
    costs, cites = section.costs, section.cites
    model = breakable(", ".join(costs.compiled.config.keys.get("architectures", ())))
    words = [
        "\\section{Cost model}\\label{sec:cost-model}",
        f"The formulas below give the cost of serving {breakable(section.name)} ({model})"
        f"{reference(cites['architecture'])} on {breakable(costs.compiled.device.name)},"
        f" {breakable(costs.compiled.deployment.in_words())}{reference((*cites['comm'], *cites['overlap']))},"
        f" counted by the {costs.compiled.cost_model.name} cost model{reference(cites['cost_model'])}."
        f" {' '.join([_time_of_an_operator(section), *_assumption(section)])}"
        f" They were derived with symsim from the model's configuration, symbolically~\\cite{{sympy}}, and hold exactly"
        f" in all their symbols. All values are in SI units: seconds, bytes, FLOP;"
        f" GB is $10^9$ bytes and GiB $2^{{30}}$.",
    ]
    if section.remarks:
        items = "\n".join(f"\\item[--] {breakable(sentence)}" for sentence in section.remarks)
        words.append(f"\\paragraph{{Assumptions.}}\n\\begin{{itemize}}\\small\\raggedright\n{items}\n\\end{{itemize}}")
    return "\n".join(words)


def _check(section: Section) -> str:
    """Each metric worked out from its operators up."""
    if not section.checks:
        return ""
    parts = ["\\section{Worked example}\\label{sec:check}"]
    at = ", ".join(f"${symbol_info(name).latex} = {grouped(str(value))}$" for name, value in section.point.items())
    parts.append(
        f"The formulas at {at}, all other symbols as in Table~\\ref{{tab:symbols}}, from the operators up."
        f" Values are printed to six digits."
    )
    for name, check in section.checks.items():
        result = check.steps[-1]
        parts.append(f"\\subsection{{{TITLES[name]}: ${quantity(result.value, result.step.unit)}$}}")
        parts.append(
            f"\\begingroup\\allowdisplaybreaks\\small\n{worked_latex(check, section.kernels[name])}\n\\endgroup"
        )
    measured = {str(one.call) + str(one.arguments): one for check in section.checks.values() for one in check.measured}
    if measured:
        latex = {one.function: one.latex for layout in section.sheets.values() for one in layout.tables}
        rows = [_measured_row(one, latex[str(one.call.func)]) for one in measured.values()]
        parts.append(
            table(
                "Measured figures of the worked example.",
                "tab:measured",
                (0.44, 0.12, 0.36),
                ("look-up", "value", "from"),
                rows,
            )
        )
    return "\n".join(parts)


def _measured_row(one: Measured, latex: str) -> str:
    texts = [f"{argument:.0f}" if argument == int(argument) else f"{argument:g}" for argument in one.arguments]
    arguments = ", ".join(grouped(text) if text.isdigit() else text for text in texts)
    return f"${latex}({arguments})$ & {setting(one.value, one.unit)} & {breakable(one.source)}"


def _sources(section: Section) -> str:
    compiled = section.costs.compiled
    config = str(compiled.config.keys.get("_source", "given by the user"))
    rows = [
        f"model & {breakable(compiled.config.path)} & {breakable(config)}",
        f"device & {breakable('hardware/' + compiled.device.path.name)} & {breakable(compiled.device.source)}",
    ]
    for dated in section.tables:
        one, dates = dated.table, f", published {dated.first} to {dated.last}" if dated.first else ""
        span = f"{dated.rows} rows of this device{dates}" if dated.rows else "no rows of this device"
        source = breakable(f"{one.library}; {one.source}; {span}")
        rows.append(f"${one.latex}$, {breakable(one.meaning)} & {breakable(one.file)} & {source}")
    used = {row.info.name: row for layout in section.sheets.values() for row in layout.symbols}
    for name, source in compiled.cost_model.sources.items():
        if name in used and name in compiled.cost_model.constants:
            rows.append(
                f"${used[name].info.latex}$ & {breakable(compiled.cost_model.name)} cost model & {breakable(source)}"
            )
        elif name not in compiled.cost_model.constants:
            rows.append(f"figures in {name} & {breakable(compiled.cost_model.name)} cost model & {breakable(source)}")
    return "\\section{Sources}\\label{sec:sources}\nTable~\\ref{tab:sources} has the sources of all numbers.\n" + table(
        f"Where the numbers are from; measured tables of vintage {compiled.context.vintage}.",
        "tab:sources",
        (0.28, 0.24, 0.4),
        ("what", "file", "source"),
        rows,
    )


def _figure(file: str, caption: str, share: float) -> str:
    return f"""\\begin{{figure}}[!htbp]
\\centering
\\includegraphics[width={share}\\linewidth]{{{file}}}
\\caption{{{caption}.}}\\label{{fig:{file.partition(".")[0]}}}
\\end{{figure}}"""
