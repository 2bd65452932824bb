"""A sweep is `evaluate` at every point, whatever its blocks, backend, cluster or file; nothing beats its front."""

import csv
import itertools
import json
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow.parquet as pq
import pytest
import xarray as xr
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import symsim
from symsim.cli import main
from symsim.errors import EmptyTable, SymsimError
from symsim.formula.grid import gridded
from symsim.search.plan import plan_sweep
from symsim.search.run import dataset, run_blocks, summary_of
from symsim.tables.nearest import nearest_rows
from tests.laws.drawing import costs
from tests.profiles import drawn

METRICS = ("tpot", "ttft", "tgs_decode", "tgs_prefill", "memory", "max_batch")
axes = st.fixed_dictionaries(
    {
        "B": st.lists(st.integers(1, 600), min_size=1, max_size=4),
        "S": st.lists(st.integers(1, 70_000), min_size=1, max_size=4),
        "O": st.lists(st.integers(1, 5000), min_size=1, max_size=4),
        "T": st.lists(st.integers(1, 40_000), min_size=1, max_size=2),
        "hbm_bandwidth": st.lists(st.sampled_from([1e12, 3.35e12, 8e12]), min_size=1, max_size=2),
    }
)
whole_or_half = st.integers(0, 240).map(lambda n: n / 2)


@settings(max_examples=drawn(60))
@given(costs, axes, st.sampled_from(METRICS), st.permutations(["B", "S", "O", "T", "hbm_bandwidth"]))
def test_grids_are_evaluate_at_every_point(
    model: symsim.Costs, values: dict[str, list[float]], metric: str, order: list[str]
) -> None:
    formula = model.metric(metric)
    grid = gridded(formula.form, order)
    try:
        found = grid.values({name: np.array(values[name], dtype=float) for name in order})
    except EmptyTable:
        return
    (answer,) = found.values()
    assert answer.shape == tuple(len(values[name]) for name in grid.axes)
    for place in np.ndindex(answer.shape):
        point = {name: values[name][i] for name, i in zip(grid.axes, place, strict=True)}
        try:
            expected = formula.evaluate(**point)
        except EmptyTable:
            expected = np.nan
        assert answer[place] == pytest.approx(expected, rel=1e-12, nan_ok=True)


@given(
    st.lists(st.tuples(whole_or_half, whole_or_half), min_size=1, max_size=12),
    st.lists(whole_or_half, min_size=1, max_size=6),
    st.lists(whole_or_half, min_size=1, max_size=6),
)
def test_the_nearest_row_is_the_first_of_the_least_distance(
    points: list[tuple[float, float]], first: list[float], second: list[float]
) -> None:
    outer = nearest_rows(tuple(points), np.array(first)[:, None], np.array(second))
    pairs = np.array(list(itertools.product(first, second)))
    aligned = nearest_rows(tuple(points), pairs[:, 0], pairs[:, 1])
    gaps = np.abs(pairs[:, None, 0] - np.array(points)[:, 0]) + np.abs(pairs[:, None, 1] - np.array(points)[:, 1])
    with mock.patch("symsim.tables.nearest.CELLS", 0):  # as many points as are compared with every row
        compared = nearest_rows(tuple(points), pairs[:, 0], pairs[:, 1])
    assert outer.ravel().tolist() == aligned.tolist() == compared.tolist() == np.argmin(gaps, axis=1).tolist()


def test_tokens_that_are_whole_prompts_are_no_part_of_one_more() -> None:
    formula = symsim.compile("deepseek-v3.2", "h800", symsim.Deployment(8), cost_model="infersim").ttft
    lengths = np.arange(7.0, 700.0, 7.0)
    for times in (61, 14):
        grid = gridded(formula.form, ["T", "S"]).values({"T": lengths * times, "S": lengths})
        for at, length in enumerate(lengths):
            expected = formula.evaluate(T=int(length) * times, S=int(length))
            assert grid["TTFT"][at, at] == pytest.approx(expected, rel=1e-12)


SCATTERED = [
    ("qwen3-30b-a3b", "infersim", "tpot", ("B", "S", "O")),
    ("deepseek-v3", "roofline", "tpot", ("S", "B", "O")),
    ("deepseek-v3", "infersim", "memory", ("O", "B", "S")),
    ("deepseek-v3.2", "infersim", "tpot", ("B", "S", "O")),
    ("deepseek-v3.2", "infersim", "ttft", ("T", "S")),
]


