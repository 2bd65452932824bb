"""Kernels by themselves: the FP8 sparse-MLA model, sparse attention, and messages between attention and FFN GPUs."""

import math
from pathlib import Path

import pytest
import sympy

import symsim
from symsim.algebra.symbols import architecture_symbol, symbol
from symsim.cost.kernel_cost import costs
from symsim.errors import SymsimError
from symsim.language.library import load_library
from symsim.model.lower import lower
from symsim.model.op_graph import DEGREES
from symsim.paths import GRAPHS

SIZES = {"h": 128, "q": 1, "r": 512, "dr": 64, "topk": 2048}  # DeepSeek-V3.2


def by_hand(batch: int, clock: float, sms: int, bandwidth: float, peak: float) -> float:
    """Seconds of DeepSeek-V3.2's sparse-MLA kernel, worked out from the terms InferSim publishes for it."""
    load = (512 + 512 / 128 * 4 + 2 * 64) / (bandwidth / sms)
    dequantise = (1 / 64 + 1 / 64 + 1 / 16 + 1 / 256) * 512 / clock
    multiply = 64 * 2 * (512 + 512 + 64) / (peak / sms)
    block = max(32 * (load + dequantise), 64 * multiply)
    return 2 * math.ceil(2048 / 64 * batch / sms) * block


@pytest.mark.parametrize("batch", [1, 4, 5, 64, 66, 67, 128])
@pytest.mark.parametrize(
    ("device", "clock", "sms", "bandwidth", "peak"),
    [("h800", 1980e6 * 0.9, 132, 3350e9 * 0.8, 989e12), ("h20", 1980e6 * 0.9, 78, 4000e9 * 0.8, 148e12)],
)
def test_sparse_mla_kernel(batch: int, device: str, clock: float, sms: int, bandwidth: float, peak: float) -> None:
    found = symsim.kernel("sparse_mla_fp8", device, SIZES, cost_model="roofline")
    seconds = by_hand(batch, clock, sms, bandwidth, peak)
    assert found.time.evaluate(B=batch) == pytest.approx(seconds, rel=1e-12)
    assert found.achieved is not None
    flops = 2 * batch * 128 * 2048 * (2 * 512 + 64)
    assert found.achieved.evaluate(B=batch) == pytest.approx(flops / seconds, rel=1e-12)


def test_dequantising_binds_on_h800_and_multiplying_on_h20() -> None:
    """More peak helps only where multiplying binds."""
    for device, helps in (("h800", False), ("h20", True)):
        time = symsim.kernel("sparse_mla_fp8", device, SIZES, cost_model="roofline").time
        peak = float(time.form.bound.values["peak_bf16"])
        assert (time.evaluate(B=64, peak_bf16=peak * 1.5) < time.evaluate(B=64)) is helps


def test_attention_ffn_messages() -> None:
    rate = 50e9 * 0.8
    for name, width in (("a2f", 1), ("f2a", 2)):
        found = symsim.kernel(name, "h800", {"m": 128, "D": 7168}, cost_model="roofline")
        assert found.time.evaluate() == pytest.approx(128 * 7168 * width / rate, rel=1e-12)
        assert found.achieved is None
    gibibytes = symsim.kernel("a2f", "h800", {"m": 128, "D": 7168}, cost_model="infersim").time.evaluate()
    assert gibibytes == pytest.approx(128 * 7168 / 2**30 / (50 * 0.8), rel=1e-12)


DISAGGREGATED = """
model split for Split:
    config:
        D = hidden_size
    repeat 4 as layer:
        there = a2f(input; tokens, D)
        back  = f2a(there; tokens, D)
"""


def test_messages_are_operators_of_a_graph(tmp_path: Path) -> None:
    (tmp_path / "common").symlink_to(GRAPHS / "common")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "split.graph").write_text(DISAGGREGATED)
    library = load_library("mine", (tmp_path,))
    alone = {symbol(degree): sympy.S.One for degree in DEGREES}
    graph = lower(library.models["split"], library, "decode", alone)
    priced, _ = costs(graph, library, alone)
    sent = {op.label: priced[op.name].link_bytes for op in graph.ops}
    batch, width = symbol("B"), architecture_symbol("D")
    assert sent == {"there": batch * width * symbol("b_fp8"), "back": batch * width * symbol("b_bf16")}


def test_sparse_attention_follows_its_table() -> None:
    """At a measured point, the time is the measured latency but for the reference's 1024 and three decimals."""
    time = symsim.kernel(
        "dsa_decode", "h800", {"h": 128, "r": 512, "dr": 64, "topk": 2048}, symsim.Deployment(kv="fp8"), "roofline"
    )
    assert time.time.evaluate(B=64, C=8192) == pytest.approx(96.312e-6, rel=0.002)
    logits = symsim.kernel("dsa_logits_decode", "h800", {"h": 64, "d": 128}, cost_model="roofline")
    assert logits.time.evaluate(B=64, C=8192) == pytest.approx(36.21e-6, rel=0.005)


@pytest.mark.parametrize(
    ("name", "sizes", "says"),
    [
        ("sparse_mla", SIZES, "did you mean sparse_mla_fp8"),
        ("a2f", {"m": 1}, "needs D"),
        ("a2f", {"m": 1, "D": 1, "x": 2}, "has no size x"),
    ],
)
def test_mistakes_are_one_sentence(name: str, sizes: dict[str, int], says: str) -> None:
    with pytest.raises(SymsimError, match=says):
        symsim.kernel(name, "h800", sizes, cost_model="roofline")
