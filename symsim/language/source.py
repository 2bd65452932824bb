"""Lines of a graph text and where each is written; which lines go on in the next one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from symsim.errors import Span
from symsim.paths import display_path, read_text

LONGEST = 2000
"""Characters of one statement; what is longer was not written by hand."""

_GOES_ON = re.compile(r"([,|+*/=-]|\b(else|and|or|of))$")
_COMMENT = re.compile(r"\s*(#.*)?$")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a text. number: in its file, from 1.

    written: what the file says there, where `text` was completed from another line: `inserted` characters stand at
    `start` in place of `removed` ones, after all was indented by `moved`; inserted is None where all is from elsewhere.
    """

    text: str
    path: str
    number: int
    written: str | None = None
    start: int = 0
    inserted: int | None = 0
    removed: int = 0
    moved: int = 0

    def span(self, column: int) -> Span:
        """The place of a column of `text`, as the file has it."""
        if self.written is None:
            return Span(self.path, self.number, column, self.text)
        at = max(column - 1 - self.moved, 0)
        if self.inserted is None or self.start <= at < self.start + self.inserted:
            at = self.start
        elif at >= self.start:
            at += self.removed - self.inserted
        return Span(self.path, self.number, at + 1, self.written)


def lines_of(text: str, path: str, first: int = 1) -> tuple[Line, ...]:
    """The lines of a text that begins at the line `first` of a file."""
    return tuple(Line(line, path, first + i) for i, line in enumerate(text.splitlines()))


def file_lines(path: Path) -> tuple[Line, ...]:
    """The lines of a file. Raises DataError where it cannot be read, or is no text."""
    return lines_of(read_text(path), display_path(path))


def without_comment(line: str) -> str:
    """A line without its comment; `#` within a text in quotes begins none."""
    quoted = False
    for i, character in enumerate(line):
        if character == '"':
            quoted = not quoted
        elif character == "#" and not quoted:
            return line[:i].rstrip()
    return line.rstrip()


def goes_on(text: str) -> bool:
    """Whether a line, or its last token, says that the next line belongs to it: a comma, an operator, `else`."""
    return _GOES_ON.search(text) is not None


def is_blank(line: Line) -> bool:
    """Whether there is nothing, or a comment, in the line."""
    return _COMMENT.match(line.text) is not None


def indent(line: Line) -> int:
    return len(line.text) - len(line.text.lstrip())


@dataclass(frozen=True, slots=True)
class Item:
    """A statement: its lines, and what is indented below it."""

    lines: tuple[Line, ...]
    body: tuple[Item, ...]

    @property
    def code(self) -> str:
        """The statement in one line, without comments and indentation."""
        return " ".join(without_comment(line.text).strip() for line in self.lines)

    def everything(self) -> Iterator[Line]:
        yield from self.lines
        for item in self.body:
            yield from item.everything()


def items(lines: Sequence[Line]) -> tuple[Item, ...]:
    """Statements with what is indented below each. Blank lines and comments between them are dropped."""
    kept = [line for line in lines if not is_blank(line)]
    found: list[Item] = []
    at = 0
    while at < len(kept):
        end = at + 1
        while end < len(kept) and goes_on(without_comment(kept[end - 1].text)):
            end += 1
        below = end
        while below < len(kept) and indent(kept[below]) > indent(kept[at]):
            below += 1
        found.append(Item(tuple(kept[at:end]), items(kept[end:below])))
        at = below
    return tuple(found)
