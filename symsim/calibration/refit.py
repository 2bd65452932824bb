"""Tables of measured kernels -> calibration/*.toml.

`python -m symsim.calibration.refit FOLDER [--op gemm] [--out DIR]` needs the extra `fit` (scipy, pandas). FOLDER holds
CSVs named by operator, as calibration/README.md says, or the data of the package that calibration/package.toml is
about; its name stands for the installed one.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symsim.calibration.fitting import Fit, badness, fit_form
from symsim.calibration.kernel_tables import GROUPS, kernel_table, pandas
from symsim.calibration.measured import KERNEL_FORMS, device_numbers, size_arguments, skewed_loads
from symsim.calibration.package import package_folder, package_name
from symsim.cost.forms import array_steps
from symsim.errors import DataError
from symsim.paths import CALIBRATION, display_path
from symsim.tables.coefficients import Coefficients, write_coefficients
from symsim.tables.residuals import residual_arguments, residual_coordinates, write_residuals

_WRITTEN = (
    "# Coefficients of kernel times, written by `python -m symsim.calibration.refit`; README.md explains each figure."
)

HEADER = f"""\
{_WRITTEN} Fitted
# on measurements of NVIDIA's AIConfigurator (NVIDIA CORPORATION & AFFILIATES), package aiconfigurator-core, licence
# Apache-2.0 as its metadata states."""

_CASE = ("device", "engine", "version", "kernel", "dtype", "kv_dtype", "operation", "phase")


def candidates(op: str, case: Mapping[str, str]) -> tuple[str, ...]:
    """The forms that may describe a case; the one with the smallest held-out error is taken."""
    match op:
        case "gemm":
            return KERNEL_FORMS[op][:1] if case["dtype"] in ("bfloat16", "int8_wo", "int4_wo") else KERNEL_FORMS[op][1:]
        case "moe":
            return KERNEL_FORMS[op] if case["device"] in ("l40s", "rtx_pro_6000_server") else KERNEL_FORMS[op][:1]
        case "gdn":
            return KERNEL_FORMS[op][1:] if case["operation"].startswith("conv") else KERNEL_FORMS[op][:1]
        case "collectives":
            return KERNEL_FORMS[op][:1] if case["operation"] == "all_reduce" else KERNEL_FORMS[op][1:]
        case "all_to_all":
            return KERNEL_FORMS[op][1:] if case["operation"].endswith("_ll") else KERNEL_FORMS[op][:1]
        case _:
            return KERNEL_FORMS[op]


def refit(op: str, frame: Any, *, residuals: bool = False) -> Iterator[tuple[Coefficients, Fit]]:
    """A set of coefficients for every kernel of a table, as `kernel_table` reads it, with what is known of its fit.
    residuals: whether the nearest measurements may correct forms."""
    keys = [name for name in _CASE if name in frame]
    before: dict[str, Mapping[str, float]] = {}
    for values, rows in frame.groupby(keys, dropna=False):
        case = {key: "" if value != value else str(value) for key, value in zip(keys, values, strict=True)}
        group = rows.groupby(list(GROUPS[op])).ngroup().to_numpy()
        numbers = device_numbers(case["device"], case["dtype"], case.get("kv_dtype"), case.get("phase"))
        columns = size_arguments(op, {name: rows[name].to_numpy() for name in _sizes(rows, keys)})
        if "distribution" in rows:
            columns = {**columns, **_loads(rows, columns)}
        seconds = rows["seconds"].to_numpy(dtype=float)
        found: Fit | None = None
        for form in candidates(op, case):
            starts = (before[form],) if form in before else ()
            places = _places(form, columns, numbers) if residuals and form in residual_coordinates() else None
            tried = fit_form(form, columns, numbers, seconds, group, starts=starts, places=places)
            before[form] = tried.values
            if found is None or badness(tried.errors) < badness(found.errors):
                found = tried
        if found is not None:
            source = str(rows["source"].iloc[0])
            yield as_coefficients(case, found, len(seconds), len(np.unique(group)), source), found


def _places(form: str, columns: Mapping[str, Any], numbers: Mapping[str, float]) -> NDArray[np.float64]:
    """Where rows lie among measurements of the kernel: log2 of each coordinate, a column each."""
    loads = tuple(name for name in ("rows", "hit") if name in columns)
    function, arguments = array_steps(form, residual_arguments(form), loads)
    found = function(*({**numbers, **columns}[name] for name in arguments))
    return np.log2(np.stack(np.broadcast_arrays(*found), axis=1).astype(float))


def _sizes(rows: Any, keys: list[str]) -> list[str]:
    apart = {*keys, "seconds", "divided"}
    return [name for name in rows if name not in apart and pandas().api.types.is_numeric_dtype(rows[name])]


