"""Qwen3-Next-80B-A3B decode on 4 H20 with fp8 GEMMs: InferSim prints 48.64 ms and 5263 tokens/GPU/s."""

import symsim

report = symsim.simulate(
    config="qwen3-next-80b-a3b",
    device_type="H20",
    world_size=4,
    decode_bs=256,
    use_fp8_gemm=True,
    decode_only=True,
)
decode = report.decoding
print(f"TPOT {decode['TPOT (ms)']:.2f} ms, {decode['Throughput (TGS)']:.0f} tokens/GPU/s")
