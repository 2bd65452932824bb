"""The command line. Results go to stdout, notes and errors to stderr; exit 0, 1 (no answer) or 2 (bad input)."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import NoReturn

from symsim.errors import SymsimError

COMMANDS: Mapping[str, str] = {
    "simulate": "simulate",
    "formula": "formula",
    "solve": "solve",
    "regimes": "regimes",
    "sensitivity": "sensitivity",
    "sweep": "sweep",
    "compare": "compare",
    "kernel": "kernel",
    "params": "params",
    "flops": "flops",
    "cache": "cache",
    "new-model": "new_model",
    "check-model": "check_model",
    "paper": "paper",
    "verify": "verify",
    "graph": "graph",
    "list": "listing",
    "validate": "validate",
}
"""What is typed -> its module in symsim/command. Only the one that is asked for is imported: that starts sooner."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the console script exits with what this returns."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    options = vars(_parser(words).parse_args(words))
    command = options.pop("command")
    try:
        return command(**options)
    except SymsimError as error:
        print(f"symsim: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # the reader (head, less) has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


class _Parser(argparse.ArgumentParser):
    """argparse, but a bad flag is answered with one sentence like any other bad input."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"symsim: {message}; see {self.prog} --help\n")


def _parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of the command that is asked for; of all of them where none is."""
    parser = _Parser(prog="symsim", description="A symbolic cost-model compiler for LLM inference.")
    stated = f"symsim {import_module('importlib.metadata').version('symsim-llm')}" if "--version" in words else ""
    parser.add_argument("--version", action="version", version=stated)  # looked up when asked for: it takes a while
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    asked = next((word for word in words if not word.startswith("-")), None)
    known = COMMANDS.get(asked or "")
    for module in COMMANDS.values() if known is None else [known]:
        import_module(f"symsim.command.{module}").add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
