"""What an operator is bound by: the part of its time that would be longest if nothing else took any, said alike by the
breakdown, the report and the regimes. Worked points by hand, from the coefficients."""

from functools import cache
from typing import Any

import pytest

import symsim
from symsim.cost.bound import BOUNDS, longest
from symsim.formula.breakdown import OpLine, breakdown, numbers

MODELS = (
    ("llama-3.3-70b", {"tp": 4}),
    ("deepseek-v3", {"tp": 8, "ep": 8}),
    ("deepseek-v3", {"dp": 8, "ep": 8, "comm": "deepep"}),
    ("qwen3-next-80b-a3b-instruct", {"tp": 2}),
)
LENGTHS = {"S": 4096, "O": 512}


@cache
def costs(model: str, cost_model: str = "calibrated", **degrees: Any) -> symsim.Costs:
    return symsim.compile(model, "h100", symsim.Deployment(**degrees), cost_model)


def lines(of: symsim.Costs, metric: str, **at: int) -> dict[str, OpLine]:
    form = of.metric(metric).form
    return {line.name: line for line in breakdown(of.compiled.phase(metric), form, at)}


class Llama:
    """Llama-3.3-70B on four H100: coefficients and rates by name, and its shapes on one GPU."""

    def __init__(self, **at: int) -> None:
        self.costs = costs("llama-3.3-70b", tp=4)
        self.at = self.costs.metric("ttft" if "T" in at else "tpot").form.point(**at)

    def __getitem__(self, name: str) -> float:
        return float(self.at[name])

    def gemm(self, m: int, n: int, k: int) -> dict[str, float]:
        """calibration/forms/gemm.form in bf16, as the engine runs it."""
        compute = 2 * m * n * k / self["peak_bf16"] * self["slow_compute"] / self["ec_gemm"]
        parts = {
            "compute": compute * (1 + self["h_gemm"] / (m * n)) * (1 + self["hk_gemm"] / k),
            "memory": 2 * (m * k + n * k + m * n) / self["hbm_bandwidth"] / self["em_gemm"],
            "latency": self["t0_gemm"] + self["t1_gemm"] * k / (k + self["k1_gemm"]),
        }
        return {bound: self["slow_gemm"] * seconds for bound, seconds in parts.items()}

    def parts(self, op: str, step: str = "decode") -> dict[str, float]:
        time = self.costs.compiled.phases[step].times()[op]
        found = numbers(tuple(time.parts.values()), self.at, self.costs.tpot.form.context)
        return {bound: seconds for bound, seconds in zip(time.parts, found, strict=True) if seconds}


