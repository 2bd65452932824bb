"""A front as a picture of characters."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec

from symsim.render.terminal import screen_width
from symsim.search.pareto import FrontPoint


def write_front(front: Sequence[FrontPoint]) -> None:
    """Draw a front in the terminal, where plotext is installed."""
    if find_spec("plotext") is None:
        return
    plotext = import_module("plotext")
    plotext.clear_figure()
    plotext.plot_size(min(80, screen_width()), 18)
    plotext.theme("clear")
    plotext.plot([p.per_user for p in front], [p.per_gpu for p in front], marker="dot")
    plotext.xlabel("tokens/s of a user")
    plotext.ylabel("tokens/s of a GPU")
    plotext.show()
