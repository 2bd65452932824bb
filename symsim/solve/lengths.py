"""Lengths S and tokens T of an iteration where longer prompts are cut into chunks: up to where each is looked at.

A shorter T cuts the prompt into more chunks, a longer S adds to the last chunk or begins another; neither moves the
metric one way once tables have their say, so whole numbers are evaluated one by one. Beyond the length whose full
chunks alone take longer than the bound no prompt meets it; beyond T = S none is cut.
"""

from __future__ import annotations

import math

import numpy as np

from symsim.algebra.units import format_quantity
from symsim.errors import SymsimError
from symsim.solve.limits import Limit

_MOST_TOKENS = 2**20
"""Tokens of an iteration that are looked at one by one at the most."""

_LONGEST = 2**23
"""Lengths that are looked at one by one at the most."""


def looked_at(limit: Limit, variable: str) -> int:
    """Up to where whole numbers of S or T are to be evaluated one by one; 1 where prompts are not cut along them.

    Raises SymsimError where that is too far, or no end is known.
    """
    if limit.form.cut is None or variable not in ("S", "T"):
        return 1
    ranks = limit.fixed.get("cp", float(limit.form.bound.values["cp"]))
    if variable == "S":
        return _longest(limit, float(limit.fixed["T"]) * ranks)
    whole = math.ceil(limit.fixed["S"] / ranks)
    if whole > _MOST_TOKENS:
        raise SymsimError(
            f"a prompt of S = {limit.fixed['S']:,} tokens is cut in more ways than are looked at; ask for at most "
            f"S = {_MOST_TOKENS:,}"
        )
    return whole


def _longest(limit: Limit, tokens: float) -> int:
    """The length beyond which full chunks alone take longer than the bound: a prompt takes at least as long."""
    if limit.sense < 0 or limit.form.chunks.then or limit.bound_name is not None:
        raise SymsimError(
            f"no end of S is known for {limit.text}, as longer prompts are cut into chunks; bound ttft from above, or "
            f"ask for another variable"
        )
    one = limit.form.one_chunk
    given = {name: value for name, value in limit.fixed.items() if name not in ("S", "T") and one.takes(name)}
    time = one.function(["T", "past", *given])
    most, count, spent = max(1, int(_LONGEST // tokens)), 0, 0.0
    while spent <= float(limit.bound):
        if count >= most:
            shown = format_quantity(limit.bound, limit.form.unit)
            raise SymsimError(
                f"{limit.metric} stays within {shown} for prompts of {int(count * tokens):,} tokens, and longer ones "
                f"are not looked at; ask for a shorter time, or a smaller T"
            )
        block = np.arange(count, min(most, count + 256), dtype=float)
        times = np.cumsum(np.nan_to_num(time(limit.fixed["T"], block * tokens, *given.values())))
        over = int(np.searchsorted(spent + times, float(limit.bound), side="right"))
        count, spent = count + min(over + 1, len(block)), spent + float(times[min(over, len(block) - 1)])
    return math.ceil(count * tokens)
