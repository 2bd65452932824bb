"""Parameters and FLOPs equal those of the real classes of transformers, as integers.

Held here: counts of transformers 5.23 (torch 2.13) on the meta device, eager attention over all S x S pairs, logits of
all positions, without routed experts, for a prefill of 4 sequences of 256 tokens. A file of such records beside the
project, where there is one, is gone through whole.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from symsim.pipeline.counts import flops, params
from tests.oracle.check_transformers import check

RECORDS = Path(__file__).parents[3] / "shared" / "oracle" / "transformers.json"
DENSE = {"hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "vocab_size": 32000}
CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {"model_type": "llama", **DENSE, "intermediate_size": 11008},
    "mistral": {"model_type": "mistral", **DENSE, "intermediate_size": 14336},
    "gpt2": {
        "model_type": "gpt2",
        "n_embd": 768,
        "n_layer": 12,
        "n_head": 12,
        "vocab_size": 50257,
        "n_positions": 1024,
    },
    "gemma2": {
        "model_type": "gemma2",
        "hidden_size": 2304,
        "num_hidden_layers": 26,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "intermediate_size": 9216,
        "vocab_size": 256000,
    },
    "gpt-oss-20b": {
        "architectures": ["GptOssForCausalLM"],
        "hidden_size": 2880,
        "num_hidden_layers": 24,
        "num_attention_heads": 64,
        "num_key_value_heads": 8,
        "head_dim": 64,
        "intermediate_size": 2880,
        "vocab_size": 201088,
        "num_local_experts": 32,
        "num_experts_per_tok": 4,
        "sliding_window": 128,
        "attention_bias": True,
    },
    "mamba2": {"model_type": "mamba2", "chunk_size": 256},
}
COUNTS = [  # model, parameters, FLOPs
    ("llama", 6738415616, 13531294466048 + 137438953472),
    ("mistral", 7241732096, 14562086617088 + 137438953472),
    ("gpt2", 124439808, 173946175488 + 9663676416 + 79047426048),
    ("gemma2", 2614341888, 5353676734464 + 55834574848),
    ("gpt-oss-20b", 20914757184, 1309126164480 + 103079215104 + 1186065285120),
    ("mamba2", 7285403648, 14637248544768 + 5431623680 + 1101659111424),
    ("qwen3-8b", 8190735360, 15499463229440 + 154618822656),
    ("qwen3-30b-a3b", 30532122624, 2518461448192 + 206158430208),
    ("qwen3-235b-a22b", 235093634560, 15102178754560 + 807453851648),
    ("qwen3-next-80b-a3b", 79674391296, 4203363696640 + 2444230656 + 225485783040),
    ("qwen3.5-35b-a3b", 34660610688, 3970328166400 + 2036858880 + 187904819200),
    ("deepseek-v3", 671026404352, 33157013307392 + 1309965025280),
    ("deepseek-v3.2", 671877929216, 34900904247296 + 1574004850688),
]


@pytest.mark.parametrize(("model", "parameters", "work"), COUNTS, ids=[model for model, *_ in COUNTS])
def test_counts_are_those_of_the_real_class(tmp_path: Path, model: str, parameters: int, work: int) -> None:
    config: Any = model
    if model in CONFIGS:
        config = tmp_path
        (tmp_path / "config.json").write_text(json.dumps(CONFIGS[model]))
    assert params(config).total == parameters
    found = flops(config, batch=4, seq=256)
    assert found["total"] - found["routed_experts"] == work


def records() -> list[dict[str, Any]]:
    return json.loads(RECORDS.read_text())["records"] if RECORDS.is_file() else []


@pytest.mark.skipif(not RECORDS.is_file(), reason=f"needs {RECORDS.name}, counts of real models beside the project")
def test_there_are_records() -> None:
    assert len(records()) > 30


@pytest.mark.parametrize("record", records(), ids=lambda record: record["name"])
def test_no_record_is_off(record: dict[str, Any]) -> None:
    outcome, words = check(record)
    assert outcome in ("exact", "refused"), words


def test_a_wrong_count_is_found_and_located(tmp_path: Path) -> None:
    layer = {"self_attn": 4 * 4096**2, "mlp": 3 * 4096 * 11008 + 1, "input_layernorm": 8192}
    record = {
        "name": "llama",
        "total": 6738415616,
        "embedding": 131072000,
        "lm_head": 131072000,
        "layers": [layer] * 32,
        "flops": None,
        "config": CONFIGS["llama"],
    }
    outcome, words = check(record)
    assert outcome == "off"
    assert "ffn of layer 0 135266304 is off by -1" in words
