"""Whose weights the operators of every family hold, against the names in checkpoints of the real classes.

The names are data, so neither torch nor transformers are needed here.
"""

import json
from pathlib import Path
from typing import Any

import pytest

import symsim
from symsim.language.library import load_library
from symsim.model.family import Family, find_family
from symsim.model.weight_paths import stored_as
from symsim.quantization.patterns import core

FOLDER = Path(__file__).parent


def read(name: str) -> Any:
    return json.loads((FOLDER / name).read_text())["records"]


CONFIGS = {record["name"]: record["config"] for name in ("families.json", "hybrids.json") for record in read(name)}
RECORDS = read("modules.json")


def named(family: Family, path: Path) -> set[str]:
    """The paths under which checkpoints store the weights of the operators of both phases, wrappers apart."""
    costs = symsim.compile(path, "h800", symsim.Deployment(gemm="bf16", kv="bf16"), "roofline")
    ops = [op for phase in (costs.compiled.prefill, costs.compiled.decode) for op in phase.graph.ops]
    held = {(module, bool(op.body)) for op in ops for module in op.modules}
    stored = (stored_as(module, family.model, family.library, in_layer=inside) for module, inside in held)
    return {core(path) for paths in stored for path in paths}


@pytest.mark.parametrize(
    "record", RECORDS, ids=lambda record: f"{record['family']}-{len(record['modules'])}-of-{record['modules'][0]}"
)
def test_operators_hold_the_weights_of_the_checkpoint(record: dict[str, Any], tmp_path: Path) -> None:
    """Every matrix of the class is some operator's, and every operator's weights are in the class.

    `passed_by`: what text alone does not meet, as layers for images, is held and is no operator's.
    """
    stated = record["config"]
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIGS[stated] if isinstance(stated, str) else stated))
    family = find_family(path)
    assert family.model.name == record["family"]
    held = set(record["modules"]) - set(record.get("passed_by", ()))
    assert named(family, path) == {core(module) for module in held}


def test_every_family_is_compared() -> None:
    compared = {record["family"] for record in RECORDS}
    assert compared == set(load_library("roofline").models)
