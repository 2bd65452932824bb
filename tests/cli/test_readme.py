"""Every command of the README's tour prints what the README shows; `...` stands for what is left out."""

import doctest
import re
import shlex
import subprocess
import sys

import pytest

import symsim
from symsim.paths import ROOT

README = ROOT / "README.md"
pytestmark = pytest.mark.skipif(not README.is_file(), reason="needs the source checkout, which holds the README")
BLOCKS = re.findall(r"```console\n\$ symsim (.*?)\n(.*?)```", README.read_text(), re.DOTALL) if README.is_file() else []


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
    }


@pytest.mark.parametrize(("command", "shown"), BLOCKS, ids=[command for command, _ in BLOCKS])
def test_tour(command: str, shown: str) -> None:
    arguments = shlex.split(command)
    done = subprocess.run([sys.executable, "-m", "symsim.cli", *arguments], capture_output=True, text=True, check=True)
    printed = "\n".join(line.rstrip() for line in done.stdout.splitlines()) + "\n"
    pattern = shown.replace("...\n", "...")
    matches = doctest.OutputChecker().check_output(pattern, printed, doctest.ELLIPSIS)
    assert matches, f"the README shows\n{shown}\nbut symsim prints\n{printed}"


def test_the_formula_shown_is_the_one_printed() -> None:
    printed = symsim.compile("qwen3-8b", "h20", symsim.Deployment(gemm="fp8")).tpot.to_markdown()
    shown = re.search(r"\$\$.*?\$\$", README.read_text(), re.DOTALL)
    assert shown is not None
    assert shown.group() in printed
