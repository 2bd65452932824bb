"""What a deployment asks of all weights, as `fp4` or `mxfp4 x mxfp8` -> Quantization."""

from __future__ import annotations

from symsim.errors import DeploymentError, did_you_mean
from symsim.quantization.formats import Format, stored
from symsim.quantization.layers import BF16, LayerFormat, Quantization, Rule
from symsim.quantization.methods import LM_HEAD, never
from symsim.quantization.schemes import tables


def quantisation_asked(gemm: str) -> Quantization:
    """Every linear layer in the formats of `weights x activations` or of one word; LM head, tables, norms and routers
    stay in 16 bits, as libraries leave them.

    One word is both; activations of weights that no matrix unit takes (int4) are in bf16. `fp4` is nvfp4.
    Raises DeploymentError for a word that is no format.

    >>> quantisation_asked("mxfp4 x mxfp8").default.name, quantisation_asked("int4").default.name
    ('mxfp4 x mxfp8', 'int4 g128 x bf16')
    >>> quantisation_asked("int8").format_of("lm_head").name
    'bf16 x bf16'
    """
    words = gemm.split(" x ")
    weight = _weight(words[0], gemm)
    activation = _weight(words[-1], gemm).element if len(words) == 2 else weight.element
    if activation.peak is None and len(words) == 2:
        raise _unknown(words[1], gemm, "activations")
    layer = LayerFormat(weight, activation.name if activation.peak else "bf16")
    kept = Rule("equal or re:", LM_HEAD, BF16)
    return Quantization("asked", f"gemm {gemm}", layer, BF16.weight, (kept,), never=never())


def _weight(word: str, gemm: str) -> Format:
    """The format of weights that one word stands for: quantization/methods.toml says what shares a scale."""
    row = tables()["asked"].get(word)
    if row is None:
        raise _unknown(word, gemm, "weights")
    return stored(row["weight"], row.get("rows", 0), row.get("inputs", 0), row.get("scale_bits", 0))


def _unknown(word: str, gemm: str, what: str) -> DeploymentError:
    known = [name for name, row in tables()["asked"].items() if what == "weights" or stored(row["weight"]).element.peak]
    return DeploymentError(
        f"gemm = {gemm}: {word} is no format of {what} ({did_you_mean(word, known)}); expected checkpoint, one format "
        "such as bf16, fp8, fp4 or int8, or `weights x activations` such as `mxfp4 x mxfp8`"
    )
