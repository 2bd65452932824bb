"""What a time is bound by: of compute, memory, links and latency that which would take longest if nothing else did.

One rule for every cost model: the roofline's terms are compute at the achieved peak, memory and link at their
bandwidths; those of a fitted form are what its text has of each, shares of rates included. Latency is what no rate of
the device shortens: a launch, the wait along a block, the setting up of an expert.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import cast

from sympy import Add, Expr, Max, Mul

from symsim.algebra.powers import norm, terms_of_norm

BOUNDS = ("compute", "memory", "link", "latency")
"""In the order in which they are told."""

_RATES = {"compute": ("peak_", "mfu_", "default_mfu"), "memory": ("hbm_",), "link": ("nvlink_", "rdma_")}
"""Bound -> how symbols of the rates begin that shorten it."""


def rate_bound(*names: str) -> str | None:
    """Compute, memory or link, by the symbols of a term, of which a rate is one; None where none is.

    >>> rate_bound("B", "hbm_bandwidth"), rate_bound("t0_gemm")
    ('memory', None)
    """
    return next((bound for bound, starts in _RATES.items() if any(name.startswith(starts) for name in names)), None)


def longest(seconds: Mapping[str, float]) -> str:
    """What a time is bound by; of equals the first.

    >>> longest({"memory": 2e-6, "latency": 5e-6})
    'latency'
    """
    return max(seconds, key=lambda bound: seconds[bound])


@lru_cache(maxsize=4096)
def parts_of_time(expr: Expr) -> Mapping[str, Expr]:
    """Bound -> the fitted time as it would be if nothing else took any: of sums, p-norms and maxima the terms of that
    kind alone. A bound that the time has no term of is left out.

    >>> from symsim.algebra.symbols import symbol
    >>> launch, read = symbol("t0_gemm"), 8 / symbol("hbm_bandwidth")
    >>> parts_of_time(3 * (launch + read))
    {'memory': 24/hbm_bandwidth, 'latency': 3*t0_gemm}
    """
    args = cast(tuple[Expr, ...], expr.args)
    if terms := terms_of_norm(expr) or (args if isinstance(expr, (Add, Max)) else ()):
        every = [parts_of_time(term) for term in terms]
        kept = {bound: [parts[bound] for parts in every if bound in parts] for bound in BOUNDS}
        return {bound: _together(expr, terms) for bound, terms in kept.items() if terms}
    for factor in args if isinstance(expr, Mul) else ():
        parts = parts_of_time(factor)
        if len(parts) > 1:
            others = Mul(*(one for one in args if one != factor))
            return {bound: others * part for bound, part in parts.items()}
    return {rate_bound(*map(str, expr.free_symbols)) or "latency": expr}


def _together(whole: Expr, terms: list[Expr]) -> Expr:
    """Some terms of a sum, a maximum or a norm as it has them."""
    match whole:
        case Add():
            return Add(*terms)
        case Max():
            return terms[0] if len(terms) == 1 else Max(*terms, evaluate=False)
        case _:
            return norm(1 / whole.as_base_exp()[1], *terms)
