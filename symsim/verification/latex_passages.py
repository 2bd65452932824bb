"""The equations of a text in LaTeX, each with its place: displays, rows and what symsim marked, comments blanked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from symsim.notation.latex_article import END_MARK


@dataclass(frozen=True, slots=True)
class Passage:
    """Text of one equation and where it starts in the whole text."""

    text: str
    start: int


_DISPLAYS = r"(?:equation|align|gather|multline|flalign|alignat|eqnarray|displaymath|dmath)\*?"
_DISPLAY = re.compile(rf"\\begin\{{({_DISPLAYS})\}}(.*?)\\end\{{\1\}}|\\\[(.*?)\\\]|\$\$(.*?)\$\$", re.DOTALL)
_INNER = re.compile(r"\\(?:begin|end)\{(?:aligned|split|gathered|array|math)\}(?:\[[tbc]\])?")
_MARKUP = re.compile(r"\\(?:label|tag\*?)\s*\{[^{}]*\}|\\(?:nonumber|notag)(?![A-Za-z])")
_ROW = re.compile(r"\\\\\*?(?:\[[^\]]*\])?")
_EQUALS = re.compile(r":=|\\(?:coloneqq|triangleq|equiv|defeq)(?![A-Za-z])")


LEFT_SIDE = re.compile(
    r"((?:\\?[A-Za-z]+\*?)\s*(?:\{[^{}]*\})?(?:\s*_\s*(?:\{(?:[^{}]|\{[^{}]*\})*\}|\\?\w+))?(?:\^\{?[*2]\}?)?)\s*(?:\([^()]*\))?"
)
"""A name, and what it is written to depend on."""


_GAP = r"(?:\\q?quad(?![A-Za-z])|\\[,;:! ]|[\s&~])*"
_WHERE = r"\\(?:text|mbox|textrm|mathrm)\s*\{\s*(?:where|with|and)\s*\}"
_NEXT_EQUATION = re.compile(rf"(?:(?<!\\)[,;]{_GAP}(?:{_WHERE})?|{_WHERE}){_GAP}(?=(?:{LEFT_SIDE.pattern})\s*=)")
"""What stands between two equations of one row: a comma, or `where`."""


_ABOUT = re.compile(rf"((?:^|\\\\)[\s&]*{LEFT_SIDE.pattern}[\s&]*)\\(?:approx|simeq|sim)(?![A-Za-z])")
"""A name that is about what follows."""


def marked(text: str) -> list[tuple[str, str]]:
    """The parts of a text that say which command derives them: its words, and the text with all else blanked."""
    found: list[tuple[str, str]] = []
    for mark in _MARK.finditer(text):
        end = _NEXT.search(text, mark.end())
        stop = end.start() if end else len(text)
        before, after = (re.sub(r"[^\n]", " ", part) for part in (text[: mark.end()], text[stop:]))
        found.append((mark.group(1), before + text[mark.end() : stop] + after))
    return found


_MARK = re.compile(r"^[ \t]*% symsim formula (.*)$", re.MULTILINE)
_NEXT = re.compile(rf"^[ \t]*%(?: symsim formula | {END_MARK})", re.MULTILINE)


def displayed(text: str) -> bool:
    """Whether a text has displayed equations."""
    return _DISPLAY.search(_without_comments(text)) is not None


def inputs(text: str) -> list[str]:
    r"""The files in the same folder that a text has in with \input or \include."""
    return re.findall(r"\\(?:input|include)\s*\{\s*([^{}/\s]+)\s*\}", _without_comments(text))


def _without_comments(text: str) -> str:
    """Comments blanked, so that every place stays."""
    return re.sub(r"(?<!\\)%[^\n]*", _blank, text)


def passages(text: str) -> list[Passage]:
    """The equations of a text, in order: every display, or all of it where there is none."""
    clean = _without_comments(text)
    displays = [
        (found.start(i), found.end(i)) for found in _DISPLAY.finditer(clean) for i in (2, 3, 4) if found.group(i)
    ]
    if not displays:
        body = re.sub(r"\\begin\{document\}|\\end\{document\}|\\[()]|(?<!\\)\$", _blank, clean)
        return _equations(body, 0)
    return [passage for start, end in displays for passage in _equations(clean[start:end], start)]


def _blank(found: re.Match[str]) -> str:
    return " " * len(found.group())


def _equations(text: str, start: int) -> list[Passage]:
    """Rows, where one without an equals sign goes on with the row before."""
    text = _ABOUT.sub(lambda found: found.group(1) + "=".rjust(len(found.group()) - len(found.group(1))), text)
    text = _EQUALS.sub(lambda found: "=".rjust(len(found.group())), _MARKUP.sub(_blank, _INNER.sub(_blank, text)))
    found: list[list[int]] = []
    for low, high in _rows(text):
        row = _outside_cases(text[low:high])
        if row.strip(" &\n\t") == "":
            continue
        if found and equals_sign(row) is None:
            found[-1][1] = high
        else:
            found.append([low, high])
    return [Passage(_flattened(text[low:high]), start + low) for low, high in found]


def _rows(text: str) -> Iterator[tuple[int, int]]:
    r"""Ranges between `\\` that stand outside of cases, and between equations that share a row."""
    low, outside = 0, _outside_cases(text)
    between = [found for found in _NEXT_EQUATION.finditer(outside) if not _depth(outside[: found.start()])]
    for found in sorted((*_ROW.finditer(outside), *between), key=lambda found: found.start()):
        if found.start() >= low:
            yield low, found.start()
            low = found.end()
    yield low, len(text)


def _depth(text: str) -> int:
    """How many brackets are open at the end of a text."""
    return sum(text.count(opening) for opening in "({[") - sum(text.count(closing) for closing in ")}]")


def _outside_cases(text: str) -> str:
    return re.sub(r"\\begin\{cases\}.*?\\end\{cases\}", lambda m: "?" * len(m.group()), text, flags=re.DOTALL)


def equals_sign(row: str) -> int | None:
    """Where the first equals sign outside of braces is."""
    depth = 0
    for at, character in enumerate(row):
        depth += {"{": 1, "}": -1}.get(character, 0)
        if character == "=" and depth <= 0:
            return at
    return None


def _is_call(before: str) -> bool:
    """Whether a bracket that opens here holds a list of arguments: a name stands before it."""
    bare = re.sub(r"\\(?:left|[bB]igg?[lr]?)\s*$", "", before).rstrip()
    return re.search(r"[A-Za-z0-9}]$", bare) is not None and re.search(r"(?:\\|\{)(?:max|min)\}?$", bare) is None


def _flattened(text: str) -> str:
    r"""`&` and `\\` outside of cases blanked; plain commas in thousands marked, but not in lists of arguments."""
    outside = _outside_cases(text)
    kept = list(text)
    for found in (*_ROW.finditer(outside), *re.finditer(r"(?<!\\)&", outside)):
        kept[found.start() : found.end()] = " " * len(found.group())
    lists: list[bool] = []
    for at, character in enumerate(kept):
        if character in "([":
            lists.append(_is_call(text[:at]))
        elif character in ")]" and lists:
            lists.pop()
        elif character == "," and not (lists and lists[-1]) and re.match(r"\d,\d{3}(?!\d)", text[max(at - 1, 0) :]):
            kept[at] = "'"
    return "".join(kept).rstrip().rstrip(",.;").ljust(len(kept))
