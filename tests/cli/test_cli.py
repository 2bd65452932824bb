"""The command line as a user runs it: its streams and exit codes, three times as a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import run

PROCESS = [sys.executable, "-m", "symsim.cli"]
INFERSIM = ("--cost-model", "infersim")


REPORT = """\

================ Simulator Result ================
Device type:                             H20
World size:                              4
Attn type:                               MHA/GQA
Use FP8 GEMM:                            0
Use FP8 KV:                              0
------------------Model Weights-------------------
One attn params size (MB):               36.00
One expert params size (MB):             9.00
Per GPU params size (GB):                15.19
---------------------KV Cache---------------------
KV cache space (GB):                     60.81
Input seq len:                           4096
Output seq len:                          2048
Target decode batchsize:                 100
Target per-token KV cache size (KB):     103.79
Current per-token KV cache size (KB):    96.00
----------------------FLOPs-----------------------
Num hidden layers:                       48
Per-token per-layer attn core (GFLOPs):  0.08
Per-token per-layer MoE/FFN (GFLOPs):    0.08
Per-token per-layer others (GFLOPs):     0.04
Per-token attn core (GFLOPs):            4.03
Per-token MoE (GFLOPs):                  3.62
Per-token others (GFLOPs):               1.81
Per-token total (GFLOPs):                9.46
---------------------Decoding---------------------
Attn core MFU:                           0.15
Attn core latency (us):                  361.77
KV loading latency (us):                 298.02
QKV_proj latency (us):                   31.03
O_proj latency (us):                     16.95
Routed experts/FFN MFU:                  0.18
Routed experts/FFN latency (us):         269.28
Experts loading latency (us):            85.83
Comm before MoE/FFN (us):                4.24
Comm after MoE/FFN (us):                 4.24
TPOT (ms):                               38.00
Throughput (TGS):                        2632
"""
WORKED = (
    "simulate",
    "--config-path",
    "qwen3-30b-a3b",
    "--world-size",
    "4",
    "--decode-bs",
    "100",
    "--decode-only",
)


def test_the_report_is_the_references_line_by_line(tmp_path: Path) -> None:
    command = [*PROCESS, *WORKED, "--tables", "2025-10"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0
    assert [line.rstrip() for line in done.stdout.splitlines()] == REPORT.splitlines()


def test_json_has_the_contracts_keys_and_full_precision() -> None:
    done = run(*WORKED, "--tables", "2025-10", "--json")
    document = json.loads(done.stdout)
    sections = ["model_weights", "kv_cache", "flops", "prefilling", "decoding", "flags", "warnings"]
    assert list(document) == sections
    assert document["decoding"]["TPOT (ms)"] == pytest.approx(38.00033458964834, rel=1e-12)
    assert len(repr(document["decoding"]["TPOT (ms)"])) > 10
    assert document["prefilling"] == {}


def test_errors_of_the_reference_are_flags_and_lines() -> None:
    arguments = ("simulate", "--config-path", "deepseek-v3", "--decode-bs", "512", "--decode-only")
    done = run(*arguments)
    assert "!Error: need smaller kvcache" in done.stdout
    assert "!Error: TPOT > SLO" in done.stdout
    assert json.loads(run(*arguments, "--json").stdout)["flags"] == ["kv_cache_too_large", "tpot_over_target"]


def test_every_default_is_on_stderr_and_in_json() -> None:
    done = run("simulate", "--config-path", "qwen3-8b", "--device-type", "h200", "--json", "--why")
    warnings = json.loads(done.stdout)["warnings"]
    assert any("no rows of mfu/gqa_decode.csv for H200" in warning for warning in warnings)
    assert all(warning in done.stderr for warning in warnings)


@pytest.mark.parametrize("level", ["symbolic", "model", "numeric"])
@pytest.mark.parametrize("style", ["text", "latex", "markdown", "json"])
def test_formula_prints_at_every_level(level: str, style: str) -> None:
    done = run("formula", "deepseek-v3", *INFERSIM, "--device", "h800", "--level", level, "--format", style)
    assert done.returncode == 0
    assert "TPOT" in done.stdout
    if style != "json":
        assert max(map(len, done.stdout.splitlines())) < 400
    assert ("W_{\\mathrm{HBM}}" in done.stdout or "hbm_bandwidth" in done.stdout) is (level != "numeric")


@pytest.mark.parametrize("metric", ["tpot", "ttft", "tgs-decode", "tgs-prefill", "memory", "max-batch"])
def test_printed_module_needs_only_the_standard_library(metric: str, tmp_path: Path) -> None:
    source = run("formula", "qwen3-8b", *INFERSIM, "--metric", metric, "--format", "python").stdout
    name = metric.replace("-", "_")
    arguments = {"tpot": "B=64, S=4096, O=2048", "tgs_decode": "B=64, S=4096, O=2048"}
    arguments |= {"ttft": "T=4096, S=4096", "tgs_prefill": "T=4096, S=4096"}
    arguments |= {"memory": "B=64, S=4096, O=2048", "max_batch": "S=4096, O=2048"}
    (tmp_path / "printed.py").write_text(f"{source}\n\nprint({name}({arguments[name]}))\n")
    isolated = [sys.executable, "-I", "-S", str(tmp_path / "printed.py")]
    value = float(subprocess.run(isolated, capture_output=True, text=True, check=True).stdout)
    shown = json.loads(
        run("formula", "qwen3-8b", *INFERSIM, "--metric", metric, "--breakdown", "--format", "json").stdout
    )
    assert value == pytest.approx(shown["value"], rel=1e-12)


def test_breakdown_names_graph_lines_rows_and_what_binds() -> None:
    done = run("formula", "qwen3-8b", *INFERSIM, "--breakdown", "--at", "B=100,S=8192", "--tables", "2025-10")
    core = next(line for line in done.stdout.splitlines() if line.startswith("layer.attention.core"))
    assert "graphs/infersim/attention_blocks.graph:" in core
    assert "mfu/gqa_decode.csv:" in core
    assert core.split()[7:9] == ["36", "compute"]
    assert "at B = 100, S = 8192, O = 2048" in done.stdout


def test_breakdown_adds_up_to_the_metric() -> None:
    shown = json.loads(
        run("formula", "deepseek-v3", *INFERSIM, "--device", "h800", "--breakdown", "--format", "json").stdout
    )
    assert sum(op["seconds"] * op["times"] for op in shown["operators"]) == pytest.approx(shown["value"])


def test_solve_text_json_and_exit_codes() -> None:
    query = "max B subject to TPOT <= 50 ms, memory <= capacity"
    done = run("solve", "qwen3-8b", *INFERSIM, query)
    assert done.returncode == 0
    assert done.stdout.startswith(
        "B = 74, bound by memory <= capacity: memory is 102.408 GB, and 103.314 GB at B = 75."
    )
    assert "assumed O = 2048, S = 4096" in done.stderr
    answer = json.loads(run("solve", "qwen3-8b", *INFERSIM, query, "--json").stdout)
    keys = {"variable", "value", "unit", "objective", "binding", "slack", "certificate", "closed_form"}
    assert keys <= set(answer)
    assert set(answer["certificate"]) == {"value_at", "value_next", "feasible_set"}
    assert run("solve", "qwen3-8b", *INFERSIM, "max B subject to TPOT <= 1 ms").returncode == 1


def test_graph_and_list() -> None:
    assert json.loads(run("graph", "deepseek-v3", "--format", "json").stdout)["directed"] is True
    assert run("graph", "deepseek-v3", "--phase", "prefill", "--format", "dot").stdout.startswith("digraph")
    assert "layer.attention.o_proj" in run("graph", "qwen3-8b").stdout
    for what, name in (("models", "deepseek-v3"), ("devices", "h800"), ("tables", "mfu_gemm")):
        assert name in run("list", what).stdout
        assert json.loads(run("list", what, "--json").stdout)


def test_validate_prints_ours_beside_theirs() -> None:
    done = run("validate")
    assert done.returncode == 0
    assert [line.split()[-4:-1] for line in done.stdout.splitlines()[1:3]] == [
        ["9034", "9034", "7839"],
        ["2675", "2675", "2324"],
    ]


BAD = [
    (("simulate", "--config-path", "/nowhere/config.json"), "no model '/nowhere/config.json'"),
    (("simulate", "--config-path", "qwen3-8bb"), "did you mean qwen3-8b"),
    (("simulate", "--config-path", "qwen3-8b", "--decode-bs", "0"), "decode_bs = 0"),
    (("simulate", "--config-path", "qwen3-8b", "--decode-bs", "-4"), "decode_bs = -4"),
    (("simulate", "--config-path", "qwen3-8b", "--decode-bs", "1.5"), "invalid int value: '1.5'"),
    (("simulate", "--config-path", "qwen3-8b", "--target-isl", "0"), "target_isl = 0"),
    (("simulate", "--config-path", "qwen3-8b", "--sm-ratio", "1.5"), "sm_ratio = 1.5"),
    (("simulate", "--config-path", "qwen3-8b", "--target-tpot", "0"), "target_tpot = 0"),
    (
        ("simulate", "--config-path", "qwen3-8b", "--world-size", "6", "--tp-size", "3"),
        "num_attention_heads (H = 32)",
    ),
    (
        ("simulate", "--config-path", "qwen3-8b", "--world-size", "2", "--tp-size", "4"),
        "tp = 4 does not divide",
    ),
    (("simulate", "--config-path", "deepseek-v3", "--world-size", "48"), "n_routed_experts (E = 256)"),
    (("simulate", "--config-path", "qwen3-8b", "--device-type", "h21"), "did you mean h20"),
    (("simulate", "--config-path", "qwen3-8b", "--prefill-only", "--decode-only"), "exclude each other"),
    (("formula", "qwen3-8b", *INFERSIM, "--breakdown", "--at", "B=x"), "expected e.g. B=64,S=4096"),
    (("formula", "qwen3-8b", *INFERSIM, "--metric", "tpto"), "there is no metric tpto; did you mean tpot"),
    (("solve", "qwen3-8b", *INFERSIM, "max B subject to TPTO <= 50 ms"), "did you mean tpot"),
    (("solve", "qwen3-8b", *INFERSIM, "max B subject to TPOT <= 50 GB"), "'GB' is no unit of s"),
    (("solve", "qwen3-8b", *INFERSIM, "max B subjct to TPOT <= 50 ms"), "expected at or for or over or subject to"),
]


def test_a_mistake_ends_the_process_with_2() -> None:
    done = subprocess.run([*PROCESS, "solve", "qwen3-8b", *INFERSIM, "max B"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("symsim: ")
    assert "Traceback" not in done.stderr


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    """As in `symsim formula ... | head -1`: the pipe is closed before all is written."""
    words = [*PROCESS, "formula", "deepseek-v3", *INFERSIM, "--format", "python"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 0


@pytest.mark.parametrize(("arguments", "says"), BAD, ids=[says for _, says in BAD])
def test_bad_input_is_one_clear_message_and_exit_2(arguments: tuple[str, ...], says: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "not JSON"), ("[]", "expected a JSON object"), ("{}", "neither `architectures` nor `model_type`")],
)
def test_files_that_are_no_model(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "config.json").write_text(text)
    done = run("simulate", "--config-path", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert str(tmp_path / "config.json") in done.stderr


def test_degrees_of_parallelism_are_flags() -> None:
    done = run(
        *("formula", "qwen3-30b-a3b", "--device", "h800", "--world-size", "32", "--num-nodes", "4", "--tp", "2"),
        *("--pp", "2", "--cp", "2", "--ep", "4", "--cost-model", "roofline"),
    )
    assert done.returncode == 0
    assert "tp 2, pp 2, cp 2, ep 4" in done.stdout


def test_a_cost_model_without_pipelines_says_so() -> None:
    done = run("formula", "qwen3-8b", *INFERSIM, "--world-size", "2", "--pp", "2")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("symsim: the infersim cost model has no pipeline parallelism (pp = 2), as graphs/")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("command", "metric", "name"),
    [("formula", "ttft", "B"), ("formula", "tpot", "T"), ("regimes", "tgs-prefill", "B"), ("sensitivity", "tpot", "T")],
)
def test_a_symbol_that_the_metric_does_not_have_is_refused(command: str, metric: str, name: str) -> None:
    done = run(command, "qwen3-8b", *INFERSIM, "--metric", metric, "--at", f"{name}=8")
    assert done.returncode == 2
    assert f"{metric.replace('-', '_')} does not depend on {name}; its workload is" in done.stderr


def test_a_largest_batch_below_one_is_an_answer() -> None:
    asked = "--metric", "max-batch", "--at", "S=4096"
    words = ("formula", "deepseek-v3", "--device", "h800", *INFERSIM, "--gemm", "fp8", *asked)
    done = run(*words)
    assert done.returncode == 1
    assert "not even one sequence fits at S = 4096, O = 2048" in done.stdout
    assert "feasible with world_size = 16" in done.stdout
    shown = run(*words, "--breakdown", "--format", "json")
    assert (shown.returncode, json.loads(shown.stdout)["value"]) == (1, 0)
    swept = run(
        *("sweep", "deepseek-v3", "--device", "h800", *INFERSIM, "--gemm", "fp8"),
        "--metrics",
        "max_batch",
        "--subject-to",
        "",
    )
    assert swept.returncode == 1
    assert "not even one sequence fits in memory" in swept.stdout


def test_sensitivities_of_several_metrics_are_told_one_after_the_other() -> None:
    asked = ("sensitivity", "qwen3-8b", *INFERSIM, "--metric")
    told = run(*asked, "tpot,ttft")
    assert [line.split()[0] for line in told.stdout.splitlines() if " = " in line] == ["tpot", "ttft"]
    both = json.loads(run(*asked, "tpot,ttft", "--json").stdout)["metrics"]
    assert both == [json.loads(run(*asked, name, "--json").stdout) | {"at": both[0]["at"]} for name in ("tpot", "ttft")]
    for names, plot, why in ((",", (), "names no metric"), ("tpot,ttft", ("--plot", "a.pdf"), "of one metric")):
        refused = run(*asked, names, *plot)
        assert refused.returncode == 2
        assert why in refused.stderr


IN_CONTEXT = [
    (("formula", "qwen3-8b", *INFERSIM, "--at", "B=8,C=4096"), "at B = 8, C = 4096"),
    (("regimes", "qwen3-8b", *INFERSIM, "--along", "B", "--at", "C=4096"), "at B = 64, C = 4096"),
    (("regimes", "qwen3-8b", *INFERSIM, "--along", "B,C"), "C = 5120 is"),
    (("sensitivity", "qwen3-8b", *INFERSIM, "--at", "B=64,C=4096"), "at B = 64, C = 4096"),
    (("compare", "infersim", "roofline", "--model", "qwen3-8b", "--at", "B=8,C=4096"), "at B = 8, C = 4096"),
    (
        (
            "sweep",
            "qwen3-8b",
            "--cost-model",
            "infersim",
            "--over",
            "B=1:4",
            "--over",
            "C=4096",
            "--subject-to",
            "",
            "--metrics",
            "tpot",
        ),
        "4 of 4 points are feasible",
    ),
    (("solve", "qwen3-8b", *INFERSIM, "max B subject to TPOT <= 50 ms with C = 4096"), "B = "),
    (("solve", "qwen3-8b", *INFERSIM, "max C subject to TPOT <= 50 ms with B = 16"), "C = "),
    (("formula", "qwen3-8b", "--cost-model", "roofline", "--metric", "step", "--at", "B=4,C=500"), "past = "),
]


@pytest.mark.parametrize(("words", "says"), IN_CONTEXT, ids=lambda value: value[0] if isinstance(value, tuple) else "")
def test_the_mean_context_may_be_given_in_place_of_lengths(words: tuple[str, ...], says: str) -> None:
    done = run(*words)
    assert done.returncode == 0, done.stderr
    assert says in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        (
            "solve",
            "qwen3-8b",
            "--cost-model",
            "infersim",
            "max B subject to TPOT <= 50 ms, memory <= capacity with C = 4096",
        ),
        ("formula", "qwen3-8b", *INFERSIM, "--metric", "memory", "--at", "C=4096"),
        ("sweep", "qwen3-8b", *INFERSIM, "--over", "B=1:4", "--over", "C=4096"),
        ("regimes", "qwen3-8b", *INFERSIM, "--metric", "ttft", "--along", "S", "--at", "C=4096"),
    ],
)
def test_a_mean_context_that_does_not_say_both_lengths_is_refused(words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.returncode == 2
    assert "apart from C; give S" in done.stderr


def test_points_of_a_sweep_share_what_at_states() -> None:
    words = ("sweep", "qwen3-8b", *INFERSIM, "--over", "B=1,8")
    shared = run(*words, "--at", "S=2048, O=512")
    assert shared.returncode == 0, shared.stderr
    assert shared.stdout == run(*words, "--over", "S=2048", "--over", "O=512").stdout
    twice = run(*words, "--at", "B=4")
    assert twice.returncode == 2
    assert "B is given twice" in twice.stderr
