"""Wheel and sdist carry the data folders: installed in an empty environment, symsim works from any directory."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from symsim.paths import ROOT

CLEAN = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
"""Nothing of the checkout is importable."""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_what_is_built_works_anywhere(kind: str, tmp_path: Path) -> None:
    if not (ROOT / "pyproject.toml").is_file():
        pytest.skip("needs the source checkout to build from")
    build = [sys.executable, "-m", "build", f"--{kind}", "--outdir", str(tmp_path / "dist"), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (built,) = (tmp_path / "dist").iterdir()
    venv.create(tmp_path / "env", with_pip=True)
    python = tmp_path / "env" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "-q", str(built)], check=True, capture_output=True)
    told = {"--version": "symsim ", "params qwen3-8b": "8,190,735,360", "validate": "9034"}
    for words, expected in told.items():
        command = [tmp_path / "env" / "bin" / "symsim", *words.split()]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=CLEAN)
        assert done.returncode == 0, done.stderr
        assert expected in done.stdout
