"""symsim compare and symsim kernel, as a user runs them."""

import json

import pytest

import symsim
from symsim.calibration import kernel_seconds
from symsim.cli import main

BASE = ["--cost-model", "infersim", "--world-size", "32", "--num-nodes", "4", "--gemm", "fp8", "--comm", "deepep"]


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    out, err = capsys.readouterr()
    return code, out, err


def test_two_models_with_their_crossover(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("compare", "deepseek-v3", "deepseek-v3.2", "--device", "h800", *BASE, "--crossover", "C")
    code, out, _ = run(capsys, *words)
    assert code == 0
    assert "t_attention    = t_index_proj_q + t_index_proj_k + t_index_proj_w + t_index_logits" in out
    assert "B is smaller from C = 3,528 on, A below it" in out
    assert "C* = " in out


def test_two_devices_change_inputs_and_no_formula(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "compare", "h20", "h800", "--model", "qwen3-8b", "--cost-model", "infersim", "--json")
    found = json.loads(out)
    assert code == 0
    assert {term["difference"] for term in found["terms"]} == {"0"}
    assert {row["symbol"] for row in found["inputs"]} == {"hbm_bandwidth", "peak_bf16", "peak_w"}
    total = next(term for term in found["terms"] if term["name"] == "TPOT")
    assert total["value_a"] + total["change"] == pytest.approx(total["value_b"])


def test_each_side_has_the_interval_of_its_formula(capsys: pytest.CaptureFixture[str]) -> None:
    """Only fitted times have one."""
    words = ("compare", "h100", "h200", "--model", "qwen3-8b", "--at", "B=8,S=1024,O=256", "--json")
    fitted = json.loads(run(capsys, *words)[1])
    alone = symsim.compile("qwen3-8b", "h100").tpot.interval(B=8, S=1024, O=256)
    assert fitted["interval_a"] == list(alone or ())
    assert fitted["interval_b"] != fitted["interval_a"]
    other = json.loads(run(capsys, *words, "--cost-model", "roofline")[1])
    assert other["interval_a"] is other["interval_b"] is None


def test_two_cost_models(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "compare", "infersim", "roofline", "--model", "qwen3-8b")
    assert code == 0
    assert "TPOT           = t_embedding + t_logits - t_sched_decode" in out
    assert "t_logits       only in B: t_norm + t_lm_head" in out
    assert "t_experts      only in A" in out


def test_what_calibration_adds_term_by_term(capsys: pytest.CaptureFixture[str]) -> None:
    """What the kernels of one side and its engine's terms add up to is the metric."""
    words = ("compare", "roofline", "calibrated", "--model", "qwen3-8b", "--device", "h100", "--at", "B=8,C=2000")
    found = json.loads(run(capsys, *words, "--json")[1])
    terms = {term["name"]: term for term in found["terms"]}
    added = {name: term["value_b"] for name, term in terms.items() if term["within"] == "TPOT"}
    assert set(added) == {"n_launch*launch_gap", "host_step", "host_sequence*B"}
    assert all(terms[name]["a"] is None and terms[name]["value_a"] == 0 for name in added)
    assert terms["t_kernels"]["value_b"] + sum(added.values()) == pytest.approx(terms["TPOT"]["value_b"], rel=1e-12)
    out = run(capsys, *words)[1]
    assert "host_step" in out.partition("at B = 8")[2]
    assert "\n  n_launch*launch_gap" not in out.partition("at B = 8")[0], "the metric's own line has it"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("h20", "deepseek-v3"), "h20 is among devices and deepseek-v3 among models"),
        (("h20", "h800"), "needs --model"),
        (("qwen3-8b", "qwen3-30b-a3b", "--model", "qwen3-8b"), "is read as a model"),
        (("qwen3-8b", "qwen3-30b-a3b", "--crossover", "X"), "no crossing in X"),
    ],
)
def test_mistakes(words: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "compare", *words)
    assert (code, out) == (2, "")
    assert says in err


def test_kernel_prints_time_and_achieved_rate(capsys: pytest.CaptureFixture[str]) -> None:
    sizes = "B=128,h=128,q=1,r=512,dr=64,topk=2048"
    code, out, _ = run(
        capsys, "kernel", "sparse_mla_fp8", "--device", "h800", "--cost-model", "roofline", "--at", sizes
    )
    assert code == 0
    assert out.splitlines()[-1].startswith("time 123.635 µs, achieved 590.563 TFLOP/s at B = 128")


def test_a_calibrated_kernel_takes_as_long_as_its_form(capsys: pytest.CaptureFixture[str]) -> None:
    """Also unasked. No share of 0.4 stands in for it, and devices without measurements are said to be uncalibrated."""
    words = ("gemm", "--at", "m=64,n=4096,k=4096")
    code, out, _ = run(capsys, "kernel", *words, "--device", "h100", "--json")
    which = {"device": "h100_sxm", "engine": "vllm", "kernel": "torch.nn.functional.linear", "dtype": "bfloat16"}
    expected = kernel_seconds("gemm", **which, m=64, n=4096, k=4096)
    found = json.loads(out)
    assert (code, "default_mfu" in out) == (0, False)
    assert [found["figures"]["time"], *found["interval"]] == pytest.approx([float(end) for end in expected], rel=1e-9)
    _, out, err = run(capsys, "kernel", *words, "--device", "tpu-v6e")
    assert ("is uncalibrated" in err, "in 90 % of cases from 6.8 µs to 109 µs" in out) == (True, True)


@pytest.mark.parametrize(
    ("name", "at"), [("sparse_mla_fp8", "B=128,h=128,q=1,r=512,dr=64,topk=2048"), ("a2f", "m=128,D=7168")]
)
def test_a_kernel_that_no_measured_one_is_like_keeps_its_own_time(
    name: str, at: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model of its instructions, and messages: a row-wise kernel is not what they are, nor its interval theirs."""
    found = []
    for cost_model in ("roofline", "calibrated"):
        words = ("--device", "h800", "--cost-model", cost_model, "--at", at, "--json")
        found.append(json.loads(run(capsys, "kernel", name, *words)[1]))
    assert found[0]["figures"] == found[1]["figures"]
    assert found[1]["interval"] is None


def test_kernel_without_a_size_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "kernel", "a2f", "--cost-model", "roofline", "--at", "m=4")
    assert code == 2
    assert "needs D" in err


def test_a_side_that_does_not_fit_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "compare",
        "h100_sxm",
        "h100 with hbm_capacity x 16",
        "--model",
        "llama-3.1-405b",
        "--cost-model",
        "roofline",
    ]
    assert main([*words, "--at", "B=1,S=100,O=100"]) == 0
    assert "\nA: it does not fit in memory: weights and cache need" in (said := capsys.readouterr().out)
    assert "\nB: it does" not in said
    assert main([*words, "--at", "B=1,S=100,O=100", "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["does_not_fit"]) == ["A"]
