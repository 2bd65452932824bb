"""Rows of measured kernels -> the arguments of forms: spellings, numbers of the device, loads of experts."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from typing import cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from symsim.algebra.units import parse_quantity
from symsim.errors import DataError
from symsim.inputs.device import Device, load_device
from symsim.tables.coefficients import spellings

Array = NDArray[np.float64]

KERNEL_FORMS: Mapping[str, tuple[str, ...]] = {
    "gemm": ("gemm", "gemm_quantised", "gemm_quantised_blocks"),
    "attention_prefill": ("attention_prefill",),
    "attention_decode": ("attention_decode",),
    "mla_prefill": ("mla_prefill",),
    "mla_decode": ("mla_decode",),
    "moe": ("experts", "experts_in_cache"),
    "gdn": ("delta_rule", "stream"),
    "collectives": ("all_reduce", "scatter_gather"),
    "all_to_all": ("expert_messages", "expert_messages_low_latency"),
}
"""Table of measured kernels -> the forms that may describe its rows."""


@cache
def device_numbers(device: str, dtype: str, kv_dtype: str | None, phase: str | None) -> Mapping[str, float]:
    """SI numbers of hardware and number format that forms name. Raises LookupError for other spellings."""
    known = spellings()
    if device not in known["device"]:
        raise LookupError(f"no device {device!r} in measured kernels; known: {', '.join(known['device'])}")
    chip = load_device(known["device"][device])
    peak, weight, activation = _format(dtype, phase)
    figures: dict[str, Fraction | None] = {
        "hbm_bandwidth": chip.figures["hbm_bandwidth"],
        "nvlink_bandwidth": chip.figures.get("nvlink_bandwidth"),
        "sm_count": chip.figures.get("sm_count", known["sm_count"].get(chip.path.stem)),
        "peak": chip.figures.get(f"peak_{peak}", chip.figures["peak_bf16"]),
        "l2": parse_quantity(known["l2"][chip.path.stem], "B"),
    }
    bytes_ = {"b_w": weight, "b_a": activation, "b_kv": _format(kv_dtype or "bfloat16", None)[1]}
    return {**{name: float(value) for name, value in figures.items() if value is not None}, **bytes_}


def measured_name(device: Device) -> str:
    """What measurements call a device. Raises DataError where there are none of it.

    >>> measured_name(load_device("h100"))
    'h100_sxm'
    """
    names = {file: name for name, file in spellings()["device"].items()}
    if device.path.stem not in names:
        raise DataError(f"no kernels of {device.name} were measured; of {', '.join(names)} there are some")
    return names[device.path.stem]


def _format(dtype: str, phase: str | None) -> tuple[str, float, float]:
    formats = spellings()["format"]
    row = formats.get(f"{dtype} {phase}", formats.get(dtype))
    if row is None:
        raise LookupError(f"no number format {dtype!r} in measured kernels; known: {', '.join(formats)}")
    return cast(tuple[str, float, float], tuple(row))


_SMS = 20.0
"""Of DeepEP where a table does not say (Buffer.num_sms in deep_ep/buffer.py)."""


def size_arguments(op: str, sizes: Mapping[str, ArrayLike]) -> Mapping[str, Array]:
    """Columns of a table as a form takes them: a window of 0 is none; of the delta rule, tokens of one sequence."""
    found = {name: np.asarray(values, dtype=float) for name, values in sizes.items()}
    if "window" in found:
        found["window"] = np.where(found["window"] > 0, found["window"], np.inf)
    if "sms" in found:
        found["sms"] = np.where(found["sms"] > 0, found["sms"], _SMS)
    if op == "gdn" and "seq_len" in found:
        found["seq_len"] = np.maximum(found["seq_len"], 1.0)
    return found


def skewed_loads(tokens: Array, topk: Array, experts: Array, ep: Array) -> tuple[Array, Array]:
    """Rows and hit experts of the busiest GPU where the popularity of experts is log-uniform, as NVIDIA's collector
    draws `power_law_1.01`.

    The load of one expert is between 1 and r = 0.8 tokens (0.01 and 2 where there are fewer slots than experts): its
    squared coefficient of variation is ln r (r + 1)/(2 (r - 1)) - 1, and the largest of ep sums of experts/ep such
    loads lies z = sqrt(2 ln ep) - 0.58 standard deviations above the mean, with a correction for the skew.
    """
    slots, local = tokens * topk, experts / ep
    r = np.where(slots <= experts, 200.0, np.maximum(0.8 * tokens, 1.01))
    cv = np.sqrt(np.maximum(np.log(r) * (r + 1) / (2 * (r - 1)) - 1, 0))
    z = np.where(ep > 1, np.sqrt(2 * np.log(np.maximum(ep, 1))) - 0.58, 0)
    z = np.where(ep > 1, z + 0.21 * cv * (z * z - 1) / np.sqrt(local), 0)
    busiest = np.clip(1 + cv * z / np.sqrt(local), 1, ep)
    rows = np.maximum(np.minimum(busiest * slots / ep, np.minimum(topk, local) * tokens), 1)
    return rows, (rows**-1.3 + local**-1.3) ** (-1 / 1.3)
