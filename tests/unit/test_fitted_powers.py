"""Numbers to fitted powers: exact roots of them have thousands of digits, and nothing may take them."""

import json

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
