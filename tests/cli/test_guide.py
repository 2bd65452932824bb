"""The guide of the graph language does what it says: its files are written, its commands run, their output compared."""

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from symsim.paths import GRAPHS

GUIDE = GRAPHS / "README.md"
FENCE = re.compile(r"```(\w+)(?: (\S+))?\n(.*?)```", re.DOTALL)


def commands(text: str) -> list[tuple[str, str]]:
    """Each `$ command` with what the guide shows below it."""
    return re.findall(r"\$ symsim (.*)\n((?:(?!\$ ).*\n)*)", text)


def test_a_model_is_added_as_the_guide_says(tmp_path: Path) -> None:
    ran = 0
    for kind, name, text in FENCE.findall(GUIDE.read_text()):
        if name:
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        elif kind == "console":
            for command, shown in commands(text):
                words = [sys.executable, "-m", "symsim.cli", *shlex.split(command)]
                done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path, check=False)
                printed = "\n".join(line.rstrip() for line in (done.stderr + done.stdout).splitlines()) + "\n"
                wanted = shown.replace("...\n", "...")
                assert doctest.OutputChecker().check_output(wanted, printed, doctest.ELLIPSIS), printed
                ran += 1
    assert ran == 5


@pytest.mark.parametrize("path", sorted(GRAPHS.rglob("*.graph")), ids=lambda path: str(path.relative_to(GRAPHS)))
def test_a_graph_file_is_a_screenful(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 80
