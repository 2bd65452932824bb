"""calibration/operators.toml: which form of kernel time stands in for which kernels of the graphs."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from symsim.cost.kernel_cost import Cost
from symsim.language.graph_text import parse_expression
from symsim.language.tree import Expression
from symsim.paths import CALIBRATION


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """A row of the table. table, operations, phase: where its coefficients are; any of the operations will do; sizes:
    what a form names besides FLOPs and bytes -> in sizes of the kernel and its step; contains: what its constant holds;
    slow: the symbol by which a running engine takes longer, if any; message: whether GPUs wait for each other in it.
    """

    table: str
    operations: tuple[str, ...]
    phase: str
    contains: str
    sizes: Mapping[str, Expression]
    slow: str
    message: bool


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads((CALIBRATION / "operators.toml").read_text(encoding="utf-8"))


@cache
def operators() -> Mapping[str, Operator]:
    """Kernel of the graphs -> its row, and "" -> that of every other kernel."""
    rows = [(kernel, row, sizes) for row in _table()["operator"] for kernel, sizes in row["kernels"].items()]
    return {kernel: _operator(row, sizes) for kernel, row, sizes in (*rows, ("", _table()["stream"], {}))}


def _operator(row: Mapping[str, Any], sizes: Mapping[str, str]) -> Operator:
    where = "calibration/operators.toml"
    return Operator(
        table=row["table"],
        operations=tuple(row.get("operations", ("",))),
        phase=row.get("phase", ""),
        contains=row["contains"],
        slow=row.get("slow", ""),
        message=row.get("message", False),
        sizes={name: parse_expression(text, f"{where}, {name}") for name, text in sizes.items()},
    )


def all_dtypes() -> tuple[str, ...]:
    """Every number format of measured tables that weights may come as."""
    return tuple(dict.fromkeys(dtype for row in _table()["format"] for dtype in row["dtype"]))


def dtypes_of(cost: Cost, gemm: str) -> tuple[str, ...]:
    """The number formats of measured tables that an operator's products are like, the likest first.

    gemm: what weights of the deployment's own precision are multiplied in.
    """
    at = next((str(precision) for precision in cost.flops), "bf16")
    weights = next((str(precision) for precision in cost.weight), "")
    at, weights = (gemm if name == "w" else name for name in (at, weights))
    for row in _table()["format"]:
        if row["at"] == at and weights.startswith(row.get("weights", "")):
            return tuple(row["dtype"])
    return ("bfloat16",)
