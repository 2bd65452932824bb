"""DeepSeek-V3 prefill on 32 H800, as DeepSeek profiled it: 7,839 tokens/GPU/s measured, InferSim prints 9034."""

import symsim

report = symsim.simulate(
    config="deepseek-v3",
    device_type="H800",
    world_size=32,
    num_nodes=4,
    use_fp8_gemm=True,
    enable_deepep=True,
    enable_tbo=True,
    target_osl=1786,
    max_prefill_tokens=8192,
    prefill_only=True,
    tables="2025-10",
)
prefill = report.prefilling
print(f"TTFT {prefill['TTFT (ms)']:.2f} ms, {prefill['Throughput (TGS)']:.0f} tokens/GPU/s")
