"""Qwen3-Next-80B-A3B prefill on 2 H20 with fp8 GEMMs: InferSim prints 169.17 ms and 24212 tokens/GPU/s."""

import symsim

report = symsim.simulate(
    config="qwen3-next-80b-a3b",
    device_type="H20",
    world_size=2,
    use_fp8_gemm=True,
    max_prefill_tokens=4096,
    prefill_only=True,
)
prefill = report.prefilling
print(f"TTFT {prefill['TTFT (ms)']:.2f} ms, {prefill['Throughput (TGS)']:.0f} tokens/GPU/s")
