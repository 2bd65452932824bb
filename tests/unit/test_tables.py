"""Measured tables: facts read off the CSV files, and the reference's rules said again as loops."""

from __future__ import annotations

import csv
import math
from bisect import bisect_right
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symsim.errors import EmptyTable
from symsim.paths import MFU, ROOT
from symsim.tables.bind import bind
from symsim.tables.forms import UNANSWERED, Nearest, Table, thinned
from symsim.tables.table import TableContext, rows, signatures
from tests.profiles import drawn

SHARED = ROOT.parent / "shared" / "mfu"
DATES = {"2025-10": "2025-10-15", "2026-05": "9999"}


def context(device: str = "H20", vintage: str = "2026-05", kv: str = "bf16", **more: object) -> TableContext:
    return TableContext(**{"device": device, "vintage": vintage, "kv": kv, "cost_model": "infersim", **more})  # type: ignore[arg-type]


# Facts, read off the files by eye.


def test_two_blocks_of_one_gemm_shape_the_later_wins() -> None:
    lines = [
        row.line
        for row in rows("mfu_gemm")
        if row.text(("device", "m", "k", "n")) == "device=H20, m=16, k=4096, n=24576"
    ]
    assert len(lines) == 2
    assert bind("mfu_gemm", (4096, 24576), context()).explain(16, default=0.35).line == lines[1]


def test_gemm_takes_the_smallest_covering_shape_and_the_last_m_below() -> None:
    found = bind("mfu_gemm", (2048, 6100), context()).explain(40, default=0.35)
    assert (found.line, found.value) == (3, 0.253)  # H20,32,2048,6144,10.74,0.253317
    assert found.distance == {"n": 44, "m": -8}


@pytest.mark.parametrize(("m", "k", "n"), [(15, 2048, 6144), (16, 2048, 10**6), (16, 10**6, 576)])
def test_gemm_below_the_first_m_or_uncovered_is_the_default(m: int, k: int, n: int) -> None:
    assert bind("mfu_gemm", (k, n), context())(m) == UNANSWERED


def test_a_covering_shape_too_far_away_does_not_count() -> None:
    """Of H800's shapes only (65536, 128) covers (20000, 1), 2.07e9 away, and (40000, 1), 6.5e8 away."""
    assert bind("mfu_gemm", (20000, 1), context("H800")).missing
    assert bind("mfu_gemm", (40000, 1), context("H800")).explain(64, default=0.35).distance["k"] == 25536
    found = bind("mfu_gemm", (1, 1), context()).explain(64, default=0.35)
    assert (found.row["k"], found.row["n"]) == ("512", "2048")  # 4.45e6; (2048, 576) is 4.52e6 away


def test_nearest_tie_takes_the_first_of_the_file() -> None:
    decode = bind("mfu_gqa_decode", (64, 2, 128), context())
    assert decode.explain(24, 4096, default=0.35).row["batch"] == "16"  # 16 and 32 are as near
    assert decode.explain(24, 4096, default=0.35).line == 385


def test_scan_below_the_first_row_is_the_default() -> None:
    prefill = bind("mfu_gqa_prefill", (32, 4, 128), context())
    assert prefill(1023) == UNANSWERED
    assert prefill(1024) == 0.525
    assert prefill(10**7) == 0.943
    assert prefill.explain(1023, default=0.35).default


@pytest.mark.parametrize("function", ["mfu_gqa_prefill", "mfu_mla_prefill"])
def test_missing_prefill_attention_table_is_nine_tenths(function: str) -> None:
    lookup = bind(function, (7, 7, 7), context("GB200"))
    assert lookup(4096) == 0.9
    assert lookup.missing is not None
    assert "7" in lookup.missing
    assert "GB200" in lookup.missing


def test_missing_tables_give_the_device_default() -> None:
    assert bind("mfu_gqa_decode", (7, 7, 7), context("H800"))(100, 5000) == UNANSWERED
    assert bind("mfu_gemm", (2048, 6144), context("H200"))(64) == UNANSWERED


