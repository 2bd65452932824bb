"""TOML files of devices and engines: read exactly, with the line of whatever is wrong in them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

from symsim.algebra.units import parse_quantity
from symsim.errors import BadUnit, DataError, UnknownField, did_you_mean, shortened
from symsim.paths import display_path, read_text

_COUNTS = ("gpus_per_node", "gpus_per_host", "sm_count", "page", "max_tokens", "max_sequences")
_SHARES = ("mfu", "share", "hbm", "hbm_low", "hbm_high", "links")
_MAY_BE_NONE = (
    *("runtime", "graphs", "max_tokens", "max_sequences", "launch_gap", "launch_eager", "collective_wait"),
    *("host_step", "host_sequence", "host_request", "poll_steps", "poll_ranks", "skew_experts"),
)


def read_data(path: Path) -> tuple[DataFile, Mapping[str, Any]]:
    """A file and what it says. Raises DataError where it is no TOML."""
    text = read_text(path)
    try:
        data = tomllib.loads(text, parse_float=lambda number: number.replace("_", ""))  # exact: units reads the text
    except (ValueError, RecursionError) as error:  # over 4300 digits is a bare ValueError
        why = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise DataError(f"{display_path(path)}: not TOML: {why}") from None
    return DataFile(display_path(path), text), data


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file with its text, to find the line of a key."""

    path: str
    text: str

    def at(self, key: str, section: str = "") -> str:
        """`file:line` of a key, in a section where one is named."""
        current = ""
        for number, line in enumerate(self.text.splitlines(), start=1):
            if header := re.match(r"\[([\w.-]+)\]", line):
                current = header[1]
            if line.split("=")[0].strip() == key and section in ("", current):
                return f"{self.path}:{number}"
        return self.path

    def check(self, rows: Mapping[str, Any], known: Any, section: str = "") -> None:
        for key in rows:
            if key not in known:
                raise UnknownField(f"{self.at(key, section)}: there is no field {key}; {did_you_mean(key, known)}")

    def line(self, key: str, data: Mapping[str, Any], default: str) -> str:
        """A text that is printed with every result; what is written over several lines is one to the reader."""
        found = data.get(key, default)
        text = " ".join(found.split()) if isinstance(found, str) else ""
        if not text or not text.isprintable():
            raise DataError(f"{self.at(key)}: {key} = {found!r} must be a text without control characters")
        return text

    def names(self, key: str, data: Mapping[str, Any], known: tuple[str, ...]) -> tuple[str, ...]:
        found = data.get(key, [])
        if not isinstance(found, list):
            raise DataError(f"{self.at(key)}: {key} = {found!r} must be a list of names: {', '.join(known)}")
        for name in cast(list[object], found):
            if name not in known:
                raise UnknownField(f"{self.at(key)}: {key}: there is no {name}; {did_you_mean(str(name), known)}")
        return tuple(cast(list[str], found))

    def quantities(
        self, section: str, data: Mapping[str, Any], dimensions: Mapping[str, str], apart: str = ""
    ) -> dict[str, Fraction]:
        """The figures of a section such as `cost_model.infersim`; `apart`: a section inside it that is read apart."""
        table = {key: value for key, value in self.section(section, data).items() if key != apart}
        self.check(table, dimensions, section)
        return {key: self.quantity(key, value, dimensions[key], section) for key, value in table.items()}

    def section(self, section: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
        rows: Any = data
        for name in section.split("."):
            rows = rows.get(name, {})
            if not isinstance(rows, dict):
                found = shortened(repr(rows))
                raise DataError(f"{self.path}: expected a section [{section}] of `field = value`, found {found}")
        return cast(Mapping[str, Any], rows)

    def quantity(self, key: str, value: Any, dimension: str, section: str) -> Fraction:
        try:
            number = parse_quantity(str(value), dimension)
        except BadUnit as error:
            raise BadUnit(f"{self.at(key, section)}: {key}: {error}") from None
        if number < 0 or (number == 0 and key not in _MAY_BE_NONE):
            raise DataError(f"{self.at(key, section)}: {key} = {value} must be above zero")
        if number > 1 and (section.endswith("achievable") or key in _SHARES):
            raise DataError(f"{self.at(key, section)}: {key} = {float(number)} is a share and cannot exceed 1")
        if key in _COUNTS and number.denominator != 1:
            raise DataError(f"{self.at(key, section)}: {key} = {value} must be a whole number")
        return number

    def joined(
        self, stated: Mapping[str, Fraction], guessed: Mapping[str, Fraction], section: str
    ) -> dict[str, Fraction]:
        """Both, where nothing is said twice."""
        for field in guessed:
            if field in stated:
                where = self.at(field, section)
                raise DataError(f"{where}: {field} is in [{section}] and assumed as well; keep one")
        return {**stated, **guessed}
