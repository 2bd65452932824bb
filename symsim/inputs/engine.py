"""engines/*.toml -> Engine: how a serving engine plans a device's memory. Exact, in SI units."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, cast

from symsim.errors import DataError, did_you_mean, shortened
from symsim.inputs.captured import Captured, read_captured
from symsim.inputs.data_file import DataFile, read_data
from symsim.inputs.source import Source
from symsim.paths import ENGINES, display_path, is_file

DEFAULT_ENGINE = "vllm"

OWN_ENGINE = "engine.toml"
"""Of a folder of kernels' coefficients, the engine that runs them."""

FIELDS: Mapping[str, str] = {
    "share": "1",
    "page": "tokens",
    "max_tokens": "tokens",
    "max_sequences": "1",
    "runtime": "B",
    "graphs": "B",
}
"""Figure of an engine file -> its dimension."""

SYMBOLS: Mapping[str, str] = {
    "share": "reserve_share",
    "page": "kv_page",
    "max_tokens": "max_tokens",
    "max_sequences": "max_sequences",
    "runtime": "reserve_runtime",
    "graphs": "reserve_graphs",
}
"""Figure -> the symbol that it is in formulas; what the share leaves, of the share."""

TIMES: Mapping[str, str] = {
    "launch_gap": "s",
    "launch_eager": "s",
    "collective_wait": "s",
    "host_step": "s",
    "host_sequence": "s",
    "host_request": "s",
    "poll_steps": "1",
    "poll_ranks": "1",
    "slow_gemm": "1",
    "slow_attention": "1",
    "slow_experts": "1",
    "skew_experts": "1",
    "slow_stream": "1",
    "slow_compute": "1",
}
"""Symbol of the time of a step -> its dimension; those that a file does not state are as fitted to runs."""

ENDS = ("low", "high", "ttft_low", "ttft_high")
"""Measured times per output token, and to first token, are within these times the predicted ones."""

_SECTIONS = ("name", "version", "source", "memory", "large", "assume", "flags", "captured", "time", "launch")


Conditional = tuple[str, str]
"""A text, and the condition under which it holds, an expression of the graph language."""


