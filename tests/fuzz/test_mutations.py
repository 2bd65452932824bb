"""Spoilt configs are refused in a sentence or answered: no traceback, no long wait, nothing accepted that cannot be."""

import json
from pathlib import Path

import pytest

import symsim
from symsim.errors import SymsimError
from symsim.inputs.config import load_config
from tests.fuzz.mutations import MODELS, others, tried


@pytest.mark.parametrize("model", MODELS)
def test_a_spoilt_config_is_refused_or_answered(model: str) -> None:
    wrong = [f"{mutation}: {why}" for mutation, why in tried([model], count=25, seed=20261126) if why is not None]
    assert wrong == []


BESIDE = {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8", "group_size": 16, "exclude_modules": ["lm_head"]}
NONSENSE = (
    ("group_size", 0),
    ("group_size", True),
    ("group_size", {}),
    ("quant_algo", "no_such_word"),
    ("exclude_modules", 3),
)


def test_a_spoilt_file_beside_the_config_is_refused_or_answered(tmp_path: Path) -> None:
    """Every value of hf_quant_config.json, and the file itself, as something else."""
    (tmp_path / "config.json").write_text(json.dumps({**load_config("qwen3-8b").keys}))
    spoilt = [{**BESIDE, key: other} for key, value in BESIDE.items() for other in others(value)]
    wholes = [*({"quantization": inner} for inner in spoilt), {"quantization": 3}, {"quantization": []}, [], 3, None]
    refused: list[str] = []
    for whole in wholes:
        (tmp_path / "hf_quant_config.json").write_text(json.dumps(whole))
        try:
            assert symsim.compile(tmp_path, "b200", cost_model="roofline").memory.evaluate(B=1, S=1, O=1) > 0
        except SymsimError as error:
            refused.append(str(error))
    assert len(wholes) / 2 < len(refused) < len(wholes)
    assert [sentence for sentence in refused if "hf_quant_config.json" not in sentence] == []


@pytest.mark.parametrize(("key", "value"), NONSENSE)
def test_formats_that_cannot_be_are_refused(key: str, value: object, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({**load_config("qwen3-8b").keys}))
    (tmp_path / "hf_quant_config.json").write_text(json.dumps({"quantization": {**BESIDE, key: value}}))
    with pytest.raises(SymsimError, match=key):
        symsim.compile(tmp_path, "b200", cost_model="roofline")
