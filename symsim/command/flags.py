"""Flags that any command may have, and how results and notes go out. Imports nothing that takes long."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from symsim.errors import printable


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


def add_fallback(ask: argparse.ArgumentParser) -> None:
    ask.add_argument("--fallback", action="store_true", help="go on with a stated assumption where one is needed")


def note(sentences: Sequence[str]) -> None:
    for sentence in sentences:
        print(f"symsim: {printable(sentence)}", file=sys.stderr)


def write_json(document: Any) -> None:
    print(json.dumps(document, indent=2, ensure_ascii=False))
