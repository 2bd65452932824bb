"""Flags that any command may have, and how results and notes go out. Imports nothing that takes long."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from symsim.errors import printable
from symsim.notation.folded import folded_words


def add_model(ask: argparse.ArgumentParser) -> None:
    """A model by itself, without a device."""
    ask.add_argument("model", metavar="MODEL", help="bundled name, config.json or a folder that holds one")
    add_graphs(ask)
    add_fallback(ask)
    add_json(ask)


def add_graphs(ask: argparse.ArgumentParser) -> None:
    ask.add_argument(
        "--graphs", action="append", default=[], metavar="DIR", help="folder with graph files of more models"
    )


def add_json(ask: argparse.ArgumentParser) -> None:
    ask.add_argument("--json", action="store_true", help="one JSON document, unrounded")


def add_plot(ask: argparse.ArgumentParser, what: str) -> None:
    """--plot FILE and --style."""
    ask.add_argument("--plot", metavar="FILE", help=f"draw {what} (pdf, svg, png, pgf; needs the plot extra)")
    ask.add_argument(
        "--style", choices=["screen", "paper"], default="screen", help="of pictures; paper: 3.3 in wide, 8 pt"
    )


def add_fallback(ask: argparse.ArgumentParser) -> None:
    ask.add_argument("--fallback", action="store_true", help="go on with a stated assumption where one is needed")


@dataclass(frozen=True, slots=True)
class _Told:
    """What a command has noted so far, each sentence once; why: whether all that a summary stands for is listed."""

    why: bool = False
    said: set[str] = field(default_factory=set[str])


_TOLD: ContextVar[_Told] = ContextVar("told")


@contextmanager
def noting(*, why: bool) -> Generator[None]:
    """The notes of one command."""
    reset = _TOLD.set(_Told(why))
    try:
        yield
    finally:
        _TOLD.reset(reset)


def wants_why() -> bool:
    """Whether every assumption is to be listed."""
    return _TOLD.get(_Told()).why


def note(sentences: Sequence[str]) -> None:
    """Tell each sentence, once a command."""
    said = _TOLD.get(_Told()).said
    for sentence in dict.fromkeys(sentences):
        if sentence not in said:
            print("\n".join(on_screen(f"symsim: {printable(sentence)}")), file=sys.stderr)
        said.add(sentence)


def on_screen(sentence: str) -> list[str]:
    """A note or an error in lines of a screen's width, where they go to one."""
    width = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
    return folded_words(sentence, width, "  ")


def note_alike(sentences: Sequence[str], others: str) -> None:
    """Tell sentences of one kind: the first and how many `others` there are, or all of them with --why."""
    first, *more = dict.fromkeys(sentences) or ("",)
    if wants_why() or not more:
        note(sentences)
    else:
        note([f"{first}; and {len(more)} {others} ({WHY} lists them)"])


WHY = "--why"


def write_answer(document: Mapping[str, Any], unanswered: str) -> None:
    """A result as JSON; where the question has no answer, with the sentence that says why and the exit code."""
    write_json(document if not unanswered else {**document, "error": unanswered, "exit": 1})


def write_json(document: Any) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False))
