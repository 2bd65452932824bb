"""Parameters and FLOPs of the class that transformers would instantiate for a config, counted on the meta device.

Needs the `check` extra (torch, transformers). Nothing is downloaded and no memory is used for weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from symsim.config import ModelConfig
from symsim.errors import SymsimError


@dataclass(frozen=True, slots=True)
class RealCounts:
    """What the real class has. layers: parameters of each; flops: matrix products of a prefill, routed experts apart."""

    total: int
    embedding: int
    lm_head: int
    layers: tuple[int, ...]
    flops: int


def count(config: ModelConfig, batch: int, seq: int) -> RealCounts:
    """Instantiate the causal language model of a config and count. FLOPs: eager attention, logits of all tokens.

    Raises SymsimError when torch or transformers are missing, or transformers does not know the model.
    """
    try:
        import torch
        from torch.utils.flop_counter import FlopCounterMode
    except ImportError:
        raise SymsimError("check-model needs torch and transformers: pip install 'symsim-llm[check]'") from None
    model = _model(config)
    tokens = torch.zeros((batch, seq), dtype=torch.long, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(input_ids=tokens, use_cache=True)  # without a cache some classes look at values, which meta has none of
    head = model.get_output_embeddings()
    layers = _layers(model, model.config.num_hidden_layers)
    return RealCounts(
        sum(weight.numel() for weight in model.parameters()),
        model.get_input_embeddings().weight.numel(),
        0 if head is None else head.weight.numel(),
        tuple(sum(weight.numel() for weight in layer.parameters()) for layer in layers),
        int(counter.get_total_flops()),
    )


def _model(config: ModelConfig) -> Any:
    import torch

    try:
        import transformers
        from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    except ImportError:
        raise SymsimError("check-model needs torch and transformers: pip install 'symsim-llm[check]'") from None
    kind = config.keys.get("model_type")
    if kind not in CONFIG_MAPPING:
        raise SymsimError(f"transformers {transformers.__version__} has no model_type {kind!r}")
    keys: Mapping[str, Any] = {k: v for k, v in config.keys.items() if k not in ("quantization_config", "auto_map")}
    stated = CONFIG_MAPPING[kind].from_dict(dict(keys)).get_text_config()
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(stated, attn_implementation="eager")
    for module in model.modules():
        if type(module).__name__.endswith("Experts"):
            module.forward = _no_experts
    return model.eval()


def _no_experts(hidden: Any, *_: Any, **__: Any) -> Any:
    """Routed experts choose by value, which the meta device does not have; their FLOPs are apart."""
    return hidden


def _layers(model: Any, count: int) -> list[Any]:
    """The list of the model's decoder layers: the module list of that length."""
    import torch

    found = [list(module) for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    return next((layers for layers in found if len(layers) == count), [])
