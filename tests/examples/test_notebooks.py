"""The notebooks of examples/ run from top to bottom, and what a cell ends in shows itself in one line."""

from pathlib import Path
from typing import Any

import pytest

from symsim.paths import ROOT

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
LONGEST = 240


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs(path: Path, tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="reads notebooks; the extra test has it")
    nbclient = pytest.importorskip("nbclient", reason="runs notebooks; the extra test has it")
    notebook: Any = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "committed without outputs"
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    values = [out for cell in notebook.cells for out in cell.get("outputs", ()) if out.output_type == "execute_result"]
    assert values
    for value in values:
        assert len(value.data["text/plain"]) <= LONGEST + 20 or value.data["text/plain"].startswith("(")


def test_there_are_three() -> None:
    assert len(NOTEBOOKS) == 3
