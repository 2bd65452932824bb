"""What an iteration holds where prompts are shorter than it."""

from __future__ import annotations

from collections.abc import Mapping

from symsim.algebra.units import format_quantity
from symsim.pipeline.compiled import Compiled


def prompts_in_words(compiled: Compiled, point: Mapping[str, float]) -> str | None:
    """That the time to first token is of several prompts together, and what one alone takes; None where it is not.

    Not told where the cost model takes TTFT as one iteration whatever the length of a prompt.
    """
    if not compiled.cost_model.cuts_prompts or not {"S", "T"} <= set(point) or 2 * point["S"] > point["T"]:
        return None
    form = compiled.form("ttft")
    own = {name: value for name, value in point.items() if name in form.symbols}
    alone = format_quantity(float(form.evaluate(**{**own, "T": own["S"]})), "s", 4)
    together = f"{point['T'] / point['S']:.3g} prompts of S = {point['S']:,g}"
    return f"T = {point['T']:,g} tokens of an iteration are {together}; one alone takes {alone} (T = {point['S']:g})"
