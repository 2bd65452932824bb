"""Parameters of image encoders and their projectors against the classes of transformers, as integers."""

import json
from pathlib import Path
from typing import Any

import pytest

from symsim.model.family import find_family
from symsim.pipeline.counts import params
from symsim.pipeline.towers import tower_parameters
from tests.commands import run

TOWERS = json.loads(Path(__file__).with_name("towers.json").read_text())["records"]


def write(folder: Path, config: dict[str, Any]) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return path


@pytest.mark.parametrize("tower", TOWERS, ids=lambda tower: tower["name"])
def test_parameters_are_those_of_the_class(tower: dict[str, Any], tmp_path: Path) -> None:
    assert tower_parameters(find_family(write(tmp_path, tower["config"]))) == tower["parameters"]


def test_what_is_not_counted_is_said_with_its_size(tmp_path: Path) -> None:
    scout = next(tower for tower in TOWERS if tower["name"] == "llama-4-scout")
    path = write(tmp_path, scout["config"])
    assert params(path).vision == 871_932_416
    assert "vision_config (871,932,416 parameters, 1.744 GB in bf16)" in run("params", str(path)).stderr


def test_an_encoder_that_no_graph_describes_has_no_size(tmp_path: Path) -> None:
    scout = next(tower for tower in TOWERS if tower["name"] == "llama-4-scout")
    for changed in ({"model_type": "unheard_of"}, {"experts": 8}, {"hidden_size": "wide"}):
        section = {**scout["config"]["vision_config"], **changed}
        assert params(write(tmp_path, {**scout["config"], "vision_config": section})).vision is None
    assert params("qwen3-8b").vision is None
