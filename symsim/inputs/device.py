"""hardware/*.toml -> Device. Figures are the datasheet's, exact, in SI units; shares and assumptions stay apart."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from symsim.algebra.symbols import PRECISIONS
from symsim.algebra.units import format_quantity
from symsim.errors import DataError, did_you_mean, shortened
from symsim.inputs.cost_model import COST_MODELS
from symsim.inputs.data_file import DataFile, read_data
from symsim.inputs.device_names import Change, bundled_device, changes_in, split_changes
from symsim.inputs.expenses import Power, Price, read_power, read_price
from symsim.paths import HARDWARE, display_path, is_file

_FIELDS: Mapping[str, str] = {
    **{f"peak_{precision}": "FLOP/s" for precision in PRECISIONS},
    "hbm_capacity": "B",
    "hbm_bandwidth": "B/s",
    "nvlink_bandwidth": "B/s",
    "rdma_bandwidth": "B/s",
    "gpus_per_node": "1",
    "gpus_per_host": "1",
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
_SECTIONS = ("base", "name", "source", "block_scales", *_TABLES)
_COUNTS = ("gpus_per_node", "gpus_per_host", "sm_count")
_PLACES = ("datasheet", "driver", "assume")
"""Sections of which one states a figure."""

BLOCK_FORMATS = ("nvfp4", "mxfp4", "mxfp8")
"""Formats with a scale for each small group of elements, which matrix units may apply by themselves."""

GPUS_PER_NODE = 8
"""Where a device file does not say: DGX, HGX and OAM systems hold eight."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Device:
    """One accelerator; equal to itself only, so that what is worked out from it can be cached by it.

    key: its value in the `device` column of measured tables; measured: the bundled device whose kernels stand for its
    own, itself or the one that it is based on; asked: how a command names it; figures: field -> SI value.

    achievable: field -> share of the figure that is reached; assume: what stands in for what no datasheet or table
    says; assumed: fields of figures and `FIELD achievable` of shares that are assumed, not printed or measured;
    block_scales: formats whose group scales the matrix units apply; overrides: cost model -> field -> the figure that
    it uses instead; reported: field -> how its driver reports it, in place of what is printed; price, power: what one
    costs and draws, None where the file does not say.
    """

    name: str
    key: str
    measured: str
    asked: str
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
    def gpus_per_host(self) -> int:
        """GPUs of one machine, on which one command is started; a node holds one or more of them."""
        return int(self.figures.get("gpus_per_host", min(self.gpus_per_node, GPUS_PER_NODE)))

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
    """A bundled name in any common spelling, a path to a device TOML, or either with changes: `h100 with hbm_bandwidth
    x 1.3, nvlink_bandwidth = 225 GB/s`.

    Raises DataError (UnknownField, BadUnit) naming the file, its line and the key, or the change.

    >>> float(load_device("H20").figures["hbm_bandwidth"])
    4000000000000.0
    >>> float(load_device("h100_sxm with hbm_bandwidth x 2").figures["hbm_bandwidth"])
    6700000000000.0
    """
    asked, changes = split_changes(str(device))
    if changes is not None and not is_file(Path(device)):
        return _changed(asked, changes)
    name = bundled_device(str(device), bundled_devices())
    if name is not None:
        return _bundled(name)
    path = Path(device)
    if not is_file(path):
        hint = _counted(str(device)) or did_you_mean(str(device).lower(), bundled_devices())
        raise DataError(f"no device {shortened(str(device))!r}: neither a bundled name nor a TOML file; {hint}")
    return _read(path)


def _counted(name: str) -> str:
    """What to say of `8xH100`, which is not one device; empty for what is no such name."""
    found = _COUNTED.fullmatch(name)
    one = None if found is None else bundled_device(found["first"] or found["last"] or "", bundled_devices())
    return "" if one is None else f"a device is one GPU: state {one}, and how many by --tp or --world-size"


_COUNTED = re.compile(r"\d+\s*[x*\u00d7]?\s*(?P<first>.+)|(?P<last>.+?)\s*[x*:\u00d7]\s*\d+", re.IGNORECASE)


def is_device(name: str) -> bool:
    """Whether a name is read as a device's, not a model's: a bundled one, or a file, with changes or without."""
    asked, _ = split_changes(name)
    return bundled_device(asked, bundled_devices()) is not None or asked.endswith(".toml")


@cache
def _bundled(name: str) -> Device:
    return _read(HARDWARE / f"{name}.toml")


@lru_cache(maxsize=256)
def _changed(asked: str, words: str) -> Device:
    """A device with changes; measured shares of peak and bandwidth stay what they are."""
    device = load_device(asked)
    for change in changes_in(words, _FIELDS):
        device = _with(device, change)
    return replace(device, name=f"{device.name} with {words.strip()}", asked=f"{device.asked} with {words.strip()}")


