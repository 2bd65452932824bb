"""Qwen3-30B-A3B prefill on one H20 in bf16: 16,594 tokens/GPU/s measured with SGLang, InferSim prints 17350."""

import symsim

report = symsim.simulate(
    config="qwen3-30b-a3b",
    device_type="H20",
    max_prefill_tokens=16384,
    prefill_only=True,
    tables="2025-10",
)
prefill = report.prefilling
print(f"TTFT {prefill['TTFT (ms)']:.2f} ms, {prefill['Throughput (TGS)']:.0f} tokens/GPU/s")
