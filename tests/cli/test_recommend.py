"""symsim recommend as people run it: its verdict, its document, and what it refuses."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from symsim.algebra.units import format_range
from symsim.cli import main

ASK = ["recommend", "qwen3-8b", "--device", "h100", "--isl", "2048", "--osl", "256", "--quiet"]
BUDGETS = 3
"""That each engine is tried with: its own, and two smaller ones."""

KEYS = {
    *("device", "deployment", "mode", "replicas", "concurrency", "running", "ttft_s", "tpot_s"),
    *("output_tok_per_s_per_gpu", "tok_per_s_per_user", "memory_free", "cost_per_million_output_tokens"),
    *("binding", "intervals", "launch"),
}


def document(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    assert main([*ASK, *words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_the_document_has_the_keys_of_the_contract(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "--gpus", "2", "--tpot", "10ms", "--top", "2", "--mode", "aggregated")
    assert found.keys() == {"verdict", "rows", "searched", "refused", "seconds"}
    assert len(found["rows"]) == 2
    for row in found["rows"]:
        assert row.keys() >= KEYS
        assert row["tpot_s"] <= 0.010
        low, high = row["intervals"]["tpot_s.mean"]
        assert low < row["tpot_s"] < high
        assert row["output_tok_per_s_per_gpu"] > 0
    assert found["searched"] == 3 * BUDGETS
    assert found["refused"] == {"others do better": 3 * BUDGETS - 2}


def test_the_screen_fits_80_columns_and_begins_with_the_verdict(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK, "--gpus", "2", "--ttft", "1s", "--tpot", "10ms", "--mode", "aggregated"]) == 0
    verdict, empty, *table = capsys.readouterr().out.split("\n")
    assert "TPOT binds" in verdict
    assert "buys one user more" in verdict
    assert re.search(r"TPOT (?:9\.\d+|10) ms \([\d.]+ to [\d.]+ ms\), in 90 % of cases; TPOT binds", verdict)
    assert not empty
    assert len(table[0]) <= 80
    assert all(len(line) <= 80 for line in table[: table.index("")])


@pytest.mark.parametrize("mode", ["aggregated", "disaggregated"])
def test_the_screen_has_the_intervals_of_the_document(mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--gpus", "2", "--ttft", "6s", "--tpot", "10ms", "--mode", mode, "--top", "2")
    rows = document(capsys, *words)["rows"]
    assert main([*ASK, *words]) == 0
    verdict, *lines = capsys.readouterr().out.split("\n")
    told = [line.partition("90 %: ")[2] for line in lines if "90 %: " in line]
    for row, line in zip(rows, told, strict=True):
        low, high = row["intervals"]["output_tok_per_s_per_gpu"]
        each = {name: row["intervals"][f"{name.lower()}_s.mean"] for name in ("TTFT", "TPOT")}
        times = [f"{name} {format_range(*ends, 's', joint='-').replace(' ', '')}" for name, ends in each.items()]
        assert line == ", ".join([f"{low:,.0f}-{high:,.0f} tok/s/GPU", *times])
        assert low < row["output_tok_per_s_per_gpu"] < high
    for name in ("ttft", "tpot"):
        assert f"({format_range(*rows[0]['intervals'][f'{name}_s.mean'], 's')})" in verdict


def test_what_a_rate_fixes_has_no_interval(capsys: pytest.CaptureFixture[str]) -> None:
    """An open loop serves what comes, however long it takes."""
    assert main([*ASK, "--gpus", "1", "--rate", "3"]) == 0
    verdict, _, _, _, below, *_ = capsys.readouterr().out.split("\n")
    assert re.search(r"\d tokens/s a GPU, TTFT [\d.]+ ms \(", verdict)
    assert re.search(r"90 %: TTFT [\d.]+-[\d.]+ms, TPOT", below)


def test_without_an_error_of_its_own_a_cost_model_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    words = [word for word in ASK if word != "--quiet"]
    assert main([*words, "--gpus", "1", "--cost-model", "roofline"]) == 0
    assert "the roofline cost model states no error of its own" in capsys.readouterr().err
    assert main([*words, "--gpus", "1"]) == 0
    assert "states no error of its own" not in capsys.readouterr().err


def test_a_narrow_terminal_folds_intervals(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "48")
    assert main([*ASK, "--gpus", "2", "--tpot", "10ms", "--top", "2", "--mode", "aggregated"]) == 0
    table = capsys.readouterr().out.partition("\n\n")[2].partition("\n\n")[0]
    assert all(len(line) <= 48 for line in table.split("\n")), table
    assert " ".join(table.split()).count("90 %: ") == 2


def test_tables_set_deployments_below_their_figures(capsys: pytest.CaptureFixture[str]) -> None:
    ask = ["recommend", "qwen3-30b-a3b", *ASK[2:], "--gpus", "4", "--tpot", "8ms", "--top", "20"]
    assert main(ask) == 0
    _, _, head, *lines = capsys.readouterr().out.split("\n")
    table = lines[: lines.index("")]
    assert all(len(line) <= 80 for line in (head, *table))
    numbers = [line.split()[0] for line in table if not line.startswith("    ")]
    assert numbers == [str(n) for n in range(1, len(numbers) + 1)]
    assert sum("90 %: " in line for line in table) == len(numbers)


def test_with_drafts_the_formula_is_of_the_step_that_verifies_them(capsys: pytest.CaptureFixture[str]) -> None:
    ask = ["recommend", "mimo-7b", *ASK[2:], "--gpus", "1", "--tpot", "6ms", "--ttft", "1s", "--json"]
    assert main(ask) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    assert row["drafts"] > 0
    assert f'"num_speculative_tokens":{row["drafts"]}' in row["launch"]["vllm"]
    program, *words = shlex.split(row["formula"])
    assert (program, f"Q={row['drafts'] + 1}" in words[-1]) == ("symsim", True)
    assert main([*words, "--quiet"]) == 0
    assert "iteration = " in capsys.readouterr().out


def test_nothing_that_does_names_the_nearest_and_the_limit_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "--gpus", "2", "--tpot", "1ms", "--mode", "aggregated", code=1)
    assert found["rows"] == []
    assert "the nearest is tp 2: with one user alone TPOT is" in found["verdict"]
    assert found["refused"] == {"TPOT fails with one user alone": 3 * BUDGETS}


def test_workers_apart_are_each_told_with_their_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "--gpus", "3", "--tpot", "9ms", "--ttft", "1s")
    modes = {row["mode"] for row in found["rows"]}
    assert modes == {"aggregated", "disaggregated"}
    row = next(row for row in found["rows"] if row["mode"] == "disaggregated")
    sides = row["deployment"]
    assert sum(sides[side]["workers"] * sides[side]["world_size"] for side in ("prefill", "decode")) == 3
    assert row["launch"]["sglang"].count("--disaggregation-mode") == 2


def test_the_front_is_drawn_to_a_file_and_in_a_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("plotext")
    file = tmp_path / "front.svg"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main([*ASK, "--gpus", "2", "--tpot", "10ms", "--top", "2", "--plot", str(file)]) == 0
    assert "tokens/s of a user" in capsys.readouterr().out
    assert file.read_text().startswith("<?xml")
    assert main([*ASK, "--gpus", "2", "--plot", "front.doc"]) == 2


def test_an_engine_without_constants_runs_as_many_as_its_cache_holds(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "--gpus", "1", "--engine", "none")
    (row,) = found["rows"]
    assert row["binding"][0] == "cache"
    assert row["concurrency"] > 100


def test_workers_that_are_full_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "--gpus", "2", "--mode", "disaggregated")
    assert found["rows"][0]["binding"][0] == "decode workers"


def test_a_rate_is_served_by_the_fewest_gpus(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "--rate", "30", "--tpot", "9ms")
    gpus = [row["gpus"] for row in found["rows"]]
    assert gpus == sorted(gpus)
    assert all(row["request_per_s"] == pytest.approx(30) for row in found["rows"])


def test_more_users_than_there_is_room_for_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "--gpus", "2", "--tpot", "8ms", "--users", "5000", "--mode", "aggregated", code=1)
    assert "users are more than its replicas serve" in found["refused"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "State --gpus, --users or --rate"),
        (["--gpus", "8:2"], "expected how many, as 8, or from and to how many, as 1:8"),
        (["--gpus", "two"], "expected how many"),
        (["--gpus", "2", "--tpot", "40"], "40"),
        (["--gpus", "2", "--tpot", "0 ms"], "must be above zero"),
        (["--gpus", "2", "--users", "-3"], "users"),
        (["--gpus", "2", "--mode", "apart"], "invalid choice"),
        (["--gpus", "2", "--drafts", "1"], "acceptance"),
        (["--users", "3", "--rate", "3"], "not allowed with"),
    ],
)
def test_bad_input_is_one_sentence(words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK[:-1], *words]) == 2
    assert sentence in capsys.readouterr().err


def many(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> list[dict[str, Any]]:
    ask = ["recommend", *words, "--device", "h100", "--osl", "256", "--mode", "aggregated", "--quiet", "--json"]
    assert main(ask) == code
    found = json.loads(capsys.readouterr().out)["answers"]
    for one in found:
        one.pop("seconds", None)
    return found


def test_every_model_and_length_has_an_answer_and_a_cluster_has_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    distributed = pytest.importorskip("distributed")
    words = ("qwen3-8b,llama-3.1-8b", "--isl", "1024,lognormal(2048, 0.5)", "--gpus", "1", "--tpot", "12ms")
    here = many(capsys, *words)
    asked = [(one["model"], one["isl"]) for one in here]
    assert asked == [(m, isl) for m in ("qwen3-8b", "llama-3.1-8b") for isl in ("1024", "lognormal(2048, 0.5)")]
    assert all(one["rows"][0]["tpot_s"] <= 0.012 for one in here)
    with distributed.LocalCluster(processes=False, dashboard_address=None, n_workers=1) as cluster:
        assert many(capsys, *words, "--dask", cluster.scheduler_address) == here


def test_of_many_one_without_an_answer_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    words = ("qwen3-8b,llama-3.3-70b,no-such-model", "--isl", "1024", "--gpus", "1", "--tpot", "12ms")
    small, large, none = many(capsys, *words)
    assert small["rows"]
    assert not large["rows"]
    assert "the weights" in large["verdict"]
    assert "no model 'no-such-model'" in none["error"]
    ask = ["recommend", words[0], "--device", "h100", "--osl", "256", *words[1:], "--mode", "aggregated", "--quiet"]
    assert main(ask) == 0
    table, *_, last = capsys.readouterr().out.strip().split("\n")
    assert table.startswith("model")
    assert last.startswith("no-such-model, 1024 in, 256 out: no model")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [(("a,b", "--isl", "1024"), "no model 'a'"), (("qwen3-8b", "--isl", "1,2", "--launch"), "--launch: of one model")],
)
def test_many_that_are_all_amiss_are_one_sentence(
    words: tuple[str, ...], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recommend", *words, "--device", "h100", "--osl", "9", "--gpus", "1"]) == 2
    assert sentence in capsys.readouterr().err


def test_without_limits_there_are_no_more_users_than_places(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*ASK[:-1], "--gpus", "2", "--mode", "disaggregated", "--json"]) == 0
    captured = capsys.readouterr()
    (row,) = json.loads(captured.out)["rows"]
    assert row["concurrency"] < 2000
    assert "no limit of TTFT and of TPOT is stated" in captured.err


def test_workers_that_are_too_slow_are_told_by_how_much(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "--gpus", "2", "--mode", "disaggregated", "--ttft", "5ms", code=1)
    assert "for prefill: with one request alone TTFT is" in found["verdict"]