@pytest.mark.parametrize(
    ("op", "n", "k", "step", "m", "bound"),
    [
        ("layer.ffn.ffn.gate_up_proj", 2 * 28672 // 4, 8192, "prefill", 8192, "compute"),
        ("layer.ffn.ffn.gate_up_proj", 2 * 28672 // 4, 8192, "decode", 1, "memory"),
    ],
)
def test_a_gemm_of_many_rows_computes_and_one_of_few_reads_its_weights(
    op: str, n: int, k: int, step: str, m: int, bound: str
) -> None:
    at = {"S": 8192, "T": 8192} if step == "prefill" else {"B": 1, "S": 1024, "O": 1024}
    llama = Llama(**at)
    by_hand = llama.gemm(m, n, k)
    assert llama.parts(op, step) == pytest.approx(by_hand, rel=1e-9)
    assert max(by_hand, key=by_hand.__getitem__) == bound
    assert lines(llama.costs, "ttft" if step == "prefill" else "tpot", **at)[op].bound == bound


def test_a_small_gemm_of_one_row_is_a_launch() -> None:
    """Weights of 1 MiB are read in a third of a microsecond; more bandwidth helps nothing."""
    small = costs("qwen3-0.6b", tp=4)
    line = lines(small, "tpot", B=1, S=1024, O=1024)["layer.attention.o_proj"]
    assert line.hbm_bytes / 3.35e12 < 0.15 * line.seconds
    assert line.bound == "latency"


def test_a_small_all_reduce_waits_and_a_large_one_sends() -> None:
    """16 KiB of a token: 24 KiB at 450 GB/s are 55 ns, the message itself takes 4 us."""
    at = {"B": 1, "S": 1024, "O": 1024}
    llama = Llama(**at)
    sent = 2 * 3 / 4 * 2 * 8192
    by_hand = {
        "link": sent / llama["nvlink_bandwidth"] / llama["eta_all_reduce"],
        "latency": llama["a0_all_reduce"] + 3 * llama["a1_all_reduce"],
    }
    op = "layer.ffn.out.all_reduce"
    assert llama.parts(op) == pytest.approx(by_hand, rel=1e-9)
    assert lines(llama.costs, "tpot", **at)[op].bound == "latency"
    assert lines(llama.costs, "ttft", S=8192, T=8192)[op].bound == "link"


def test_attention_reads_a_long_context_and_waits_on_a_short_one() -> None:
    at = {"B": 1, "S": 120_000, "O": 2}
    llama = Llama(**at)
    met, heads, kv_heads, width = 120_001, 16, 2, 128
    read = 2 * 2 * (kv_heads * met + kv_heads + heads) * width
    groups = 1 + llama["r_attention_decode"] * heads / kv_heads
    memory = read / llama["hbm_bandwidth"] / llama["em_attention_decode"] * groups
    memory *= llama["slow_attention"] / (1 + llama["kept_attention_decode"] / read)
    found = llama.parts("layer.attention.core")
    assert found["memory"] == pytest.approx(memory, rel=1e-9)
    assert memory > found["latency"] > found["compute"]
    assert lines(llama.costs, "tpot", **at)["layer.attention.core"].bound == "memory"
    short = lines(llama.costs, "tpot", B=1, S=1024, O=1024)["layer.attention.core"]
    assert short.bound == "latency"
    assert short.hbm_bytes / llama["hbm_bandwidth"] < 0.05 * short.seconds


@pytest.mark.parametrize(("model", "degrees"), MODELS)
@pytest.mark.parametrize("batch", [1, 32, 512])
def test_latency_is_what_is_left_of_a_time_at_endless_rates(model: str, degrees: dict[str, Any], batch: int) -> None:
    """And no part is longer than the whole."""
    of = costs(model, **degrees)
    form, times = of.tpot.form, of.compiled.decode.times()
    point = form.point(B=batch, **LENGTHS)
    rates = ("peak_", "hbm_bandwidth", "nvlink_bandwidth", "rdma_bandwidth")
    endless = {name: value * 1e30 if name.startswith(rates) else value for name, value in point.items()}
    for name in of.compiled.decode.fitted:
        terms = (*times[name].parts.values(), times[name].total)
        *parts, whole = numbers(terms, point, form.context)
        (left,) = numbers((times[name].total,), endless, form.context)
        assert dict(zip(BOUNDS, parts, strict=True))["latency"] == pytest.approx(left, rel=1e-6), name
        assert max(parts) <= whole * (1 + 1e-12), name


@pytest.mark.parametrize(("model", "degrees"), MODELS)
@pytest.mark.parametrize("batch", [1, 32, 512])
def test_regimes_and_breakdown_say_the_same(model: str, degrees: dict[str, Any], batch: int) -> None:
    of = costs(model, **degrees)
    (piece,) = of.regimes("tpot", "B", batch, batch, B=batch, **LENGTHS).pieces
    found = lines(of, "tpot", B=batch, **LENGTHS)
    fitted = of.compiled.decode.fitted
    steps = [(step.op, step.symbol.name) for step in of.tpot.form.derivation.steps if step.op in fitted]
    told = {op: piece.binds[name] for op, name in steps if op is not None}
    assert told == {op: found[op].bound for op in told}
    assert len({*told.values()}) > 1


def test_a_report_adds_up_what_the_breakdown_says() -> None:
    of = costs("llama-3.3-70b", tp=4)
    told = of.report(B=1, S=1024, O=1024).bound["tpot"]
    found = lines(of, "tpot", B=1, S=1024, O=1024).values()
    for bound in ("memory", "latency"):
        assert told[bound] == pytest.approx(sum(x.seconds * x.times for x in found if x.bound == bound))
    assert "link" not in told


def test_the_roofline_compares_the_parts_of_the_datasheet() -> None:
    """No form is fitted there: 24 KiB on a link are bound by the link."""
    of = costs("llama-3.3-70b", "roofline", tp=4)
    found = lines(of, "tpot", B=1, S=1024, O=1024)
    assert found["layer.ffn.out.all_reduce"].bound == "link"
    assert found["layer.attention.norm"].bound == "memory"
    assert longest({"compute": 1.0, "memory": 1.0}) == "compute"
