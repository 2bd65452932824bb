"""Numbers to fitted powers: exact roots of them have thousands of digits, and nothing may take them."""

import json
import re
from pathlib import Path

import pytest

import symsim
from symsim.formula.closed_form import Level
from tests.commands import run

QWEN = ("qwen3-8b", "--device", "h100", "--cost-model", "calibrated")


@pytest.mark.parametrize("level", ["symbolic", "model", "numeric"])
@pytest.mark.parametrize("style", ["text", "latex", "markdown", "mathml", "typst", "json"])
def test_every_notation_writes_them(style: str, level: Level) -> None:
    for words in (QWEN, ("deepseek-v3", "--device", "h200", "--cost-model", "calibrated", "--tp", "8")):
        done = run("formula", *words, "--format", style, "--level", level)
        assert done.returncode == 0
        assert max(map(len, done.stdout.split())) < 4000


@pytest.mark.parametrize("along", ["B", "hbm_bandwidth", "B,S"])
@pytest.mark.parametrize("style", ["text", "latex", "json"])
def test_regimes_write_them(along: str, style: str) -> None:
    assert run("regimes", *QWEN, "--along", along, "--format", style).returncode == 0


def test_pieces_have_the_metric_s_values() -> None:
    costs = symsim.compile("qwen3-8b", "h100", cost_model="calibrated")
    for piece in costs.regimes("tpot", "B", 1, 300, S=4096, O=2048).pieces:
        at = int(piece.low)
        assert piece.value_low == pytest.approx(costs.tpot.evaluate(B=at, S=4096, O=2048), rel=1e-9)


def test_sweeps_have_the_metric_s_values() -> None:
    swept = run("sweep", *QWEN, "--over", "B=1:64:*8", "--over", "S=4096", "--over", "O=2048", "--json")
    tpot = symsim.compile("qwen3-8b", "h100", cost_model="calibrated").tpot
    for row in json.loads(swept.stdout)["rows"]:
        if row["tpot"] is not None:
            assert row["tpot"] == pytest.approx(tpot.evaluate(B=row["B"], S=4096, O=2048), rel=1e-9)


LLAMA = ("llama-3.3-70b", "--device", "h100", "--tp", "4", "--cost-model", "calibrated")


@pytest.mark.parametrize("level", ["symbolic", "model", "numeric"])
def test_what_is_printed_is_verified(level: str, tmp_path: Path) -> None:
    printed = run("formula", *LLAMA, "--format", "latex", "--level", level).stdout
    file = tmp_path / "formula.tex"
    file.write_text(printed, encoding="utf-8")
    asked = ("verify", str(file), "--model", *LLAMA)
    assert "tpot: equal" in run(*asked).stdout
    if level == "numeric":
        exponent = re.search(r"\^\{(1\.\d+)\}", printed)
        assert exponent is not None
        file.write_text(
            printed.replace(exponent.group(1), f"{float(exponent.group(1)) + 0.05:.4g}", 1), encoding="utf-8"
        )
        assert "wrong" in run(*asked).stdout


def test_powers_of_numbers_are_worked_out() -> None:
    on = symsim.Deployment(world_size=128, dp=128, ep=128)
    tpot = symsim.compile("deepseek-v3", "h100", on, cost_model="calibrated").tpot
    printed = tpot.to_latex("numeric")
    assert not re.search(r"\\left\(\d+\\right\)\^", printed)
    assert re.search(r"t_\{\\mathrm\{routed\}\} &= [\d.]+ \\Bigl\(", printed)


def test_times_stand_in_powers_in_six_digits() -> None:
    printed = run("formula", *LLAMA, "--level", "numeric").stdout
    head = printed[: printed.index("symbols")]
    assert re.search(r"t_embed += [\d.]+\*\(\([\d.]+ µs\)\*\*[\d.]+ \+ \([\d.]+ ns \* B\)", head)
    assert not re.search(r"\d{5}/\d|/\d{5}", head)
