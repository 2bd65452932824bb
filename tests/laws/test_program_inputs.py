"""JavaScript that takes symbols besides the workload's gives what `evaluate` gives with them."""

import json
import random
import shutil
import subprocess
from typing import Any

import pytest

import symsim
from tests.laws.test_targets import POINTS, inputs_of, points

OTHER_INPUTS = [
    # model, device, deployment, cost model, metric, inputs besides the workload -> from where to where
    (
        "llama-3.3-70b",
        "h200",
        {"tp": 4},
        "calibrated",
        "tpot",
        {"hbm_bandwidth": (1e12, 9e12), "peak_bf16": (1e14, 4e15)},
    ),
    ("llama-3.3-70b", "h200", {"tp": 4}, "calibrated", "ttft", {"hbm_bandwidth": (1e12, 9e12), "sm_count": (60, 200)}),
    ("gpt-oss-120b", "b200", {"tp": 2}, "calibrated", "tgs_decode", {"nvlink_bandwidth": (1e10, 9e11), "k": (1, 8)}),
    ("deepseek-v3", "h800", {"tp": 8}, "roofline", "tpot", {"L_sparse": (1, 80), "default_mfu": (0.1, 0.9)}),
    ("qwen3-8b", "h20", {"tp": 2}, "roofline", "max_batch", {"hbm_capacity": (5e10, 3e11), "b_kv": (1, 2)}),
    ("llama-3.3-70b", "h200", {"tp": 4}, "calibrated", "tgs_prefill", {"tp": (1, 4), "G": (1, 16)}),
]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node, which CI has")
@pytest.mark.parametrize("case", OTHER_INPUTS, ids=lambda case: f"{case[0]}-{case[3]}-{case[4]}")
def test_javascript_takes_any_symbol(case: tuple[Any, ...]) -> None:
    model, device, degrees, cost_model, metric, ranges = case
    formula = symsim.compile(model, device, symsim.Deployment(**degrees), cost_model).metric(metric)
    draw = random.Random(11)
    own = points(inputs_of(formula))
    asked = [{**point, **{name: drawn(draw, *ends) for name, ends in ranges.items()}} for point in own]
    call = f"{json.dumps([*asked, own[0]])}.map({metric})"
    script = f"{formula.to_javascript(list(ranges))}console.log(JSON.stringify({call}))"
    printed = json.loads(subprocess.run(["node"], input=script, capture_output=True, text=True, check=True).stdout)
    for point, found in zip([*asked, own[0]], printed, strict=True):
        try:
            expected = formula.evaluate(**point)
        except symsim.SymsimError:  # another kind of deployment
            expected = None
        assert found == (None if expected is None else pytest.approx(expected, rel=1e-12)), point
    assert sum(found is not None for found in printed) > POINTS / 4


def drawn(draw: random.Random, low: float, high: float) -> float:
    """A whole number between small ends, else any number."""
    return draw.randint(int(low), int(high)) if isinstance(low, int) else draw.uniform(low, high)


def test_javascript_refuses_what_only_compiling_changes() -> None:
    formula = symsim.compile("deepseek-v3", "h800", symsim.Deployment(tp=8), "roofline").tpot
    with pytest.raises(symsim.SymsimError, match="has no symbol hbm_bandwith; did you mean hbm_bandwidth"):
        formula.to_javascript(["hbm_bandwith"])
    calibrated = symsim.compile("deepseek-v3", "h200", symsim.Deployment(tp=8, ep=8), "calibrated").tpot
    with pytest.raises(symsim.SymsimError, match="ep, moe_tp would follow"):
        calibrated.to_javascript(["tp"])
    table = symsim.compile("qwen3-8b", "h20", cost_model="infersim").tpot
    with pytest.raises(symsim.SymsimError, match="measured rows are chosen by D"):
        table.to_javascript(["D"])
