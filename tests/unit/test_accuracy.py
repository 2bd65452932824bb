"""Predictions beside measured runs, and an engine of one's own: through the command line, as people use them."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

import symsim
from symsim.calibration.accuracy import GROUP_KEYS, shipped_runs
from symsim.calibration.runs import newest, read_runs
from symsim.inputs.engine import TIMES, load_engine
from symsim.render.accuracy import axis_ends, save_accuracy
from tests.commands import run

RUNS = """isl,osl,concurrency,tpot_s,ttft_s
1000,300,1,0.0085,0.03
1000,300,16,0.0108,0.06
4000,300,16,0.0160,0.16
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few of the shipped runs."""
    lines = next(path for path in shipped_runs() if "vllm" in path.name).read_text().splitlines()
    dense = [line for line in lines[1:] if "Qwen2.5" in line or "Mistral" in line]
    path = tmp_path_factory.mktemp("runs") / "some.csv"
    path.write_text("\n".join((lines[0], *dense[:3], "")))
    return path


def test_shipped_runs_are_read_each_with_what_was_measured_and_how_it_was_kept_apart() -> None:
    runs = [one for path in shipped_runs() for one in read_runs(path)]
    assert {one.table for one in runs} == {"inferencex", "vllm", "gpustack"}
    assert {one.split for one in runs} == {"fit", "check"}
    assert all(one.measured and "tpot_s" in one.measured for one in runs)
    apart = {one.setup for one in runs if one.split == "fit"} & {one.setup for one in runs if one.split == "check"}
    assert not apart, "a set-up is either fitted or checked"
    assert len(newest(runs)) < len(runs)


def test_another_engine_s_server_is_not_compared() -> None:
    runs = [one for path in shipped_runs() for one in read_runs(path)]
    others = [one for one in runs if not one.own]
    assert {one.device for one in others} == {"mi355x"}, "ATOM, for whose kernels SGLang's times stand"
    assert all("ttft_s" in one.measured and set(one.compared) == set(one.measured) - {"ttft_s"} for one in others)
    assert all(one.compared == one.measured for one in runs if one.own)


def test_every_row_has_a_prediction_and_an_interval(table: Path) -> None:
    found = json.loads(run("accuracy", str(table), "--json").stdout)
    assert set(found) == {"rows", "summary", "refused"}
    for row in found["rows"]:
        assert row["file"] == "some.csv"
        assert row["low"] < row["predicted"] < row["high"]
        assert {*GROUP_KEYS, "row", "metric", "measured"} <= set(row)
    tpot = [row for row in found["rows"] if row["metric"] == "tpot_s"]
    assert len(tpot) == 3
    assert max(abs(row["predicted"] / row["measured"] - 1) for row in tpot) < 0.35
    assert sum(one["rows"] for one in found["summary"]) == len(found["rows"])


def test_errors_that_go_together_widen_intervals(table: Path) -> None:
    rows = {
        together: [(row.low, row.predicted, row.high) for row in symsim.accuracy([table], together=together).rows]
        for together in (0.0, 0.3, 1.0)
    }
    for narrow, usual, wide in zip(*rows.values(), strict=True):
        assert wide[0] < usual[0] < narrow[0] < usual[1] == wide[1] < narrow[2] < usual[2] < wide[2]
    for option, says in (
        ("--together", "together = 2.0 must be from 0 to 1"),
        ("--interval", "interval = 2.0 must be"),
    ):
        refused = run("accuracy", str(table), option, "2")
        assert (refused.returncode, says in refused.stderr) == (2, True)


def test_a_summary_is_by_what_is_asked_for(table: Path, tmp_path: Path) -> None:
    text = run("accuracy", str(table), "--by", "model,phase", "--plot", str(tmp_path / "all.png")).stdout
    assert "decode" in text
    assert "median" in text
    assert (tmp_path / "all.png").stat().st_size > 1000
    refused = run("accuracy", str(table), "--by", "colour")
    assert (refused.returncode, "there is no colour" in refused.stderr) == (2, True)


def test_a_row_far_off_stands_at_the_edge_of_the_picture_and_is_counted(table: Path, tmp_path: Path) -> None:
    found = symsim.accuracy([table])
    row = next(one for one in found.rows if one.metric == "tpot_s")
    crowd = [replace(row, measured=0.01 * (1 + i / 300)) for i in range(300)]
    far = replace(row, measured=1e-5)
    low, high = axis_ends([*crowd, far])
    assert far.measured < low < min(one.measured for one in crowd)
    assert max(one.predicted for one in crowd) < high
    save_accuracy(replace(found, rows=(*crowd, far)), tmp_path / "far.svg")
    assert "1 of 301 beyond the axes" in (tmp_path / "far.svg").read_text(encoding="utf-8")
    save_accuracy(replace(found, rows=tuple(crowd)), tmp_path / "near.svg")
    assert "beyond" not in (tmp_path / "near.svg").read_text(encoding="utf-8")


def test_the_roofline_is_further_off(table: Path) -> None:
    worst = {
        model: max(abs(row.error) for row in symsim.accuracy([table], cost_model=model).rows if row.metric == "tpot_s")
        for model in ("calibrated", "roofline")
    }
    assert worst["calibrated"] < worst["roofline"]


def test_own_runs_become_an_engine_that_predictions_take(tmp_path: Path) -> None:
    runs, mine = tmp_path / "mine.csv", tmp_path / "mine.toml"
    runs.write_text(RUNS)
    where = ("--device", "h100")
    found = run("fit", str(runs), "--model", "qwen3-8b", *where, "--out", str(mine))
    assert found.returncode == 0
    for said in ("3 runs of vllm", "tpot_s of runs left out", "measure next: input", "written to"):
        assert said in found.stdout
    assert load_engine(mine).like == "vllm"
    assert set(load_engine(mine).times) <= set(TIMES)
    ask = ("predict", "qwen3-8b", *where, "--cost-model", "calibrated", "--isl", "1000", "--osl", "300")
    asked = (*ask, "--concurrency", "16", "--json")
    shipped, own = (json.loads(run(*asked, *more).stdout) for more in ((), ("--calibration", str(mine))))
    off = [abs(one["tpot_s"]["mean"] / 0.0108 - 1) for one in (shipped, own)]
    assert off[1] < off[0]
    again = symsim.compile("qwen3-8b", "h100", cost_model="calibrated", calibration=mine)
    assert again.predict(isl=1000, osl=300, concurrency=16).as_dict()["tpot_s"] == own["tpot_s"]


def test_what_cannot_be_fitted_is_said(tmp_path: Path) -> None:
    runs = tmp_path / "mine.csv"
    runs.write_text(RUNS)
    assert "fit needs --model" in run("fit", str(runs), "--device", "h100").stderr
    refused = run("fit", str(runs), "--model", "deepseek-v3", "--device", "h100")
    assert (refused.returncode, "no run can be predicted" in refused.stderr) == (2, True)
    assert "takes one folder" in run("fit", str(runs), "--kernels").stderr
