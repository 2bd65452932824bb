"""Pictures: every one is drawn in both styles, with whole fonts, and a colour means one thing on all of them."""

import json
import re
from itertools import combinations
from pathlib import Path

import pytest

import symsim
from symsim.algebra.units import format_quantity
from symsim.notation.colours import colours
from symsim.render.curves import save_regimes
from symsim.render.names import label
from symsim.render.roofline import save_roofline
from symsim.render.style import COLUMN, styled, title_of, told_apart
from tests.commands import run
from tests.package_ranks import PACKAGE

LLAMA = ("llama-3.3-70b", "--device", "h100", "--tp", "4")
PICTURES = {
    "regimes": ("regimes", *LLAMA, "--along", "B", "--sla", "40 ms"),
    "map": ("regimes", *LLAMA, "--cost-model", "roofline", "--along", "B,C", "--range", "1:512,512:32768"),
    "tornado": ("sensitivity", *LLAMA),
    "step": ("report", *LLAMA),
    "comparison": ("compare", "h100", "b200", "--model", "llama-3.3-70b", "--tp", "4"),
    "front": (
        "sweep",
        "qwen3-8b",
        "--device",
        "h100,b200",
        "--over",
        "B=1:64:*4",
        "--over",
        "S=4096",
        "--over",
        "O=64",
    ),
}


@pytest.mark.parametrize("style", ["screen", "paper"])
@pytest.mark.parametrize("what", PICTURES)
def test_every_picture_is_drawn_in_both_styles(what: str, style: str, tmp_path: Path) -> None:
    file = tmp_path / "picture.pdf"
    done = run(*PICTURES[what], "--plot", str(file), "--style", style)
    assert done.returncode == 0, done.stderr
    drawn = file.read_bytes()
    assert b"/Type3" not in drawn
    assert b"/FontFile2" in drawn
    if style == "paper" and what in ("regimes", "comparison", "front"):
        width = float(drawn.split(b"/MediaBox [ 0 0 ")[1].split()[0]) / 72
        assert width < COLUMN * 1.15


def test_a_roofline_holds_prefill_and_decode(tmp_path: Path) -> None:
    file = tmp_path / "roofline.svg"
    assert run("regimes", *LLAMA, "--roofline", str(file)).returncode == 0
    drawn = file.read_text(encoding="utf-8")
    for name in ("compute", "memory"):  # prefill computes, decode moves bytes
        assert f"fill: {colours()[name]}" in drawn


def test_a_map_is_tinted_by_what_binds(tmp_path: Path) -> None:
    file = tmp_path / "map.svg"
    assert run(*PICTURES["map"], "--plot", str(file)).returncode == 0
    drawn = file.read_text(encoding="utf-8")
    for name in ("compute", "memory"):
        parts = [int(colours()[name][i : i + 2], 16) for i in (1, 3, 5)]
        tint = "".join(f"{round(255 - 0.4 * (255 - part)):02x}" for part in parts)
        assert f"stroke: #{tint}" in drawn


def test_a_limit_above_the_curve_has_its_name_in_the_frame(tmp_path: Path) -> None:
    costs = symsim.compile("llama-3.3-70b", "h100", symsim.Deployment(tp=4))
    along = costs.regimes("tpot", "B", 1, 64, S=4096, O=64)
    file = tmp_path / "limit.svg"
    save_regimes(along, 10 * along.pieces[-1].value_high, None, file)
    drawn = file.read_text(encoding="utf-8")
    frame = re.search(r'<g id="patch_2">\s*<path d="M [\d.]+ ([\d.]+) \s*L [\d.]+ [\d.]+ \s*L [\d.]+ ([\d.]+)', drawn)
    limit = re.search(rf'd="M [\d.]+ ([\d.]+) \s*L [\d.]+ \1 \s*"[^>]*{colours()["limit"]}', drawn)
    assert frame is not None
    assert limit is not None
    assert float(frame[2]) + 9 < float(limit[1]) < float(frame[1])  # a line of letters below the top


def test_the_band_of_a_plot_is_the_interval_beyond_what_was_measured_too() -> None:
    formula = symsim.compile("llama-3.3-70b", "h100", symsim.Deployment(tp=4)).tpot
    axes = formula.plot("S", 1024, 2**20, B=4, O=128).figure.axes[0]
    corners = {(float(x), float(y)) for x, y in axes.collections[0].get_paths()[0].vertices}
    for length in (1024, 2**20):
        ends = sorted(y / 1e3 for x, y in corners if x == length)
        low, high = formula.interval(B=4, S=length, O=128) or (0.0, 0.0)
        assert (ends[0], ends[-1]) == pytest.approx((low, high), rel=1e-9)


