"""Qwen3.5-35B-A3B on one H20 with fp8 GEMMs: InferSim prints 127.10 ms, 32227 and 43.99 ms, 5092 tokens/GPU/s."""

import symsim

report = symsim.simulate(
    config="qwen3.5-35b-a3b",
    device_type="H20",
    decode_bs=224,
    use_fp8_gemm=True,
)
prefill = report.prefilling
print(f"TTFT {prefill['TTFT (ms)']:.2f} ms, {prefill['Throughput (TGS)']:.0f} tokens/GPU/s")
decode = report.decoding
print(f"TPOT {decode['TPOT (ms)']:.2f} ms, {decode['Throughput (TGS)']:.0f} tokens/GPU/s")
