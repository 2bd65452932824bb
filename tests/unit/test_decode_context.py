"""Messages and memory of decode context parallelism, by hand."""

import pytest

import symsim
from symsim.formula.breakdown import breakdown
from tests.unit.test_parallelism import lines


def test_a_latent_cache_is_held_once() -> None:
    """DeepSeek-V3: 61 layers of 576 elements of 2 bytes are 70,272 bytes a token; an eighth of it is on each GPU."""
    alone, shared = (
        symsim.compile("deepseek-v3", "h200", symsim.Deployment(tp=8, dcp=dcp), "roofline").memory for dcp in (1, 8)
    )
    page = [memory.evaluate(B=1, S=31, O=1) - memory.evaluate(B=1, S=15, O=1) for memory in (alone, shared)]
    assert page == pytest.approx([16 * 70_272, 16 * 8_784])


def test_messages_of_decode_context_parallelism() -> None:
    """64 queries of 16 heads, 576 wide, go to 7 others; 512 wide outputs and a float a head come back from each."""
    found = lines("deepseek-v3", tp=8, dcp=8)
    gather = found["sparse.attention.queries.gather_heads"]
    assert gather.link_bytes == pytest.approx(7 * 64 * 16 * 576 * 2)
    combine = found["sparse.attention.attended.combine_heads"]
    assert combine.link_bytes == pytest.approx(7 * 64 * 16 * (512 * 2 + 4))


def test_a_prompt_gathers_only_what_was_cached_before() -> None:
    assert not any("gather_cached" in name for name in lines("deepseek-v3", "ttft", tp=8, dcp=8))
    costs = symsim.compile("deepseek-v3", "h200", symsim.Deployment(tp=8, dcp=8), "roofline")
    point = {"B": 64, "C": 4096, "Q": 1, "T": 2048, "past": 8192}
    rows = breakdown(costs.compiled.phase("step"), costs.metric("step").form, point)
    sent = {row.link_bytes for row in rows if "gather_cached" in row.name}
    assert sent == {7 * 8192 / 8 * 576 * 2}
