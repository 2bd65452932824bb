"""Commands as a user types them, run in this process: a process of its own takes a second to start.

`run` is what tests call; `check_console` runs the commands of a console block and compares what they print.
"""

import contextlib
import doctest
import io
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from symsim.cli import main

COMMAND = re.compile(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


@dataclass(frozen=True)
class Ran:
    """What a command left behind, by the names of subprocess.CompletedProcess."""

    returncode: int
    stdout: str
    stderr: str


def run(*words: str, folder: Path | None = None) -> Ran:
    """`symsim WORDS` in a folder (else the current one): argparse's exits are exit codes here as well."""
    out, err = io.StringIO(), io.StringIO()
    with (
        contextlib.chdir(folder or Path.cwd()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            code = main(words)
        except SystemExit as exit_:
            code = int(exit_.code or 0)
    return Ran(code, out.getvalue(), err.getvalue())


def console_commands(text: str) -> list[tuple[str, str]]:
    """Each `$ command` of a console block with what is shown below it."""
    return COMMAND.findall(text)


def same_text(shown: str, printed: str) -> bool:
    """Whether the text is the one that is shown, where `...` stands for anything; spaces at ends of lines apart."""
    stripped = "".join(f"{line.rstrip()}\n" for line in printed.splitlines())
    return doctest.OutputChecker().check_output(shown.replace("...\n", "..."), stripped, doctest.ELLIPSIS)


def check_shown(command: str, shown: str, folder: Path) -> None:
    """Run a `symsim` command and compare: with stdout where it answers, with stderr where it refuses (exit 2)."""
    program, *words = shlex.split(command)
    assert program == "symsim", command
    done = run(*words, folder=folder)
    refused = shown.startswith("symsim: ")
    assert (done.returncode == 2) is refused, f"{command}\n{done.stderr}"
    printed = done.stderr if refused else done.stdout
    assert same_text(shown, printed), f"for `{command}` the page shows\n{shown}\nbut symsim prints\n{printed}"
