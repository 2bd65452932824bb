"""Qwen3-30B-A3B decode on 4 H20 in bf16: 2,749 tokens/GPU/s measured with SGLang, InferSim prints 2632 and 38.00 ms."""

import symsim

report = symsim.simulate(
    config="qwen3-30b-a3b",
    device_type="H20",
    world_size=4,
    decode_bs=100,
    decode_only=True,
    tables="2025-10",
)
decode = report.decoding
print(f"TPOT {decode['TPOT (ms)']:.2f} ms, {decode['Throughput (TGS)']:.0f} tokens/GPU/s")
