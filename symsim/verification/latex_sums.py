r"""Sums over an index, \sum_{l=1}^{L}: the marks of the index, its range, and what such a sum adds up to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, cast

import sympy
from sympy import Expr, Symbol

_INDEX = r"\\ell|[A-Za-z]"
_SUM = re.compile(rf"\\sum(?![A-Za-z])\s*(?:\\(?:no)?limits)?\s*_\s*\{{?\s*({_INDEX})(?![A-Za-z])")
_LIMITS = re.compile(
    r"\\sum\s*(?:\\(?:no)?limits)?\s*_\s*(?:\{(?P<lower>.*?)\}|(?P<bare>\\ell|[A-Za-z]))\s*"
    r"(?:\^\s*(?:\{(?P<upper>.*)\}|(?P<end>\\ell|[A-Za-z0-9])))?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class SumLimits:
    """index: its letter; low, high: what stands below and above, as LaTeX, with where each starts; None: all layers."""

    index: str
    low: tuple[str, int] | None
    high: tuple[str, int] | None


def limits(sign: str) -> SumLimits:
    r"""The range of a sum's sign.

    >>> limits(r"\sum_{l=1}^{L}")
    SumLimits(index='l', low=('1', 8), high=('L', 12))
    >>> limits(r"\sum_{\ell \in \mathcal{L}}")
    SumLimits(index='\\ell', low=None, high=None)
    """
    found = _LIMITS.fullmatch(sign.strip())
    assert found is not None, sign  # the grammar's token is no wider
    lower = found["lower"] or found["bare"]
    index, _, start = lower.partition("=")
    letter = re.match(rf"\s*({_INDEX})", index)
    name = "upper" if found["upper"] else "end"
    high = (found[name], found.start(name)) if found[name] else None
    low = (start, found.start("lower") + len(index) + 1) if start else None
    return SumLimits(letter[1] if letter else index.strip(), low, high)


def without_index(text: str) -> tuple[str, frozenset[str]]:
    r"""A text with the marks of summed layers blanked, places kept, and the indices that it sums over.

    >>> without_index(r"\sum_{l=1}^{L} t_{core,l} + t_{norm}^{(l)}")
    ('\\sum_{l=1}^{L} t_{core  } + t_{norm}      ', frozenset({'l'}))
    """
    indices = frozenset(found[1] for found in _SUM.finditer(text))
    for index in indices:
        marks = rf",\s*(?:\\[,;:! ])*\s*{re.escape(index)}(?=\s*\}})|\^\s*\{{\s*\(\s*{re.escape(index)}\s*\)\s*\}}"
        text = re.sub(marks, lambda mark: " " * len(mark.group()), text)
    return text, indices


def added_up(body: Expr, index: Symbol, low: Expr, high: Expr) -> Expr | None:
    """The sum of a body from low to high; None where its terms change with the index in no way that is known."""
    if index not in body.free_symbols:
        return body * (high - low + 1)
    return summed_up(cast(Expr, sympy.Sum(body, (index, low, high))))


def summed_up(series: Expr) -> Expr | None:
    """What a sum of a polynomial, or of powers, comes to; None for any other."""
    pieces: Any = series.doit()
    whole: Expr = pieces.replace(sympy.Piecewise, lambda *rows: rows[-1][0])  # the other pieces are of a ratio of 1
    return None if whole.has(sympy.Sum) else cast(Expr, sympy.expand(whole))
