"""Cost -> Time of every operator: the roofline, and time on links.

compute = FLOPs / (peak x MFU); memory = bytes / (HBM bandwidth x its achievable share); link = bytes / (link
bandwidth x its achievable share). Williams, Waterman, Patterson: "Roofline", CACM 52(4), 2009.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import sympy
from sympy import Expr

from symsim.algebra.symbols import symbol
from symsim.cost.bound import BOUNDS, parts_of_time
from symsim.cost.kernel_cost import Cost, in_bytes


@dataclass(frozen=True)
class Time:
    """Seconds of one execution: what computes and what moves through HBM overlap, links and latency do not.

    fitted: what a form fitted to measurements says that compute, memory and link take together.
    """

    compute: Expr
    memory: Expr
    link: Expr
    latency: Expr
    fitted: Expr | None = None

    @cached_property
    def total(self) -> Expr:
        """max(compute, memory) + link + latency; the Max stays binary and unevaluated (sympy is slow on more).

        Where a form was fitted, what it says, and the latency.
        """
        if self.fitted is not None:
            return self.fitted + self.latency
        if self.compute == 0 or self.memory == 0:
            busy = self.compute + self.memory
        else:
            busy = sympy.Max(self.compute, self.memory, evaluate=False)
        return busy + self.link + self.latency

    @cached_property
    def parts(self) -> Mapping[str, Expr]:
        """Bound -> seconds if nothing else took any, zero where it takes none; where a form was fitted, its terms."""
        if self.fitted is None:
            return dict(zip(BOUNDS, (self.compute, self.memory, self.link, self.latency), strict=True))
        found = parts_of_time(self.fitted)
        own = {bound: found.get(bound, sympy.S.Zero) for bound in BOUNDS}
        return {**own, "latency": own["latency"] + self.latency}


def time(cost: Cost) -> Time:
    """Seconds of one execution of an operator.

    >>> from symsim.algebra.symbols import symbol
    >>> time(Cost(read={"fp8": symbol("B")})).total
    B*b_fp8/(hbm_bandwidth*hbm_efficiency)
    """
    mfu = symbol("default_mfu") if cost.mfu is None else cost.mfu
    compute = cost.time + sympy.Add(*(flops / (symbol(f"peak_{at}") * mfu) for at, flops in cost.flops.items()))
    memory = cost.hbm_bytes / _rate("hbm")
    link = sympy.Add(*(in_bytes(amount) / _rate(name) for name, amount in cost.send.items()))
    return Time(compute, memory, link, cost.latency)


def _rate(link: str) -> Expr:
    """Achievable bytes per second of HBM or a link."""
    return symbol(f"{link}_bandwidth") * symbol(f"{link}_efficiency")
