"""A sweep over requests -> a CSV or Parquet table, or a NetCDF file, with the columns that a sweep of steps has."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from symsim.inputs.extras import load_extra
from symsim.paths import replacing
from symsim.search.files import check_ending
from symsim.search.load_sweep import LoadSweep
from symsim.serving.points import LOADS


def write_loads(found: LoadSweep, file: str | Path) -> None:
    """Write all points; the ending chooses CSV or Parquet (a row a point), or NetCDF (labelled arrays).

    Raises SymsimError for another ending.
    """
    check_ending(file)
    with replacing(file) as unfinished:
        _WRITERS[Path(file).suffix](found, unfinished)


def _rows(found: LoadSweep) -> list[dict[str, Any]]:
    return [{**row.labels, **row.values, "reason": row.reason or None} for row in found.rows]


def _write_csv(found: LoadSweep, file: Path) -> None:
    rows = _rows(found)
    with file.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _write_parquet(found: LoadSweep, file: Path) -> None:
    arrow, parquet = (load_extra(name, "sweep", "Parquet files need") for name in ("pyarrow", "pyarrow.parquet"))
    parquet.write_table(arrow.Table.from_pylist(_rows(found)), file, compression="zstd")


def _write_netcdf(found: LoadSweep, file: Path) -> None:
    """A dimension for each axis of several values; `/` makes groups in NetCDF, so rates are spelled `_per_`."""
    xarray = load_extra("xarray", "sweep", "labelled results need")
    dims = tuple(found.axes)
    shape = tuple(len(values) for values in found.axes.values())
    reasons = ("feasible", *dict.fromkeys(row.reason for row in found.rows if row.reason))
    variables: dict[str, Any] = {}
    for name, unit in found.units.items():
        values = np.array([np.nan if (x := row.values[name]) is None else x for row in found.rows], dtype=float)
        described = {"units": unit, "long_name": name}
        variables[name.replace("/", "_per_")] = (dims, values.reshape(shape), described)
    codes = np.array([reasons.index(row.reason or "feasible") for row in found.rows], dtype=np.int16)
    flags = {"flag_values": np.arange(len(reasons), dtype=np.int16), "flag_meanings": list(reasons)}
    variables["reason"] = (dims, codes.reshape(shape), {"long_name": "why a point does not do", **flags})
    axes = {name: (name, list(values), _unit_of(name)) for name, values in found.axes.items()}
    fixed = {name: ((), value, _unit_of(name)) for name, value in found.fixed.items()}
    labelled = xarray.Dataset(variables, coords={**axes, **fixed}, attrs={"subject": found.subject})
    labelled.to_netcdf(file, engine="h5netcdf")


def _unit_of(name: str) -> dict[str, str]:
    return {"units": LOADS[name].unit} if name in LOADS else {}


_WRITERS: Mapping[str, Callable[[LoadSweep, Path], None]] = {
    ".csv": _write_csv,
    ".parquet": _write_parquet,
    ".nc": _write_netcdf,
}
"""Ending -> how it is written; the endings of `symsim.search.files`."""
