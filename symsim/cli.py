"""The command line. Results go to stdout, notes and errors to stderr; exit 0, 1 (no answer) or 2 (bad input)."""

from __future__ import annotations

import gc
import json
import os
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, suppress
from importlib import import_module

from symsim.command.flags import noting, on_screen
from symsim.command.parsing import parsed
from symsim.command.parsing import parser_for as _parser
from symsim.errors import SymsimError, printable


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the console script exits with what this returns."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if arguments is None:
        gc.set_threshold(GARBAGE)
    try:
        code = _run(words)
        sys.stdout.flush()  # what cannot be written (a full disk, a closed pipe) shows here, not at exit
        return code
    except SymsimError as error:
        return _refused(str(error), words)
    except BrokenPipeError:  # the reader (head, less) has seen enough
        _drop_output()
        return 0
    except KeyboardInterrupt:
        _drop_output()
        return INTERRUPTED
    except (RecursionError, MemoryError) as error:
        return _refused(_TOO_LARGE[type(error)], words)
    except OSError as error:
        if error.filename is None:  # stdout itself
            _drop_output()
        where = "" if error.filename is None else f"{error.filename}: "
        return _refused(f"{where}cannot be read or written: {error.strerror or error}", words)


GARBAGE = 200_000
"""New objects between two searches for cycles. Formulas stay: Python's own 700 costs a sixth of a run."""

INTERRUPTED = 130
"""What a shell expects of a command that Ctrl-C ended."""

_TOO_LARGE: Mapping[type[BaseException], str] = {
    RecursionError: "the input is nested too deeply to be read; expected a few levels of brackets at the most",
    MemoryError: "this takes more memory than there is; ask for fewer points, or for smaller numbers",
}


def _run(words: Sequence[str]) -> int:
    if words == ["--version"]:  # answered before any command is imported
        print(_version())
        return 0
    parser, rest = _parser(words, _version() if "--version" in words else "")
    options = parsed(parser, rest)
    command = options.pop("command")
    with _streams(quiet=options.pop("quiet"), why=options.pop("why")):
        return command(**options)


@contextmanager
def _streams(*, quiet: bool, why: bool) -> Generator[None]:
    """How much of its notes a command tells."""
    with ExitStack() as held:
        held.enter_context(noting(why=why))
        if quiet:
            held.enter_context(redirect_stderr(held.enter_context(open(os.devnull, "w", encoding="utf-8"))))
        yield


def _refused(sentence: str, words: Sequence[str]) -> int:
    """Say what is wrong: on stderr, and as JSON on stdout where JSON is asked for."""
    lines = [printable(line.replace("\t", " ")) for line in sentence.split("\n")]
    told = on_screen(f"symsim: {lines[0]}") if len(lines) == 1 else [f"symsim: {lines[0]}", *lines[1:]]
    print("\n".join(told), file=sys.stderr)
    if "--json" in words or "json" in (word.removeprefix("--format=") for word in words):
        print(json.dumps({"error": "\n".join(lines), "exit": BAD_INPUT}, indent=2, ensure_ascii=False), flush=True)
    return BAD_INPUT


BAD_INPUT = 2


def _drop_output() -> None:
    """Let what stdout still holds go nowhere, so that Python has nothing to complain about at exit."""
    with suppress(OSError, ValueError):  # no file behind it: a test's capture
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _version() -> str:
    return f"symsim {import_module('importlib.metadata').version('symsim-llm')}"


if __name__ == "__main__":
    sys.exit(main())
