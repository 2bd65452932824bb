"""Labels of a sweep's dimensions and metrics, as files of measurements state them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from symsim.algebra.symbols import is_symbol, symbol_info
from symsim.search.plan import SweepPlan


def coordinates(plan: SweepPlan) -> dict[str, tuple[str, Any, Mapping[str, str]]]:
    """Dimension -> its name, its labels and their attributes."""
    outer = {name: (name, list(labels), {}) for name, labels in plan.outer.items()}
    inner = {
        name: (name, values.astype(np.int64) if is_whole(name) else values, attributes(plan, name))
        for name, values in plan.inner.items()
    }
    return {**outer, **inner}


def attributes(plan: SweepPlan, name: str) -> dict[str, Any]:
    """Unit and meaning, as CF conventions name them."""
    if name == "reason":
        codes = np.arange(len(plan.reasons), dtype=np.int16)
        return {"long_name": "why a point has no values", "flag_values": codes, "flag_meanings": list(plan.reasons)}
    if name in plan.units:
        return {"units": plan.units[name], "long_name": name}
    return {"units": symbol_info(name).unit, "long_name": symbol_info(name).meaning} if is_symbol(name) else {}


def is_whole(name: str) -> bool:
    """Whether the labels of a dimension are whole numbers."""
    return not is_symbol(name) or symbol_info(name).integer


def is_text(labels: Any) -> bool:
    """Whether some of the labels are words."""
    return any(isinstance(label, str) for label in labels)
