"""Launch lines: what each engine's file says of a deployment, and what an engine cannot run."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from symsim.errors import SymsimError
from symsim.inputs.deployment import Deployment
from symsim.inputs.engine import load_engine
from symsim.search.launch import launch_lines, line_of, refusal

WIDE = Deployment(dp=32, ep=32, moe_tp=1, comm="deepep", redundant_experts=32, num_nodes=4)
EACH = "--data-parallel-size-local 8 --data-parallel-start-rank $((RANK*8)) --data-parallel-address $HEAD"


def test_each_engine_names_the_degrees_as_its_own_command_line_does() -> None:
    lines = launch_lines("m", WIDE, sequences=64, budget=4096, experts=256)
    assert lines == {
        "vllm": "vllm serve m --data-parallel-size 32 --enable-expert-parallel --all2all-backend deepep_low_latency "
        """--enable-eplb --eplb-config '{"num_redundant_experts":32}' --max-num-seqs 64 """
        f"--max-num-batched-tokens 4096 {EACH} --data-parallel-rpc-port 13345 $([ $RANK = 0 ] || echo --headless)",
        "sglang": "python -m sglang.launch_server --model-path m --tp-size 32 --dp-size 32 --enable-dp-attention "
        "--ep-size 32 --moe-a2a-backend deepep --enable-eplb --ep-num-redundant-experts 32 "
        "--max-running-requests 2048 --cuda-graph-max-bs 64 --chunked-prefill-size 131072 --nnodes 4 --node-rank $RANK "
        "--dist-init-addr $HEAD:5000",
        "trtllm": "echo '{cuda_graph_config: {enable_padding: true, max_batch_size: 64}, "
        "enable_attention_dp: true, moe_config: {backend: WIDEEP, load_balancer: slots.yaml}}' > "
        "engine.yaml && echo '{num_slots: 288, layer_updates_per_iter: 1}' > slots.yaml && "
        "mpirun -n 32 --map-by ppr:8:node trtllm-llmapi-launch trtllm-serve m --tp_size 32 --ep_size 32 "
        "--gpus_per_node 8 --max_batch_size 64 --max_num_tokens 4096 --enable_chunked_prefill "
        "--extra_llm_api_options engine.yaml",
    }


@pytest.mark.parametrize("words", ["tp 4", "tp 8, pp 2", "dp 8, ep 8", "dp 16, ep 16", "tp 4, dp 8, ep 32"])
@pytest.mark.parametrize("worker", ["", "prefill", "decode"])
def test_a_line_is_one_that_a_shell_reads_and_its_yaml_is_a_mapping(words: str, worker: str) -> None:
    yaml = pytest.importorskip("yaml")
    sizes: dict[str, Any] = {name: int(size) for name, size in (one.split() for one in words.split(", "))}
    deployment = Deployment(**sizes, kv="fp8").placed(8)
    lines = launch_lines("m", deployment, sequences=8, budget=2048, drafts=2, worker=worker)
    for line in lines.values():
        assert subprocess.run(["bash", "-n", "-c", line], check=False).returncode == 0
        assert "<" not in line
        for text in re.findall(r"echo '([^']*)' >", line):
            assert isinstance(yaml.safe_load(text), dict)


def test_an_engine_is_started_on_every_machine_that_holds_a_part_of_it() -> None:
    over = {"per_host": 4, "sequences": 8}
    racks = launch_lines("m", Deployment(dp=16, ep=16, num_nodes=1), **over)
    assert "--data-parallel-size-local 4" in racks["vllm"]
    assert "--nnodes 4" in racks["sglang"]
    wide = launch_lines("m", Deployment(tp=8, num_nodes=1), **over)["vllm"]
    assert "--nnodes 2 --node-rank $RANK --master-addr $HEAD $([ $RANK = 0 ] || echo --headless)" in wide
    assert "RANK" not in launch_lines("m", Deployment(tp=4), **over)["vllm"]


@pytest.mark.parametrize(
    ("sizes", "worker", "engine", "words"),
    [
        ({"tp": 4}, "", "vllm", "--tensor-parallel-size 4 --max-num-seqs 8"),
        ({"tp": 4, "pp": 2}, "", "trtllm", "--tp_size 4 --pp_size 2"),
        ({"tp": 4}, "decode", "trtllm", "cuda_graph_config: {enable_padding: true, max_batch_size: 8}"),
        ({"tp": 4, "kv": "fp8"}, "", "sglang", "--kv-cache-dtype fp8_e4m3"),
        ({"tp": 4}, "prefill", "sglang", "--disaggregation-mode prefill"),
        ({"dp": 8, "ep": 8, "comm": "deepep"}, "prefill", "vllm", "--all2all-backend deepep_high_throughput"),
        ({"tp": 4, "gemm": "fp8"}, "", "vllm", "--quantization fp8"),
        ({"dp": 8, "ep": 8, "comm": "deepep"}, "decode", "sglang", "--deepep-mode low_latency"),
        ({"dp": 8, "ep": 8}, "prefill", "trtllm", "disable_overlap_scheduler: true}' > prefill.yaml && trtllm-serve"),
        ({"tp": 8, "dcp": 2}, "", "trtllm", "# TensorRT-LLM cannot share a cache"),
        ({"tp": 2, "dp": 4, "ep": 4, "moe_tp": 1}, "", "vllm", "# vLLM cannot spread whole experts over some"),
        ({"tp": 2, "dp": 4, "ep": 4, "comm": "deepep"}, "", "sglang", "# SGLang cannot reach experts by DeepEP"),
        ({"tp": 8, "dcp": 2}, "", "sglang", "# SGLang cannot share a cache"),
        ({"tp": 2, "dp": 4, "ep": 4, "moe_tp": 2}, "", "vllm", "# vLLM cannot hold whole experts and split them"),
        ({"dp": 8, "moe_tp": 8}, "", "vllm", "vllm serve m --data-parallel-size 8 --max-num-seqs"),
        ({"tp": 2, "dp": 4, "moe_tp": 8}, "", "sglang", "--tp-size 8 --dp-size 4 --enable-dp-attention --max-running"),
        ({"tp": 2, "dp": 4, "ep": 2, "moe_tp": 4}, "", "sglang", "--enable-dp-attention --ep-size 2 --max-running"),
        ({"dp": 8, "moe_tp": 8}, "", "trtllm", "trtllm-serve m --tp_size 8 --max_batch_size"),
        ({"tp": 2, "dp": 4, "ep": 1, "moe_tp": 2}, "", "vllm", "# vLLM cannot split experts over some of the GPUs"),
        ({"tp": 2, "dp": 4, "ep": 1, "moe_tp": 2}, "", "sglang", "# SGLang cannot hold experts more than once"),
        ({"dp": 8, "ep": 4, "moe_tp": 1}, "", "trtllm", "# TensorRT-LLM cannot hold experts more than once"),
        ({"dp": 8}, "", "vllm", "--data-parallel-size 8 --max-num-seqs"),  # of a dense model
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


def test_experts_that_follow_from_replicas_are_told_to_the_engine() -> None:
    """Of a model with experts ep is dp unless stated; engines would split them over all GPUs."""
    assert "--enable-expert-parallel" in launch_lines("m", Deployment(dp=8), sequences=8, experts=8)["vllm"]


def test_graphs_are_captured_up_to_the_batch_that_is_recommended() -> None:
    more = launch_lines("m", Deployment(tp=4), sequences=400, drafts=1)
    assert "--max-cudagraph-capture-size 800" in more["vllm"], "of tokens: a draft beside each"
    assert "capture" not in launch_lines("m", Deployment(tp=4), sequences=512)["vllm"], "its own default reaches them"
    prefills = launch_lines("m", Deployment(tp=4), sequences=600, worker="prefill")
    assert not [line for line in prefills.values() if "graph" in line]


def test_experts_run_on_the_kernels_that_are_counted() -> None:
    """TensorRT-LLM takes CUTLASS by itself; on Blackwell those of its own are what calibration/measured.toml names."""
    how = {"sequences": 8, "experts": 128, "scaled": 1}
    own = "moe_config: {backend: TRTLLM}"
    assert own in launch_lines("m", Deployment(tp=4), architecture="blackwell", **how)["trtllm"]
    assert own not in launch_lines("m", Deployment(tp=4), architecture="hopper", **how)["trtllm"]
    assert (
        own not in launch_lines("m", Deployment(dp=8, ep=8, comm="deepep"), architecture="blackwell", **how)["trtllm"]
    )
    assert own not in launch_lines("m", Deployment(tp=4), architecture="blackwell", sequences=8, scaled=1)["trtllm"]


def test_latents_in_fp8_are_read_by_the_kernel_that_is_counted() -> None:
    """SGLang takes FlashAttention by itself, which converts the whole cache at every step."""
    how = {"sequences": 8, "kernels": {"mla_decode"}}
    own, cached = "--attention-backend flashmla", Deployment(tp=8, kv="fp8")
    assert own in launch_lines("m", cached, architecture="hopper", **how)["sglang"]
    assert own not in launch_lines("m", Deployment(tp=8), architecture="hopper", **how)["sglang"]
    assert own not in launch_lines("m", cached, architecture="blackwell", **how)["sglang"]
    assert own not in launch_lines("m", cached, architecture="hopper", worker="prefill", **how)["sglang"]
    assert own not in launch_lines("m", cached, architecture="hopper", sequences=8, kernels={"gqa_decode"})["sglang"]
