"""Residuals of kernels: by what measured times differ from a form's, looked up by the nearest measurements.

A correction on top of a form, as a look-up of its own, `residual_FORM`: twice as close where there are measurements,
and nothing that can be written down. It does not extrapolate: it is one far from all of them.
"""

from __future__ import annotations

import csv
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from symsim.algebra.symbols import coefficient_symbol, kernel_sign
from symsim.errors import DataError
from symsim.paths import CALIBRATION, display_path
from symsim.tables.signature import Signature

_Array = NDArray[np.float64]

VALUE = "residual"
"""The column that holds measured time over that of the form, and how its functions begin."""

_NEAREST = 4
_OWN = 0.25
"""Octaves within which measurements count alike: weights are 1/(distance**2 + this**2)."""

_REACH = 4.0
"""Octaves at which a single measurement counts half, against none.

With these three the errors on shapes left out were smallest, or nearly, of GEMMs and decoding attention on H100.
"""


@cache
def residual_coordinates() -> Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Form -> its sizes and steps that choose measurements: those of a shape, those along which one is looked up."""
    table = tomllib.loads((CALIBRATION / "residuals.toml").read_text(encoding="utf-8"))
    return {form: (tuple(row["shape"]), tuple(row["axes"])) for form, row in table.items()}


def residual_arguments(form: str) -> tuple[str, ...]:
    """The coordinates in the order of the arguments of a form's residuals.

    >>> residual_arguments("gemm")
    ('m', 'n', 'k')
    """
    shape, axes = residual_coordinates()[form]
    return *axes, *shape


def residual_function(form: str, suffix: str) -> str:
    """The function that stands for the residuals of a kernel. suffix: as its coefficients have.

    >>> residual_function("gemm_quantised", "fp8")
    'residual_gemm_quantised_fp8'
    """
    return coefficient_symbol(VALUE, form, suffix)


@cache
def residual_signature(function: str) -> Signature | None:
    """The function as a table; None where it is no such function."""
    if not function.startswith(f"{VALUE}_"):
        return None
    stem = function.removeprefix(f"{VALUE}_")
    form = stem
    while form and form not in residual_coordinates():
        form = form.rpartition("_")[0]
    if not form:
        return None
    shape, axes = residual_coordinates()[form]
    kind = stem.removeprefix(form).strip("_")
    words = " ".join(filter(None, (form.replace("_", " "), f"({kind.replace('_', ' ')})" if kind else "")))
    return Signature(
        function=function,
        args=residual_arguments(form),
        shape_args=shape,
        axes=axes,
        meaning=f"{words}: measured time over that of the form, of the nearest measurements",
        latex=f"\\rho^{{{kernel_sign(form, kind)}}}",
        unit="1",
        file="",
        library="kernels of your own",
        source="fit --kernels --residuals",
        value=(VALUE,),
    )


def nearest_residual(places: _Array, logs: _Array, at: _Array) -> tuple[_Array, NDArray[np.int64]]:
    """Logarithms of the correction at some places, and the nearest measurement of each. places, at: a row each, log2 of
    the coordinates; logs: of the measurements' residuals."""
    count = min(_NEAREST, len(places))
    found, first = np.empty(len(at)), np.empty(len(at), dtype=np.int64)
    for start in range(0, len(at), _BLOCK):
        block = slice(start, start + _BLOCK)
        squared = ((at[block, None, :] - places[None, :, :]) ** 2).sum(axis=2)
        near = np.argpartition(squared, count - 1, axis=1)[:, :count]
        distance = np.take_along_axis(squared, near, axis=1)
        weight = 1 / (distance + _OWN**2)
        found[block] = (weight * logs[near]).sum(axis=1) / (weight.sum(axis=1) + 1 / _REACH**2)
        first[block] = np.take_along_axis(near, distance.argmin(axis=1)[:, None], axis=1)[:, 0]
    return found, first


_BLOCK = 256
"""Places that are compared with every measurement at once."""


def write_residuals(path: Path, names: Sequence[str], columns: Iterable[_Array], logs: _Array) -> None:
    """A CSV of measurements: coordinates, and measured time over that of the form."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as handle:
        rows = csv.writer(handle, lineterminator="\n")
        rows.writerow((*names, VALUE))
        for *sizes, log in zip(*columns, logs, strict=True):
            rows.writerow((*(f"{size:.10g}" for size in sizes), f"{np.exp(log):.4g}"))


@lru_cache(maxsize=64)
def read_residuals(path: Path) -> tuple[tuple[str, ...], _Array]:
    """Column names, and a row a measurement. Raises DataError for a file that holds none."""
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            header, *rows = csv.reader(handle)
            return tuple(header), np.array([[float(cell) for cell in row] for row in rows]).reshape(-1, len(header))
    except (OSError, ValueError) as error:
        raise DataError(f"{display_path(path)}: not a file of residuals: {error}") from None
