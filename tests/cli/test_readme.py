"""Every command of the README's tour prints what the README shows; `...` stands for what is left out."""

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import symsim
from symsim.paths import ROOT

README = ROOT / "README.md"
pytestmark = pytest.mark.skipif(not README.is_file(), reason="needs the source checkout, which holds the README")
FENCES = re.findall(r"```console\n(.*?)```", README.read_text(), re.DOTALL) if README.is_file() else []
BLOCKS = [block for fence in FENCES for block in re.findall(r"\$ symsim (.*)\n((?:(?!\$ ).*\n)*)", fence)]


def test_the_tour_shows_commands() -> None:
    assert {block[0].split()[0] for block in BLOCKS} == {
        "validate",
        "simulate",
        "formula",
        "solve",
        "regimes",
        "sensitivity",
        "sweep",
        "compare",
        "kernel",
        "paper",
        "verify",
        "params",
        "cache",
    }


@pytest.mark.parametrize(("command", "shown"), BLOCKS, ids=[command for command, _ in BLOCKS])
def test_tour(command: str, shown: str, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "symsim.cli", *shlex.split(command)]
    done = subprocess.run(words, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == ("differs" in shown), done.stderr
    printed = "\n".join(line.rstrip() for line in done.stdout.splitlines()) + "\n"
    pattern = shown.replace("...\n", "...")
    matches = doctest.OutputChecker().check_output(pattern, printed, doctest.ELLIPSIS)
    assert matches, f"the README shows\n{shown}\nbut symsim prints\n{printed}"


def test_the_formula_shown_is_the_one_printed() -> None:
    printed = symsim.compile("qwen3-8b", "h20", symsim.Deployment(gemm="fp8")).tpot.to_markdown()
    shown = re.search(r"\$\$.*?\$\$", README.read_text(), re.DOTALL)
    assert shown is not None
    assert shown.group() in printed
