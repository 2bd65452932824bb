"""`formula --at`: the value at a point with its interval, in every notation that has room for it."""

import json
import re

import pytest

import symsim
from tests.commands import run

ASKED = ("formula", "llama-3.3-70b", "--device", "h100", "--tp", "4", "--at", "B=16,S=1024,O=512")
AT = {"B": 16, "S": 1024, "O": 512}


@pytest.fixture(scope="module")
def tpot() -> symsim.Formula:
    return symsim.compile("llama-3.3-70b", "h100", symsim.Deployment(tp=4)).tpot


def test_json_has_the_value_and_its_ends(tpot: symsim.Formula) -> None:
    found = json.loads(run(*ASKED, "--format", "json").stdout)
    assert found["metric"] == "tpot"
    assert found["at"] == {
        "point": AT,
        "value": tpot.evaluate(**AT),
        "unit": "s",
        "interval": list(tpot.interval(**AT) or ()),
    }
    assert "at" not in json.loads(run(*ASKED[:-2], "--format", "json").stdout)


@pytest.mark.parametrize(("notation", "delimiters"), [("latex", ("\\[", "\\]")), ("markdown", ("$$", "$$"))])
def test_mathematics_prints_both_sides_of_the_interval(
    notation: str, delimiters: tuple[str, str], tpot: symsim.Formula
) -> None:
    last = run(*ASKED, "--format", notation).stdout.rstrip().splitlines()[-1]
    assert (last[:2], last[-2:]) == delimiters
    found = re.search(r"TPOT\} = ([\d.]+)\^\{\+([\d.]+)\}_\{-([\d.]+)\}\\,\\mathrm\{ms\}", last)
    assert found is not None
    value, above, below = (float(number) / 1e3 for number in found.groups())
    low, high = tpot.interval(**AT) or (0, 0)
    assert value == pytest.approx(tpot.evaluate(**AT), rel=0.05)
    assert above == pytest.approx(high - tpot.evaluate(**AT), rel=0.05)
    assert below == pytest.approx(tpot.evaluate(**AT) - low, rel=0.05)
    assert "90\\,\\%,\\; B = 16,\\; S = 1024,\\; O = 512" in last


def test_a_roofline_has_a_value_alone() -> None:
    last = run(*ASKED, "--format", "latex", "--cost-model", "roofline").stdout.rstrip().splitlines()[-1]
    assert re.search(r"TPOT\} = [\d.]+\\,\\mathrm\{ms\} \\qquad \(B = 16", last)


def test_a_count_has_no_unit() -> None:
    asked = ("formula", "qwen3-8b", "--device", "h100", "--metric", "max-batch", "--at", "S=1000,O=200")
    last = run(*asked, "--format", "latex").stdout.rstrip().splitlines()[-1]
    assert re.fullmatch(r"\\\[ B_\{\\max\} = \d+ \\qquad \(S = 1000,\\; O = 200\) \\\]", last)


@pytest.mark.parametrize("notation", ["python", "typst", "excel"])
def test_other_notations_say_that_they_have_no_room(notation: str) -> None:
    done = run(*ASKED, "--format", notation)
    assert done.returncode == 0
    assert f"{notation} has no room for it" in done.stderr
