"""The measured tables of mfu/ -> coefficients of H20 and H800 in calibration/*.toml, beside those that are there.

`python -m symsim.calibration.refit_mfu [--out DIR]` needs the extra `fit` (scipy, pandas).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from symsim.calibration.fitting import fit_form
from symsim.calibration.kernel_tables import GROUPS, pandas
from symsim.calibration.measured import Array, device_numbers
from symsim.calibration.refit import HEADER, as_coefficients
from symsim.paths import CALIBRATION, MFU
from symsim.tables.coefficients import Coefficients, coefficients_of, write_coefficients

_FEWEST = 40
"""Rows of a device below which nothing is fitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A table of mfu/: into which file its coefficients go, by which form, and what its columns are called there."""

    name: str
    op: str
    form: str
    kernel: str
    dtype: str
    columns: Mapping[str, str]


_TABLES = (
    _Table(name="gemm", op="gemm", form="gemm", kernel="DeepGEMM", dtype="fp8_block", columns={}),
    _Table(
        name="gqa_decode",
        op="attention_decode",
        form="attention_decode",
        kernel="FlashInfer",
        dtype="bfloat16",
        columns={"kv_len": "context"},
    ),
    _Table(
        name="mla_decode",
        op="mla_decode",
        form="mla_decode",
        kernel="FlashMLA",
        dtype="bfloat16",
        columns={"kv_len": "context"},
    ),
)

_FORMATS = {"bf16": "bfloat16", "fp8": "fp8"}


def refit_mfu(table: _Table) -> list[Coefficients]:
    """A set for every device that has rows enough."""
    frame = pandas().read_csv(MFU / f"{table.name}.csv").rename(columns=dict(table.columns))
    if "kv_dtype" not in frame:
        frame["kv_dtype"] = ""
    found: list[Coefficients] = []
    for (device, kv), rows in frame.groupby(["device", "kv_dtype"]):
        if len(rows) >= _FEWEST:
            found.append(_fitted(table, str(device).lower(), _FORMATS.get(str(kv), ""), rows))
    return found


def _fitted(table: _Table, device: str, kv: str, rows: Any) -> Coefficients:
    group = rows.groupby(list(GROUPS[table.op])).ngroup().to_numpy()
    columns: dict[str, Array] = {
        name: rows[name].to_numpy(dtype=float) for name in rows if pandas().api.types.is_numeric_dtype(rows[name])
    }
    columns["window"] = np.full(len(rows), np.inf)
    seconds = rows["latency_us"].to_numpy(dtype=float) * 1e-6
    fit = fit_form(table.form, columns, device_numbers(device, table.dtype, kv or None, None), seconds, group)
    kernel = {"kernel": table.kernel, "dtype": table.dtype, "kv_dtype": kv}
    case = {"device": device, "engine": "infersim", "version": str(max(rows["published"])), **kernel}
    return as_coefficients(case, fit, len(rows), len(np.unique(group)), source="")


def main(words: list[str] | None = None) -> int:
    """Refit every table, and keep what the files have of other kernels."""
    parser = argparse.ArgumentParser(prog="python -m symsim.calibration.refit_mfu", description=__doc__)
    parser.add_argument("--out", type=Path, default=CALIBRATION)
    options = parser.parse_args(words)
    for table in _TABLES:
        found = refit_mfu(table)
        for one in found:
            print(
                f"{table.op} {one.device} {one.kv_dtype}: {one.rows} rows, median {one.median:.1%}, p90 {one.p90:.1%}"
            )
        others = [one for one in coefficients_of(table.op) if one.engine != "infersim"]
        sources = {source for one in others for source in one.source.split("; ")}
        source = "; ".join(sorted(sources | {"mfu/ (InferSim bench data)"}))
        write_coefficients(options.out / f"{table.op}.toml", [*others, *found], HEADER, source)
    return 0


if __name__ == "__main__":
    sys.exit(main())
