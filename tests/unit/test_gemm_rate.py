"""Which peak a format runs at on a device, and when its weights are converted first."""

import pytest

from symsim.inputs.device import BLOCK_FORMATS, PRECISIONS, bundled_devices, load_device
from symsim.quantization.formats import elements, stored
from symsim.quantization.layers import BF16, LayerFormat
from symsim.quantization.multiply import gemm_rate

FP8 = LayerFormat(stored("fp8", 128, 128, 32), "fp8")
NVFP4 = LayerFormat(stored("nvfp4"), "nvfp4")
MXFP4 = LayerFormat(stored("mxfp4"), "mxfp4")
MXFP4_FP8 = LayerFormat(stored("mxfp4"), "fp8")
MXFP4_BF16 = LayerFormat(stored("mxfp4"), "bf16")
MXFP8 = LayerFormat(stored("mxfp8"), "mxfp8")
INT4 = LayerFormat(stored("int4", 1, 128, 20), "bf16")
INT8 = LayerFormat(stored("int8", 1, 0, 32), "int8")

# layer, device, precision, converted, what the sentence says
CASES = [
    (BF16, "a100-80", "bf16", False, "multiplies bf16 x bf16 at its bf16 peak"),
    (FP8, "h100", "fp8", False, "NVIDIA H100 SXM multiplies fp8 128x128 x fp8 at its fp8 peak"),
    (FP8, "a100-80", "bf16", True, "has no fp8 units; fp8 weights are converted to bf16 first (weight-only)"),
    (FP8, "tpu-v6e", "bf16", True, "has no fp8 units"),
    (INT8, "tpu-v6e", "int8", False, "at its int8 peak"),
    (INT8, "ascend-910c", "int8", False, "at its int8 peak"),
    (NVFP4, "b200", "fp4", False, "at its fp4 peak"),
    (NVFP4, "h200", "bf16", True, "has no fp4 units"),
    (NVFP4, "mi355x", "bf16", True, "has fp4 units, but they do not apply the scales of nvfp4"),
    (MXFP4, "mi355x", "fp4", False, "at its fp4 peak"),
    (MXFP8, "h100", "bf16", True, "has fp8 units, but they do not apply the scales of mxfp8"),
    (MXFP8, "gb300", "fp8", False, "at its fp8 peak"),
    (MXFP4_BF16, "h100", "bf16", True, "mxfp4 weights are converted to bf16 first, the activations' format"),
    (MXFP4_FP8, "h100", "fp8", True, "mxfp4 weights are converted to fp8 first"),
    (INT4, "b200", "bf16", True, "int4 weights are converted to bf16 first"),
]


@pytest.mark.parametrize(("layer", "device", "precision", "converted", "says"), CASES)
def test_rate(layer: LayerFormat, device: str, precision: str, converted: bool, says: str) -> None:
    rate = gemm_rate(layer, load_device(device))
    assert (rate.precision, rate.converted) == (precision, converted)
    assert says in rate.sentence


@pytest.mark.parametrize("device", bundled_devices())
def test_every_rate_is_one_that_the_device_has(device: str) -> None:
    chip = load_device(device)
    for layer in (BF16, FP8, NVFP4, MXFP4, MXFP4_FP8, MXFP4_BF16, MXFP8, INT4, INT8):
        assert gemm_rate(layer, chip).precision in chip.precisions


def test_number_formats_and_devices_speak_of_the_same_peaks_and_scales() -> None:
    assert {kind.peak for kind in elements().values() if kind.peak} <= set(PRECISIONS)
    assert {name for name, kind in elements().items() if kind.units_scale} == set(BLOCK_FORMATS)