@pytest.mark.parametrize("backend", ["numpy", "numba"])
@pytest.mark.parametrize(("name", "cost_model", "metric", "symbols"), SCATTERED)
def test_many_scattered_points_have_the_values_of_single_ones(
    name: str, cost_model: str, metric: str, symbols: tuple[str, ...], backend: Any
) -> None:
    formula = symsim.compile(name, "h800", symsim.Deployment(8), cost_model=cost_model).metric(metric)
    function = formula.function(symbols, backend)
    random = np.random.default_rng(7)
    points = [random.integers(1, 700, 40_000).astype(float) * (1 if s == "B" else 11) for s in symbols]
    with mock.patch("symsim.formula.scattered._BLOCK", 3001):
        found = function(*points)
    direct = formula.form.function(symbols)(*points)  # every part at every point
    assert found == pytest.approx(direct, rel=1e-12, nan_ok=True)
    halves = [values + 0.5 for values in points]  # no whole numbers: nothing repeats
    assert function(*halves) == pytest.approx(formula.form.function(symbols)(*halves), rel=1e-12, nan_ok=True)
    usable = np.flatnonzero(~np.isnan(found))[::4001]
    for at in usable:
        point = {name: int(values[at]) for name, values in zip(symbols, points, strict=True)}
        assert found[at] == pytest.approx(formula.evaluate(**point), rel=1e-12)
    assert len(usable) > 5


GRID: dict[str, Any] = {"B": [1, 16, 64, 256], "S": [1024, 4096], "O": 2048, "world_size": [1, 8, 12]}

SWEEP = ("sweep", "qwen3-8b", "--cost-model", "infersim")


def planned(**options: Any) -> Any:
    options = {"deployment": symsim.Deployment(gemm="fp8"), "cost_model": "infersim", **options}
    return plan_sweep("qwen3-30b-a3b", ["h20", "h800"], GRID, **options)


def test_points_outside_of_constraints_are_masked_with_the_reason() -> None:
    limits = "TPOT <= 40 ms, memory <= capacity"
    swept = symsim.sweep("qwen3-30b-a3b", ["h20", "h800"], GRID, subject_to=limits, cost_model="infersim")
    assert swept.tpot.dims == ("device", "world_size", "B", "S")
    assert swept.tpot.attrs["units"] == "s"
    reasons = swept.reason.attrs["flag_meanings"]
    seen = set()
    for place in np.ndindex(swept.reason.shape):
        point = swept.isel(dict(zip(swept.reason.dims, place, strict=True)))
        device, gpus, batch, s = (point[name].item() for name in swept.reason.dims)
        why = reasons[point.reason.item()]
        seen.add(why)
        if gpus == 12:
            assert "must divide" in why
            continue
        model = symsim.compile("qwen3-30b-a3b", device, symsim.Deployment(world_size=gpus), cost_model="infersim")
        tpot = model.tpot.evaluate(B=batch, S=s, O=2048)
        fits = model.memory.evaluate(B=batch, S=s, O=2048) <= float(model.compiled.numbers.values["hbm_capacity"])
        expected = (
            "feasible"
            if tpot <= 0.04 and fits
            else f"{'memory <= capacity' if tpot <= 0.04 else 'TPOT <= 40 ms'} fails"
        )
        assert why == expected
        assert point.tpot.item() == pytest.approx(tpot if why == "feasible" else np.nan, rel=1e-12, nan_ok=True)
    assert len(seen) == 4


def test_a_row_that_cannot_be_used_is_a_reason() -> None:
    deployment = symsim.Deployment(world_size=4)
    grid = {"B": range(1, 200), "S": 4096, "O": 2048}
    swept = symsim.sweep(
        "qwen3-30b-a3b", "h20", grid, deployment=deployment, tables="2025-10", subject_to="", cost_model="infersim"
    )
    formula = symsim.compile("qwen3-30b-a3b", "h20", deployment, tables="2025-10", cost_model="infersim").tpot
    exact = formula.function(["B", "S", "O"])(np.arange(1, 200), 4096, 2048)
    np.testing.assert_allclose(swept.tpot, exact, rtol=1e-12)
    assert ((swept.reason == 1) == np.isnan(exact)).all()


@pytest.mark.parametrize("options", [{}, {"backend": "numba"}])
@pytest.mark.parametrize("size", [1, 3, 7])
def test_blocks_of_any_size_give_the_same(options: dict[str, Any], size: int) -> None:
    plan = planned(**options)
    whole, parts = dataset(planned(), run_blocks(planned())), dataset(plan, run_blocks(plan, size=size))
    for name in ("tpot", "tgs_decode", "reason"):
        np.testing.assert_allclose(parts[name], whole[name], rtol=1e-13)