def test_two_axes_scanned_apart() -> None:
    """2025-10: b* = 64; kv_len 5000 stops in the first batch's rows at 4096: the row (64, 4096)."""
    old = bind("mfu_gqa_decode", (64, 2, 128), context(vintage="2025-10"))
    assert old.explain(100, 5000, default=0.35).line == 399
    assert old(100, 5000) == 0.339
    # At and above 131072 nothing is larger: the scan ends with the table, at its last row's kv_len, 8192.
    assert old.explain(100, 131072, default=0.35).line == 400
    # (512, 16384) was not measured.
    assert old(600, 20000) == UNANSWERED
    assert old.explain(600, 20000, default=0.35).line is None


def test_the_row_that_the_reference_skips() -> None:
    ours = bind("mfu_gqa_decode", (64, 2, 128), context(cost_model="roofline"))
    assert ours.explain(1, 1024, default=0.35).line == 377
    theirs = bind("mfu_gqa_decode", (64, 2, 128), context())
    assert theirs.explain(1, 1024, default=0.35).line == 384  # (16, 1024) is 15 away
    # 2025-10 scans kv_len from 4096 on, so 1024 lies below the first row.
    assert bind("mfu_gqa_decode", (64, 2, 128), context(vintage="2025-10"))(16, 2000) == UNANSWERED


def test_a_zero_row_is_an_error_that_names_it() -> None:
    lookup = bind("mfu_gqa_decode", (16, 2, 128), context("H800"))
    with pytest.raises(EmptyTable, match=r"mfu/gqa_decode\.csv:459.*batch=1, kv_len=1024.*divided.*latency"):
        lookup(1, 1024)
    found = lookup.table.over(np.array([1, 16]), 1024)
    assert math.isnan(found[0])
    assert found[1] > 0


def test_no_rows_of_the_kv_precision() -> None:
    with pytest.raises(EmptyTable, match="fp8") as caught:
        bind("mfu_mla_decode", (128, 512, 64), context("H800", kv="fp8"))
    assert "bf16" in str(caught.value)
    assert bind("mfu_mla_decode", (128, 512, 64), context("H800", "2025-10", "fp8"))(64, 4096) == UNANSWERED
    assert bind("mfu_gqa_decode", (32, 8, 128), context(kv="fp8")).explain(1, 1, default=0.35).row["kv_dtype"] == "fp8"


def test_linear_attention_scales_the_nearest_row_or_refuses() -> None:
    decode = bind("time_gdn_decode", (4, 16, 128, 32, 128), context())
    assert decode(100) == pytest.approx((29 + 246) * 1e-6 * 100 / 128)  # 100 is nearer to 128 than to 64
    assert decode(200_000) == pytest.approx(2 * decode(100_000))
    for device, vintage in (("H800", "2026-05"), ("H20", "2025-10")):
        with pytest.raises(EmptyTable, match=rf"gdn_decode.*{device}.*H20"):
            bind("time_gdn_decode", (4, 16, 128, 32, 128), context(device, vintage))


@pytest.mark.parametrize("points", [(100,), (1,), (5000,)])
def test_explained_value_is_the_value(points: tuple[float, ...]) -> None:
    for function, shape in (
        ("time_gdn_decode", (4, 16, 128, 32, 128)),
        ("time_gdn_prefill", (4, 16, 128, 32, 128)),
        ("mfu_gemm", (2048, 6144)),
    ):
        lookup = bind(function, shape, context())
        assert lookup.explain(*points, default=UNANSWERED).value == lookup(*points)


def test_grouped_gemm_takes_the_larger_half_and_its_vintage() -> None:
    shape = (96, 1, 96, 8, 2048, 1560)
    assert bind("mfu_grouped_gemm_decode", shape, context())(48) == 0.031  # 32 and 64 as near: the first
    assert bind("mfu_grouped_gemm_decode", shape, context(vintage="2025-10"))(63) == 0.031
    late = (256, 1, 256, 8, 2048, 512)
    assert bind("mfu_grouped_gemm_decode", late, context()).missing is None
    assert bind("mfu_grouped_gemm_decode", late, context(vintage="2025-10")).missing


