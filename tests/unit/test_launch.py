"""Launch lines: what each engine's file says of a deployment, and what an engine cannot run."""

import re
from pathlib import Path

import pytest

from symsim.errors import SymsimError
from symsim.inputs.deployment import Deployment
from symsim.inputs.engine import load_engine
from symsim.search.launch import launch_lines, line_of, refusal

WIDE = Deployment(dp=32, ep=32, moe_tp=1, comm="deepep", redundant_experts=32, num_nodes=4)


def test_each_engine_names_the_degrees_as_its_own_command_line_does() -> None:
    lines = launch_lines("m", WIDE, sequences=64, budget=4096)
    assert lines == {
        "vllm": "vllm serve m --data-parallel-size 32 --enable-expert-parallel --all2all-backend deepep_low_latency "
        """--enable-eplb --eplb-config '{"num_redundant_experts":32}' --max-num-seqs 64 """
        "--max-num-batched-tokens 4096",
        "sglang": "python -m sglang.launch_server --model-path m --tp-size 32 --dp-size 32 --enable-dp-attention "
        "--ep-size 32 --moe-a2a-backend deepep --ep-num-redundant-experts 32 --max-running-requests 2048 "
        "--chunked-prefill-size 4096 --nnodes 4 --node-rank $RANK --dist-init-addr $HEAD:5000",
        "trtllm": "trtllm-serve m --tp_size 32 --ep_size 32 --max_batch_size 64 --max_num_tokens 4096 "
        "--extra_llm_api_options <(echo 'enable_attention_dp: true')",
    }


@pytest.mark.parametrize(
    ("sizes", "worker", "engine", "words"),
    [
        ({"tp": 4}, "", "vllm", "--tensor-parallel-size 4 --max-num-seqs 8"),
        ({"tp": 4, "pp": 2}, "", "trtllm", "--tp_size 4 --pp_size 2"),
        ({"tp": 4, "kv": "fp8"}, "", "sglang", "--kv-cache-dtype fp8_e4m3"),
        ({"tp": 4}, "prefill", "sglang", "--disaggregation-mode prefill"),
        ({"dp": 8, "ep": 8, "comm": "deepep"}, "prefill", "vllm", "--all2all-backend deepep_high_throughput"),
        ({"tp": 8, "dcp": 2}, "", "sglang", "# SGLang cannot share a cache"),
        ({"tp": 2, "dp": 4, "ep": 4, "moe_tp": 2}, "", "vllm", "# vLLM cannot hold whole experts and split them"),
    ],
)
def test_options_stand_where_their_condition_holds(sizes: dict[str, int], worker: str, engine: str, words: str) -> None:
    deployment = Deployment(**sizes)  # pyright: ignore[reportArgumentType]
    assert words in launch_lines("m", deployment, sequences=8, worker=worker)[engine]


def test_what_an_engine_cannot_run_is_said_and_none_refuses_nothing() -> None:
    shared = Deployment(tp=8, dcp=2)
    assert refusal(load_engine("sglang"), shared).startswith("SGLang cannot share")
    assert refusal(load_engine("vllm"), shared) == ""
    assert refusal(load_engine("none"), shared) == ""


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"tp > 1"]', '"tq > 1"]', "launch lines have no tq"),
        ('"tp > 1"]', '"tp >"]', "[launch]"),
        ('"tp > 1"]', "1]", "no pair of a text and its condition"),
    ],
)
def test_a_bad_section_says_what_is_wrong(old: str, new: str, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(load_engine("vllm").path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(SymsimError, match=re.escape(sentence)):
        line_of(load_engine(file), "m", Deployment(tp=4), sequences=1)