def test_files_hold_the_same_points(tmp_path: Path) -> None:
    import pyarrow.parquet as parquet
    import xarray

    words = ("qwen3-30b-a3b", ["h20", "h800"], GRID)
    options: dict[str, Any] = {"deployment": symsim.Deployment(gemm="fp8"), "cost_model": "infersim"}
    swept = symsim.sweep(*words, **options)
    summary = symsim.sweep_to_file(tmp_path / "points.nc", *words, **options)
    assert sum(summary.counts.values()) == swept.reason.size
    read = xarray.open_dataset(tmp_path / "points.nc", engine="h5netcdf").load().isel(O=0)
    np.testing.assert_array_equal(read.tpot, swept.tpot)
    assert read.device.values.tolist() == ["h20", "h800"]
    assert read.tpot.attrs["units"] == "s"
    symsim.sweep_to_file(tmp_path / "points.parquet", *words, **options)
    rows = parquet.read_table(tmp_path / "points.parquet").to_pylist()
    assert len(rows) == swept.reason.size
    for row in rows:
        at = {name: row[name] for name in ("device", "world_size", "B", "S")}
        point = swept.sel(at)
        assert row["tpot"] == pytest.approx(point.tpot.item(), rel=1e-15, nan_ok=True)
        assert (row["reason"] or "feasible") == swept.reason.attrs["flag_meanings"][point.reason.item()]
    assert {path.name for path in tmp_path.iterdir()} == {"points.nc", "points.parquet"}


def test_a_cluster_gives_the_same() -> None:
    distributed = pytest.importorskip("distributed", reason="runs on a Dask cluster; CI installs it")
    plan = planned()
    with distributed.Client(n_workers=1, threads_per_worker=2, dashboard_address=None) as client:
        there = dataset(plan, run_blocks(plan, client.get_executor(), size=5))
    here = dataset(plan, run_blocks(plan))
    for name in ("tpot", "tgs_decode", "reason"):
        np.testing.assert_array_equal(there[name], here[name])


def test_nothing_beats_the_front() -> None:
    grid = {"B": range(1, 257), "S": [1024, 4096], "O": 1024, "tp": [1, 2]}
    words = ("qwen3-30b-a3b", ["h20", "h800"], grid)
    swept = symsim.sweep(
        *words, deployment=symsim.Deployment(world_size=4), subject_to="memory <= capacity", cost_model="infersim"
    )
    front = symsim.pareto(swept)
    per_user, per_gpu = 1 / swept.tpot.values.ravel(), swept.tgs_decode.values.ravel()
    for user, gpu in zip(per_user, per_gpu, strict=True):
        beaten = any(p.per_user >= user and p.per_gpu >= gpu and (p.per_user > user or p.per_gpu > gpu) for p in front)
        on_front = any((p.per_user, p.per_gpu) == (user, gpu) for p in front)
        assert beaten != on_front or np.isnan(user)
    plan = plan_sweep(*words, deployment=symsim.Deployment(world_size=4), cost_model="infersim")
    summary = summary_of(plan)
    for block in run_blocks(plan, size=100):
        summary.add(block)
    for device, name in itertools.product(("h20", "h800"), ("tpot", "tgs_decode")):
        values = swept[name].sel(device=device).values
        value, labels = summary.best[device, name]
        assert value == (np.nanmin(values) if name == "tpot" else np.nanmax(values))
        own = {dim: label for dim, label in labels.items() if dim in swept[name].dims}
        assert float(swept[name].sel(own)) == value
    assert summary.front is not None
    assert [(p.per_user, p.per_gpu) for p in summary.front.points] == [(p.per_user, p.per_gpu) for p in front]


def test_capacity_may_be_an_axis() -> None:
    grid = {"B": [64], "S": 4096, "O": 2048, "hbm_capacity": [60e9, 300e9]}
    swept = symsim.sweep("qwen3-8b", "h20", grid, cost_model="roofline")
    assert swept.reason.values.ravel().tolist() == [2, 0]


def test_command_line(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    picture = tmp_path / "front.png"
    words = [*SWEEP, "--device", "h20,h800", "--over", "B=1:256", "--over", "S=1024,4096"]
    assert main([*words, "--pareto", "--plot", str(picture), "--subject-to", "TPOT <= 60 ms"]) == 0
    printed = capsys.readouterr()
    assert "of 1,024 points are feasible" in printed.out
    assert "tokens/s of a user" in printed.out
    assert "assumed O = 2048" in printed.err
    assert picture.stat().st_size > 1000
    few = [*SWEEP, "--over", "B=1:64:*8", "--over", "O=2048", "--over", "S=4096", "--json"]
    assert main(few) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["B"] for row in document["rows"]] == [1, 8, 64]
    exact = symsim.compile("qwen3-8b", "h20", cost_model="infersim").tpot.evaluate(B=8, S=4096, O=2048)
    assert document["rows"][1]["tpot"] == pytest.approx(exact, rel=1e-12)


