"""Small configs of every way to attend, to mix and to route that the `roofline` graphs know, beside the bundled models.

Architecture are powers of two, so that most deployments divide them; layers follow the families' real patterns.
"""

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

import symsim

_SIZES = {"hidden_size": 256, "num_hidden_layers": 12, "vocab_size": 1024, "num_attention_heads": 16}
_GQA = {**_SIZES, "num_key_value_heads": 8, "head_dim": 32, "intermediate_size": 512}

BUNDLED = (
    "deepseek-v3",
    "deepseek-v3.2",
    "qwen3-235b-a22b",
    "qwen3-30b-a3b",
    "qwen3-8b",
    "qwen3-next-80b-a3b",
    "qwen3.5-122b-a10b",
    "qwen3.5-35b-a3b",
)
"""Bundled checkpoints that laws are drawn for: those that both cost models answer."""

CONFIGS: dict[str, dict[str, Any]] = {
    "llama": {"architectures": ["LlamaForCausalLM"], **_GQA, "tie_word_embeddings": True},
    "mistral": {"architectures": ["MistralForCausalLM"], **_GQA, "sliding_window": 64},
    "mixtral": {"architectures": ["MixtralForCausalLM"], **_GQA, "num_local_experts": 16, "num_experts_per_tok": 2},
    "gemma2": {"architectures": ["Gemma2ForCausalLM"], **_GQA, "sliding_window": 64},
    "gpt_oss": {
        "architectures": ["GptOssForCausalLM"],
        **_GQA,
        "sliding_window": 64,
        "num_local_experts": 16,
        "num_experts_per_tok": 4,
    },
    "deepseek_v2": {
        "architectures": ["DeepseekV2ForCausalLM"],
        **_SIZES,
        "intermediate_size": 512,
        "moe_intermediate_size": 64,
        "n_routed_experts": 16,
        "n_shared_experts": 2,
        "num_experts_per_tok": 2,
        "first_k_dense_replace": 1,
        "q_lora_rank": None,
        "kv_lora_rank": 64,
        "qk_nope_head_dim": 32,
        "qk_rope_head_dim": 16,
        "v_head_dim": 32,
    },
    "mamba2": {
        "architectures": ["Mamba2ForCausalLM"],
        "hidden_size": 256,
        "num_hidden_layers": 12,
        "vocab_size": 1024,
        "num_heads": 16,
        "head_dim": 32,
        "n_groups": 8,
        "state_size": 16,
    },
}


@functools.cache
def config_of(name: str) -> Path:
    """The family's config as a file."""
    path = Path(tempfile.mkdtemp()) / "config.json"
    path.write_text(json.dumps(CONFIGS[name]))
    return path


@functools.cache
def compiled(name: str, deployment: symsim.Deployment) -> symsim.Costs:
    """A family of CONFIGS or a bundled model. Raises DeploymentError."""
    model = config_of(name) if name in CONFIGS else name
    return symsim.compile(model, "h800", deployment, "roofline")
