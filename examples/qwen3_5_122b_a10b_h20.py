"""Qwen3.5-122B-A10B on 2 H20, tp 2, with fp8 GEMMs: InferSim prints 227.26 ms, 9012 and 52.26 ms, 1607 tokens/GPU/s."""

import symsim

report = symsim.simulate(
    config="qwen3.5-122b-a10b",
    device_type="H20",
    world_size=2,
    tp_size=2,
    decode_bs=168,
    use_fp8_gemm=True,
)
prefill = report.prefilling
print(f"TTFT {prefill['TTFT (ms)']:.2f} ms, {prefill['Throughput (TGS)']:.0f} tokens/GPU/s")
decode = report.decoding
print(f"TPOT {decode['TPOT (ms)']:.2f} ms, {decode['Throughput (TGS)']:.0f} tokens/GPU/s")
