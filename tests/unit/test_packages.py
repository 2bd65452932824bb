"""Data flows one way: a package imports its own rank or lower ones, and modules import each other in no circle."""

import ast
import graphlib
from collections import Counter

from tests.package_ranks import PACKAGE, RANK, arrows, modules, room


def test_no_arrow_between_packages_goes_up() -> None:
    assert not [f"{one} -> {other}" for one, other in arrows() if RANK[room(other)] > RANK[room(one)]]


def test_modules_import_in_no_circle() -> None:
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for one, other in arrows():
        if other in graph:
            graph[one].add(other)
    assert len(list(graphlib.TopologicalSorter(graph).static_order())) == len(graph)


def test_every_package_has_a_rank_and_every_rank_a_package() -> None:
    rooms = {room(name) for name in modules()}
    assert rooms <= set(RANK)
    assert len([name for name in rooms if (PACKAGE / name).is_dir()]) <= 22
    assert {file.stem for file in PACKAGE.glob("*.py")} == {"__init__", "__main__", "cli", "errors", "paths"}


def test_functions_fit_a_screen() -> None:
    lengths = {
        f"{file.relative_to(PACKAGE)}: {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    }
    assert not [name for name, lines in lengths.items() if lines > 45]
    assert sum(lines > 30 for lines in lengths.values()) < len(lengths) / 40


def test_no_public_name_is_defined_in_two_modules() -> None:
    """Every command has an `add`, and every program a `main`."""
    modules_of = Counter(
        name
        for file in PACKAGE.rglob("*.py")
        for name in {name for node in ast.parse(file.read_text(encoding="utf-8")).body for name in _defined(node)}
        if not name.startswith("_")
    )
    assert [name for name, count in modules_of.items() if count > 1 and name not in ("add", "main")] == []


def _defined(node: ast.stmt) -> list[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case ast.Assign(targets=targets):
            return [target.id for target in targets if isinstance(target, ast.Name)]
        case _:
            return []
