"""Results -> what people read: reports, tables, breakdowns. Set with rich on a terminal, plain when piped."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence

from symsim.report import Report

LABEL_WIDTH = 40
RULE_WIDTH = 50
LAST_WIDTH = 40

_WHOLE = (
    "Input seq len",
    "Output seq len",
    "Target decode batchsize",
    "Num hidden layers",
    "Max prefill tokens",
)
_FLAGS = {
    "kv_cache_too_large": "!Error: need smaller kvcache",
    "tpot_over_target": "!Error: TPOT > SLO, need smaller GFLOPs to speedup",
}


def report_text(report: Report) -> str:
    """The report as the reference prints it: headings, labels, order and rounding."""
    lines = ["", " Simulator Result ".center(RULE_WIDTH, "=")]
    lines += [_line(label, value) for label, value in report.header.items()]
    sections = [
        ("Model Weights", report.model_weights, None),
        ("KV Cache", report.kv_cache, "kv_cache_too_large"),
        ("FLOPs", report.flops, None),
        ("Prefilling", report.prefilling, None),
        ("Decoding", report.decoding, "tpot_over_target"),
    ]
    for title, figures, flag in sections:
        if figures:
            lines.append(title.center(RULE_WIDTH, "-"))
            lines += [_line(_printed(label, title), _rounded(label, value)) for label, value in figures.items()]
        if flag in report.flags:
            lines.append(_FLAGS[flag])
    return "\n".join(lines)


def _line(label: str, value: object) -> str:
    return f"{label + ':':<{LABEL_WIDTH}} {value!s:<10}"


def _printed(label: str, section: str) -> str:
    """Labels that the reference prints otherwise than it names them in data."""
    if label == "Throughput (TGS)" and section == "Prefilling":
        return "Throughput (TGS:tok/GPU/s)"
    return label.removesuffix(" [linear attn]")


def _rounded(label: str, value: float) -> str:
    if label in _WHOLE:
        return str(value)
    return f"{value:.0f}" if label == "Throughput (TGS)" else f"{value:.2f}"


def table_text(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns, numbers to the right."""
    cells = [list(head), *(list(row) for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    right = [all(_numeric(row[i]) for row in rows) and bool(rows) for i in range(len(head))]
    return "\n".join(
        "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)).rstrip()
        for row in cells
    )


def _numeric(cell: str) -> bool:
    return not cell or cell[0].isdigit() or cell[0] in "+-"


def write_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: rich on a terminal that is wide enough, aligned plain text when piped or narrow.

    Only the last column may fold over lines.
    """
    *fixed, _ = [max(map(len, column)) + 3 for column in zip(head, *rows, strict=True)]
    if not sys.stdout.isatty() or shutil.get_terminal_size().columns < sum(fixed) + LAST_WIDTH:
        print(table_text(head, rows))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(header_style="bold")
    for i, name in enumerate(head):
        justify = "right" if all(_numeric(row[i]) for row in rows) else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=i < len(head) - 1)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def write_text(text: str) -> None:
    """Print text whose headings and errors stand out on a terminal."""
    if not sys.stdout.isatty():
        print(text)
        return
    from rich.console import Console
    from rich.text import Text

    styled = Text(text)
    styled.highlight_regex(r"(?m)^[-=]+.*[-=]+$", "bold cyan")
    styled.highlight_regex(r"(?m)^!Error.*$", "bold red")
    Console(soft_wrap=True).print(styled)