def test_mfu_is_rounded_only_when_the_cost_model_says() -> None:
    assert bind("mfu_gemm", (2048, 6144), context())(16) == 0.128
    assert bind("mfu_gemm", (2048, 6144), context(mfu_decimals=None))(16) == 0.127969


def test_sentences_say_line_and_distance() -> None:
    found = bind("mfu_gemm", (2048, 6144), context()).explain(100, default=0.35)
    assert found.sentence().startswith("mfu/gemm.csv:4")
    assert "-36" in found.sentence()
    assert found.outside is False
    assert bind("mfu_gemm", (2048, 6144), context()).explain(10**6, default=0.35).outside is True
    missing = bind("mfu_gqa_decode", (32, 8, 100), context("H800")).explain(1, 1, default=0.35)
    assert "heads=32, kv_heads=8, head_dim=100" in missing.sentence()
    assert "0.35" in missing.sentence()


# The data.


@pytest.mark.skipif(not SHARED.is_dir(), reason="the reference tables (../shared/mfu) are not here")
def test_tables_are_the_reference_tables() -> None:
    names = sorted(path.name for path in SHARED.glob("*.csv"))
    assert names == sorted(path.name for path in MFU.glob("*.csv"))
    for name in names:
        assert (MFU / name).read_text() == (SHARED / name).read_text(), name


def test_every_table_has_a_sidecar_that_fits_its_header() -> None:
    assert sorted(Path(s.file).stem for s in signatures().values()) == sorted(p.stem for p in MFU.glob("*.csv"))
    for signature in signatures().values():
        header = rows(signature.function)[0].cells
        assert set(signature.args) <= set(header), signature.file
        assert {"device", "published"} <= set(header)
        assert sorted(signature.shape_args + signature.axes) == sorted(signature.args)
        assert signature.axes
        assert all(row.cells.get("dtype", "bf16") == "bf16" for row in rows(signature.function))


def test_every_skip_meets_exactly_one_row() -> None:
    ours = bind("mfu_gqa_decode", (64, 2, 128), context(cost_model="roofline"))
    theirs = bind("mfu_gqa_decode", (64, 2, 128), context())
    assert len(ours.rows) == len(theirs.rows) + 1


# The rules once more, as loops over the rows, in the words of the specification (section 9).

TABLES = {  # function: (file, shape columns, axes, rule in 2025-10, rule in 2026-05)
    "mfu_gemm": ("gemm", ("k", "n"), ("m",), "gemm", "gemm"),
    "mfu_gqa_decode": (
        "gqa_decode",
        ("heads", "kv_heads", "head_dim"),
        ("batch", "kv_len"),
        "floors",
        "nearest",
    ),
    "mfu_mla_decode": (
        "mla_decode",
        ("heads", "kv_lora_rank", "qk_rope_head_dim"),
        ("batch", "kv_len"),
        "floors",
        "nearest",
    ),
    "mfu_gqa_prefill": ("gqa_prefill", ("heads", "kv_heads", "head_dim"), ("seq_len",), "floor", "floor"),
    "mfu_mla_prefill": (
        "mla_prefill",
        ("heads", "qk_nope_head_dim", "qk_rope_head_dim"),
        ("seq_len",),
        "floor",
        "floor",
    ),
    "mfu_grouped_gemm_decode": (
        "grouped_gemm_decode",
        ("experts", "gpus", "local_experts", "top_k", "hidden", "intermediate"),
        ("batch_per_gpu",),
        "floor",
        "nearest",
    ),
    "mfu_grouped_gemm_prefill": (
        "grouped_gemm_prefill",
        ("experts", "gpus", "local_experts", "top_k", "hidden", "intermediate"),
        ("tokens_per_gpu",),
        "floor",
        "floor",
    ),
    "time_gdn_decode": (
        "gdn_decode",
        ("conv_kernel", "key_heads", "key_head_dim", "value_heads", "value_head_dim"),
        ("batch",),
        "nearest",
        "nearest",
    ),
    "time_gdn_prefill": (
        "gdn_prefill",
        ("conv_kernel", "key_heads", "key_head_dim", "value_heads", "value_head_dim"),
        ("seq_len",),
        "nearest",
        "nearest",
    ),
}
Lines = list[dict[str, str]]


