"""Forms of serving against a simulation of requests that knows no queueing formula: a sample of its cases.

A case is right where each figure is inside its band plus three standard errors of the simulation.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from symsim import serving

CASES = json.loads(Path(__file__).with_name("serving.json").read_text(encoding="utf-8"))["cases"]

MIXED = {"ttft_p50": 18, "ttft_p90": 11, "ttft_p99": 8}
BANDS: dict[str, dict[str, float]] = {
    "prefill.md1": {"ttft_mean": 1, "ttft_p90": 3, "ttft_p99": 3},
    "prefill.mdk": {"ttft_mean": 2, "ttft_p90": 3, "ttft_p99": 3},
    "prefill.mm1": {"ttft_mean": 1},
    "prefill.mg1.cv1": {"ttft_mean": 1},
    "prefill.mg1.cv2": {"ttft_mean": 1},
    "prefill.mgk": {"ttft_mean": 2},
    "prefill.split.rr": {"ttft_mean": 2},
    "prefill.split.random": {"ttft_mean": 2},
    "prefill.batch": {"ttft_mean": 4},
    "mixed.open": {"tpot_tokens_mean": 4.5, "ttft_mean": 4.5} | MIXED,
    "mixed.spec": {"tpot_tokens_mean": 3.5, "ttft_mean": 3.5} | MIXED,
    "mixed.prefix": {"tpot_tokens_mean": 3.5, "ttft_mean": 3.5} | MIXED,
    "mixed.random": {"tpot_tokens_mean": 5, "ttft_mean": 5},
    "mixed.budget": {"tpot_tokens_mean": 3.5, "ttft_mean": 11, "ttft_p50": 18, "ttft_p90": 18, "ttft_p99": 12},
    "mixed.max": {"tpot_tokens_mean": 7, "ttft_mean": 2.5},
    "mixed.moe": {"tpot_tokens_mean": 2, "ttft_mean": 2.5},
    "exclusive": {"tpot_tokens_mean": 7, "ttft_mean": 7},
    "decode.affine": {"tpot_decode_mean": 1.5},
    "decode.max": {"tpot_decode_mean": 1.5},
    "decode.moe": {"tpot_decode_mean": 1.5},
    "decode.limit": {"tpot_decode_mean": 1.5},
    "decode.spec": {"rows": 1.5},
    "disagg": {"ttft_mean": 1.5, "ttft_second_mean": 1.5, "tpot_mean": 1.5},
    "closed": {"rate": 1, "tpot_tokens_mean": 1, "ttft_mean": 1},
    "kv.limit": {"ttft_mean": 20},
    "routing": {"max_over_mean": 6, "experts_hit_per_gpu": 0.5},
}
"""Group -> figure -> percent."""


def bands(case: dict[str, Any]) -> dict[str, float]:
    if case["group"] == "prefill.gd1":
        return {"ttft_mean": 4 if case["case"]["ca"] < 1 else 25}
    return {} if case["group"] == "prefill.batch" and case["load"] < 0.5 else BANDS[case["group"]]


@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_inside_its_band(case: dict[str, Any]) -> None:
    found = serving.figures(case["case"])
    off = {}
    for name, band in bands(case).items():
        mean, error = case["result"][name]
        off[name] = (100 * (found[name] / mean - 1), band + 300 * error / mean)
    assert not {name: pair for name, pair in off.items() if abs(pair[0]) > pair[1]}, off


def test_every_group_is_there() -> None:
    assert {case["group"] for case in CASES} == {*BANDS, "prefill.gd1"}


def test_what_has_no_equilibrium_has_no_figures() -> None:
    case = {"kind": "engine", "step": {"t0": 0.01, "a": 2e-5}, "S": 1000, "O": 200, "lam": 1000}
    assert serving.figures(case) == {}
