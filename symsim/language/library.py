"""Folders of graph files -> Library. Files are indexed by their headings at once; text is parsed when asked for.

A library of all families is a few thousand lines, and one model needs a hundred of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from symsim.errors import DataError, GraphSyntaxError, Span, UndefinedName, did_you_mean
from symsim.inputs.kept import kept
from symsim.language.graph_text import parse_graph
from symsim.language.like import DEEPEST, completed
from symsim.language.source import Line, file_lines, is_blank, items, without_comment
from symsim.language.tree import Block, Kernel, Library, Model, Renames, StepRule, Words
from symsim.paths import GRAPHS, display_path

_T = TypeVar("_T", Kernel, Block, Model, StepRule)

_HEADING = re.compile(r"(kernel|block|model|step) +(\w+)(?: +like +(\w+))?(?: +for +([\w, ]+):)?")


@dataclass(frozen=True, slots=True)
class _Chunk:
    """One heading and what is indented below it.

    like: the model that this one is like; serves: the architectures and model_types after `for`.
    """

    kind: str
    name: str
    like: str | None
    serves: tuple[str, ...]
    lines: tuple[Line, ...]
    span: Span


@dataclass(frozen=True, eq=False)
class _Parsed(Mapping[str, _T], Generic[_T]):
    """Name -> its syntax tree, parsed when it is first asked for."""

    chunks: Mapping[str, _Chunk]
    words: Mapping[str, int]
    done: dict[str, _T] = field(default_factory=dict[str, _T])

    def __getitem__(self, name: str) -> _T:
        if name not in self.done:
            (self.done[name],) = _parsed(self.lines(name), self.words)
        return self.done[name]

    def lines(self, name: str) -> tuple[Line, ...]:
        """The text that is parsed."""
        return _whole(name, self.chunks)

    def __iter__(self) -> Iterator[str]:
        return iter(self.chunks)

    def __len__(self) -> int:
        return len(self.chunks)

    def __contains__(self, name: object) -> bool:
        return name in self.chunks


_ENDS = ("score_by_two", "score", "hidden_states", "logits")
"""Blocks with which an architecture ends that no model is stated for, by its name, the most special first."""

_STEPS = GRAPHS / "common" / "steps.graph"
"""The steps of a library whose folders state none."""


@cache
def load_library(name: str, folders: tuple[Path, ...] = (GRAPHS,)) -> Library:
    """All `*.graph` files of the cost model `name`, and those common to all, as one library of unique names.

    folders: searched in order, with all folders below `common` and `name`; a folder without them is searched whole, so
    that a user's own families need no more than a file. Raises GraphSyntaxError for a name that is defined twice.
    """
    chunks = [chunk for path in _files(name, folders) for chunk in _chunks(path)]
    rest = [item for chunk in chunks if not chunk.kind for item in _parsed(chunk.lines, {})]
    words = {word: value for item in rest if isinstance(item, Words) for word, value in item.values.items()}
    kinds = ("neutral", "off", "omitted", "sections", "by_model_type", "by_architecture")
    listed = [item for item in rest if isinstance(item, tuple)]
    stated = {
        wanted: frozenset[str]().union(*(found for kind, found in listed if kind == wanted))
        for wanted in (*kinds, *_ENDS)
    }
    keys, ends = (stated[kind] for kind in kinds), {block: stated[block] for block in _ENDS}
    renames = {path: to for item in rest if isinstance(item, Renames) for path, to in item.paths.items()}
    serving = {served: chunk.name for chunk in chunks for served in chunk.serves}
    kernels: _Parsed[Kernel] = _Parsed(_named(chunks, "kernel"), words)
    blocks: _Parsed[Block] = _Parsed(_named(chunks, "block"), words)
    models: _Parsed[Model] = _Parsed(_named(chunks, "model"), words)
    steps: _Parsed[StepRule] = _Parsed(_named(chunks, "step") or _named([*_chunks(_STEPS)], "step"), words)
    return Library(name, kernels, blocks, models, steps, serving, *keys, ends=ends, renames=renames)


def _parsed(lines: tuple[Line, ...], words: Mapping[str, int]) -> tuple[Any, ...]:
    """The parser takes longer to start than most questions take to answer, so trees are kept between processes."""
    return kept(("graph", lines, dict(words)), lambda: parse_graph(lines, words))


def _files(name: str, folders: tuple[Path, ...]) -> list[Path]:
    found: list[Path] = []
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"{display_path(folder)}: no such folder; --graphs takes one that holds *.graph files")
        own = [folder / part for part in ("common", name) if (folder / part).is_dir()]
        for top in own or [folder]:
            found += sorted(top.rglob("*.graph"))
    return found


def _chunks(path: Path) -> Iterator[_Chunk]:
    """The text from each line that is not indented to the next; what has no heading of ours is parsed as it stands."""
    lines = file_lines(path)
    starts = [i for i, line in enumerate(lines) if not is_blank(line) and not line.text[0].isspace()]
    first = next((i for i, line in enumerate(lines) if not is_blank(line)), len(lines))
    if first < (starts[0] if starts else len(lines)):
        starts.insert(0, first)  # what is indented below nothing
    for start, end in zip(starts, [*starts[1:], len(lines)][: len(starts)], strict=True):
        (statement,) = items(lines[start:end])[:1]
        heading = _HEADING.match(statement.code)
        if heading is None:
            yield _Chunk("", "", None, (), lines[start:end], lines[start].span(1))
            continue
        kind, name, like, serves = heading.groups()
        served = tuple(word.strip() for word in (serves or "").split(",") if word.strip())
        yield _Chunk(kind, name, like, served, lines[start:end], lines[start].span(heading.start(2) + 1))


def _whole(name: str, chunks: Mapping[str, _Chunk], below: tuple[str, ...] = ()) -> tuple[Line, ...]:
    """The lines of a heading; those of a model that is like another with the lines that it has from there."""
    chunk = chunks[name]
    if chunk.like is None:
        return chunk.lines
    place = replace(chunk.span, column=(chunk.span.text.find(" like ") + 7))
    if chunk.kind != "model":
        raise GraphSyntaxError(place, f"only a model is like another, and {name} is a {chunk.kind}")
    if chunk.like not in chunks:
        raise UndefinedName(place, f"there is no model {chunk.like}; {did_you_mean(chunk.like, chunks)}")
    back = (*below, name)
    if len(back) > DEEPEST:
        chain = " like ".join((*back, chunk.like))
        raise GraphSyntaxError(
            chunks[back[0]].span, f"{chain}: more than {DEEPEST} steps back; say what differs from an earlier one"
        )
    return completed(chunk.lines, _whole(chunk.like, chunks, back))


def origins(library: Library, name: str) -> tuple[str, ...]:
    """The models that a model is like, the nearest first."""
    like = _chunk(library, name).like
    return () if like is None else (like, *origins(library, like))


def own_lines(library: Library, name: str) -> list[str]:
    """What the text of a model says itself, below its heading."""
    chunk = _chunk(library, name)
    heading, *_ = items(chunk.lines)
    return [line.text for line in chunk.lines[len(heading.lines) :] if not is_blank(line)]


def _chunk(library: Library, name: str) -> _Chunk:
    assert isinstance(library.models, _Parsed)
    return library.models.chunks[name]


def model_text(library: Library, name: str) -> str:
    """The text of a model in full, which reads back to the same model."""
    assert isinstance(library.models, _Parsed)
    return "\n".join(
        without_comment(line.text) if is_blank(line) else line.text for line in library.models.lines(name)
    ).rstrip()


def _named(chunks: list[_Chunk], kind: str) -> dict[str, _Chunk]:
    found: dict[str, _Chunk] = {}
    for chunk in chunks:
        if chunk.kind != kind:
            continue
        if chunk.name in found:
            raise GraphSyntaxError(chunk.span, f"{chunk.name} is already defined at {found[chunk.name].span}")
        found[chunk.name] = chunk
    return found
