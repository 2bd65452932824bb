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


def _missing(activation: Element, device: Device) -> str | None:
    """Why the device's matrix units do not take the activations, or None where they do."""
    if activation.peak not in device.precisions:
        return f"has no {activation.peak or activation.name} units"
    if activation.units_scale and activation.name not in device.block_scales:
        return f"has {activation.peak} units, but they do not apply the scales of {activation.name}"
    return None
