"""Folders of graph files -> Library. Files are indexed by their headings at once; text is parsed when asked for.

A library of all families is a few thousand lines, and one model needs a hundred of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from symsim.errors import GraphSyntaxError, Span
from symsim.language.graph_text import parse_graph
from symsim.language.tree import Block, Kernel, Library, Model, Renames, StepRule
from symsim.paths import GRAPHS, display_path, read_text

T = TypeVar("T", Kernel, Block, Model, StepRule)

_HEADING = re.compile(r"(kernel|block|model|step) +(\w+)(?: +for +([\w, ]+):)?")


@dataclass(frozen=True, slots=True)
class _Chunk:
    """One heading and what is indented below it. serves: the architectures and model_types after `for`."""

    kind: str
    name: str
    serves: tuple[str, ...]
    text: str
    span: Span

    def parsed(self) -> tuple[Any, ...]:
        return parse_graph(self.text, self.span.path, self.span.line)


@dataclass(frozen=True, eq=False)
class _Parsed(Mapping[str, T], Generic[T]):
    """Name -> its syntax tree, parsed when it is first asked for."""

    chunks: Mapping[str, _Chunk]
    done: dict[str, T] = field(default_factory=dict[str, T])

    def __getitem__(self, name: str) -> T:
        if name not in self.done:
            (self.done[name],) = self.chunks[name].parsed()
        return self.done[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.chunks)

    def __len__(self) -> int:
        return len(self.chunks)

    def __contains__(self, name: object) -> bool:
        return name in self.chunks


STEPS = GRAPHS / "common" / "steps.graph"
"""The steps of a library whose folders state none."""


@cache
def load_library(name: str, folders: tuple[Path, ...] = (GRAPHS,)) -> Library:
    """All `*.graph` files of the cost model `name`, and those common to all, as one library of unique names.

    folders: searched in order, with all folders below `common` and `name`; a folder without them is searched whole, so
    that a user's own families need no more than a file. Raises GraphSyntaxError for a name that is defined twice.
    """
    chunks = [chunk for path in _files(name, folders) for chunk in _chunks(path)]
    rest = [item for chunk in chunks if not chunk.kind for item in chunk.parsed()]
    kinds = ("neutral", "off", "omitted", "sections")
    listed = [item for item in rest if isinstance(item, tuple)]
    keys = (frozenset[str]().union(*(found for kind, found in listed if kind == wanted)) for wanted in kinds)
    renames = {path: to for item in rest if isinstance(item, Renames) for path, to in item.paths.items()}
    serving = {served: chunk.name for chunk in chunks for served in chunk.serves}
    kernels: _Parsed[Kernel] = _Parsed(_named(chunks, "kernel"))
    blocks: _Parsed[Block] = _Parsed(_named(chunks, "block"))
    models: _Parsed[Model] = _Parsed(_named(chunks, "model"))
    steps: _Parsed[StepRule] = _Parsed(_named(chunks, "step") or _named([*_chunks(STEPS)], "step"))
    return Library(name, kernels, blocks, models, steps, serving, *keys, renames=renames)


def _files(name: str, folders: tuple[Path, ...]) -> list[Path]:
    found: list[Path] = []
    for folder in folders:
        own = [folder / part for part in ("common", name) if (folder / part).is_dir()]
        for top in own or [folder]:
            found += sorted(top.rglob("*.graph"))
    return found


def _chunks(path: Path) -> Iterator[_Chunk]:
    """The text from each line that is not indented to the next; what has no heading of ours is parsed as it stands."""
    lines = read_text(path).splitlines()
    starts = [i for i, line in enumerate(lines) if line and not line[0].isspace() and not line.startswith("#")]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        heading = _HEADING.match(lines[start])
        text = "\n".join(lines[start:end])
        if heading is None:
            yield _Chunk("", "", (), text, Span(display_path(path), start + 1, 1, lines[start]))
            continue
        kind, name, serves = heading.groups()
        served = tuple(word.strip() for word in (serves or "").split(",") if word.strip())
        yield _Chunk(kind, name, served, text, Span(display_path(path), start + 1, heading.start(2) + 1, lines[start]))


def _named(chunks: list[_Chunk], kind: str) -> dict[str, _Chunk]:
    found: dict[str, _Chunk] = {}
    for chunk in chunks:
        if chunk.kind != kind:
            continue
        if chunk.name in found:
            raise GraphSyntaxError(chunk.span, f"{chunk.name} is already defined at {found[chunk.name].span}")
        found[chunk.name] = chunk
    return found
