"""The batches that an engine captures graphs of, as its file writes them: `1, 2, 4, 8 to 256 by 8`."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from symsim.errors import DataError
from symsim.inputs.data_file import DataFile

_RANGE = re.compile(r" *(\d+)(?: to (\d+)(?: by (\d+))?)? *")


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """sizes: sequences of a step, in order; padded: whether other batches run in the graph of the next size, where they
    would else be launched one by one; how: the option that has more captured; text: sizes as they are written."""

    sizes: tuple[int, ...]
    padded: bool
    how: str
    text: str

    def graph_of(self, batch: int) -> int | None:
        """The size of the graph that a batch runs in, None where there is none.

        >>> vllm = Captured(sizes=(1, 2, 4, 8), padded=True, how="", text="")
        >>> vllm.graph_of(5), vllm.graph_of(9)
        (8, None)
        """
        place = bisect_left(self.sizes, batch)
        fits = place < len(self.sizes) and (self.padded or self.sizes[place] == batch)
        return self.sizes[place] if fits else None


def read_captured(file: DataFile, data: Mapping[str, Any]) -> Captured | None:
    """The section [captured]; None where the file has none. Raises DataError for sizes that are no such list."""
    section = file.section("captured", data)
    if not section:
        return None
    file.check(section, ("sizes", "padded", "how"), "captured")
    text = file.line("sizes", section, "")
    padded = section.get("padded", True)
    if not isinstance(padded, bool):
        raise DataError(f"{file.at('padded', 'captured')}: padded = {padded!r} must be true or false")
    return Captured(sizes=_sizes(file, text), padded=padded, how=file.line("how", section, "-"), text=text)


def _sizes(file: DataFile, text: str) -> tuple[int, ...]:
    found: set[int] = set()
    for part in text.split(","):
        match = _RANGE.fullmatch(part)
        first, last, step = (0, 0, 0) if match is None else (int(number or 0) for number in match.groups())
        sizes = range(first, (last or first) + 1, step or 1)
        if first < 1 or not sizes:
            raise DataError(
                f"{file.at('sizes', 'captured')}: {part.strip()!r} is no size of a batch; expected a list such as "
                "'1, 2, 4, 8 to 256 by 8'"
            )
        found |= set(sizes)
    return tuple(sorted(found))
