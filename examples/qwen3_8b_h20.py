"""Qwen3-8B on one H20 with fp8 GEMMs: 15,061 and 2,682 tokens/GPU/s measured (SGLang), InferSim prints 16328, 2581."""

import symsim

report = symsim.simulate(
    config="qwen3-8b",
    device_type="H20",
    max_prefill_tokens=16384,
    decode_bs=64,
    use_fp8_gemm=True,
    tables="2025-10",
)
prefill = report.prefilling
print(f"TTFT {prefill['TTFT (ms)']:.2f} ms, {prefill['Throughput (TGS)']:.0f} tokens/GPU/s")
decode = report.decoding
print(f"TPOT {decode['TPOT (ms)']:.2f} ms, {decode['Throughput (TGS)']:.0f} tokens/GPU/s")
