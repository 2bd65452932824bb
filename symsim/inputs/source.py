"""Where a number is from: a record, and the one text of it that users see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

How = Literal[
    "key",
    "null",
    "default",
    "computed",
    "checkpoint",
    "datasheet",
    "reported",
    "achievable",
    "assumed",
    "converted",
    "constant",
    "deployment",
    "definition",
    "measured",
    "fitted",
    "chosen",
]
"""How a number comes to be.

key: it is the value of a key of the config; null: what the graph text says a null there means; default: what it says
where keys are absent; computed: from several keys, or per layer; checkpoint: a format that the checkpoint states;
datasheet, reported (by its driver), achievable, assumed: of a device file; converted: what the device has no units for;
constant: of a cost model or an engine; measured: of a table; fitted: to measurements; chosen: the reader's to choose.
"""

_UNPRINTED = ("null", "default")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a number is from.

    file: as shown to users, empty where no file says it; keys: the config keys that it was read from or computed from,
    all of them in the config; note: what else there is to say.
    """

    how: How
    file: str = ""
    keys: tuple[str, ...] = ()
    note: str = ""

    @property
    def meaning(self) -> str:
        """What the number is, without the file: its note, else its keys."""
        return self._parts[-1]

    @property
    def origin(self) -> str:
        """All of the text but the meaning."""
        return ": ".join(self._parts[:-1])

    @property
    def _parts(self) -> tuple[str, ...]:
        keys = "" if self.how in _UNPRINTED else ", ".join(self.keys)
        return tuple(part for part in (self.file, keys, self.note) if part) or (self.how,)

    def __str__(self) -> str:
        return ": ".join(self._parts)
