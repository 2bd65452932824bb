"""Exit codes and streams of every command: results on stdout, one sentence on stderr, and no traceback."""

import argparse
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from symsim import cli
from symsim.command import parsing
from symsim.errors import SymsimError

COMMANDS = sorted(parsing.COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_takes_json_and_quiet(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main([command, "--help"])
    usage = capsys.readouterr().out
    assert "--json" in usage
    assert "--quiet" in usage
    assert "--why" in usage


BAD = [
    ["formula", "no-model", "--json"],
    ["formula", "no-model", "--format", "json"],
    ["solve", "qwen3-8b", "--cost-model", "infersim", "max", "--json"],
    ["params", "no-model", "--json"],
    ["kernel", "no-kernel", "--json"],
    ["paper", "no-model", "--out", "x", "--json"],
    ["new-model", "no-model", "--json"],
    ["solve", "qwen3-8b", "--cost-model", "infersim", "--no-such-flag", "--json"],
    ["list", "nothing", "--json"],
]


@pytest.mark.parametrize("words", BAD, ids=map(" ".join, BAD))
def test_an_error_is_json_too(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["exit"] == 2
    assert err.endswith(f"symsim: {found['error']}\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_an_error_of_any_command_is_json(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([command, "--json", "--no-such-flag"]) == 2
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert set(found) == {"error", "exit"}
    assert err == f"symsim: {found['error']}\n"


WITHOUT_ANSWER = [
    ["solve", "qwen3-8b", "max B subject to TPOT <= 1 us"],
    ["sweep", "qwen3-8b", "--over", "B=1,2", "--subject-to", "TPOT <= 1 us"],
    ["predict", "qwen3-8b", "--isl", "1024", "--osl", "128", "--rate", "10000"],
    ["recommend", "qwen3-8b", "--gpus", "1", "--isl", "1024", "--osl", "128", "--tpot", "1us"],
]


@pytest.mark.parametrize("words", WITHOUT_ANSWER, ids=lambda words: words[0])
def test_a_question_without_an_answer_is_one_document_too(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*words, "--device", "h100", "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["exit"] == 1
    assert len(document["error"]) > 20
    assert set(document) > {"error", "exit"}, "what is known stands beside it"


def test_without_json_an_error_leaves_stdout_empty(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["params", "no-model"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("symsim: no model 'no-model'")


def test_quiet_leaves_errors_only(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["solve", "qwen3-8b", "--cost-model", "infersim", "max B subject to memory <= capacity"]
    assert cli.main(asked) == 0
    loud = capsys.readouterr()
    assert "assumed" in loud.err
    assert cli.main([*asked, "--quiet"]) == 0
    quiet = capsys.readouterr()
    assert (quiet.out, quiet.err) == (loud.out, "")
    assert cli.main(["params", "no-model", "--quiet"]) == 2
    assert capsys.readouterr().err.startswith("symsim: no model")


WITHOUT_ROWS = [
    ["formula", "deepseek-v3", "--cost-model", "infersim", "--device", "b200"],
    ["formula", "deepseek-v3", "--cost-model", "infersim", "--device", "b200", "--breakdown"],
    ["solve", "deepseek-v3", "--cost-model", "infersim", "max B subject to TPOT <= 500 ms", "--device", "b200"],
    ["sensitivity", "deepseek-v3", "--cost-model", "infersim", "--device", "b200"],
    ["sweep", "deepseek-v3", "--cost-model", "infersim", "--device", "b200", "--over", "B=1,2"],
    ["compare", "b200", "gb200", "--model", "deepseek-v3", "--cost-model", "infersim"],
    ["simulate", "--config-path", "deepseek-v3", "--device-type", "b200"],
]


@pytest.mark.parametrize("words", WITHOUT_ROWS, ids=lambda words: " ".join(words[:2]))
def test_defaults_are_one_line_and_why_lists_them(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(words)
    short = [line for line in capsys.readouterr().err.splitlines() if "no rows of" in line]
    (line,) = short
    first, others = line.split("; and ")
    assert others.endswith("(--why lists them)")
    cli.main([*words, "--why"])
    told = capsys.readouterr().err.splitlines()
    listed = [line for line in told if "no rows of" in line]
    assert listed[0] == first
    assert len(listed) == 1 + int(others.split()[0])
    assert len(told) == len(set(told))


def test_why_lists_figures_that_nobody_measured(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["solve", "qwen3-8b", "max B subject to memory <= capacity", "--why", "--cost-model=roofline"]) == 0
    assert "symsim: reserve_share = 0.1: engines/vllm.toml" in capsys.readouterr().err


def test_a_refused_picture_leaves_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("pyarrow")
    table, picture = tmp_path / "points.parquet", tmp_path / "front.nothing"
    asked = [
        "sweep",
        "qwen3-8b",
        "--cost-model",
        "infersim",
        "--over",
        "B=1,2",
        "--out",
        str(table),
        "--plot",
        str(picture),
    ]
    assert cli.main(asked) == 2
    assert cli.main(["regimes", "qwen3-8b", "--roofline", str(tmp_path / "none" / "roof.pdf")]) == 2
    assert capsys.readouterr().out == ""
    assert not list(tmp_path.iterdir())


def test_a_picture_replaces_a_file_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pyplot = pytest.importorskip("matplotlib.pyplot")
    picture = tmp_path / "front.svg"
    picture.write_text("as before")

    def half(self: object, file: Path, **words: object) -> None:
        Path(file).write_text("half a pict")
        raise OSError(28, "No space left on device")

    asked = ["sensitivity", "qwen3-8b", "--cost-model", "infersim", "--plot", str(picture)]
    with monkeypatch.context() as patched:
        patched.setattr(pyplot.Figure, "savefig", half)
        assert cli.main(asked) == 2
    assert [path.read_text() for path in tmp_path.iterdir()] == ["as before"]
    assert cli.main(asked) == 0
    assert "<svg" in picture.read_text()
    assert list(tmp_path.iterdir()) == [picture]


@pytest.mark.parametrize(
    "what", ["models", "families", "devices", "engines", "layouts", "tables", "kernels", "metrics", "symbols", "forms"]
)
def test_list_answers(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", what, "--json"]) == 0
    assert isinstance(json.loads(capsys.readouterr().out), list)
    assert cli.main(["list", what]) == 0


@pytest.mark.parametrize("what", ["engines", "metrics", "symbols", "devices", "models"])
def test_a_narrow_terminal_cuts_no_word(
    what: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.main(["list", what]) == 0
    words = set(re.findall(r"[\w.]+", capsys.readouterr().out))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert cli.main(["list", what]) == 0
    told = re.sub(r"\x1b\[[01]m", "", capsys.readouterr().out)  # the head is bold
    assert "\x1b" not in told, "NO_COLOR is set"
    assert max(map(len, told.splitlines())) <= 80
    parts = {part for word in words for part in word.split("_")}  # a name may fold between its parts
    assert set(re.findall(r"[^\W_]+(?:\.\w+)*", told)) <= words | parts


LLAMA = "llama-3.3-70b --device h100 --tp 8"
SCREENS = [
    "formula qwen3-30b-a3b --device h100 --at B=8",
    f"formula {LLAMA} --cost-model roofline --metric ttft --at S=32768",
    f"formula {LLAMA} --level symbolic",
    f"formula {LLAMA} --breakdown --at B=64",
    f"formula {LLAMA} --metric memory --at B=8",
    f"regimes {LLAMA} --cost-model roofline",
    f"regimes {LLAMA} --cost-model roofline --along hbm_bandwidth,B",
    f"regimes {LLAMA} --along rate --at S=4096,O=512",
    f"solve {LLAMA} --cost-model roofline 'max B subject to TPOT <= 20 ms'",
    f"sensitivity {LLAMA}",
    "compare h100 h200 --model qwen3-8b",
    "compare h100 h200 --model qwen3-8b --isl 4096 --osl 1024 --concurrency 64",
    f"predict {LLAMA} --isl 4096 --osl 1024 --rate 1",
    f"sweep {LLAMA} --over concurrency=8,16 --pareto",
    f"sweep {LLAMA} --over B=1:64 --pareto",
    "verify 'TPOT = 35 t_{layer} + 5 ms' --model qwen3-8b --device h20 --cost-model infersim",
    "cache deepseek-v3",
]


@pytest.mark.parametrize("words", SCREENS)
def test_answers_fit_a_terminal_of_80_columns(
    words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost on the way: the formulas are those that go to a file, folded."""
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    code = cli.main(shlex.split(words))
    whole = capsys.readouterr().out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert cli.main(shlex.split(words)) == code
    told = capsys.readouterr()
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", told.out + told.err.split("\r")[-1])  # heads are bold
    assert [line for line in shown.splitlines() if len(line) > 80] == []
    squeezed = re.sub(r"\s", "", shown)
    for formula in re.findall(r"^ +\w+\*? += (.*)$", whole, re.MULTILINE):
        assert re.sub(r"\s", "", formula) in squeezed


NODES = {1: "num_nodes = 1: h200 joins 8 GPUs in a scale-up domain, so 16 GPUs need 2", 2: ""}


@pytest.mark.parametrize("nodes", NODES)
def test_nodes_that_contradict_the_device_are_told(nodes: int, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["formula", "qwen3-8b", "--device", "h200", "--world-size", "16", "--tp", "8", "--num-nodes", str(nodes)]
    assert cli.main([*words, "--metric", "memory", "--cost-model", "roofline"]) == 0
    told = capsys.readouterr().err
    assert ("scale-up domain" in told) is bool(NODES[nodes])
    assert NODES[nodes] in told


WITH_MODEL = {
    "recommend": "--gpus 1 --isl 64 --osl 64",
    "report": "",
    "predict": "--isl 64 --osl 64 --concurrency 1",
    "solve": "max_B",
    "sweep": "--over B=1,2",
    "simulate": "",
    "formula": "",
    "regimes": "",
    "sensitivity": "",
    "graph": "",
    "params": "",
    "flops": "",
    "cache": "",
    "new-model": "",
    "paper": "--out x",
    "page": "--out x",
}


@pytest.mark.parametrize("command", WITH_MODEL)
def test_a_model_that_nobody_knows_is_an_error_in_json(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main([command, "no-such-model", *WITH_MODEL[command].split(), "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert set(found) == {"error", "exit"}
    assert "no-such-model" in found["error"]
    assert not list(tmp_path.iterdir())


OTHERS = {"vllm sglang": "engine sglang", "bf16 fp8": "gemm fp8"}


@pytest.mark.parametrize("pair", OTHERS)
def test_engines_and_formats_of_a_model_are_compared(pair: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compare", *pair.split(), "--model", "qwen3-8b", "--device", "h100"]) == 0
    told = capsys.readouterr().out
    assert f"{OTHERS[pair]}" in next(line for line in told.splitlines() if line.startswith("B: "))
    assert cli.main(["compare", *pair.split(), "--device", "h100"]) == 2
    assert "needs --model" in capsys.readouterr().err
    assert cli.main(["compare", "h100", pair.split()[0], "--model", "qwen3-8b"]) == 2
    assert "compare two of one kind" in capsys.readouterr().err


def test_where_listed_rows_are_from_is_told_with_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "devices"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) < 100
    assert cli.main(["list", "devices", "--why"]) == 0
    assert "https://www.nvidia.com/en-us/data-center/h100/" in capsys.readouterr().out


SUBJECTS = {
    "": "one GPU, bf16, engine vllm, calibrated cost model",
    "--engine=sglang": "engine sglang, calibrated cost model",
    "--cost-model=roofline": "one GPU, bf16, roofline cost model",
}


@pytest.mark.parametrize("flag", SUBJECTS)
def test_a_calibrated_subject_names_its_engine(flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["formula", "qwen3-8b", "--device", "h100", "--metric", "memory", *flag.split()]
    assert cli.main(words) == 0
    assert f"\nof configs/qwen3-8b.json, NVIDIA H100 SXM, {SUBJECTS[flag]}, tables " in capsys.readouterr().out


def test_figures_of_devices_are_numbers_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["list", "devices", "--json"]) == 0
    h100 = next(row for row in json.loads(capsys.readouterr().out) if row["device"] == "h100")
    assert (h100["hbm_capacity"], h100["hbm_bandwidth"]) == (81559 * 2**20, 3.35e12)
    assert cli.main(["list", "engines", "--json"]) == 0
    assert {row["engine"]: row["page"] for row in json.loads(capsys.readouterr().out)}["vllm"] == 16


def test_memory_at_a_point_says_what_it_goes_to(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["formula", "qwen3-8b", "--device", "h100", "--cost-model", "roofline", "--metric", "memory"]
    assert cli.main([*words, "--at", "B=1,S=1,O=1"]) == 0
    held = 2 * 8_190_735_360 + 2 * 2 * 36 * 8 * 128 * 2
    assert f"\nweights and cache {held:,} B, unfilled pages 2.064 MB, " in capsys.readouterr().out


def test_a_kernel_of_a_folder_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "own.graph").write_text("kernel twice_read(m, h):\n    read = 2*m*h @ bf16\n")
    asked = ["kernel", "twice_read", "--cost-model", "roofline", "--at", "m=4,h=128", "--json"]
    assert cli.main(asked) == 2
    assert "have no kernel twice_read" in capsys.readouterr().err
    assert cli.main([*asked, "--graphs", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["figures"]["time"] > 0


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (SymsimError("a\x1b[2Jb\n\tc"), 2, "symsim: a\\x1b[2Jb\n c\n"),
        (RecursionError(), 2, "symsim: the input is nested too deeply"),
        (MemoryError(), 2, "symsim: this takes more memory than there is"),
        (PermissionError(13, "Permission denied", "secret"), 2, "symsim: secret: cannot be read or written: Perm"),
        (KeyboardInterrupt(), 130, ""),
        (BrokenPipeError(), 0, ""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_no_command_expects_is_a_sentence(
    error: BaseException,
    code: int,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(words: object, version: object) -> argparse.ArgumentParser:
        raise error

    monkeypatch.setattr(cli, "_parser", fail)
    monkeypatch.setattr(cli, "_drop_output", lambda: None)
    assert cli.main(["list", "models"]) == code
    said = capsys.readouterr().err
    assert said.startswith(sentence)
    assert bool(said) == bool(sentence)


def command_line(*words: str) -> list[str]:
    return [sys.executable, "-m", "symsim.cli", *words]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_a_sentence() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command_line("list", "models"), stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr == "symsim: cannot be read or written: No space left on device\n"


def test_a_closed_pipe_is_quiet() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(command_line("list", "models"), stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, "")


def test_ctrl_c_is_quiet() -> None:
    script = "import signal, sys, time; import symsim.cli as c; "
    script += "c._run = lambda w: (print('up', flush=True), time.sleep(60)); "
    script += "signal.signal(signal.SIGINT, signal.default_int_handler); "  # a job in the background ignores it
    started = subprocess.Popen(
        [sys.executable, "-c", f"{script}sys.exit(c.main([]))"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdout is not None
    assert started.stdout.readline() == "up\n"
    time.sleep(0.05)
    started.send_signal(signal.SIGINT)
    assert started.communicate(timeout=20) == ("", "")
    assert started.returncode == 130


def test_modules_for_drafts_are_not_said_to_be_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """They are counted where requests ask for drafts; what no command counts is still told."""
    assert cli.main(["formula", "deepseek-v3", "--device", "h200", "--tp", "8", "--metric", "memory"]) == 0
    told = capsys.readouterr().err
    assert "drafts (num_nextn_predict_layers) are counted where requests ask for them: predict --drafts" in told
    assert "does not count" not in told
    assert (
        cli.main(["formula", "deepseek-v3", "--cost-model", "infersim", "--device", "h20", "--world-size", "16"]) == 0
    )
    assert "does not count what these keys describe: first_k_dense_replace" in capsys.readouterr().err
