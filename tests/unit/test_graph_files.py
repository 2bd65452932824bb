"""Graph files as they lie on a disk: models printed in full, and files that no one meant to write."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from symsim.cli import main
from symsim.errors import DataError, Span
from symsim.language.library import load_library, model_text
from symsim.paths import GRAPHS
from symsim.pipeline.counts import params

LIBRARIES = ("roofline", "infersim")


def without_places(tree: Any) -> Any:
    """A syntax tree as plain values, without the places that it is from."""
    match tree:
        case Span():
            return None
        case tuple() | list():
            return [without_places(item) for item in tree]
        case Mapping():
            return {key: without_places(value) for key, value in tree.items()}
        case _ if dataclasses.is_dataclass(tree):
            fields = [without_places(getattr(tree, field.name)) for field in dataclasses.fields(tree)]
            return [type(tree).__name__, *fields]
        case _:
            return tree


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_model_printed_in_full_reads_back_to_itself(name: str, tmp_path: Path) -> None:
    library = load_library(name)
    (tmp_path / name).mkdir()
    (tmp_path / name / "all.graph").write_text("\n\n".join(model_text(library, model) for model in library.models))
    words = (GRAPHS / "common" / "words.graph").read_text()
    (tmp_path / name / "words.graph").write_text(words)
    again = load_library(name, (tmp_path,))
    assert set(again.models) == set(library.models)
    for model in library.models:
        assert without_places(again.models[model]) == without_places(library.models[model])


def test_the_text_of_a_family_or_of_a_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["graph", "gemma3", "--text"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("model gemma3 for Gemma3ForCausalLM")
    assert "post=rms, qk_norm=2*d)" in out
    assert main(["graph", "qwen3-8b", "--text", "--cost-model", "roofline"]) == 0
    assert capsys.readouterr().out.startswith("model qwen3 for")


def test_no_line_is_longer_than_a_page_is_wide() -> None:
    models = sorted((GRAPHS / "roofline" / "models").glob("*.graph"))
    long = [f"{path.name}: {line}" for path in models for line in path.read_text().splitlines() if len(line) > 150]
    assert not long


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.graph").write_text("")
    (tmp_path / "blank.graph").write_text("\n# nothing yet\n")
    assert params("qwen3-8b", graphs=[tmp_path]).total == 8190735360


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "odd.graph").write_bytes(b"# a heading\n\xff\xfe\n")
    with pytest.raises(DataError, match=r"odd\.graph is not a text file in UTF-8"):
        load_library("roofline", (GRAPHS, tmp_path))


def test_a_model_without_weights_has_none(tmp_path: Path) -> None:
    (tmp_path / "tiny.graph").write_text(
        """
kernel half(m):
    flops = 2*m @ w

model weightless for WeightlessForCausalLM:
    config:
        D = hidden_size
        L = num_hidden_layers
    x = input
    layers L as i:
        up = half(x; D)
        x = up
"""
    )
    config = {"architectures": ["WeightlessForCausalLM"], "hidden_size": 64, "num_hidden_layers": 4}
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = params(tmp_path, graphs=[tmp_path])
    assert (found.total, len(found.layers)) == (0, 4)
