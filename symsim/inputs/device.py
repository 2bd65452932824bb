"""hardware/*.toml -> Device. Figures are the datasheet's, exact, in SI units; shares and assumptions stay apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path

from symsim.algebra.symbols import PRECISIONS
from symsim.errors import DataError, did_you_mean, shortened
from symsim.inputs.cost_model import COST_MODELS
from symsim.inputs.data_file import read_data
from symsim.inputs.expenses import Power, Price, read_power, read_price
from symsim.paths import HARDWARE, is_file

FIELDS: Mapping[str, str] = {
    **{f"peak_{precision}": "FLOP/s" for precision in PRECISIONS},
    "hbm_capacity": "B",
    "hbm_bandwidth": "B/s",
    "nvlink_bandwidth": "B/s",
    "rdma_bandwidth": "B/s",
    "gpus_per_node": "1",
    "sm_count": "1",
    "clock": "Hz",
}
"""Field of a device file's datasheet -> its dimension."""

CONVERSIONS = ("cycles_fp8_to_half", "cycles_half_to_fp32", "cycles_fp32_to_bf16", "cycles_bf16_by_fp32")
"""Cycles of one SM for one element."""

_REQUIRED = ("peak_bf16", "hbm_capacity", "hbm_bandwidth")
_SHARES: Mapping[str, str] = dict.fromkeys(("hbm_bandwidth", "nvlink_bandwidth", "rdma_bandwidth", "clock"), "1")
_CYCLES: Mapping[str, str] = dict.fromkeys(CONVERSIONS, "1")
_DRIVER: Mapping[str, str] = {"hbm_capacity": "B"}
_TABLES = ("datasheet", "driver", "conversion", "achievable", "assume", "cost_model", "price", "power")
_SECTIONS = ("name", "source", "block_scales", *_TABLES)
BLOCK_FORMATS = ("nvfp4", "mxfp4", "mxfp8")
"""Formats with a scale for each small group of elements, which matrix units may apply by themselves."""

GPUS_PER_NODE = 8
"""Where a device file does not say: DGX, HGX and OAM systems hold eight."""


@dataclass(frozen=True, slots=True, eq=False)
class Device:
    """One accelerator; equal to itself only, so that what is worked out from it can be cached by it.

    key: its value in the `device` column of measured tables; figures: field -> SI value.

    achievable: field -> share of the figure that is reached; assume: what stands in for what no datasheet or table
    says; assumed: fields of figures and `FIELD achievable` of shares that are assumed, not printed or measured;
    block_scales: formats whose group scales the matrix units apply; overrides: cost model -> field -> the figure that
    it uses instead; reported: field -> how its driver reports it, in place of what is printed; price, power: what one
    costs and draws, None where the file does not say.
    """

    name: str
    key: str
    path: Path
    source: str
    figures: Mapping[str, Fraction]
    achievable: Mapping[str, Fraction]
    assume: Mapping[str, Fraction]
    assumed: frozenset[str]
    block_scales: tuple[str, ...]
    overrides: Mapping[str, Mapping[str, Fraction]]
    reported: Mapping[str, str]
    price: Price | None
    power: Power | None

    @property
    def gpus_per_node(self) -> int:
        """GPUs that `nvlink_bandwidth` connects: a server, or a rack or pod whose links are one domain."""
        return int(self.figures.get("gpus_per_node", GPUS_PER_NODE))

    @property
    def precisions(self) -> tuple[str, ...]:
        """Precisions that its matrix units multiply, widest first: those with a peak rate (fp32: any units)."""
        return tuple(name for name in PRECISIONS if f"peak_{name}" in self.figures)

    def figure(self, field: str, cost_model: str) -> Fraction | None:
        """The field as a cost model uses it, or None where the file does not state it."""
        return self.overrides.get(cost_model, {}).get(field, self.figures.get(field))


@cache
def bundled_devices() -> tuple[str, ...]:
    """Names of the devices that ship with symsim."""
    return tuple(sorted(path.stem for path in HARDWARE.glob("*.toml")))


def load_device(device: str | Path) -> Device:
    """A bundled name in any case, or a path to a device TOML.

    Raises DataError (UnknownField, BadUnit) naming the file, its line and the key.

    >>> float(load_device("H20").figures["hbm_bandwidth"])
    4000000000000.0
    """
    name = str(device).lower()
    if name in bundled_devices():
        return _bundled(name)
    path = Path(device)
    if not is_file(path):
        hint = did_you_mean(name, bundled_devices())
        raise DataError(f"no device {shortened(str(device))!r}: neither a bundled name nor a TOML file; {hint}")
    return _read(path)


@cache
def _bundled(name: str) -> Device:
    return _read(HARDWARE / f"{name}.toml")


def _read(path: Path) -> Device:
    file, data = read_data(path)
    file.check(data, _SECTIONS)
    printed = file.quantities("datasheet", data, FIELDS) | file.quantities("conversion", data, _CYCLES)
    driver = file.quantities("driver", data, _DRIVER, apart="source")
    measured = file.quantities("achievable", data, _SHARES)
    assume = file.quantities("assume", data, {**FIELDS, "mfu": "1"}, apart="achievable")
    for field in _REQUIRED:
        if field not in printed | driver | assume:
            raise DataError(f"{file.path}: [datasheet] has no {field}, which every device needs")
    if "mfu" not in assume:
        raise DataError(f"{file.path}: [assume] has no mfu; state the share of peak to take where no table answers")
    guessed = file.quantities("assume.achievable", data, _SHARES)
    figures = file.joined(
        printed | driver, {field: value for field, value in assume.items() if field != "mfu"}, "datasheet"
    )
    shares = file.joined(measured, guessed, "achievable")
    assumed = frozenset((*(assume.keys() - {"mfu"}), *(f"{field} achievable" for field in guessed)))
    scales = file.names("block_scales", data, BLOCK_FORMATS)
    stated = file.section("cost_model", data)
    file.check(stated, COST_MODELS, "cost_model")
    overrides = {model: file.quantities(f"cost_model.{model}", data, FIELDS) for model in stated}
    name, source = file.line("name", data, path.stem), file.line("source", data, "no source stated")
    reported = dict.fromkeys(driver, file.line("source", file.section("driver", data), "as its driver reports it"))
    expenses = read_price(file, data), read_power(file, data)
    stated_in = name, path.stem.upper(), path, source
    return Device(*stated_in, figures, shares, assume, assumed, scales, overrides, reported, *expenses)
