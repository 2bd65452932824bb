"""At which peak a device multiplies a layer's format, or that it has no units for it."""

from __future__ import annotations

from dataclasses import dataclass

from symsim.inputs.device import Device
from symsim.quantization.formats import Element, element
from symsim.quantization.layers import LayerFormat


@dataclass(frozen=True, slots=True)
class GemmRate:
    """precision: the GEMMs run at `peak_PRECISION`; converted: weights are converted to it first, so that they are read
    in their own format and multiplied in this one; sentence: the same for people.
    """

    precision: str
    converted: bool
    sentence: str

    @property
    def is_news(self) -> bool:
        """Whether it is not what goes without saying: bf16, multiplied as it is stored."""
        return self.converted or self.precision != "bf16"


def gemm_rate(layer: LayerFormat, device: Device) -> GemmRate:
    """The peak at which the device multiplies weights and activations of the layer.

    >>> from symsim.quantization.formats import stored
    >>> from symsim.inputs.device import load_device
    >>> w4a4 = LayerFormat(stored("nvfp4"), "nvfp4")
    >>> gemm_rate(w4a4, load_device("b200")).precision, gemm_rate(w4a4, load_device("h200")).precision
    ('fp4', 'bf16')
    """
    weight, activation = layer.weight.element, element(layer.activation)
    missing = _missing(activation, device)
    if missing is not None:
        converted = weight.name != "bf16"
        rest = f"; {weight.name} weights are converted to bf16 first (weight-only)" if converted else ""
        return GemmRate("bf16", converted, f"{device.name} {missing}{rest}")
    precision = str(activation.peak)
    if weight.name == activation.name:
        return GemmRate(precision, False, f"{device.name} multiplies {layer.name} at its {precision} peak")
    sentence = f"{weight.name} weights are converted to {activation.name} first, the activations' format"
    return GemmRate(precision, True, f"{sentence}, and multiplied at the {precision} peak of {device.name}")


def attention_rate(kv: str, device: Device) -> GemmRate:
    """The peak at which the device multiplies queries by keys and values of a cache in the format `kv`.

    FlashAttention 3 and FlashInfer quantise queries for an fp8 cache; other formats are converted.

    >>> from symsim.inputs.device import load_device
    >>> attention_rate("fp8", load_device("h100")).precision, attention_rate("int8", load_device("h100")).precision
    ('fp8', 'bf16')
    """
    if kv == "bf16":
        return GemmRate("bf16", False, "attention multiplies in bf16, as the cache is stored")
    if kv != "fp8":
        return GemmRate("bf16", True, f"keys and values in {kv} are converted to bf16, in which attention multiplies")
    if "fp8" not in device.precisions:
        why = f"{device.name} has no fp8 units"
        return GemmRate("bf16", True, f"{why}: keys and values in fp8 are converted to bf16 first")
    return GemmRate(
        "fp8", False, f"attention multiplies in fp8, as the cache is stored, at the fp8 peak of {device.name}"
    )


def _missing(activation: Element, device: Device) -> str | None:
    """Why the device's matrix units do not take the activations, or None where they do."""
    if activation.peak not in device.precisions:
        return f"has no {activation.peak or activation.name} units"
    if activation.units_scale and activation.name not in device.block_scales:
        return f"has {activation.peak} units, but they do not apply the scales of {activation.name}"
    return None