def test_nothing_feasible_is_no_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SWEEP, "--over", "B=1:9", "--subject-to", "TPOT <= 1 ms"]) == 1
    assert "TPOT <= 1 ms fails" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--over", "B"], "expected e.g. B=1:256"),
        (["--over", "B=9:1"], "low not above high"),
        (["--over", "B=1:9:*1"], "low not above high"),
        (["--over", "B=0,4"], "B = 0 must be a whole number"),
        (["--over", "Z=1,2"], "no axis Z"),
        (["--over", "dpp=1,2"], "no axis dpp"),
        (["--over", "dp=0"], "dp = 0 must be a whole number of at least 1"),
        (["--over", "hbm_bandwidth=3 TB"], "no unit of B/s"),
        (["--over", "B=1:10000000"], "more than 1,000,000"),
        (["--over", "gemm=fp7"], "nothing of the sweep can be compiled"),
        (["--over", "B=1:9", "--metrics", "tpt"], "did you mean"),
        (["--over", "B=1:9", "--subject-to", "TPOT = 5 ms"], "constraints read, e.g."),
        (["--over", "B=1:9", "--out", "points.txt"], "not .txt"),
        (["--over", "B=1:9", "--out", "nowhere/points.nc"], "there is no folder"),
        (["--over", "B=1:999", "--over", "S=1:999", "--json"], "too many for JSON"),
    ],
)
def test_mistakes(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SWEEP, *words]) == 2
    assert says in capsys.readouterr().err


def test_a_front_needs_its_metrics() -> None:
    with pytest.raises(SymsimError, match="tgs_decode was not swept"):
        symsim.pareto(symsim.sweep("qwen3-8b", "h20", {"B": [1, 2]}, metrics=["tpot"], cost_model="infersim"))


SIZES = st.fixed_dictionaries(
    {
        "world_size": st.lists(st.sampled_from([1, 2, 4, 8, 16, 32, 64]), min_size=1, max_size=5, unique=True),
        "tp": st.lists(st.sampled_from([1, 2, 4, 8]), min_size=1, max_size=3, unique=True),
        "pp": st.lists(st.sampled_from([1, 2, 4]), min_size=1, max_size=2, unique=True),
    }
)


def test_more_data_parallelism_is_more_gpus() -> None:
    found = symsim.sweep("qwen3-30b-a3b", "h20", {"dp": [1, 2, 4], "B": 8, "S": 4096, "O": 1}, cost_model="roofline")
    for dp in (1, 2, 4):
        alone = symsim.compile("qwen3-30b-a3b", "h20", symsim.Deployment(dp=dp), "roofline").tpot
        assert float(found.tpot.sel(dp=dp)) == pytest.approx(alone.evaluate(B=8, S=4096, O=1), rel=1e-12)


@settings(max_examples=drawn(15))
@given(st.sampled_from(["qwen3-30b-a3b", "deepseek-v3.2"]), st.sampled_from(["h800", "b200"]), SIZES)
def test_deployments_together_are_each_by_itself(model: str, device: str, sizes: dict[str, list[int]]) -> None:
    """Formulas that differ in numbers only are evaluated at once, measured tables included."""
    metrics = ["tpot", "ttft", "memory"]
    grid = {**sizes, "B": [1, 7, 300], "S": 4096, "O": 512}
    try:
        found = symsim.sweep(model, device, grid, metrics=metrics, subject_to="", cost_model="roofline")
    except SymsimError as refusal:
        sentence = str(refusal)
        assume("nothing of the sweep can be compiled" not in sentence)
        raise
    for place in itertools.product(*sizes.values()):
        here: dict[str, Any] = dict(zip(sizes, place, strict=True))
        point = found.sel(here) if all(name in found.dims for name in here) else found
        try:
            alone = symsim.compile(model, device, symsim.Deployment(**here), "roofline")
        except SymsimError:
            assert point.reason.values.all()
            continue
        for name, batch in itertools.product(metrics, (1, 7, 300)):
            form = alone.metric(name)
            at = {"B": batch, "S": 4096, "O": 512, "T": 4096}
            expected = form.evaluate(**{key: value for key, value in at.items() if key in form.symbols})
            assert float(point[name].sel(B=batch)) == pytest.approx(expected, rel=1e-12)


