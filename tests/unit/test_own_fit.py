"""`symsim fit`: runs that a changed engine would have give its constants back, from what benchmarks write."""

import json
import math
import random
import tomllib
from pathlib import Path
from typing import Any

import pytest

import symsim
from symsim.calibration.accuracy import shipped_runs
from symsim.calibration.own_fit import OwnFit
from symsim.calibration.runs import Run, read_runs
from symsim.errors import DataError, SymsimError
from symsim.inputs.engine import load_engine, with_times
from tests.commands import run

TRUTH = {"host_step": 1.5e-3, "launch_gap": 1.2e-6, "slow_gemm": 0.95, "slow_attention": 1.1, "host_request": 0.03}
LOADS = [(isl, osl, users) for isl, osl in ((1000, 300), (200, 800), (6000, 200)) for users in (1, 8, 64)]
ABOUT: dict[str, Any] = {"model": "qwen3-8b", "device": "h100", "engine": "vllm", "deployment": (("tp", 1),)}


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What an engine with these constants would measure, with 2 % of noise."""
    engine = tmp_path_factory.mktemp("truth") / "true.toml"
    lines = [f'{name} = "{value}{"" if name.startswith("slow") else " s"}"' for name, value in TRUTH.items()]
    engine.write_text(with_times(load_engine("vllm").path.read_text(), ['like = "vllm"', *lines]))
    costs, draw = symsim.compile("qwen3-8b", "h100", engine=str(engine)), random.Random(1)
    rows = []
    for isl, osl, users in LOADS:
        found = costs.predict(isl=isl, osl=osl, concurrency=users).as_dict()
        first, token, output = (math.exp(draw.gauss(0, 0.02)) for _ in range(3))
        figures = {"ttft_s": found["ttft_s"]["mean"] * first, "tpot_s": found["tpot_s"]["mean"] * token}
        rate = {"output_tok_s_per_gpu": found["output_tok_per_s_per_gpu"] * output}
        rows.append({"isl": isl, "osl": osl, "concurrency": users, **figures, **rate})
    return rows


def table(rows: list[dict[str, Any]], path: Path, *names: str) -> Path:
    path.write_text("\n".join(",".join(map(str, line)) for line in [names, *([row[n] for n in names] for row in rows)]))
    return path


def within(found: OwnFit, name: str) -> bool:
    (one,) = (one for one in found.coefficients if one.name == name)
    return one.low <= TRUTH[name] <= one.high


def test_constants_come_back_within_their_intervals(measured: list[dict[str, Any]], tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    rows = table(measured, tmp_path / "runs.csv", "isl", "osl", "concurrency", "tpot_s", "ttft_s")
    found = symsim.fit(rows, "qwen3-8b", "h100")
    assert [name for name in TRUTH if not within(found, name)] == []
    told = {one.name: one.told for one in found.coefficients}
    assert told["host_step"]
    assert told["host_request"]
    assert not told["slow_experts"], "a dense model tells nothing of experts"
    assert ("host_step", "slow_gemm") in found.together, "with few sequences both are a constant of a step"
    assert found.errors["tpot_s"][0] < 0.05
    assert "concurrency" in found.next_run


def test_throughput_alone_tells_the_step(measured: list[dict[str, Any]], tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    rows = table(measured, tmp_path / "runs.csv", "isl", "osl", "concurrency", "output_tok_s_per_gpu")
    found = symsim.fit(rows, "qwen3-8b", "h100")
    told = {one.name: one.told for one in found.coefficients}
    assert told["host_step"]
    assert within(found, "host_step")
    low, high = found.ends["tpot_s"]
    assert 0.9 < low < 1 < high < 1.1


def test_an_engine_of_ones_own_is_fitted_again_from_where_it_is(measured: list[dict[str, Any]], tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    rows = table(measured[:4], tmp_path / "runs.csv", "isl", "osl", "concurrency", "tpot_s", "ttft_s")
    first = symsim.fit(rows, "qwen3-8b", "h100")
    first.write(tmp_path / "own.toml")
    again = symsim.fit(rows, "qwen3-8b", "h100", engine=str(tmp_path / "own.toml"))
    before = {one.name: one.value for one in first.coefficients}
    assert {one.name: one.before for one in again.coefficients} == pytest.approx(before, rel=1e-3)
    again.write(tmp_path / "own.toml")
    text = (tmp_path / "own.toml").read_text()
    assert text.count("# fitted to") == text.count("host_step =") == text.count("like =") == 1
    assert load_engine(tmp_path / "own.toml").step == load_engine("vllm").step


CHIP = """name = "My chip"
[datasheet]
peak_bf16 = "800 TFLOP/s"
hbm_bandwidth = "4 TB/s"
hbm_capacity = "96 GiB"
[assume]
mfu = 0.5
"""


def test_runs_calibrate_a_device_of_which_no_kernel_was_measured(tmp_path: Path) -> None:
    """Whose kernels take 1.6 times as long as those that stand in: no host is blamed for it, and nothing is left of a
    factor of four either way."""
    pytest.importorskip("scipy")
    chip, true = tmp_path / "chip.toml", tmp_path / "true.toml"
    chip.write_text(CHIP)
    truth = {"host_step": "1 ms", "slow_gemm": "1.6", "slow_attention": "1.5", "slow_compute": "1.7"}
    lines = ['like = "vllm"', *(f'{name} = "{value}"' for name, value in truth.items())]
    true.write_text(with_times(load_engine("vllm").path.read_text(), lines))

    def served(**how: Any) -> dict[str, Any]:
        return symsim.compile("qwen3-8b", str(chip), **how).predict(isl=2000, osl=300, concurrency=16).as_dict()

    costs = symsim.compile("qwen3-8b", str(chip), engine=str(true))
    rows = [
        {"isl": isl, "osl": osl, "concurrency": users, "tpot_s": costs.predict(**load).as_dict()["tpot_s"]["mean"]}
        for isl, osl in ((1000, 300), (6000, 200))
        for users in (1, 8, 64)
        for load in [{"isl": isl, "osl": osl, "concurrency": users}]
    ]
    found = symsim.fit(table(rows, tmp_path / "runs.csv", *rows[0]), "qwen3-8b", str(chip))
    assert {one.name: one.low <= 1.6 <= one.high for one in found.coefficients}["slow_gemm"]
    found.write(tmp_path / "own.toml")
    measured = served(engine=str(true))["tpot_s"]["mean"]
    for how, calibrated in (({}, False), ({"calibration": str(tmp_path / "own.toml")}, True)):
        answer = served(**how)
        low, high = answer["intervals"]["tpot_s.mean"]
        assert (abs(answer["tpot_s"]["mean"] / measured - 1) < 0.03) is calibrated
        assert (high / low < 2.5) is calibrated
    elsewhere = symsim.compile("qwen3-8b", "tpu-v6e", calibration=str(tmp_path / "own.toml"))
    assert any("uncalibrated" in note for note in elsewhere.compiled.notes), "they are of another device"


def test_few_runs_have_a_wide_interval(measured: list[dict[str, Any]], tmp_path: Path) -> None:
    pytest.importorskip("scipy")
    widths = []
    for count in (2, len(measured)):
        rows = table(measured[:count], tmp_path / "runs.csv", "isl", "osl", "concurrency", "tpot_s")
        found = symsim.fit(rows, "qwen3-8b", "h100")
        assert set(found.ends) == {"tpot_s"}
        found.write(tmp_path / "own.toml")
        stated = tomllib.loads((tmp_path / "own.toml").read_text())["time"]
        widths.append(float(stated["high"]) / float(stated["low"]))
        costs = symsim.compile("qwen3-8b", "h100", calibration=str(tmp_path / "own.toml"))
        low, high = costs.predict(isl=1000, osl=300, concurrency=8).as_dict()["intervals"]["tpot_s.mean"]
        assert high / low >= widths[-1], "the file's own interval counts, also where it has none of the first token"
    assert widths[0] > 1.5 * widths[1]


def test_every_benchmark_says_the_same(measured: list[dict[str, Any]], tmp_path: Path) -> None:
    row = measured[0]
    serve = {
        "completed": 10 * row["concurrency"],
        "total_input_tokens": 10 * row["concurrency"] * row["isl"],
        "total_output_tokens": 10 * row["concurrency"] * row["osl"],
        "max_concurrency": row["concurrency"],
        "request_rate": "inf",
        "mean_tpot_ms": row["tpot_s"] * 1e3,
        "mean_ttft_ms": row["ttft_s"] * 1e3,
    }

    def perf(**asked: Any) -> dict[str, Any]:
        means = {
            "input_sequence_length": (row["isl"], "tokens"),
            "output_sequence_length": (row["osl"], "tokens"),
            "time_to_first_token": (row["ttft_s"] * 1e3, "ms"),
            "inter_token_latency": (row["tpot_s"] * 1e3, "ms"),
        }
        return {"input_config": asked, **{name: {"avg": value, "unit": unit} for name, (value, unit) in means.items()}}

    def read(name: str, text: str) -> list[Run]:
        (tmp_path / name).write_text(text)
        return read_runs(tmp_path / name, **ABOUT)

    lines = json.dumps({**serve, "request_rate": math.inf})
    files = [
        read("vllm.json", json.dumps(serve)),
        *([one] for one in read("sglang.jsonl", f"{lines}\n{lines}\n")),
        read("genai.json", json.dumps(perf(perf_analyzer={"stimulus": {"concurrency": row["concurrency"]}}))),
        read("aiperf.json", json.dumps(perf(loadgen={"concurrency": row["concurrency"]}))),
    ]
    about = {"isl": row["isl"], "osl": row["osl"]}
    for (one,) in files:
        assert one.load == {**about, "concurrency": row["concurrency"]}
        assert one.measured == pytest.approx({name: row[name] for name in ("tpot_s", "ttft_s")})
    for asked in ({"perf_analyzer": {"stimulus": {"request_rate": 3}}}, {"loadgen": {"request_rate": 3.0}}):
        (one,) = read("rate.json", json.dumps(perf(**asked)))
        assert one.load == {**about, "rate": 3.0}
    with pytest.raises(DataError, match="neither a concurrency nor a request_rate"):
        read("none.json", json.dumps(perf()))
    with pytest.raises(DataError, match="one of max_concurrency and request_rate"):
        read("burst.json", json.dumps({**serve, "max_concurrency": None, "request_rate": math.inf}))
    with pytest.raises(DataError, match="no time per output token"):
        read("empty.json", json.dumps({**serve, "mean_tpot_ms": 0, "mean_ttft_ms": 0}))


def test_a_rate_and_its_throughput_tell_nothing(tmp_path: Path) -> None:
    row = {"isl": 9, "osl": 9, "rate": 2, "output_tok_s_per_gpu": 18}
    rows = table([row], tmp_path / "runs.csv", *row)
    done = run("fit", str(rows), "--model", "qwen3-8b", "--device", "h100")
    assert done.returncode == 2
    assert "whatever the engine takes; measure tpot_s or ttft_s" in done.stderr


def test_what_is_no_closed_loop_of_the_engine_is_left_out_and_why(tmp_path: Path) -> None:
    """A prediction is of a loop that goes on, at one load, without drafts."""
    pytest.importorskip("scipy")
    serve = {"completed": 80, "total_input_tokens": 8000, "total_output_tokens": 1600, "max_concurrency": 8}
    usual = {**serve, "request_rate": "inf", "mean_tpot_ms": 8.0, "failed": 0, "spec_decode_acceptance_length": None}
    perf = {
        "input_sequence_length": {"avg": 100},
        "output_sequence_length": {"avg": 20},
        "inter_token_latency": {"avg": 8, "unit": "ms"},
        "request_count": {"avg": 9},
        "input_config": {"loadgen": {"concurrency": 8}},
    }
    for number, (document, why) in enumerate(
        (
            (usual, ""),
            ({**usual, "completed": 39}, "a burst rather than a closed loop"),
            ({**usual, "request_rate": 2.0}, "neither an open nor a closed loop"),
            ({**usual, "failed": 20}, "more than 5% of the requests failed"),
            ({**usual, "spec_decode_acceptance_length": 2.4}, "tokens were drafted"),
            ({**usual, "accept_length": 2.4}, "tokens were drafted"),
            ({**usual, "request_rate": math.inf, "accept_length": None}, ""),
            (perf, "a burst rather than a closed loop"),
            ({**perf, "request_count": {"avg": 80}}, ""),
        )
    ):
        path = tmp_path / f"{number}.json"
        path.write_text(json.dumps(document))
        (one,) = read_runs(path, **ABOUT)
        assert (why in one.unlike) if why else not one.unlike, one.unlike
    done = run("fit", *(str(tmp_path / f"{n}.json") for n in (0, 4)), "--model", "qwen3-8b", "--device", "h100")
    assert "1 run left out: tokens were drafted, of which `fit` knows nothing; measure without" in done.stderr
    assert done.stdout.startswith("1 run of vllm\n")
    none = run("fit", str(tmp_path / "4.json"), "--model", "qwen3-8b", "--device", "h100")
    assert (none.returncode, "no run can be predicted: tokens were drafted" in none.stderr) == (2, True)


def test_a_csv_may_say_what_its_runs_are_of(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("isl,osl,concurrency,prefix_hit,tpot_s,device,tp,model\n1000,200,8,0.5,0.01,H100,2,qwen3-8b\n")
    (one,) = read_runs(path)
    assert (one.model, one.device, dict(one.deployment), one.load["prefix_hit"]) == ("qwen3-8b", "H100", {"tp": 2}, 0.5)
    (row,) = symsim.accuracy([path]).rows
    assert (row.run.engine, row.measured) == ("vllm", 0.01)
    usual = symsim.compile("qwen3-8b", "h100", symsim.Deployment(tp=2))
    expected = usual.predict(isl=1000, osl=200, concurrency=8, prefix_hit=0.5).as_dict()["tpot_s"]["mean"]
    assert row.predicted == pytest.approx(expected)
    refused = run("fit", str(path), "--model", "qwen3-8b", "--device", "h200")
    assert (refused.returncode, "the column device says H100, but h200 is asked for" in refused.stderr) == (2, True)
    path.write_text("isl,osl,concurrency,tpot_s\n1000,200,8,0.01\n")
    unknown = run("accuracy", str(path))
    assert "1 run has no prediction: they do not say their model and device; state it in columns" in unknown.stderr


def test_of_a_table_that_ships_those_are_fitted_that_are_asked_for() -> None:
    """And none that is kept apart for checking."""
    pytest.importorskip("scipy")
    path = next(path for path in shipped_runs() if "vllm" in path.name)
    rows = [one for one in read_runs(path) if "Scout" in one.model and one.split == "fit"]
    found = symsim.fit(path, "llama-4-scout-17b-16e-instruct-fp8-dynamic", "h100")
    assert 0 < found.runs == len(rows)
    assert "kept apart for checking (split = check)" in found.refused
    with pytest.raises(SymsimError, match="of another model, device or engine, as the table says"):
        symsim.fit(path, "qwen3-8b", "h100")
