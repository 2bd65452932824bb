"""Counts of real classes that are kept as data: read, compared, and their configs changed."""

import json
from pathlib import Path
from typing import Any

from tests.oracle.check_transformers import check

SHAPES = ("prefill_b1_s128", "prefill_b4_s256")


def records(file: str) -> list[dict[str, Any]]:
    """The records of a file beside this one."""
    return json.loads(Path(__file__).with_name(file).read_text())["records"]


def compared(counted: dict[str, Any]) -> tuple[str, str]:
    """exact, refused or off, in words: layers are kept as runs of equal ones, FLOPs only where the class runs."""
    layers = [{"all of it": each} for count, each in counted["layers"] for _ in range(count)]
    work: dict[str, Any] | None = None
    if counted["flops"]:
        work = {shape: {"counted": n} for shape, n in zip(SHAPES, counted["flops"], strict=True)}
        work["routed_experts_counted"] = False
    return check({**counted, "layers": layers, "flops": work})


def write(counted: list[dict[str, Any]], folder: Path, name: str, **changes: Any) -> Path:
    """The recorded config of a model, changed, as a file."""
    folder.mkdir(exist_ok=True)
    config = next(record["config"] for record in counted if record["name"] == name)
    path = folder / "config.json"
    path.write_text(json.dumps({**config, **changes}))
    return path
