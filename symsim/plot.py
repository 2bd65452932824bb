"""Pictures of results, drawn with matplotlib (the `plot` extra)."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from symsim.errors import SymsimError
from symsim.formula import Formula
from symsim.sensitivity import Sensitivity


def _pyplot() -> Any:
    """matplotlib without a display. Raises SymsimError when it is not installed."""
    try:
        importlib.import_module("matplotlib").use("Agg")
        return importlib.import_module("matplotlib.pyplot")
    except ImportError:
        raise SymsimError("pictures need matplotlib: pip install 'symsim-llm[plot]'") from None


def save(figure: Any, file: str | Path) -> None:
    """Write a figure; the ending chooses the format. Raises SymsimError for an ending that is no format."""
    known = figure.canvas.get_supported_filetypes()
    ending = Path(file).suffix.lstrip(".")
    if ending not in known:
        raise SymsimError(f"{file}: cannot draw a picture as {ending or 'a file without an ending'!r}; e.g. tpot.pdf")
    figure.savefig(file, bbox_inches="tight")
    _pyplot().close(figure)


def save_tornado(found: Sequence[Sensitivity], formula: Formula, file: str | Path) -> None:
    """Bars of elasticity, the largest on top."""
    plt = _pyplot()
    shown = [one for one in found if any(one.elasticity)][:15][::-1]
    figure, axes = plt.subplots(figsize=(7, 0.35 * len(shown) + 1))
    widths = [one.elasticity[1] for one in shown]
    axes.barh([one.name for one in shown], widths, color=["#b2432f" if w > 0 else "#2f6db2" for w in widths])
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel(f"elasticity of {formula.name}: % for 1 % more")
    axes.set_title(formula.subject, fontsize=7)
    save(figure, file)
