"""A sweep's blocks -> a CSV or Parquet table, or a NetCDF file, written as they come."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from symsim.errors import SymsimError
from symsim.inputs.extras import load_extra
from symsim.paths import replacing
from symsim.search.blocks import FEASIBLE, SweepBlock
from symsim.search.labels import attributes, coordinates, is_text, is_whole
from symsim.search.plan import SweepPlan


def check_ending(file: str | Path) -> None:
    """Raise SymsimError unless the file's ending is one that a sweep is written as, and its library is installed."""
    ending = Path(file).suffix
    if ending not in _WRITERS:
        raise SymsimError(
            f"{file}: a sweep is written as .csv, .parquet or .nc, not {ending or 'a file without an ending'}"
        )
    if not Path(file).absolute().parent.is_dir():
        raise SymsimError(f"{file}: there is no folder {Path(file).parent}")
    for name in _WRITERS[ending][1]:
        load_extra(name, "sweep", "files of sweeps need")


def write(plan: SweepPlan, blocks: Iterable[SweepBlock], file: str | Path) -> None:
    """Write blocks as they come; the ending chooses CSV or Parquet (a row a point), or NetCDF (labelled arrays).

    Nothing is left behind when a block fails. Raises SymsimError for another ending.
    """
    check_ending(file)
    with replacing(file) as unfinished:
        _WRITERS[Path(file).suffix][0](plan, blocks, unfinished)


def _write_csv(plan: SweepPlan, blocks: Iterable[SweepBlock], file: Path) -> None:
    """One row a point, as in Parquet; what a masked point has not is left blank."""
    with file.open("w", encoding="utf-8", newline="") as target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow((*plan.dims, *plan.metrics, "reason"))
        for block in blocks:
            outer = [labels[at] for labels, at in zip(plan.outer.values(), block.place, strict=True)]
            inner = [
                (values[cut].astype(np.int64) if is_whole(name) else values[cut]).tolist()
                for (name, values), cut in zip(plan.inner.items(), block.slices, strict=True)
            ]
            figures = zip(*(values.ravel().tolist() for values in block.values.values()), strict=True)
            for labels, row, code in zip(itertools.product(*inner), figures, block.codes.ravel().tolist(), strict=True):
                fine = code == FEASIBLE
                writer.writerow(
                    (*outer, *labels, *(row if fine else [""] * len(row)), "" if fine else plan.reasons[code])
                )


def _write_parquet(plan: SweepPlan, blocks: Iterable[SweepBlock], file: Path) -> None:
    """One row a point: its labels, its metrics, and the reason where it has none."""
    arrow, parquet = (load_extra(name, "sweep", "Parquet files need") for name in ("pyarrow", "pyarrow.parquet"))
    labels = arrow.dictionary(arrow.int32(), arrow.string())
    kinds = [(name, labels if is_text(found) else _kind(arrow, found)) for name, found in plan.outer.items()]
    kinds += [(name, arrow.int64() if is_whole(name) else arrow.float64()) for name in plan.inner]
    fields = [arrow.field(name, kind, metadata=_metadata(plan, name)) for name, kind in kinds]
    fields += [arrow.field(name, arrow.float64(), metadata=_metadata(plan, name)) for name in plan.metrics]
    schema = arrow.schema([*fields, arrow.field("reason", labels)], metadata={"subject": plan.subject})
    coded = [*plan.dims, "reason"]
    with parquet.ParquetWriter(file, schema, compression="zstd", use_dictionary=coded) as writer:
        for block in blocks:
            columns = [
                *_label_columns(arrow, plan, block, schema),
                *(arrow.array(values.ravel()) for values in block.values.values()),
            ]
            codes = arrow.array(block.codes.ravel().astype(np.int32), mask=block.codes.ravel() == FEASIBLE)
            columns.append(arrow.DictionaryArray.from_arrays(codes, list(plan.reasons)))
            writer.write_table(arrow.Table.from_arrays(columns, schema=schema), row_group_size=len(codes))


def _label_columns(arrow: Any, plan: SweepPlan, block: SweepBlock, schema: Any) -> Iterator[Any]:
    shape = block.codes.shape
    for (name, found), at in zip(plan.outer.items(), block.place, strict=True):
        if is_text(found):
            codes = arrow.array(np.full(block.codes.size, at, dtype=np.int32))
            yield arrow.DictionaryArray.from_arrays(codes, list(map(str, found)))
        else:
            yield arrow.array(np.full(block.codes.size, found[at])).cast(schema.field(name).type)
    for i, ((name, values), cut) in enumerate(zip(plan.inner.items(), block.slices, strict=True)):
        own = values[cut].astype(np.int64 if is_whole(name) else float)
        spread = own.reshape([-1 if axis == i else 1 for axis in range(len(shape))])
        yield arrow.array(np.broadcast_to(spread, shape).ravel())


def _write_netcdf(plan: SweepPlan, blocks: Iterable[SweepBlock], file: Path) -> None:
    netcdf = load_extra("h5netcdf", "sweep", "NetCDF files need")
    with netcdf.File(file, "w") as target:
        target.dimensions = dict(zip(plan.dims, plan.shape, strict=True))
        target.attrs["subject"] = plan.subject
        for name, labels in coordinates(plan).items():
            data = np.asarray(labels[1], dtype=object if is_text(labels[1]) else None)
            kind = _text_kind() if data.dtype == object else data.dtype
            _described(target.create_variable(name, (name,), dtype=kind, data=data), labels[2])
        chunks = tuple(min(size, 64) for size in plan.shape)
        for name, kind in (*((name, np.float64) for name in plan.metrics), ("reason", np.int16)):
            variable = target.create_variable(name, plan.dims, dtype=kind, chunks=chunks, compression="lzf")
            _described(variable, attributes(plan, name))
        for block in blocks:
            for name, found in (*block.values.items(), ("reason", block.codes)):
                target.variables[name][block.where] = found


def _text_kind() -> Any:
    return load_extra("h5py", "sweep", "NetCDF files need").string_dtype()


def _described(variable: Any, attributes: Mapping[str, Any]) -> None:
    for name, value in attributes.items():
        variable.attrs[name] = value


def _metadata(plan: SweepPlan, name: str) -> dict[str, str]:
    return {key: str(value) for key, value in attributes(plan, name).items()}


def _kind(arrow: Any, labels: tuple[Any, ...]) -> Any:
    return arrow.int64() if all(isinstance(label, int) for label in labels) else arrow.float64()


_WRITERS: Mapping[str, tuple[Callable[[SweepPlan, Iterable[SweepBlock], Path], None], tuple[str, ...]]] = {
    ".csv": (_write_csv, ()),
    ".parquet": (_write_parquet, ("pyarrow",)),
    ".nc": (_write_netcdf, ("h5netcdf", "h5py")),
}
"""Ending -> how it is written, and the libraries it needs."""
