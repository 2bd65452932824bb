"""Two ways in which each command is used, as its help shows them; a test runs every one."""

from __future__ import annotations

from collections.abc import Mapping

EXAMPLES: Mapping[str, tuple[str, str]] = {
    "recommend": (
        "recommend qwen3-8b --device h100 --gpus 2 --isl 1024 --osl 256 --tpot 40ms",
        "recommend qwen3-8b --device h100 --users 50 --isl 1024 --osl 256 --tpot 40ms",
    ),
    "report": ("report qwen3-8b --device h100", "report llama-3.3-70b --device h200 --tp 4 --at B=32,S=8192,O=1024"),
    "predict": (
        "predict qwen3-8b --device h100 --isl 1024 --osl 256 --concurrency 32",
        "predict qwen3-8b --device h100 --isl 'lognormal(1024, 0.5)' --osl 256 --rate 4",
    ),
    "solve": (
        'solve qwen3-8b --device h100 "max B subject to TPOT <= 20 ms, memory <= capacity with S = 4096, O = 1024"',
        'solve qwen3-8b --device h100 "max S subject to TTFT <= 1 s"',
    ),
    "sweep": (
        "sweep qwen3-8b --device h100,h200 --over B=1,16,64",
        'sweep qwen3-8b --device h100 --over tp=1,2 --over B=1:64:*2 --subject-to "TPOT <= 20 ms" --pareto',
    ),
    "compare": (
        "compare h100 h200 --model qwen3-8b",
        "compare calibrated roofline --model qwen3-8b --device h100 --metric ttft",
    ),
    "simulate": (
        "simulate --config-path qwen3-8b --device-type H20",
        "simulate qwen3-8b --device-type H20 --world-size 2 --tp-size 2 --decode-only",
    ),
    "formula": (
        "formula qwen3-8b --device h100 --cost-model roofline --at B=64,S=4096,O=1024",
        "formula qwen3-8b --device h100 --metric memory --format latex",
    ),
    "regimes": (
        "regimes qwen3-8b --device h100 --cost-model roofline --along B --range 1:512",
        "regimes qwen3-8b --device h100 --cost-model infersim --along S",
    ),
    "sensitivity": ("sensitivity qwen3-8b --device h100", "sensitivity qwen3-8b --device h100 --metric ttft"),
    "verify": (
        r"verify appendix.tex",
        r"verify 'T_{tok} = t_{embedding} + \sum_{l=1}^{L} t_{layer} + t_{logits}' --define T_{tok}=TPOT"
        " --model qwen3-8b --device h100 --cost-model roofline",
    ),
    "graph": ("graph qwen3-8b --device h100", "graph qwen3-8b --device h100 --phase prefill --format dot"),
    "kernel": (
        "kernel gemm --device h100 --at m=512,k=4096,n=4096",
        "kernel gemm --device h20 --at m=64,k=4096,n=4096 --format latex",
    ),
    "params": ("params qwen3-8b", "params openai/gpt-oss-120b --json"),
    "flops": ("flops qwen3-8b", "flops qwen3-8b --json"),
    "cache": ("cache qwen3-8b --at S=4096,O=1024", "cache deepseek-v3 --kv fp8"),
    "new-model": ("new-model my-model", "new-model my-model/config.json --json"),
    "check-model": ("check-model qwen3-8b", "check-model gpt-oss-20b --batch 1 --seq 32"),
    "paper": (
        "paper qwen3-8b --device h100 --cost-model roofline --out section",
        "paper qwen3-8b --device h100 --cost-model infersim --out section",
    ),
    "page": ("page qwen3-8b --device h100 --out page.html", "page qwen3-8b --device h200 --tp 2 --out page.html"),
    "accuracy": ("accuracy", "accuracy --json"),
    "fit": ("fit runs.csv --model qwen3-8b --device h100 --out own.toml", "fit kernels --kernels --out own"),
    "validate": ("validate", "validate --json"),
    "list": ("list models", "list symbols"),
    "completion": ("completion bash > ~/.symsim.bash", "completion zsh > ~/.zfunc/_symsim"),
}