def _loads(rows: Any, columns: Mapping[str, Any]) -> Mapping[str, Any]:
    """Rows and hit experts of the measured GPU, by how the slots were drawn."""
    balanced = rows["distribution"].to_numpy() == "balanced"
    sizes = [columns[name] for name in ("tokens", "topk", "experts", "ep")]
    tokens, topk, experts, ep = sizes
    rows_, hit = skewed_loads(tokens, topk, experts, ep)
    slots = tokens * topk
    return {
        "rows": np.where(balanced, np.maximum(slots / ep, 1), rows_),
        "hit": np.where(balanced, np.minimum(experts / ep, np.ceil(slots / ep)), hit),
    }


def as_coefficients(case: Mapping[str, str], fit: Fit, rows: int, groups: int, source: str) -> Coefficients:
    """What is kept of a fit. case: device, engine, version, kernel, dtype and what else tells kernels apart."""
    return Coefficients(
        **case,
        form=fit.form,
        rows=rows,
        groups=groups,
        median=fit.median,
        p90=fit.p90,
        low=fit.low,
        high=fit.high,
        inside=fit.inside,
        values=fit.values,
        source=source,
    )


def _with_residuals(one: Coefficients, fit: Fit, folder: Path) -> Coefficients:
    """The set with its file of residuals, which is written; itself where none correct the form."""
    if fit.places is None:
        return one
    words = (one.device, one.engine, one.version, one.kernel, one.dtype, one.kv_dtype, one.operation, one.phase)
    name = re.sub(r"[^\w.]+", "_", "_".join(filter(None, words)))
    file = f"residuals/{one.form}_{name}.csv"
    write_residuals(folder / file, residual_arguments(one.form), (2**fit.places).T, fit.logs)
    return replace(one, residuals=file)


@dataclass(frozen=True, slots=True, kw_only=True)
class KernelFits:
    """fits: table, coefficients that were written, and what is known of their fit; refused: why measurements were left
    out -> how many."""

    fits: tuple[tuple[str, Coefficients, Fit], ...]
    refused: Mapping[str, int]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        kernels = [{"table": op, **asdict(one)} for op, one, _ in self.fits]
        return {"kernels": kernels, "refused": dict(self.refused)}

    def sentences(self) -> Iterator[str]:
        """Of each kernel its error on shapes left out, the interval, and how much of them it holds."""
        for op, one, fit in self.fits:
            which = " ".join(filter(None, one.key()))
            interval = f"{one.low:.2f} to {one.high:.2f} holds {one.inside:.0%}"
            alone = "" if fit.places is None else f" (the form alone {fit.alone[0]:.1%}, {fit.alone[1]:.1%})"
            yield f"{op} {which}, {one.form}: median {one.median:.1%}, p90 {one.p90:.1%}{alone}; {interval}"

    def notes(self) -> list[str]:
        """Why measurements were left out."""
        return [f"{count:,} measurements left out: {why}" for why, count in self.refused.items()]


def refit_kernels(
    folder: str | Path,
    out: Path,
    *,
    device: str = "*",
    engine: str = "*",
    ops: Iterable[str] = KERNEL_FORMS,
    residuals: bool = False,
) -> KernelFits:
    """Fit forms to the tables of a folder, or of the public package by its name, and write a file a table into the
    folder `out`. device, engine: as measurements call them, `*` for all.

    Raises DataError where there is nothing to fit.
    """
    place = package_folder() if str(folder) == package_name() else Path(folder)
    fits: list[tuple[str, Coefficients, Fit]] = []
    refused: dict[str, int] = {}
    for op in ops:
        frame, left_out = kernel_table(place, op, device, engine)
        refused |= {why: refused.get(why, 0) + count for why, count in left_out.items()}
        if frame is None:
            continue
        out.mkdir(parents=True, exist_ok=True)
        found = [(_with_residuals(one, fit, out), fit) for one, fit in refit(op, frame, residuals=residuals)]
        source = "; ".join(sorted({one.source for one, _ in found}))
        header = HEADER if package_name() in source else _WRITTEN
        write_coefficients(out / f"{op}.toml", [one for one, _ in found], header, source)
        fits += [(op, one, fit) for one, fit in found]
    if not fits:
        of = " ".join(word for word in (device, engine) if word != "*")
        why = "; ".join(refused) or "calibration/README.md says what they are called"
        raise DataError(f"{display_path(place)}: no tables of measured kernels{of and f' of {of}'}: {why}")
    return KernelFits(fits=tuple(fits), refused=refused)


def main(words: list[str] | None = None) -> int:
    """Refit every table of a folder, or one."""
    parser = argparse.ArgumentParser(prog="python -m symsim.calibration.refit", description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--op", choices=tuple(KERNEL_FORMS))
    parser.add_argument("--out", type=Path, default=CALIBRATION)
    options = parser.parse_args(words)
    found = refit_kernels(options.folder, options.out, ops=KERNEL_FORMS if options.op is None else (options.op,))
    print("\n".join((*found.sentences(), *found.notes())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
