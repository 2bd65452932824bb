"""Tables and text as people read them. Set with rich on a terminal, plain when piped."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from symsim.search.pareto import FrontPoint

LAST_WIDTH = 40
LEAST_WIDTH = 9


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
    """Print a table: set by rich on a terminal, aligned plain text when piped.

    Only the last column folds over lines, and the widest ones where the terminal is narrow.
    """
    widths = [max(map(len, column)) + 3 for column in zip(head, *rows, strict=True)]
    if not sys.stdout.isatty():
        print(table_text(head, rows))
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    screen = shutil.get_terminal_size().columns
    narrow = screen < sum(widths[:-1]) + LAST_WIDTH
    whole = _kept_whole([width - 1 for width in widths], screen) if narrow else range(len(head) - 1)
    table = Table(header_style="bold")
    if narrow:
        table = Table(header_style="bold", box=box.SIMPLE_HEAD, show_edge=False, padding=(0, 1, 0, 0))
    for i, name in enumerate(head):
        justify = "right" if all(_numeric(row[i]) for row in rows) else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=i in whole)
    for row in rows:
        table.add_row(*map(Text, row))  # a name in brackets is no markup
    Console().print(table)


def _kept_whole(widths: Sequence[int], screen: int) -> set[int]:
    """The narrowest columns of which the screen takes all: it leaves LEAST_WIDTH to each of the others.

    >>> sorted(_kept_whole([13, 14, 13, 14, 15, 25], 80))
    [0, 1, 2, 3, 4]
    """
    by_width = sorted(range(len(widths)), key=lambda i: widths[i])
    fitting = (n for n in range(len(widths), 0, -1) if _taken(widths, by_width, n) <= screen)
    return set(by_width[: next(fitting, 0)])


def _taken(widths: Sequence[int], by_width: Sequence[int], whole: int) -> int:
    return sum(widths[i] for i in by_width[:whole]) + LEAST_WIDTH * (len(widths) - whole)


def write_front(front: Sequence[FrontPoint]) -> None:
    """Draw a front in the terminal, where plotext is installed."""
    if find_spec("plotext") is None:
        return
    plotext = import_module("plotext")
    plotext.clear_figure()
    plotext.plot_size(min(80, shutil.get_terminal_size().columns), 18)
    plotext.theme("clear")
    plotext.plot([p.per_user for p in front], [p.per_gpu for p in front], marker="dot")
    plotext.xlabel("tokens/s of a user")
    plotext.ylabel("tokens/s of a GPU")
    plotext.show()


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