def _with(device: Device, change: Change) -> Device:
    field, was = change.field, device.figures.get(change.field)
    if change.factor is not None and was is None:
        raise DataError(f"with {change.words!r}: {device.name} states no {field} to multiply; give it a value")
    value = change.value if change.factor is None else (was or Fraction(0)) * change.factor
    assert value is not None
    if field in _COUNTS and value.denominator != 1:
        raise DataError(f"with {change.words!r}: {field} = {float(value):g} must be a whole number")
    told = "as asked" if was is None else f"as asked; {format_quantity(was, _FIELDS[field])} otherwise"
    scaled = {
        model: {name: figure * (change.factor or 1) if name == field else figure for name, figure in rows.items()}
        for model, rows in device.overrides.items()
    }
    if change.factor is None:
        scaled = {model: {n: figure for n, figure in rows.items() if n != field} for model, rows in scaled.items()}
    return replace(
        device,
        figures={**device.figures, field: value},
        reported={**device.reported, field: told},
        assumed=device.assumed - {field},
        overrides=scaled,
    )


def _based(file: DataFile, data: Mapping[str, Any], path: Path) -> tuple[Mapping[str, Any], Device | None]:
    """What a file says over what the device says that it is based on."""
    base = data.get("base")
    if base is None:
        return data, None
    if not isinstance(base, str):
        raise DataError(f"{file.at('base')}: base = {base!r} must be a device: a bundled name, or a file beside it")
    near = path.parent / base
    name = bundled_device(base, bundled_devices())
    other = near if is_file(near) else HARDWARE / f"{name}.toml" if name is not None else Path(base)
    if is_file(other) and other.resolve() == path.resolve():
        raise DataError(f"{file.at('base')}: {base} is this file; expected another device")
    below: dict[str, Any] = dict(read_data(other)[1]) if is_file(other) else {}
    if "base" in below:
        raise DataError(f"{file.at('base')}: {base} is based on another device itself; expected one that is whole")
    device = load_device(other)
    own = {field for section in _PLACES for field in file.section(section, data)}
    for section in _PLACES:
        below[section] = {field: x for field, x in below.get(section, {}).items() if field not in own}
    for model, rows in below.get("cost_model", {}).items():
        below["cost_model"] = {**below["cost_model"], model: {f: x for f, x in rows.items() if f not in own}}
    return _merged(below, {key: value for key, value in data.items() if key != "base"}), device


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Mapping[str, Any]:
    both = {
        key: _merged(below[key], value) if isinstance(value, dict) and isinstance(below.get(key), dict) else value
        for key, value in above.items()
    }
    return {**below, **both}


def _read(path: Path) -> Device:
    file, data = read_data(path)
    file.check(data, _SECTIONS)
    data, base = _based(file, data, path)
    printed = file.quantities("datasheet", data, _FIELDS) | file.quantities("conversion", data, _CYCLES)
    driver = file.quantities("driver", data, _DRIVER, apart="source")
    reached = file.quantities("achievable", data, _SHARES)
    assume = file.quantities("assume", data, {**_FIELDS, "mfu": "1"}, apart="achievable")
    for field in _REQUIRED:
        if field not in printed | driver | assume:
            raise DataError(f"{file.path}: [datasheet] has no {field}, which every device needs")
    if "mfu" not in assume:
        raise DataError(f"{file.path}: [assume] has no mfu; state the share of peak to take where no table answers")
    usual = {field: value for field, value in assume.items() if field != "mfu"}
    guessed = file.quantities("assume.achievable", data, _SHARES)
    assumed = frozenset((*usual, *(f"{field} achievable" for field in guessed)))
    stated = file.section("cost_model", data)
    file.check(stated, COST_MODELS, "cost_model")
    overrides = {model: file.quantities(f"cost_model.{model}", data, _FIELDS) for model in stated}
    reporter = file.line("source", file.section("driver", data), "as its driver reports it")
    return Device(
        name=file.line("name", data, path.stem),
        key=path.stem.upper() if base is None else base.key,
        measured=path.stem if base is None else base.measured,
        asked=path.stem if path.parent == HARDWARE else display_path(path),
        path=path,
        source=file.line("source", data, "no source stated"),
        figures=file.joined(printed | driver, usual, "datasheet"),
        achievable=file.joined(reached, guessed, "achievable"),
        assume=assume,
        assumed=assumed,
        block_scales=file.names("block_scales", data, BLOCK_FORMATS),
        overrides=overrides,
        reported=dict.fromkeys(driver, reporter),
        price=read_price(file, data),
        power=read_power(file, data),
    )
