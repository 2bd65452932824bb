"""Which linear layers the graph text names with `of`, and what a checkpoint calls them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from symsim.errors import GraphSyntaxError, Span
from symsim.language.tree import Clause, Each, Layers, Library, Model, Node, Repeat, Statement, When

LAYERS = "layers"
"""In `modules:`, the list that holds the layers of the model; its entries are numbered from 0."""


def modules(
    body: Sequence[Statement], library: Library, decided: Mapping[Span, bool], inside: str = ""
) -> Iterator[str]:
    """The paths that a body and the blocks in it name, layers apart. decided: branches of `when` that are known."""
    for statement in body:
        match statement:
            case Node() if statement.op in library.blocks:
                block = library.blocks[statement.op]
                yield from modules(block.body, library, decided, within(inside, statement.modules))
            case Node() | Clause():
                yield from (inside + module for module in statement.modules)
            case When(_, then, otherwise, span):
                taken = {True: then, False: otherwise, None: (*then, *otherwise)}[decided.get(span)]
                yield from modules(taken, library, decided, inside)
            case Repeat() | Each():
                yield from modules(statement.body, library, decided, inside)
            case _:
                pass


_MOST = 20_000
"""Nodes of a model with all blocks put in; the largest family that is described has some hundreds."""


def refuse_large(model: Model, library: Library) -> None:
    """Raises GraphSyntaxError for a model whose blocks, put in one another, are too many to work out."""
    nodes = _nodes(model.body, library, {})
    if nodes > _MOST:
        raise GraphSyntaxError(model.span, f"{nodes:,} nodes with all blocks put in, expected at most {_MOST:,}")


def _nodes(body: Sequence[Statement], library: Library, known: dict[str, int]) -> int:
    """How many nodes a body holds. known: of blocks; blocks that contain each other are refused elsewhere."""
    count = 0
    for statement in body:
        match statement:
            case Node(_, op) if op in library.blocks:
                if op not in known:
                    known[op] = 0
                    known[op] = _nodes(library.blocks[op].body, library, known)
                count += 1 + known[op]
            case Node():
                count += 1
            case When(_, then, otherwise, _):
                count += _nodes((*then, *otherwise), library, known)
            case Layers() | Repeat() | Each():
                count += _nodes(statement.body, library, known)
            case _:
                pass
    return count


def within(inside: str, modules: Sequence[str]) -> str:
    """What stands before the modules that a block names: the module that its node names, if it names one."""
    return f"{inside}{modules[0]}." if modules else inside


def bodies(body: Sequence[Statement]) -> Iterator[Layers]:
    """The `layers` statements of a model."""
    for statement in body:
        match statement:
            case Layers():
                yield statement
            case When(_, then, otherwise, _):
                yield from bodies((*then, *otherwise))
            case _:
                pass


def stored_as(module: str, model: Model, library: Library, *, in_layer: bool) -> tuple[str, ...]:
    """The paths under which a checkpoint stores a module, `{layer}` for the index of the layer that it is in."""
    renames = {**library.renames, **model.renames}
    found = _renamed(module, renames)
    if not in_layer:
        return found
    return tuple(f"{layers}.{{layer}}.{path}" for layers in _renamed(LAYERS, renames) for path in found)


def _renamed(path: str, renames: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
    """The path with its longest beginning that has another name replaced by it."""
    parts = path.split(".")
    for end in range(len(parts), 0, -1):
        found = renames.get(".".join(parts[:end]))
        if found is not None:
            return tuple(".".join((name, *parts[end:])) for name in found)
    return (path,)
