"""Parameters and FLOPs of the class that transformers would instantiate for a config, counted on the meta device.

Needs the `check` extra (torch, transformers). Nothing is downloaded and no memory is used for weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from symsim.errors import SymsimError
from symsim.inputs.config import ModelConfig
from symsim.inputs.extras import load_extra


@dataclass(frozen=True, slots=True)
class RealCounts:
    """What the real class has. layers: parameters of each; flops: of a prefill, without routed experts; None, and why,
    where the class does not run without values."""

    total: int
    embedding: int
    lm_head: int
    layers: tuple[int, ...]
    flops: int | None
    why: str | None = None


def count(config: ModelConfig, batch: int, seq: int) -> RealCounts:
    """Instantiate the causal language model of a config and count. FLOPs: eager attention, logits of all tokens.

    Raises SymsimError when torch or transformers are missing, or transformers does not know the model.
    """
    torch, counter = _extra("torch"), _extra("torch.utils.flop_counter").FlopCounterMode(display=False)
    model = _model(config)
    tokens = torch.zeros((batch, seq), dtype=torch.long, device="meta")
    flops, why = None, None
    try:
        with counter, torch.no_grad():
            model(
                input_ids=tokens, use_cache=True
            )  # without a cache some classes look at values, which meta has none of
        flops = int(counter.get_total_flops())
    except (RuntimeError, TypeError, ValueError, NotImplementedError, IndexError, AttributeError) as error:
        why = f"{type(model).__name__} does not run on the meta device ({str(error).splitlines()[0]})"
    head, embedding = model.get_output_embeddings(), model.get_input_embeddings()
    lists = [list(module) for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    depths = {getattr(model.config, name, None) for name in ("num_layers", "num_hidden_layers")}
    layers: list[Any] = next((found for found in lists if len(found) in depths), [])
    return RealCounts(
        _weights(model),
        embedding.weight.numel(),
        0 if head is None else head.weight.numel(),
        tuple(map(_weights, layers)),
        flops,
        why,
    )


def _extra(module: str) -> Any:
    return load_extra(module, "check", "check-model needs")


def _model(config: ModelConfig) -> Any:
    torch, transformers = _extra("torch"), _extra("transformers")
    known = _extra("transformers.models.auto.configuration_auto").CONFIG_MAPPING
    kind = config.keys.get("model_type")
    if kind not in known:
        named = next((getattr(transformers, name, None) for name in config.keys.get("architectures") or ()), None)
        if named is None:
            raise SymsimError(f"{config.path}: transformers {transformers.__version__} has no model_type {kind!r}")
        kind = named.config_class.model_type
    keys = {key: value for key, value in config.keys.items() if key not in ("quantization_config", "auto_map")}
    stated = known[kind].from_dict(keys).get_text_config()
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(stated, attn_implementation="eager")
    for module in model.modules():
        if _is_routed(type(module).__name__):  # they choose by value, which the meta device does not have
            module.forward = _no_experts
    return model.eval()


def _is_routed(name: str) -> bool:
    return name.endswith("Experts") and not name.endswith("SharedExperts")


def _no_experts(hidden: Any, *_: Any, **__: Any) -> Any:
    return hidden


def _weights(module: Any) -> int:
    return sum(weight.numel() for weight in module.parameters())
