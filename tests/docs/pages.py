"""The pages that a reader may follow, and what stands in their fences: files to write, commands and Python to run."""

import re
from dataclasses import dataclass
from pathlib import Path

from symsim.paths import ROOT

FENCE = re.compile(r"^( *)```(\w+)(?: +(\S[^\n]*))?\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r'^title="([^"]+)"$')
RUN_ELSEWHERE = {"questions.md", "load_questions.md"}
"""Of examples/: tests/examples runs their commands one by one."""


@dataclass(frozen=True)
class Fence:
    language: str
    title: str
    """The file it is, where a page says so."""
    text: str


def pages() -> list[Path]:
    """Every page of the checkout that holds a fence of a named language."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("*/README.md"), *ROOT.glob("docs/**/*.md")]
    return sorted(path for path in found if fences(path) and path.name not in RUN_ELSEWHERE)


def fences(path: Path) -> list[Fence]:
    return [
        Fence(language, titled[1] if (titled := TITLE.match(words)) else "", _text(text, indent))
        for indent, language, words, text in FENCE.findall(path.read_text())
    ]


def _text(text: str, indent: str) -> str:
    return "".join(line.removeprefix(indent) for line in text.splitlines(keepends=True))