@dataclass(frozen=True, slots=True)
class Launch:
    """before, command, options: of the line that starts an engine; config: lines of a YAML file, which config_flag
    names; cannot: what it does not run."""

    command: str
    config_flag: str
    before: tuple[Conditional, ...]
    options: tuple[Conditional, ...]
    config: tuple[Conditional, ...]
    cannot: tuple[Conditional, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Engine:
    """How a serving engine plans the memory of one GPU; equal to itself only, as a Device is.

    figures: by field of FIELDS; large: those that differ on devices of at least `large_from` bytes but those that
    `large_not` names; assumed: the fields that nothing states; unused: what it leaves of the device's memory, a
    formula over the steps of the metric of memory; flags: field -> what the engine's own command line calls it;
    step: the time of a step, a formula over what its kernels take, empty where nothing comes besides; times:
    symbols of it that the file states; like: the engine whose fitted times and kernels stand in for the others;
    device: that its times were fitted on, empty where nothing says so;
    kernels: a folder of kernels' coefficients, as `fit --kernels` writes them, that go before those that ship;
    ends: how far off runs were, by ENDS; launch: how it is started, captured: the batches that it captures graphs of,
    None where the file does not say.
    """

    name: str
    version: str
    path: Path
    source: str
    figures: Mapping[str, Fraction]
    large: Mapping[str, Fraction]
    large_from: Fraction | None
    large_not: tuple[str, ...]
    assumed: frozenset[str]
    unused: str
    flags: Mapping[str, str]
    step: str = ""
    times: Mapping[str, Fraction] = field(default_factory=dict[str, Fraction])
    like: str = ""
    device: str = ""
    kernels: Path | None = None
    ends: Mapping[str, Fraction] = field(default_factory=dict[str, Fraction])
    launch: Launch | None = None
    captured: Captured | None = None

    def on(self, device: str, capacity: Fraction) -> Mapping[str, Fraction]:
        """Its figures on a device of this name, of so many bytes."""
        is_large = self.large_from is not None and capacity >= self.large_from and device not in self.large_not
        return {**self.figures, **self.large} if is_large else self.figures

    def numbers(
        self, device: str, capacity: Fraction, share: Fraction | None = None
    ) -> Mapping[str, tuple[Fraction, Source]]:
        """Symbol -> its value and where it is from. share: as the deployment states it, in place of the engine's."""
        found: dict[str, tuple[Fraction, Source]] = {}
        for figure, value in self.on(device, capacity).items():
            called = f" ({self.flags[figure]})" if figure in self.flags else ""
            how = "assumed" if figure in self.assumed else "constant"
            said = f"{'assumed, ' if figure in self.assumed else ''}{self.name} {self.version}{called}"
            source = Source(how=how, file=display_path(self.path), note=said)
            if figure == "share" and share is not None:
                value, source = share, Source(how="deployment")
            found[SYMBOLS[figure]] = (1 - value if figure == "share" else value), source
        return found


@cache
def bundled_engines() -> tuple[str, ...]:
    """Names of the engines that ship with symsim."""
    return tuple(sorted(path.stem for path in ENGINES.glob("*.toml")))


def load_engine(engine: str | Path) -> Engine:
    """A bundled name in any case, a path to an engine's TOML, or to a folder of coefficients of kernels: the engine of
    its engine.toml, else the default one, with these.

    Raises DataError (UnknownField, BadUnit) naming the file, its line and the key.

    >>> float(load_engine("vLLM").figures["share"])
    0.9
    """
    name = str(engine).lower()
    if name in bundled_engines():
        return _read(ENGINES / f"{name}.toml")
    path = Path(engine)
    if os.path.isdir(path):
        own = path / OWN_ENGINE
        return replace(load_engine(own if is_file(own) else DEFAULT_ENGINE), kernels=path)
    if not is_file(path):
        hint = did_you_mean(name, bundled_engines())
        raise DataError(
            f"no engine {shortened(str(engine))!r}: neither a bundled name, a TOML file nor a folder; {hint}"
        )
    return _read_anew(path)


@cache
def _read(path: Path) -> Engine:
    return _read_anew(path)


def _read_anew(path: Path) -> Engine:
    file, data = read_data(path)
    file.check(data, _SECTIONS)
    stated = file.quantities("memory", data, FIELDS, apart="unused")
    guessed = file.quantities("assume", data, FIELDS)
    figures = file.joined(stated, guessed, "memory")
    for figure in FIELDS:
        if figure not in figures:
            raise DataError(f"{file.path}: [memory] has no {figure}, which every engine needs; state it or [assume] it")
    large = file.quantities("large", data, {**FIELDS, "capacity": "B"}, apart="except")
    if large and "capacity" not in large:
        raise DataError(f"{file.path}: [large] has no capacity; state from how much memory on a device is large")
    flags = file.section("flags", data)
    file.check(flags, FIELDS, "flags")
    return Engine(
        name=file.line("name", data, path.stem),
        version=file.line("version", data, "any version"),
        path=path,
        source=file.line("source", data, "no source stated"),
        figures=figures,
        large={figure: value for figure, value in large.items() if figure != "capacity"},
        large_from=large.get("capacity"),
        large_not=_names(file, "except", file.section("large", data)),
        assumed=frozenset(guessed),
        unused=file.line("unused", file.section("memory", data), "0"),
        flags={figure: file.line(figure, flags, "") for figure in flags},
        **_times(file, data),
        launch=_launch(file, data),
        captured=read_captured(file, data),
    )


def _names(file: DataFile, key: str, section: Mapping[str, Any]) -> tuple[str, ...]:
    """A list of names, none where the key is missing."""
    stated = section.get(key, [])
    if not (isinstance(stated, list) and all(isinstance(name, str) for name in cast("list[Any]", stated))):
        raise DataError(f"{file.at(key, 'large')}: {key} = {stated!r}; expected a list of names of devices")
    return tuple(cast("list[str]", stated))


def _launch(file: DataFile, data: Mapping[str, Any]) -> Launch | None:
    """What the section of launch lines says."""
    section = file.section("launch", data)
    if not section:
        return None
    lists = ("before", "options", "config", "cannot")
    file.check(section, ("command", "config_flag", *lists), "launch")
    return Launch(
        file.line("command", section, "no command stated"),
        file.line("config_flag", section, "--config <worker>.yaml"),
        *(_conditionals(file, name, section.get(name, [])) for name in lists),
    )


def _conditionals(file: DataFile, name: str, rows: Any) -> tuple[Conditional, ...]:
    for row in rows:
        if not (isinstance(row, list) and list(map(type, cast("list[Any]", row))) == [str, str]):
            raise DataError(f"{file.at(name, 'launch')}: {row!r} of {name} is no pair of a text and its condition")
    return tuple((text, condition) for text, condition in rows)


def with_times(text: str, lines: Iterable[str]) -> str:
    """The text of an engine's file with these lines in its section of times, in place of those of the same names.

    >>> with_times("[time]\\nlike = 'sglang'\\nstep = \\"kernels\\"\\n[start]\\n", ["like = \\"vllm\\""]).splitlines()
    ['[time]', 'like = "vllm"', 'step = "kernels"', '[start]']
    """
    own = tuple(lines)
    names = "|".join(re.escape(line.partition("=")[0].strip()) for line in own if not line.startswith("#"))
    before, *rest = re.split(r"^(\[time\].*\n)", text, maxsplit=1, flags=re.MULTILINE)
    head, after = rest or ("\n[time]\n", "")
    section, *others = re.split(r"^(?=\[)", after, maxsplit=1, flags=re.MULTILINE)
    kept = re.sub(rf"^(?:{names}) *=.*\n", "", section, flags=re.MULTILINE) if names else section
    return "".join((before, head, *(f"{line}\n" for line in own), kept, *others))


def _times(file: DataFile, data: Mapping[str, Any]) -> dict[str, Any]:
    """What the section of times says."""
    section = file.section("time", data)
    if not section:
        return {}
    words = {name: file.line(name, section, "-") for name in ("step", "like", "device") if name in section}
    stated = {name: value for name, value in section.items() if name not in words}
    found = file.quantities("time", {"time": stated}, {**TIMES, **dict.fromkeys(ENDS, "1")})
    ends = {name: value for name, value in found.items() if name in ENDS}
    _check_ends(file, ends)
    if words.get("like", DEFAULT_ENGINE) not in bundled_engines():
        hint = did_you_mean(words["like"], bundled_engines())
        raise DataError(f"{file.at('like', 'time')}: like = {words['like']!r} is no engine that ships; {hint}")
    return {**words, "times": {name: value for name, value in found.items() if name not in ENDS}, "ends": ends}


def _check_ends(file: DataFile, ends: Mapping[str, Fraction]) -> None:
    """Ends of an interval come in pairs around what is predicted. Raises DataError at the one that does not."""
    for low, high in (ENDS[:2], ENDS[2:]):
        alone = {low, high} - ends.keys()
        if len(alone) == 1:
            there = next(name for name in (low, high) if name not in alone)
            raise DataError(f"{file.at(there, 'time')}: {there} without {alone.pop()}; an interval has both ends")
        if not alone and not ends[low] <= 1 <= ends[high]:
            shown = f"{low} = {float(ends[low]):g}, {high} = {float(ends[high]):g}"
            raise DataError(f"{file.at(low, 'time')}: {shown}; expected {low} up to 1 and {high} from 1 on")