def test_names_cover_neither_each_other_nor_marks() -> None:
    from matplotlib.text import Text

    with styled("screen") as plt:
        _, axes = plt.subplots(figsize=(4, 3))
        xs, ys = [1, 1.01, 1.02, 2, 3], [1, 1.02, 1.01, 2, 1]
        axes.scatter(xs, ys, s=60)
        axes.plot(xs, ys, label="a curve")
        axes.legend(loc="upper left")
        label(axes, [(x, y, f"operator {i}", "black") for i, (x, y) in enumerate(zip(xs, ys, strict=True))])
        axes.figure.canvas.draw()  # gives names their place
        boxes = [Text.get_window_extent(text) for text in axes.texts]  # without the lines that lead to them
        boxes.append(axes.get_legend().get_window_extent())
        frame = axes.get_window_extent()
        plt.close()
    names = [text.get_text() for text in axes.texts]
    assert names == [f"operator {i}" for i in range(5)]
    for one, other in combinations(boxes, 2):
        assert not one.padded(-1).overlaps(other)
    for box in boxes:
        assert (frame.x0 - 1 <= box.x0, box.x1 <= frame.x1 + 1) == (True, True)
        assert not any(box.contains(*axes.transData.transform(at)) for at in zip(xs, ys, strict=True))


def test_a_picture_is_the_same_every_time(tmp_path: Path) -> None:
    costs = symsim.compile("llama-3.3-70b", "h100", symsim.Deployment(tp=4))
    for name in ("one", "other"):
        save_roofline([costs], ["tpot", "ttft"], {"B": 64, "S": 4096, "O": 512, "T": 4096}, tmp_path / f"{name}.png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "other.png").read_bytes()


@pytest.mark.parametrize("what", ["regimes", "comparison", "step"])
def test_a_picture_of_times_shows_where_they_are_expected(what: str, tmp_path: Path) -> None:
    file = tmp_path / "picture.svg"
    for cost_model, told in (("calibrated", True), ("roofline", False)):
        assert run(*PICTURES[what], "--cost-model", cost_model, "--plot", str(file)).returncode == 0
        assert ("in 90 % of cases" in file.read_text(encoding="utf-8")) == told


def test_the_stack_of_memory_holds_every_part_with_its_name(tmp_path: Path) -> None:
    file = tmp_path / "step.svg"
    at = ("--engine", "trtllm", "--at", "B=64,S=100,O=1")  # pages of 32 tokens, of which 28 are empty
    told = json.loads(run("report", *LLAMA, *at, "--json").stdout)
    assert run("report", *LLAMA, *at, "--plot", str(file)).returncode == 0
    drawn = file.read_text(encoding="utf-8")
    parts = ("weights", "cache", "unfilled_pages", "activations", "reserves", "free")
    assert told["memory"]["unfilled_pages"] > 0
    for name in parts:
        assert f"{name.replace('_', ' ')} {format_quantity(told['memory'][name], 'B', 3)}" in drawn


def test_rooflines_of_two_stand_side_by_side(tmp_path: Path) -> None:
    file = tmp_path / "rooflines.svg"
    asked = ("compare", "h100", "h200", "--model", "qwen3-8b", "--cost-model", "roofline", "--roofline", str(file))
    assert run(*asked, "--at", "B=64").returncode == 0
    drawn = file.read_text(encoding="utf-8")
    assert "NVIDIA H100 SXM" in drawn
    assert "NVIDIA H200 SXM" in drawn
    refused = run(*asked, "--isl", "64", "--osl", "8", "--rate", "1")
    assert refused.returncode == 2
    assert "draw steps, not requests" in refused.stderr


@pytest.mark.parametrize("ending", ["png", "svg", "pgf"])
def test_the_ending_chooses_the_format(ending: str, tmp_path: Path) -> None:
    file = tmp_path / f"tornado.{ending}"
    assert run("sensitivity", *LLAMA, "--plot", str(file), "--style", "paper").returncode == 0
    assert file.stat().st_size > 1000


def test_titles_are_words() -> None:
    one = "models/my-model/config.json, NVIDIA H20, tp 4, calibrated cost model, tables 2026-05"
    assert (
        title_of("llama, H100, world_size 4, gemm checkpoint, engine vllm")
        == "llama on H100, 4 GPUs, weights as stored, vllm"
    )
    assert title_of(one) == "my-model on NVIDIA H20, tp 4, calibrated"
    shared, *own = told_apart(one, one.replace("H20", "B200"))
    assert (shared, own) == ("my-model, tp 4, calibrated", ["NVIDIA H20", "NVIDIA B200"])


def test_a_colour_is_spelled_in_one_place() -> None:
    """`grammar/colours.toml` alone: pictures and pages name what they colour."""
    files = [file for kind in ("py", "css", "js", "jinja") for file in PACKAGE.rglob(f"*.{kind}")]
    spelled = re.compile(r"#[0-9a-f]{6}[\"';]|color\w*(=|: )[\"']?(white|black|gr[ae]y|0\.\d)")
    assert [str(file) for file in files if spelled.search(file.read_text(encoding="utf-8"))] == []