@cache
def read(file: str) -> Lines:
    with (MFU / f"{file}.csv").open(newline="") as handle:
        return list(csv.DictReader(handle))


def floor_row(lines: Lines, column: str, asked: float) -> dict[str, str] | None:
    kept = None
    for line in lines:
        if float(line[column]) > asked:
            break
        kept = line
    return kept


def floors_row(lines: Lines, axes: tuple[str, ...], asked: tuple[float, ...]) -> dict[str, str] | None:
    floors = [floor_row(lines, axis, x) for axis, x in zip(axes, asked, strict=True)]
    kept = None
    for line in lines:
        if all(f is not None and line[axis] == f[axis] for f, axis in zip(floors, axes, strict=True)):
            kept = line
    return kept


def nearest_row(lines: Lines, axes: tuple[str, ...], asked: tuple[float, ...]) -> dict[str, str] | None:
    kept, least = None, math.inf
    for line in lines:
        gap = sum(abs(float(line[axis]) - x) for axis, x in zip(axes, asked, strict=True))
        if gap < least:
            kept, least = line, gap
    return kept


def gemm_row(lines: Lines, k: float, n: float, m: float) -> dict[str, str] | None:
    shape, least = None, 1e9
    for line in lines:
        gap = (float(line["k"]) - k) ** 2 + (float(line["n"]) - n) ** 2
        if float(line["k"]) >= k and float(line["n"]) >= n and gap < least:
            shape, least = (line["k"], line["n"]), gap
    below = [line for line in lines if (line["k"], line["n"]) == shape and float(line["m"]) <= m]
    return below[-1] if below else None


def figure(line: dict[str, str]) -> float:
    columns = [name for name in line if name == "mfu" or name.endswith("_mfu")]
    return max(round(float(line[name]), 3) for name in columns) or math.nan


def expected(function: str, shape: tuple[float, ...], asked: tuple[float, ...], about: TableContext) -> float | None:
    """The value; NaN for a zero row; None where nothing may answer."""
    file, columns, axes, *rules = TABLES[function]
    rule = rules[about.vintage == "2026-05"]
    lines = [x for x in read(file) if x["device"] == about.device and x["published"] <= DATES[about.vintage]]
    if function == "mfu_gemm":
        row = gemm_row(lines, *shape, *asked)
        return figure(row) if row else UNANSWERED
    lines = [x for x in lines if tuple(float(x[column]) for column in columns) == shape]
    if (function, about.device, shape) == ("mfu_gqa_decode", "H20", (64, 2, 128)):
        del lines[0]
    if function.startswith("time"):
        row = nearest_row(lines, axes, asked)
        parts = [float(v) for name, v in row.items() if name.endswith("_us")] if row else []
        return sum(parts) * 1e-6 * asked[0] / float(row[axes[0]]) if row else None
    if not lines:
        return 0.9 if function in ("mfu_gqa_prefill", "mfu_mla_prefill") else UNANSWERED
    if "kv_dtype" in lines[0]:
        lines = [x for x in lines if x["kv_dtype"] == about.kv]
        if not lines and about.vintage == "2026-05":
            return None
    match rule:
        case "floor":
            row = floor_row(lines, axes[0], asked[0])
        case "floors":
            row = floors_row(lines, axes, asked)
        case _:
            row = nearest_row(lines, axes, asked)
    return figure(row) if row else UNANSWERED


def interpret(table: Table, *point: float) -> float:
    """What a printed stand-alone program does with a look-up's plain data."""
    if isinstance(table, Nearest):
        gaps = [sum(abs(a - x) for a, x in zip(at, point, strict=True)) for at in table.points]
        at = gaps.index(min(gaps))
        return table.values[at] * (1 if table.scale is None else point[table.scale] / table.points[at][table.scale])
    cell = 0
    for edges, x in zip(table.edges, point, strict=True):
        cell = cell * (len(edges) + 1) + bisect_right(edges, x)
    return table.values[cell]


