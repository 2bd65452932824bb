"""What engines add to kernels: terms of the formula, files that state them, and how runs are read and fitted."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import symsim
from symsim.calibration.run_fit import PRIORS, Prior, fit_runs
from symsim.calibration.run_model import Predicted
from symsim.calibration.runs import Run, read_runs
from symsim.errors import DataError
from symsim.inputs.device import bundled_devices, load_device
from symsim.inputs.engine import TIMES, load_engine, with_times
from symsim.pipeline.fitted_kernels import fitted_kernels
from symsim.tables.engine_times import chosen_times, read_times, shipped_times, write_times

AT = {"B": 32, "S": 1000, "O": 500}


def llama(engine: str | Path, device: str = "h100") -> symsim.Costs:
    return symsim.compile("llama-3.3-70b", device, symsim.Deployment(tp=4), "calibrated", engine=engine)


def engine_file(folder: Path, **times: str) -> Path:
    path = folder / "mine.toml"
    zero = {name: "0 s" if unit == "s" else "0" for name, unit in TIMES.items()}
    stated = {**zero, **{name: "1" for name in TIMES if name.startswith("slow")}, **times}
    lines = [f'{name} = "{value}"' for name, value in stated.items()]
    path.write_text(with_times(load_engine("vllm").path.read_text(), ['like = "vllm"', *lines]))
    return path


def test_an_engine_without_constants_takes_its_kernels_time(tmp_path: Path) -> None:
    zero = engine_file(tmp_path)
    for metric, at in (("tpot", AT), ("ttft", {"T": 2000, "S": 1000})):
        kernels = llama("none").metric(metric).evaluate(**at)
        assert llama(zero).metric(metric).evaluate(**at) == pytest.approx(kernels, rel=1e-12)


def test_every_constant_is_a_term_of_the_formula(tmp_path: Path) -> None:
    """80 layers of 11 kernels, two of them collectives, a step and 32 sequences."""
    times = {"launch_gap": "1 us", "collective_wait": "2 us", "host_step": "3 ms", "host_sequence": "4 us"}
    step, bare = llama(engine_file(tmp_path, **times)).tpot, llama("none").tpot
    names = ("launch_gap", "collective_wait", "host_step", "host_sequence")
    assert all(step.symbols[name].kind == "engine" for name in names)
    values = dict(zip(("n_launch", "n_collective"), counts(step), strict=True))
    assert values == {"n_launch": 80 * 11 + 4, "n_collective": 80 * 2 + 1}
    added = values["n_launch"] * 1e-6 + values["n_collective"] * 2e-6 + 3e-3 + 32 * 4e-6
    assert step.evaluate(**AT) - bare.evaluate(**AT) == pytest.approx(added, rel=1e-9)


def test_a_constant_that_nothing_tells_is_no_figure_of_the_file() -> None:
    sources = llama("vllm").tpot.form.bound.sources
    assert "no run tells it" in str(sources["collective_wait"])
    assert "fitted to" in str(sources["host_step"])


def counts(formula: symsim.Formula) -> list[float]:
    found = {step.symbol.name: step.expr for step in formula.form.level("numeric").steps}
    return [float(found[name]) for name in ("n_launch", "n_collective")]


def test_prompts_wait_for_a_host_that_launches_them_one_by_one(tmp_path: Path) -> None:
    slow = llama(engine_file(tmp_path, launch_eager="1 ms"))
    launches = 80 * 11 + 4
    assert slow.ttft.evaluate(T=100, S=100) == pytest.approx(launches * 1e-3, rel=1e-9)
    assert slow.tpot.evaluate(**AT) == llama("none").tpot.evaluate(**AT)


def test_a_request_waits_for_the_host_and_for_a_poll(tmp_path: Path) -> None:
    ask = {"isl": 1000, "osl": 500, "concurrency": 16}
    bare = llama(engine_file(tmp_path)).predict(**ask).as_dict()
    slow = llama(engine_file(tmp_path, host_request="0.1 s", poll_steps="2")).predict(**ask).as_dict()
    wait = slow["ttft_s"]["mean"] - bare["ttft_s"]["mean"]
    assert 0.1 + 2 * bare["tpot_s"]["mean"] < wait < 0.1 + 3 * bare["tpot_s"]["mean"]
    assert slow["tpot_s"]["mean"] == pytest.approx(bare["tpot_s"]["mean"], rel=0.01), "one of 16 waits now and then"
    assert slow["tpot_s"]["mean"] < bare["tpot_s"]["mean"]
    ranks = {"dp": 4, "ep": 4}
    moe = [
        symsim.compile(
            "qwen3-30b-a3b", "h100", symsim.Deployment(**ranks), "calibrated", engine=engine_file(tmp_path, **times)
        )
        .predict(**{**ask, "concurrency": 8})
        .as_dict()
        for times in ({}, {"poll_steps": "3"}, {"poll_ranks": "1"})
    ]
    first = [found["ttft_s"]["mean"] for found in moe]
    assert first[1] == pytest.approx(first[2]), "few keep an engine busy: it looks at every third of those steps"
    assert first[0] + moe[0]["tpot_s"]["mean"] < first[1]
    idle = [
        llama(engine_file(tmp_path, **times)).predict(**{**ask, "concurrency": 1}).as_dict()["ttft_s"]
        for times in ({}, {"poll_steps": "3"})
    ]
    assert idle[0] == idle[1]
    for found in (bare, slow):  # Little's law
        users = found["request_per_s"] * (found["ttft_s"]["mean"] + 499 * found["tpot_s"]["mean"])
        assert users == pytest.approx(16, rel=0.02)


def test_shipped_times_say_what_chose_them_and_stay_what_they_are(tmp_path: Path) -> None:
    assert {one.engine for one in shipped_times()} == {"vllm", "sglang", "trtllm"}
    for one in shipped_times():
        assert len(one.values) <= 12
        assert set(one.values) <= set(TIMES)
        assert one.low < 1 < one.high or one.high == pytest.approx(1, abs=0.01)
    write_times(tmp_path / "copy.toml", shipped_times(), "# copy")
    assert read_times(tmp_path / "copy.toml") == shipped_times()
    (tmp_path / "bad.toml").write_text("engines = [ { engine = 1 } ]")
    with pytest.raises(DataError, match="not a file of times"):
        read_times(tmp_path / "bad.toml")


def test_an_engine_that_was_not_run_on_an_architecture_borrows_and_says_so() -> None:
    chosen = chosen_times("vllm", "b200")
    assert not chosen.own
    assert chosen.values["slow_gemm"][1].architecture == "blackwell"
    assert chosen.values["host_request"][1].engine == "vllm"
    (note,) = [note for note in llama("vllm", "b200").notes if "no runs of vllm" in note]
    assert "vllm on hopper" in note


def wide(ranks: int, engine: str = "sglang") -> symsim.Costs:
    how = symsim.Deployment(dp=ranks, ep=ranks, comm="deepep")
    return symsim.compile("deepseek-v3", "gb200", how, "calibrated", engine=engine)


def test_more_gpus_than_runs_had_widen_the_interval_and_say_so() -> None:
    ends = {ranks: wide(ranks).tpot.interval(B=64, S=4096, O=1024) for ranks in (8, 64)}
    few, many = (high / low for low, high in ends.values())
    assert many > 1.03 * few
    assert not [note for note in wide(8).notes if "extrapolation" in note]
    (note,) = [note for note in wide(64).notes if "extrapolation" in note]
    assert "at most 8 GPUs" in note
    assert "those of 64" in note


def test_experts_that_follow_from_the_replicas_are_shared_as_stated_ones() -> None:
    """`dp = 64` alone spreads the experts over as many; copies of a dense model share nothing."""
    implied = symsim.Deployment(dp=64, comm="deepep")
    costs = symsim.compile("deepseek-v3", "gb200", implied, "calibrated", engine="sglang")
    assert costs.tpot.interval(B=64, S=4096, O=1024) == wide(64).tpot.interval(B=64, S=4096, O=1024)
    dense = symsim.compile("llama-3.1-8b", "gb200", symsim.Deployment(dp=64), "calibrated", engine="sglang")
    assert not [note for note in dense.notes if "extrapolation" in note]


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
def test_an_interval_of_wide_expert_parallelism_is_an_answer(engine: str) -> None:
    """A band of a factor of four is none."""
    low, high = wide(64, engine).tpot.interval(B=64, S=4096, O=1024)
    assert high / low < 3.5


@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
def test_messages_between_experts_hold_no_time_of_a_host(engine: str) -> None:
    """Some were measured without a captured graph: 50 to 400 us, which runs on 16 to 48 GPUs do not take."""
    costs = wide(32, engine)
    assert costs.compiled.fitted is not None
    messages = [name for name in costs.tpot.symbols if name.startswith("a0_expert_messages")]
    constants = [costs.compiled.fitted.numbers[name][0] for name in messages]
    assert len(constants) == 2
    assert max(constants) < 50e-6


@pytest.mark.parametrize("device", bundled_devices())
@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
def test_what_stands_in_is_known_no_worse_than_what_nothing_is_known_of(device: str, engine: str) -> None:
    """A factor of four either way, unless the kernel was off by more where it was measured: TensorRT-LLM's experts of
    H100 are, and stood in on H20 with a factor of 45."""
    kernels = fitted_kernels(load_device(device), engine, "bf16", "bf16")
    for measured, kernel in kernels.sets.values():
        assert min(measured.low, 0.25) <= kernel.low <= measured.low
        assert measured.high <= kernel.high <= max(measured.high, 4)


@pytest.mark.parametrize("device", bundled_devices())
@pytest.mark.parametrize("engine", ["vllm", "sglang", "trtllm"])
def test_no_engine_takes_a_kernel_above_the_datasheet(device: str, engine: str) -> None:
    """A share of a rate, divided by what slows the kernel in an engine; row-wise ones may be fused."""
    card = load_device(device)
    kernels = fitted_kernels(card, engine, "fp8", "bf16").served_by(card, load_engine(engine), 8)
    known = {name: float(value) for name, (value, _) in kernels.numbers.items()}
    reached = {
        share: known[share] / math.prod(known.get(name, 1.0) for name in slow)
        for _, kernel in kernels.plan.kinds
        for share, slow in kernel.shares().items()
        if share in known
    }
    assert len(reached) > 10
    assert {share: value for share, value in reached.items() if value > 1 + 1e-9} == {}


def test_own_runs_are_read_from_csv_and_from_what_benchmarks_write(tmp_path: Path) -> None:
    about = {"model": "qwen3-8b", "device": "h100", "engine": "vllm", "deployment": (("tp", 1),)}
    table = tmp_path / "runs.csv"
    table.write_text("isl,osl,concurrency,tpot_s,ttft_s\n1000,200,8,0.01,0.05\n1000,200,16,0.012,\n")
    first, second = read_runs(table, **about)
    assert (first.load, first.measured) == (
        {"isl": 1000, "osl": 200, "concurrency": 8},
        {"tpot_s": 0.01, "ttft_s": 0.05},
    )
    assert second.measured == {"tpot_s": 0.012}
    vllm = {"completed": 10, "total_input_tokens": 5000, "total_output_tokens": 1000, "max_concurrency": 4}
    (tmp_path / "vllm.json").write_text(json.dumps({**vllm, "mean_tpot_ms": 8, "mean_ttft_ms": 30}))
    (run,) = read_runs(tmp_path / "vllm.json", **about)
    assert (run.load, run.measured) == (
        {"isl": 500, "osl": 100, "concurrency": 4},
        {"tpot_s": pytest.approx(0.008), "ttft_s": pytest.approx(0.03)},
    )
    perf = {
        "input_sequence_length": {"avg": 500, "unit": "tokens"},
        "output_sequence_length": {"avg": 100, "unit": "tokens"},
        "time_to_first_token": {"avg": 30, "unit": "ms"},
        "inter_token_latency": {"avg": 8, "unit": "ms"},
        "input_config": {"perf_analyzer": {"stimulus": {"concurrency": 4}}},
    }
    (tmp_path / "perf.json").write_text(json.dumps(perf))
    assert read_runs(tmp_path / "perf.json", **about)[0].measured == run.measured
    table.write_text("isl,osl\n1,2\n")
    with pytest.raises(DataError, match=r"runs\.csv:2: a run has isl, osl"):
        read_runs(table, **about)


def synthetic(truth: dict[str, float], count: int) -> list[Predicted]:
    """Runs whose times are linear in the coefficients, as those of steps are."""

    def metrics(batch: int, values: dict[str, float]) -> dict[str, float]:
        step = 0.01 * values["slow_gemm"] + values["host_step"] + batch * values["host_sequence"]
        return {"tpot_s": step, "ttft_s": values["host_request"] + step}

    found = []
    for number in range(count):
        batch = 2 ** (number % 8)
        about = {"table": "own", "place": "", "model": "m", "device": "h100", "engine": "vllm", "deployment": ()}
        run = Run(**about, load={"concurrency": batch}, measured=metrics(batch, truth), setup=f"{number // 8}")
        found.append(Predicted(run=run, ranks=8, at=lambda values, batch=batch: metrics(batch, values)))
    return found


KNOWN = {name: PRIORS[name] for name in ("slow_gemm", "host_step", "host_sequence", "host_request")}


def test_a_fit_finds_what_made_the_runs_and_says_what_it_cannot_tell_apart() -> None:
    truth = {"slow_gemm": 1.0, "host_step": 1e-3, "host_sequence": 5e-5, "host_request": 0.05}
    fit = fit_runs(synthetic(truth, 24), KNOWN)
    assert fit.values["host_sequence"] == pytest.approx(5e-5, rel=0.05)
    assert fit.values["host_request"] == pytest.approx(0.05, rel=0.05)
    assert 0.01 * fit.values["slow_gemm"] + fit.values["host_step"] == pytest.approx(0.011, rel=0.02)
    assert np.nanmax(np.abs(fit.errors["tpot_s"])) < 0.03
    names = list(fit.values)
    assert fit.correlation[names.index("slow_gemm"), names.index("host_step")] < -0.8


def test_a_broken_run_hardly_moves_a_fit() -> None:
    truth = {"slow_gemm": 1.0, "host_step": 1e-3, "host_sequence": 5e-5, "host_request": 0.05}
    runs = synthetic(truth, 24)
    broken = [
        Predicted(run=Run(**{**fields(runs[0].run), "measured": {"tpot_s": 1.0}}), ranks=8, at=runs[0].at),
        *runs[1:],
    ]
    assert fit_runs(broken, KNOWN).values["host_sequence"] == pytest.approx(5e-5, rel=0.1)


def test_a_request_s_time_on_the_host_is_that_of_versions_of_the_engine_itself() -> None:
    truth = {"slow_gemm": 1.0, "host_step": 1e-3, "host_sequence": 5e-5}
    newest, older, others = (synthetic({**truth, "host_request": host}, 24) for host in (0.02, 0.04, 0.5))
    another = [replace(one, run=replace(one.run, own=False)) for one in others]
    fit = fit_runs(newest, KNOWN, versions=[*newest, *older, *another])
    between = fit.devices["h100"]["host_request"]
    assert 0.024 < between < 0.036, "between versions, and a server of another engine tells nothing"
    assert fit.values == fit_runs(newest, KNOWN).values
    assert fit.values["host_request"] == pytest.approx(0.02, rel=0.05)


def fields(run: Run) -> dict:
    return {name: getattr(run, name) for name in run.__slots__}


def test_without_runs_what_is_usual_stays() -> None:
    prior = {"host_step": Prior(3e-4, 1.0)}
    assert fit_runs([], prior).values["host_step"] == pytest.approx(3e-4)


def test_an_engine_says_whose_kernels_it_runs(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(load_engine("vllm").path.read_text().partition("[time]")[0])
    costs = symsim.compile("qwen3-8b", "h100", symsim.Deployment(engine=path))
    (note,) = (note for note in costs.notes if "whose kernels" in note)
    assert note.endswith("mine.toml does not say whose kernels it runs: vllm's stand in; state `like` under [time]")
    path.write_text(with_times(path.read_text(), ['like = "sglang"']))
    assert not [
        note for note in symsim.compile("qwen3-8b", "h100", symsim.Deployment(engine=path)).notes if "whose" in note
    ]


@pytest.mark.parametrize("model", ["llama-3.3-70b", "deepseek-v3"])
def test_a_token_passes_the_launches_of_every_stage(model: str) -> None:
    """Stages share the layers, and each token passes all of them: what lies between kernels does not get less."""
    counts = {"n_launch": list[float](), "n_collective": list[float]()}
    for pp in (1, 2, 4):
        costs = symsim.compile(model, "h200", symsim.Deployment(tp=8, pp=pp), "calibrated")
        steps = {step.symbol.name: step.expr for step in costs.tpot.form.level("numeric").steps}
        for name, found in counts.items():
            found.append(float(steps[name].subs("B", 8)))
    for found in counts.values():
        assert found == sorted(found)
        assert found[-1] < 1.1 * found[0]
