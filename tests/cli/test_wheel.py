"""The wheel carries the data folders: installed in an empty environment, symsim works from any directory."""

import subprocess
import sys
import venv
from pathlib import Path

import pytest

from symsim.paths import ROOT


@pytest.mark.slow
def test_built_wheel_works_anywhere(tmp_path: Path) -> None:
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("needs the source checkout to build a wheel from")
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path / "dist"), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", str(wheel)], check=True, capture_output=True)
    command = [tmp_path / "env" / "bin" / "symsim", "validate"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "9034" in done.stdout
