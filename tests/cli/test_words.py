"""Commands in the words of those who come from other tools: understood, or refused with what to write."""

import json

import pytest

from tests.commands import run

LOAD = ("--isl", "1000", "--osl", "100")


@pytest.mark.parametrize(
    ("named", "placed"),
    [
        ("params --model qwen3-8b", "params qwen3-8b"),
        ("cache --model-path qwen3-8b --kv-cache-dtype fp8", "cache qwen3-8b --kv fp8"),
        ("flops --model=qwen3-8b", "flops qwen3-8b"),
        ("formula --model qwen3-8b --gpu h100 --tensor-parallel-size 2", "formula qwen3-8b --device h100 --tp 2"),
        ("formula qwen3-8b --metric throughput --at bs=8,isl=1k", "formula qwen3-8b --metric tgs-decode --at B=8,S=1k"),
        ("report --system h100 --model qwen3-8b", "report qwen3-8b --device h100"),
        (
            "predict --model_path qwen3-8b --backend sglang --input-len 1000 --output-len 100 --request-rate 2"
            " --max-num-seqs 64 --max_num_batched_tokens 4096 --gpu-memory-utilization 0.9",
            "predict qwen3-8b --engine sglang --isl 1000 --osl 100 --rate 2 --max-running 64 --budget 4096"
            " --memory-share 0.9",
        ),
        ("recommend --model qwen3-8b --num_gpus 1 --isl 99 --osl 9", "recommend qwen3-8b --gpus 1 --isl 99 --osl 9"),
        ("sweep --model qwen3-8b --over batch=1:4 --metrics ITL", "sweep qwen3-8b --over B=1:4 --metrics tpot"),
        ("sweep qwen3-8b --over users=1,2 --metrics E2EL", "sweep qwen3-8b --over concurrency=1,2 --metrics e2e"),
        ("simulate --model qwen3-8b", "simulate --config-path qwen3-8b"),
        ("cache qwen3-8b --kv-cache-dtype fp8_e4m3", "cache qwen3-8b --kv fp8"),
        ("formula qwen3-8b --engine TensorRT-LLM --format tex", "formula qwen3-8b --engine trtllm --format latex"),
        ("sweep qwen3-8b --over dtype=bfloat16,fp8 --sla mem<=capacity", "sweep qwen3-8b --over gemm=bf16,fp8"),
        (
            "recommend qwen3-8b --isl 1k --osl 9 --qps 2/s --itl 9ms",
            "recommend qwen3-8b --isl 1024 --osl 9 --rate 2 --tpot 9ms",
        ),
        ("regimes qwen3-8b --over batch", "regimes qwen3-8b --along B"),
        ("compare vllm trt-llm --model qwen3-8b", "compare vllm trtllm --model qwen3-8b"),
        ("flops qwen3-8b --batch-size 2 --isl 99", "flops qwen3-8b --batch 2 --seq 99"),
        ("solve --query TPOT --model qwen3-8b", "solve qwen3-8b TPOT"),
        ("recommend qwen3-8b --isl 99 --osl 9 --gpu 1", "recommend qwen3-8b --isl 99 --osl 9 --gpus 1"),
        ("list gpus", "list devices"),
        ("help cache", "cache --help"),
    ],
)  # fmt: skip
def test_options_and_words_of_other_tools_are_understood(named: str, placed: str) -> None:
    asked, own = run(*named.split()), run(*placed.split())
    assert asked.returncode == own.returncode == 0, asked.stderr
    assert asked.stdout
    first, second = ([line for line in done.stdout.split("\n") if "searched" not in line] for done in (asked, own))
    assert first == second  # but for the seconds that a search took


