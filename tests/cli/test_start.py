"""What a command does not need is not imported: starting is quick."""

import subprocess
import sys


def test_the_version_is_told_without_importing_algebra() -> None:
    code = "import sys; from symsim.cli import main; main(['--version']); print({'sympy', 'numpy'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert told[0].startswith("symsim ")
    assert told[1] == "set()"
