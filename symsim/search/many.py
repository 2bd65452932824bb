"""The same question about many models and loads: one recommendation each, here or on a cluster."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any

from symsim.errors import SymsimError
from symsim.search.recommend import recommend


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommended:
    """One of many: which model and lengths, the document of its recommendation, or the sentence that says why there is
    none, and what was assumed."""

    model: str
    isl: str
    osl: str
    document: Mapping[str, Any]
    error: str = ""
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        error = {"error": self.error} if self.error else {}
        return {"model": self.model, "isl": self.isl, "osl": self.osl, **error, **self.document}


def parted(text: str) -> tuple[str, ...]:
    """What commas part, outside of parentheses.

    >>> parted("1024, lognormal(4096, 0.5)")
    ('1024', 'lognormal(4096, 0.5)')
    """
    return tuple(part.strip() for part in re.split(r",(?![^(]*\))", text))


def recommend_many(
    models: Sequence[str],
    devices: Sequence[str],
    *,
    isl: Sequence[str],
    osl: Sequence[str],
    executor: Executor | None = None,
    **asked: Any,
) -> list[Recommended]:
    """A recommendation for every model and every two lengths, in order. executor: of a cluster whose workers have
    symsim and the same files; None works them out one after another. asked: options of `recommend`."""
    each = itertools.product(models, isl, osl)
    questions = [(model, tuple(devices), before, after, asked) for model, before, after in each]
    if executor is None:
        return [answer_of(*question) for question in questions]
    return [future.result() for future in [executor.submit(answer_of, *question) for question in questions]]


def answer_of(model: str, devices: Sequence[str], isl: str, osl: str, asked: Mapping[str, Any]) -> Recommended:
    """One of them: plain data in and out, so that it runs on any worker."""
    try:
        found = recommend(model, devices, isl=isl, osl=osl, **asked)
    except SymsimError as error:
        return Recommended(model=model, isl=isl, osl=osl, document={}, error=str(error))
    return Recommended(model=model, isl=isl, osl=osl, document=found.as_dict(), notes=found.notes)
