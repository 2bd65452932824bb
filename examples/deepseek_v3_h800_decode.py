"""DeepSeek-V3 decode on 128 H800, as DeepSeek profiled it: 2,324 tokens/GPU/s measured, InferSim prints 2675."""

import symsim

report = symsim.simulate(
    config="deepseek-v3",
    device_type="H800",
    world_size=128,
    num_nodes=16,
    use_fp8_gemm=True,
    enable_deepep=True,
    enable_tbo=True,
    target_osl=1786,
    decode_bs=64,
    decode_only=True,
    tables="2025-10",
)
decode = report.decoding
print(f"TPOT {decode['TPOT (ms)']:.2f} ms, {decode['Throughput (TGS)']:.0f} tokens/GPU/s")
