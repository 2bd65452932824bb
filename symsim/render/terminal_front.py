"""A front as a picture of characters."""

from __future__ import annotations

import math
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
    across, up = [p.per_user for p in front], [p.per_gpu for p in front]
    plotext.plot(across, up, marker="dot")
    for ticks, values in ((plotext.xticks, across), (plotext.yticks, up)):
        ticks(rounds := round_values(values), [f"{value:,g}" for value in rounds])
    plotext.xlabel("tokens/s of a user")
    plotext.ylabel("tokens/s of a GPU")
    plotext.show()


def round_values(values: Sequence[float]) -> list[float]:
    """About five multiples of 1, 2 or 5 times a power of ten between the least and the largest of some values.

    >>> round_values([13, 234]), round_values([0.3, 0.72]), round_values([7.0])
    ([50.0, 100.0, 150.0, 200.0], [0.3, 0.4, 0.5, 0.6, 0.7], [7.0])
    """
    low, high = min(values), max(values)
    if low == high:
        return [low]
    power = 10.0 ** math.floor(math.log10((high - low) / _TICKS))
    step = next(times * power for times in (1, 2, 5, 10) if times * power >= (high - low) / _TICKS)
    return [round(i * step, 12) for i in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


_TICKS = 6
"""Marks of an axis at the most."""
