"""StepTime: the time of an iteration that is affine in its work but for one weight term."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sympy
from sympy import Expr

from symsim.errors import SymsimError


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """t0 + max(tw, a n) + d c + p pairs seconds for n tokens, c context tokens that decodes read and causal pairs.

    With experts e: t0 + tw (1 - (1 - 1/e)**n) + a n + d c + p pairs; tw then is the time of all experts' weights.
    Raises SymsimError for numbers below zero.
    """

    t0: float
    a: float
    d: float = 0.0
    p: float = 0.0
    tw: float = 0.0
    experts: float = 0.0

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) >= 0:
                raise SymsimError(f"StepTime: {name} = {getattr(self, name)!r} must be zero or more")

    def __call__(self, tokens: float, context: float = 0.0, pairs: float = 0.0) -> float:
        """Seconds of one iteration.

        >>> round(StepTime(t0=0.01, a=2e-5, d=1e-8)(64, 64*1000), 5)
        0.01192
        """
        rest = self.t0 + self.d * context + self.p * pairs
        if self.experts:
            return rest + self.tw * (1 - (1 - 1 / self.experts) ** tokens) + self.a * tokens
        return rest + max(self.tw, self.a * tokens)

    def of_work(self, rows: float, context: float, chunk: float, pairs: float) -> float:
        """The same of the work of decodes and of prompts."""
        return self(rows + chunk, context, pairs)

    def expr(self, tokens: Any, context: Any, pairs: Any) -> Expr:
        """The same as a formula."""
        rest = self.t0 + self.d * context + self.p * pairs
        if self.experts:
            return rest + self.tw * (1 - (1 - 1 / sympy.nsimplify(self.experts)) ** tokens) + self.a * tokens
        weights = sympy.Max(self.tw, self.a * tokens, evaluate=False) if self.tw else self.a * tokens
        return rest + weights

    @property
    def is_affine(self) -> bool:
        """Whether mean values may be put in."""
        return self.tw == 0
