"""The time of one kernel of an engine by its calibrated form, apart from any model."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from symsim.calibration.measured import Array, device_numbers, size_arguments
from symsim.cost.forms import array_form, named_form
from symsim.errors import did_you_mean
from symsim.tables.coefficients import KEYS, Coefficients, coefficients_of


def kernel_seconds(
    op: str,
    *,
    device: str,
    engine: str,
    version: str | None = None,
    kernel: str,
    dtype: str,
    kv_dtype: str | None = None,
    operation: str | None = None,
    phase: str | None = None,
    **sizes: ArrayLike,
) -> tuple[Array, Array, Array]:
    """Seconds of one execution, and the interval that is meant to hold nine measurements of ten; sizes broadcast.

    Names and values are those of tables of measured kernels (calibration/README.md); without a version the newest is
    meant. Raises LookupError where there are no coefficients, TypeError where a size is missing.

    >>> seconds, low, high = kernel_seconds(
    ...     "gemm", device="h100_sxm", engine="sglang", kernel="sglang_torch_linear", dtype="bfloat16",
    ...     m=[1, 4096], n=4096, k=4096)
    >>> bool((low < seconds).all() and (seconds < high).all())
    True
    """
    stated = (device, engine, version or "", kernel, dtype, kv_dtype or "", operation or "", phase or "")
    found = _found(op, dict(zip(KEYS, stated, strict=True)))
    seconds = evaluated(found, size_arguments(op, sizes))
    return seconds, seconds * found.low, seconds * found.high


def evaluated(found: Coefficients, sizes: Mapping[str, Array]) -> Array:
    """The form with its coefficients, the numbers of its device, and these sizes. Raises TypeError for one missing."""
    loads = tuple(name for name in ("rows", "hit") if name in sizes)
    function, arguments = array_form(found.form, loads)
    numbers = device_numbers(found.device, found.dtype, found.kv_dtype or None, found.phase or None)
    known = {**numbers, **found.values, **sizes}
    missing = [name for name in arguments if name not in known]
    if missing:
        needs = ", ".join((*named_form(found.form).text.sizes, *loads))
        raise TypeError(f"form {found.form} needs {needs}; missing: {', '.join(missing)}")
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return np.asarray(function(*(known[name] for name in arguments)), dtype=float)


def _found(op: str, stated: Mapping[str, str]) -> Coefficients:
    """The set of this kernel; of several versions the newest unless one is asked for."""
    every = coefficients_of(op)
    if not every:
        raise LookupError(f"no calibrated kernels {op!r}")
    asked = {name: value for name, value in stated.items() if name != "version"}
    alike = [one for one in every if all(getattr(one, name) == value for name, value in asked.items())]
    if not alike:
        which = ", ".join(value for value in stated.values() if value)
        kernels = {one.kernel for one in every if one.device == stated["device"] and one.engine == stated["engine"]}
        raise LookupError(f"no coefficients of {op} for {which}; {did_you_mean(stated['kernel'], kernels)}")
    exact = [one for one in alike if one.version == stated["version"]]
    return (exact or sorted(alike, key=lambda one: _ordered(one.version)))[-1]


def _ordered(version: str) -> tuple[tuple[int, str], ...]:
    """0.5.10 comes after 0.5.6."""
    return tuple((int("".join(filter(str.isdigit, part)) or 0), part) for part in version.split("."))
