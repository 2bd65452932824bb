"""What a command does not need is not imported: starting is quick."""

import subprocess
import sys


def test_the_version_is_told_without_importing_algebra() -> None:
    code = "import sys; from symsim.cli import main; main(['--version']); print({'sympy', 'numpy'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert told[0].startswith("symsim ")
    assert told[1] == "set()"


def test_a_figure_is_worked_out_without_importing_what_other_questions_need() -> None:
    code = (
        "import sys; from symsim.cli import main; main(sys.argv[1:]); "
        "print({'networkx', 'symsim.solve.solver', 'symsim.notation.latex', 'symsim.webpage.page'} & set(sys.modules))"
    )
    words = ["report", "qwen3-8b", "--device", "h100"]
    told = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True).stdout
    assert told.splitlines()[-1] == "set()"


def test_parameters_that_were_counted_before_are_told_without_importing_algebra() -> None:
    code = "import sys, symsim.command.params; print({'sympy', 'numpy', 'networkx'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == "set()"
