"""The exception tree. Everything a user can cause derives from SymsimError and prints as one clear sentence."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

SHOWN = 240
"""Characters of a line that an error shows at the most."""


@dataclass(frozen=True, slots=True)
class Span:
    """A place in a text file: path as shown to the user, 1-based line and column, and the line itself."""

    path: str
    line: int
    column: int = 1
    text: str = ""

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"

    def caret(self) -> str:
        """`file:line:column`, the line, and a caret under the column; of a long line what stands around it."""
        first = max(0, self.column - 1 - SHOWN // 2) if len(self.text) > SHOWN else 0
        before, after = "..." * (first > 0), "..." * (first + SHOWN < len(self.text))
        line = f"{before}{self.text[first : first + SHOWN]}{after}"
        return f"{self.path}:{self.line}:{self.column}\n  {line}\n  {' ' * (len(before) + self.column - 1 - first)}^"


class SymsimError(Exception):
    """Base of every error that a user can cause; the command line prints it and exits with 2."""


class SourceError(SymsimError):
    """A mistake in a graph, a query or another text: carries its place."""

    def __init__(self, span: Span, message: str) -> None:
        super().__init__(f"{span.caret()}\n{message}")
        self.span = span
        self.message = message


class GraphSyntaxError(SourceError):
    """A graph file does not parse."""


class QuerySyntaxError(SourceError):
    """A question to a compiled model does not parse."""


class LatexSyntaxError(SourceError):
    """A formula in LaTeX that is outside of the subset that can be read."""


class UndefinedName(SourceError):
    """A name that is not defined where it is used."""


class PrecisionMissing(SourceError):
    """A byte clause without `@ precision`."""


class CycleError(SourceError):
    """Blocks that contain each other."""


class ConfigError(SymsimError):
    """A model config that cannot be used."""


class MissingConfigKey(ConfigError):
    """A key that the model needs is absent from config.json."""


class UnsupportedArchitecture(ConfigError):
    """No graph describes this architecture."""


class UnreadKey(ConfigError):
    """A config key that may change cost and that no graph line describes."""


class DeploymentError(SymsimError):
    """A deployment or workload that cannot be: a batch of zero, GPUs that do not divide experts."""


class DataError(SymsimError):
    """A mistake in a device file or a table."""


class UnknownField(DataError):
    """A device file names a field that symsim does not know."""


class BadUnit(DataError):
    """A quantity with a unit of another dimension, or no unit at all."""


class EmptyTable(DataError):
    """No row of a table can answer, and nothing may stand in for it."""


class InternalError(Exception):
    """A bug in symsim, never a mistake of the user."""

    def __init__(self, stage: str, what: str) -> None:
        super().__init__(f"a bug in symsim ({stage}): {what}; please report it")


def printable(text: str) -> str:
    """Text of a file or a flag on one line, for a message or a result: what a terminal would obey stands escaped.

    >>> printable("H20\\x1b[2J\\n")
    'H20\\\\x1b[2J\\\\n'
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def shortened(text: str, width: int = 80) -> str:
    """A word of the user's as a message repeats it."""
    return text if len(text) <= width else f"{text[: width - 4]} ..."


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence with the nearest known names, or all of them when none is near.

    >>> did_you_mean("h21", ["h20", "h800"])
    'did you mean h20?'
    >>> did_you_mean("hbm", ["hbm_bandwidth", "H", "B"])
    'did you mean hbm_bandwidth?'
    """
    names = sorted(known)
    near = nearest_names(name, names)
    return f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names)}"


def nearest_names(name: str, known: Iterable[str]) -> list[str]:
    """The known names that begin as a name does, else those that are spelled alike; three at the most."""
    folded = {candidate.lower(): candidate for candidate in sorted(known)}
    begun = [candidate for lower, candidate in folded.items() if lower.startswith(name.lower())][:3] if name else []
    return begun or [folded[match] for match in difflib.get_close_matches(name.lower(), folded, n=3, cutoff=0.5)]
