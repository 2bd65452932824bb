"""The import arrows between packages: `python tests/package_ranks.py` prints them, and exits with 1 if one goes up."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "symsim"

ORDER = (
    "errors paths | algebra | inputs | tables | language | quantization | model | cost | formula | notation"
    " | solve | pipeline | serving | calibration | analysis | search | verification | infersim | webpage | api | render"
    " | publication | command | cli | __main__"
)
"""From the bottom to the top: a package imports its own rank or lower ones only."""

RANK: Mapping[str, int] = {name: rank for rank, level in enumerate(ORDER.split("|")) for name in level.split()}


def imported(path: Path) -> set[str]:
    """Dotted names below symsim that a file imports from, as far as they are modules."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "symsim":
            inside = (node.module or "").partition(".")[2]
            names = [f"{inside}.{alias.name}".strip(".") for alias in node.names]
            found |= {name if _is_module(name) else inside for name in names} - {""}
    return found


def _is_module(dotted: str) -> bool:
    path = PACKAGE / dotted.replace(".", "/")
    return path.with_suffix(".py").is_file() or path.is_dir()


def modules() -> Mapping[str, Path]:
    """Dotted name below symsim -> file, of every module but the faces (`__init__`)."""
    files = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
    return {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in files}


def arrows() -> Iterator[tuple[str, str]]:
    """(importing module, imported module)."""
    for name, path in modules().items():
        yield from ((name, other) for other in sorted(imported(path)))


def room(module: str) -> str:
    return module.split(".")[0]


def main() -> int:
    between = Counter((room(one), room(other)) for one, other in arrows() if room(one) != room(other))
    for (one, other), count in sorted(between.items(), key=lambda item: (RANK[item[0][0]], RANK[item[0][1]])):
        print(f"{one:13} -> {other:13} {count:3}{'   UP' if RANK[other] > RANK[one] else ''}")
    up = sum(RANK[other] > RANK[one] for one, other in between)
    print(f"{len({room(name) for name in modules()})} rooms, {len(between)} arrows, {up} up")
    return min(up, 1)


if __name__ == "__main__":
    sys.exit(main())
