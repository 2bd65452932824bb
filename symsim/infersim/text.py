"""The report as the reference prints it: headings, labels, order and rounding."""

from __future__ import annotations

from symsim.infersim.layout import printed_lines, sections
from symsim.infersim.report import Report

LABEL_WIDTH = 40
RULE_WIDTH = 50


def report_text(report: Report) -> str:
    """The lines of a report, sections without figures left out."""
    lines = ["", " Simulator Result ".center(RULE_WIDTH, "=")]
    lines += [_line(label, value) for label, value in report.header.items()]
    for name, section in sections().items():
        figures = getattr(report, name)
        if figures:
            lines.append(section.title.center(RULE_WIDTH, "-"))
            rows = [(printed_lines(name)[label], value) for label, value in figures.items()]
            lines += [_line(row.words, f"{value:.{row.digits}f}") for row, value in rows]
        if section.flag is not None and section.flag.name in report.flags:
            lines.append(section.flag.sentence)
    return "\n".join(lines)


def _line(label: str, value: object) -> str:
    return f"{label + ':':<{LABEL_WIDTH}} {value!s:<10}"
