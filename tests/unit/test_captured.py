"""Batches that engines capture graphs of: their files, and what is said of others."""

from pathlib import Path
from typing import Any

import pytest

import symsim
from symsim.errors import DataError
from symsim.inputs.captured import Captured
from symsim.inputs.engine import load_engine


def captured(engine: str | Path) -> Captured:
    found = load_engine(engine).captured
    assert found is not None
    return found


def own(folder: Path, section: str) -> Path:
    path = folder / "mine.toml"
    before, _, after = load_engine("vllm").path.read_text().partition("[captured]")
    path.write_text(f"{before}[captured]\n{section}\n[launch]{after.partition('[launch]')[2]}")
    return path


@pytest.mark.parametrize(
    ("engine", "batch", "graph"),
    [
        *(("vllm", batch, graph) for batch, graph in ((1, 1), (3, 4), (9, 16), (249, 256), (257, 272), (513, None))),
        *(("sglang", batch, graph) for batch, graph in ((9, 12), (17, 24), (257, 272), (513, None))),
        *(("trtllm", batch, graph) for batch, graph in ((31, 31), (32, 32), (33, None), (64, 64), (129, None))),
    ],
)
def test_each_engine_has_graphs_of_the_sizes_of_its_source(engine: str, batch: int, graph: int | None) -> None:
    assert captured(engine).graph_of(batch) == graph


def test_own_sizes_are_read_and_others_refused_at_their_line(tmp_path: Path) -> None:
    assert captured(own(tmp_path, 'sizes = "2, 4 to 12 by 4"\nhow = "--more"')).sizes == (2, 4, 8, 12)
    for wrong in ("", "0", "8 to 4", "1; 2", "4 by 2"):
        with pytest.raises(DataError, match=r"mine\.toml.*(is no size of a batch|must be a text)"):
            load_engine(own(tmp_path, f'sizes = "{wrong}"\nhow = "--more"'))
    with pytest.raises(DataError, match=r"mine\.toml:\d+: there is no field size"):
        load_engine(own(tmp_path, 'size = "1"'))
    with pytest.raises(DataError, match=r"mine\.toml:\d+: padded = 'no' must be true or false"):
        load_engine(own(tmp_path, 'sizes = "1"\npadded = "no"\nhow = "--more"'))


@pytest.mark.parametrize(
    ("engine", "users", "words"),
    [
        ("trtllm", 45, "captures graphs of 1 to 32, 64, 128 sequences and pads none: launches of 42 sequences"),
        ("trtllm", 16, ""),
        ("vllm", 45, ""),
        ("vllm", 800, "captures graphs of up to 512 sequences"),
        ("none", 800, ""),
    ],
)
def test_a_batch_without_a_graph_is_told(engine: str, users: int, words: str) -> None:
    load: dict[str, Any] = {"isl": 200, "osl": 300, "concurrency": users}
    notes = symsim.compile("llama-3.1-8b", "b200", engine=engine).predict(**load).as_dict()["warnings"]
    said = [note for note in notes if "captured" in note]
    assert bool(said) == bool(words)
    assert all(words in note for note in said)