@cache
def shapes(function: str) -> list[tuple[float, ...]]:
    file, columns, *_ = TABLES[function]
    return sorted({tuple(float(x[column]) for column in columns) for x in read(file)})


@st.composite
def questions(draw: st.DrawFn) -> tuple[str, tuple[float, ...], list[tuple[float, ...]], TableContext]:
    """A table, a shape that is mostly measured, points that often lie on, beside and beyond its rows."""
    function = draw(st.sampled_from(sorted(TABLES)))
    file, _, axes, *_ = TABLES[function]
    shape = draw(st.sampled_from(shapes(function)))
    if function == "mfu_gemm":
        shape = tuple(max(1.0, x + draw(st.integers(-3000, 3000))) for x in shape)
    elif draw(st.integers(0, 9)) == 0:
        shape = (shape[0] + 1, *shape[1:])
    axis = [
        st.one_of(
            st.sampled_from(sorted({float(x[name]) for x in read(file)})).flatmap(
                lambda x: st.sampled_from([x - 1, x, x + 1, x * 1.5])
            ),
            st.integers(1, 300_000).map(float),
            st.floats(0.5, 1e6),
        )
        for name in axes
    ]
    points = draw(st.lists(st.tuples(*axis), min_size=1, max_size=8))
    device = draw(st.sampled_from(["H20", "H20", "H800", "H800", "GB200"]))
    vintage, kv = draw(st.sampled_from(sorted(DATES))), draw(st.sampled_from(["bf16", "bf16", "fp8"]))
    return function, shape, points, context(device, vintage, kv)


def same(ours: float, theirs: float) -> bool:
    return ours == theirs or math.isclose(ours, theirs, rel_tol=1e-13) or (math.isnan(ours) and math.isnan(theirs))


@settings(max_examples=drawn(500), deadline=None)
@given(questions())
def test_look_ups_are_the_rules_of_the_specification(
    question: tuple[str, tuple[float, ...], list[tuple[float, ...]], TableContext],
) -> None:
    function, shape, points, about = question
    answers = [expected(function, shape, point, about) for point in points]
    if None in answers:
        with pytest.raises(EmptyTable):
            bind(function, shape, about)
        return
    lookup = bind(function, shape, about)
    in_one = lookup.table.over(*(np.array(column) for column in zip(*points, strict=True)))
    for point, answer, vector in zip(points, answers, in_one, strict=True):
        assert answer is not None
        assert same(float(vector), answer)
        assert same(interpret(lookup.table, *point), answer)
        assert same(interpret(thinned(lookup.table), *point), answer)
        if math.isnan(answer):
            with pytest.raises(EmptyTable):
                lookup(*point)
        else:
            assert same(lookup(*point), answer)
            assert same(lookup.explain(*point, default=UNANSWERED).value, answer)


@settings(max_examples=drawn(200), deadline=None)
@given(questions(), st.floats(1, 1e5))
def test_nothing_changes_beyond_the_settled_point(
    question: tuple[str, tuple[float, ...], list[tuple[float, ...]], TableContext], more: float
) -> None:
    function, shape, points, about = question
    try:
        lookup = bind(function, shape, about)
    except EmptyTable:
        return
    for axis in range(len(lookup.axes)):
        if isinstance(lookup.table, Nearest) and lookup.table.scale == axis:
            continue
        wall = lookup.same_row_beyond(axis)
        near, far = list(points[0]), list(points[0])
        near[axis], far[axis] = wall + 1, wall + 1 + math.ceil(more)
        assert same(interpret(lookup.table, *near), interpret(lookup.table, *far))


def test_arrays_broadcast() -> None:
    lookup = bind("mfu_gqa_decode", (32, 8, 128), context())
    grid = lookup.table.over(np.arange(1, 5)[:, None], np.array([1024, 5000, 90000]))
    assert grid.shape == (4, 3)
    assert grid[2, 1] == lookup(3, 5000)
    nothing = bind("mfu_gqa_decode", (7, 7, 7), context())
    assert nothing.table.over(np.arange(3)[:, None], np.arange(2)).shape == (3, 2)
