"""calibration/engines.toml <-> times of engines fitted to runs: what each set was fitted on, and how far off it was."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast

from symsim.errors import DataError
from symsim.paths import CALIBRATION, display_path, read_text
from symsim.tables.coefficients import spellings

OF_THE_DEVICE = (
    "slow_gemm",
    "slow_attention",
    "slow_experts",
    "skew_experts",
    "slow_stream",
    "slow_compute",
    "launch_gap",
    "collective_wait",
)
"""Which of the symbols are rather an architecture's than an engine's."""

OF_THE_HOST = ("launch_eager", "host_step", "host_sequence", "host_request", "poll_steps", "poll_ranks")
"""Which are rather an engine's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineTimes:
    """One engine on one architecture. rows, setups: runs and set-ups (device, model, deployment, lengths) that chose
    the values; ranks: the most GPUs that shared tensors or experts in them; median, p90: |predicted/measured - 1| of
    the time per output token on set-ups that were left out; low, high: measured times are within these times the
    predicted ones in nine of ten set-ups left out; ttft_low, ttft_high: of the time to first token; inside: the share
    of runs left out that the first interval holds; devices: values that machines of one device have of their own."""

    engine: str
    architecture: str
    rows: int
    setups: int
    ranks: int
    median: float
    p90: float
    low: float
    high: float
    ttft_low: float
    ttft_high: float
    inside: float
    values: Mapping[str, float]
    devices: Mapping[str, Mapping[str, float]] = field(default_factory=dict[str, Mapping[str, float]])

    def on(self, device: str) -> Mapping[str, float]:
        """The values for a device, by the stem of its file."""
        return {**self.values, **self.devices.get(device, {})}


@cache
def shipped_times() -> tuple[EngineTimes, ...]:
    """Every set that ships; none where nothing was fitted."""
    path = CALIBRATION / "engines.toml"
    return read_times(path) if path.is_file() else ()


def read_times(path: Path) -> tuple[EngineTimes, ...]:
    """The sets of a file. Raises DataError where it is none."""
    try:
        rows = cast(Sequence[Mapping[str, Any]], tomllib.loads(read_text(path))["engines"])
        return tuple(EngineTimes(**row) for row in rows)
    except (tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise DataError(f"{display_path(path)}: not a file of times of engines: {error}") from None


def write_times(path: Path, found: Iterable[EngineTimes], header: str) -> None:
    """One line a set, in a fixed order, numbers to four digits."""
    lines = [f"    {_line(one)},\n" for one in sorted(found, key=lambda one: (one.engine, one.architecture))]
    path.write_text(f"{header}\nengines = [\n{''.join(lines)}]\n", encoding="utf-8")


_ERRORS = ("median", "p90", "low", "high", "ttft_low", "ttft_high", "inside")


def _line(one: EngineTimes) -> str:
    parts = [f'engine = "{one.engine}"', f'architecture = "{one.architecture}"']
    parts += [f"{name} = {getattr(one, name)}" for name in ("rows", "setups", "ranks")]
    parts += [f"{name} = {getattr(one, name):.3g}" for name in _ERRORS]
    parts += [f"values = {_table(one.values)}"]
    if one.devices:
        machines = ", ".join(f"{device} = {_table(values)}" for device, values in one.devices.items())
        parts += [f"devices = {{ {machines} }}"]
    return "{ " + ", ".join(parts) + " }"


def _table(values: Mapping[str, float]) -> str:
    return "{ " + ", ".join(f"{name} = {value:.4g}" for name, value in values.items()) + " }"


def architecture_of(device: str) -> str:
    """The architecture of a device file by its stem; empty where none is known."""
    return str(spellings()["architecture"].get(device, ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """values: symbol -> its value and the set that it is from; own: whether all are of this engine and architecture;
    nearest: the set that most of them are from."""

    values: Mapping[str, tuple[float, EngineTimes]]
    own: bool
    nearest: EngineTimes | None


def chosen_times(engine: str, device: str) -> Chosen:
    """The times of an engine on a device, by the stem of its file: its own on the architecture; else what is the
    architecture's from another engine on it, and what is the engine's from the same engine elsewhere. What no set of an
    engine has of its host, it has not."""
    every, architecture = shipped_times(), architecture_of(device)
    own = [one for one in every if (one.engine, one.architecture) == (engine, architecture)]
    here = [one for one in every if one.architecture == architecture]
    same = [one for one in every if one.engine == engine]
    values: dict[str, tuple[float, EngineTimes]] = {}
    for names, order in ((OF_THE_DEVICE, (own, here, same, every)), (OF_THE_HOST, (own, same or [*here, *every]))):
        sets = [one for group in order for one in sorted(group, key=lambda one: -one.rows)]
        for name in names:
            one = next((one for one in sets if name in one.values), None)
            if one is not None:
                values[name] = one.on(device)[name], one
    return Chosen(values=values, own=bool(own), nearest=next(iter((*own, *here, *same, *every)), None))