def test_verify_takes_the_model_as_a_place_or_as_an_option() -> None:
    words = ("verify", r"\mathrm{TPOT} = 36 t_{layer} + 5\,\mathrm{ms}", "--cost-model", "infersim")
    placed, named = run(*words, "qwen3-8b"), run(*words, "--model", "qwen3-8b")
    assert placed.stdout == named.stdout
    assert placed.returncode == 0
    assert "state qwen3-8b or --model qwen3-14b, one of them" in run(*words, "qwen3-8b", "--model", "qwen3-14b").stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("formula", "qwen3-8b", "--metric", "users"), "there is no metric users; symsim predict MODEL answers it"),
        (("regimes", "qwen3-8b", "--metric", "E2E"), "symsim predict MODEL answers it"),
        (("sensitivity", "qwen3-8b", "--metric", "kv-cache"), "symsim cache MODEL answers it"),
        (("formula", "qwen3-8b", "--metric", "B"), "symsim solve MODEL 'max B subject to TPOT <= 50 ms' answers it"),
        (("formula", "qwen3-8b", "--metric", "latency"), "latency may mean TTFT"),
        (("formula", "qwen3-8b", "--at", "context=4k"), "context may mean S (the input) or C"),
        (("formula", "qwen3-8b", "--batch-size", "8"), "the workload is stated by --at B=8"),
        (("solve", "qwen3-8b", "max B subject to TPOT <= 9 ms", "--isl", "1k"), "question states it: ... with S = 1k"),
        (("predict", "qwen3-8b", "h100", *LOAD, "--rate", "1"), "did you mean --device h100?"),
        (("predict", "qwen3-8b", "--device", "8xH100", *LOAD, "--rate", "1"), "state h100, and how many by --tp"),
        (("predict", "qwen3-8b", *LOAD, "--request-rate", "inf"), "clients that always wait for an answer are"),
        (("predict", "qwen3-8b", *LOAD, "--rate", "1", "--max-model-len", "8k"), "lengths are those of the requests"),
        (("predict", "qwen3-8b", *LOAD, "--rate", "1", "--ttft", "2s"), "symsim recommend --ttft 2s"),
        (("predict", "qwen3-8b", *LOAD, "tp=2", "--rate", "1"), "did you mean --tp 2?"),
        (("recommend", "qwen3-8b", *LOAD, "--gpus", "2", "--tp", "2"), "degrees are searched for by recommend"),
        (("recommend", "qwen3-8b", *LOAD, "--gpus", "2", "--e2e", "9s"), "symsim solve MODEL 'max rate subject to"),
        (("solve", "qwen3-8b", "max", "B", "subject", "to"), "did you mean the question in quotes?"),
        (("sweep", "qwen3-8b", "B=1:8"), "did you mean --over B=1:8?"),
        (("sweep", "qwen3-8b", "--over", "B=1-8"), "a range is written B=1:8"),
        (("sweep", "qwen3-8b", "--over", "device=h100,h200"), "devices are stated by --device h100,h200"),
        (("compare", "h100", "h200", "qwen3-8b"), "did you mean --model qwen3-8b?"),
        (("regimes", "qwen3-8b", "--sla", "TTFT <= 2 s"), "expected one limit of tpot"),
        (("optimize", "qwen3-8b"), "did you mean symsim recommend?"),
        (("roofline", "qwen3-8b"), "did you mean symsim regimes --roofline FILE?"),
        (("formula", "qwen3-8b", "TPOT"), "did you mean --metric tpot?"),
        (("solve", "qwen3-8b", "MFU at B = 8"), "symsim formula MODEL --breakdown answers it"),
        (("solve", "qwen3-8b", "max B subject to TPOT = 9 ms"), "as TPOT <= 9 ms, or ask: solve TPOT = 9 ms for B"),
        (("solve", "qwen3-8b", "max tgs subject to TPOT <= 50 ms, B <= 64"), "B is a symbol, and metrics are bounded"),
        (("solve", "qwen3-8b", "goodput at S = 4096"), "needs a rate or a concurrency"),
    ],
)  # fmt: skip
def test_what_is_refused_is_told_how_to_be_asked(words: tuple[str, ...], said: str) -> None:
    done = run(*words, "--json")
    assert done.returncode == 2
    assert said in json.loads(done.stdout)["error"]


def test_a_limit_of_a_picture_is_a_quantity_or_a_constraint_and_needs_the_picture() -> None:
    for limit in ("20 ms", "ITL <= 20 ms"):
        done = run("regimes", "qwen3-8b", "--sla", limit)
        assert done.returncode == 0
        assert "a line in the picture of --plot, and none is asked for" in done.stderr
