"""The command line. Results go to stdout, notes and errors to stderr; exit 0, 1 (no answer) or 2 (bad input)."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NoReturn

from symsim.command import (
    cache,
    check_model,
    compare,
    flops,
    formula,
    graph,
    kernel,
    listing,
    new_model,
    paper,
    params,
    regimes,
    sensitivity,
    simulate,
    solve,
    sweep,
    validate,
    verify,
)
from symsim.errors import SymsimError

ANSWERS = (simulate, formula, solve, regimes, sensitivity, sweep, compare, kernel)
MODELS = (params, flops, cache, new_model, check_model)
COMMANDS = (*ANSWERS, *MODELS, paper, verify, graph, listing, validate)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the console script exits with what this returns."""
    options = vars(_parser().parse_args(arguments))
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


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="symsim", description="A symbolic cost-model compiler for LLM inference.")
    parser.add_argument("--version", action="version", version=f"symsim {version('symsim-llm')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