def test_axes_of_requests_are_those_of_predict_and_no_others(capsys: pytest.CaptureFixture[str]) -> None:
    ask = ["sweep", "qwen3-8b", "--device", "h100", "--over", "concurrency=8", "--quiet"]
    lengths = ["--over", "isl=1024", "--over", "osl=128"]
    assert main([*ask, *lengths, "--metrics", "tpot", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["rows"]
    found = symsim.compile("qwen3-8b", "h100").predict(isl=1024, osl=128, concurrency=8).figures
    assert row["tpot"] == pytest.approx(found.tpot, rel=1e-12)
    assert main([*ask, "--over", "batches=4"]) == 2
    assert "a sweep over requests has no axis batches" in capsys.readouterr().err
    assert main([*ask, "--over", "batch=4"]) == 2
    assert "state one of B and concurrency" in capsys.readouterr().err


def test_a_tables_efficiency_is_an_axis_like_any_other() -> None:
    """What a kernel is worth: one share of peak in place of all rows of a table, in every formula alike."""
    shares = [0.5, 0.7]
    grid = {"mfu_grouped_gemm_prefill": shares, "S": 2048, "T": 4096}
    found = symsim.sweep("qwen3-30b-a3b", ["h20", "h100"], grid, metrics=["ttft"], subject_to="", cost_model="roofline")
    for device, share in itertools.product(("h20", "h100"), shares):
        ttft = symsim.compile("qwen3-30b-a3b", device, cost_model="roofline").ttft
        expected = ttft.evaluate(S=2048, T=4096, mfu_grouped_gemm_prefill=share)
        assert float(found.ttft.sel(device=device, mfu_grouped_gemm_prefill=share)) == pytest.approx(expected, 1e-12)
        assert expected < ttft.evaluate(S=2048, T=4096, mfu_grouped_gemm_prefill=share / 2)


def test_ranges_of_efficiencies_are_no_whole_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    ask = ["sweep", "qwen3-30b-a3b", "--device", "h20", "--at", "B=256,S=256,O=256", "--subject-to", "", "--json"]
    assert main([*ask, "--cost-model", "roofline", "--over", "mfu_gemm=0.3:0.9:0.2"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    assert [row["mfu_gemm"] for row in rows] == pytest.approx([0.3, 0.5, 0.7, 0.9])
    assert [row["tpot"] for row in rows] == sorted((row["tpot"] for row in rows), reverse=True)
    assert main([*ask, "--over", "mfu_gemm=0.3,0.5"]) == 2
    assert "look nothing up in that table; those of --cost-model roofline do" in capsys.readouterr().out


def test_an_axis_that_nothing_is_like_names_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "qwen3-8b", "--device", "h20", "--over", "zzz=1,2"]) == 2
    assert "a sweep has no axis zzz; symsim list symbols has" in capsys.readouterr().err
    assert main(["sweep", "qwen3-8b", "--device", "h20", "--over", "T=1,2"]) == 2
    assert "a sweep has no axis T: nothing that is swept depends on T" in capsys.readouterr().err


@pytest.mark.parametrize(
    "axes", [["B=8,200", "S=1024,9000", "O=10"], ["concurrency=8,16", "tp=1,2", "S=1024", "O=128"]]
)
def test_files_of_either_sweep_hold_what_json_holds(
    axes: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ask = ["sweep", "qwen3-8b", "--device", "h100,h200", *(word for axis in axes for word in ("--over", axis))]
    for ending in ("csv", "parquet", "nc"):
        assert main([*ask, "--out", str(tmp_path / f"points.{ending}")]) == 0
    capsys.readouterr()
    assert main([*ask, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    names = [name for name in rows[0] if name != "reason"]
    table = pq.read_table(tmp_path / "points.parquet").to_pylist()
    for row, kept in zip(rows, table, strict=True):
        assert {name: None if kept[name] != kept[name] else kept[name] for name in names} == {n: row[n] for n in names}
    with (tmp_path / "points.csv").open() as file:
        written = list(csv.DictReader(file))
    for row, line in zip(rows, written, strict=True):
        assert {name: "" if x is None else str(x) for name, x in row.items()} == line
    with xr.open_dataset(tmp_path / "points.nc", engine="h5netcdf") as found:
        metric = next(name for name in map(str, found.data_vars) if name != "reason")
        dims = [name for name in names if name in found.dims and found.sizes[name] > 1]
        for row in rows:
            value = float(found[metric].sel({name: row[name] for name in dims}).squeeze())
            assert value == pytest.approx(row[metric] if row[metric] is not None else np.nan, rel=1e-12, nan_ok=True)
