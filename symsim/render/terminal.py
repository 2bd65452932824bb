"""Tables and text as people read them. Set with rich on a terminal, plain when piped."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Sequence
from itertools import zip_longest

from symsim.notation.folded import folded_formula, folded_words

LEAST_WIDTH = 20
"""Of a column of texts that folds."""


def table_text(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns, numbers to the right; folded where a terminal is too narrow for them."""
    cells = [list(head), *(list(row) for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*cells, strict=True)]
    if sys.stdout.isatty() and sum(widths) + GAP * (len(widths) - 1) > (screen := screen_width()):
        return "\n".join(narrow_lines(head, rows, screen)[1])
    right = [all(_numeric(row[i]) for row in rows) and bool(rows) for i in range(len(head))]
    return "\n".join(
        "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)).rstrip()
        for row in cells
    )


def screen_width() -> int:
    """Columns of the terminal."""
    return shutil.get_terminal_size().columns


def folding_width() -> int | None:
    """Columns that lines fold at; None where a result goes to a file or another program."""
    return screen_width() if sys.stdout.isatty() else None


def _numeric(cell: str) -> bool:
    return not cell or cell[0].isdigit() or cell[0] in "+-"


def write_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table: set by rich on a terminal, aligned plain text when piped.

    On a narrow terminal columns fold between words; what finds no room even so stands below its row.
    """
    if not sys.stdout.isatty():
        print(table_text(head, rows))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    screen = screen_width()
    if sum(max(map(len, column)) + 3 for column in zip(head, *rows, strict=True)) >= screen:
        count, lines = narrow_lines(head, rows, screen)
        Console(soft_wrap=True).print(Text("\n".join(lines[:count]), "bold"))
        print("\n".join(lines[count:]))
        return
    table = Table(header_style="bold")
    for i, name in enumerate(head):
        table.add_column(name, justify="right" if all(_numeric(row[i]) for row in rows) else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))  # a name in brackets is no markup
    Console().print(table)


def narrow_lines(head: Sequence[str], rows: Sequence[Sequence[str]], screen: int) -> tuple[int, list[str]]:
    """How many lines the head takes, and all lines: no cell is cut inside of a word.

    >>> count, lines = narrow_lines(["metric", "step", "meaning"], [["tpot", "decode", "time per output token"]], 25)
    >>> print("\\n".join(lines))
    metric  step
    --------------
    tpot    decode
        meaning: time per
        output token
    """
    columns = [list(column) for column in zip(head, *rows, strict=True)]
    widths = _narrow_widths(columns, screen)
    beside = [i for i, width in enumerate(widths) if width]
    right = {i for i in beside if all(map(_numeric, columns[i][1:]))}

    def lines_of(row: Sequence[str]) -> list[str]:
        folded = [_folded(row[i], widths[i]) for i in beside]
        return [
            "  ".join(
                f"{c:>{widths[i]}}" if i in right else f"{c:<{widths[i]}}" for i, c in zip(beside, cells, strict=True)
            ).rstrip()
            for cells in zip_longest(*folded, fillvalue="")
        ]

    heading = lines_of(head)
    lines = [*heading, "-" * (sum(widths) + GAP * (len(beside) - 1))]
    for row in rows:
        below = "; ".join(
            f"{head[i]}: {row[i]}".removeprefix(": ") for i, width in enumerate(widths) if not width and row[i]
        )
        lines += [*lines_of(row), *textwrap.wrap(below, screen, initial_indent=_INDENT, subsequent_indent=_INDENT)]
    return len(heading), lines


def _narrow_widths(columns: Sequence[Sequence[str]], screen: int) -> list[int]:
    """Widths that a screen has room for; 0 of a column that it has none for: the widest text, then the last numbers."""
    natural = [max(map(len, column)) for column in columns]
    least = [_least_width(column) for column in columns]
    texts = {i for i, column in enumerate(columns) if not all(map(_numeric, column[1:]))}

    def taken() -> int:
        return sum(least) + GAP * (sum(map(bool, least)) - 1)

    while taken() > screen and any(least[1:]):
        out = max(
            (i for i, width in enumerate(least) if width and i),
            key=lambda i: (i in texts, (i in texts) * natural[i], i),
        )
        least[out] = 0
    spare = max(0, screen - taken())
    for i in sorted((i for i, width in enumerate(least) if width), key=lambda i: natural[i] - least[i]):
        more = min(spare, natural[i] - least[i])
        least[i], spare = least[i] + more, spare - more
    return least


def _least_width(column: Sequence[str]) -> int:
    """Of a column that can still be read: a number whole, of a text a few words."""
    cells = column[1:]
    words = max((len(piece) for cell in column for piece in _pieces(cell)), default=0)
    widest = max(map(len, cells), default=0)
    return max(words, widest if all(map(_numeric, cells)) else min(widest, LEAST_WIDTH))


def _pieces(text: str) -> list[str]:
    """Where a cell may fold: at spaces, and after what joins the parts of a name, a path or a product."""
    return [piece for word in text.split() for piece in _JOINT.split(word)]


def _folded(text: str, width: int) -> list[str]:
    """The lines of a cell.

    >>> _folded("tokens/s of a user", 9)
    ['tokens/s', 'of a user']
    """
    if len(text) <= width:
        return [text]
    lines = [""]
    for word in text.split():
        for i, piece in enumerate(_JOINT.split(word)):
            gap = " " if i == 0 and lines[-1] else ""
            if len(lines[-1]) + len(gap) + len(piece) <= width or not lines[-1]:
                lines[-1] += gap + piece
            else:
                lines.append(piece)
    return lines


_JOINT = re.compile(r"(?<=[A-Za-z][-/_*+,;])(?=[A-Za-z])")
_INDENT = " " * 4
GAP = 2


def write_words(sentence: str) -> None:
    """Print a sentence, folded between words on a terminal."""
    print("\n".join(folded_words(sentence, folding_width(), "  ")))


LONGEST_WRITTEN = 400
"""Characters of a closed form that is printed among words; one of fitted times may have thousands."""


def written_or_told(formula: str) -> str:
    """A closed form, or how to have it where it is long."""
    return (
        formula
        if len(formula) <= LONGEST_WRITTEN
        else f"(a closed form of {len(formula):,} characters: --json prints it)"
    )


def write_formula(line: str) -> None:
    """Print `name = formula`, folded on a terminal where its brackets are least deep."""
    print("\n".join(folded_formula(line, folding_width())))


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
