"""Regime map: the exact pieces of a metric along one symbol, what binds on each, and where and why they change.

Two things make a piece end: the other arm of a maximum starts to bind, or another measured row answers.  The first kind
of border has a closed form, the root of the difference of both arms; the second is a line of a table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import sympy
from numpy.typing import NDArray
from sympy import Expr, Rational

from symsim.algebra.powers import plain
from symsim.algebra.shown import html_table, one_line
from symsim.algebra.symbols import WORKLOAD, substitute, symbol_info
from symsim.analysis.stretches import is_cut_along, stretches
from symsim.cost.bound import BOUNDS
from symsim.errors import SymsimError
from symsim.formula.closed_form import ClosedForm
from symsim.formula.local_form import crossing, exact_at, followed
from symsim.formula.program import program
from symsim.formula.scan import Scan, scanned
from symsim.notation.layout import laid_out
from symsim.notation.written import Written

_FINENESS = 4001
"""Points between the ends of a real symbol's range, spaced by equal ratios; borders between them are then bisected."""

_LONGEST = 2**20
"""Whole numbers that are looked at, one by one, at the most."""

SPAN = 64.0
"""A real symbol is looked at from its value / SPAN to its value x SPAN, unless a range is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Border:
    """Where a piece starts. step: the named step that changes; was, now: what bound it, or the table that answers.

    formula: of the border where an arm starts to bind; None at a change of measured rows, which may make another arm
    bind at once.  root: the value of the formula, of which a whole number is the next above.
    """

    at: float
    step: str
    was: str
    now: str
    formula: Written | None = None
    root: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """From low to high, both included (whole numbers) or touching (real). borders: what changed at low.

    binds: step -> compute, memory, link, or the step that is longer; expression: the metric on this piece, exact and
    in SI units; affine: (constant, slope) where it is one.
    """

    low: float
    high: float
    borders: tuple[Border, ...]
    binds: Mapping[str, str]
    expression: Expr
    affine: tuple[float, float] | None

    @property
    def value_low(self) -> float:
        return self.value(self.low)

    @property
    def value_high(self) -> float:
        return self.value(self.high)

    def value(self, at: float) -> float:
        """The metric at a point of the piece."""
        (variable,) = self.expression.free_symbols or (sympy.Symbol("none"),)
        exact = Rational(str(at)) if isinstance(at, int) else sympy.Float(at, 17)
        return float(substitute(self.expression, {variable: exact}))

    def values(self, points: Sequence[float]) -> list[float]:
        """The metric at points of the piece, in doubles: for pictures, which need many."""
        (variable,) = self.expression.free_symbols or (sympy.Symbol("none"),)
        run = program((("value", self.expression),), ("value",), "python").run
        return [float(run({str(variable): at}, {})[0]) for at in points]


@dataclass(frozen=True, slots=True, kw_only=True)
class Regimes:
    """All pieces of one metric in one symbol.

    latex: the metric's sign; at: the point; here: the piece it is in, -1 where it is outside of the range.
    """

    metric: str
    latex: str
    unit: str
    variable: str
    variable_unit: str
    subject: str
    at: Mapping[str, float]
    here: int
    pieces: tuple[Piece, ...]

    def __repr__(self) -> str:
        return one_line(self, f"{self.metric} along {self.variable}, {len(self.pieces)} pieces, of {self.subject}")

    def _repr_html_(self) -> str:
        pieces = {f"{piece.low:g} to {piece.high:g}": plain(piece.expression) for piece in self.pieces}
        return html_table(f"{self.metric} [{self.unit}] along {self.variable} of {self.subject}", pieces)

    @property
    def to_next(self) -> tuple[float | None, float | None]:
        """How far the point is from the piece below and the piece above."""
        if self.here < 0:
            return None, None
        here, value = self.pieces[self.here], self.at[self.variable]
        below = value - here.low if self.here > 0 else None
        return below, (self.pieces[self.here + 1].low - value if self.here + 1 < len(self.pieces) else None)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types."""
        pieces = [
            {
                "low": piece.low,
                "high": piece.high,
                "value_low": piece.value_low,
                "value_high": piece.value_high,
                "binds": dict(piece.binds),
                "expression": plain(piece.expression),
                "affine": piece.affine,
                "borders": [
                    {
                        "at": b.at,
                        "step": b.step,
                        "was": b.was,
                        "now": b.now,
                        "closed_form": None if b.formula is None else b.formula.text,
                        "root": b.root,
                    }
                    for b in piece.borders
                ],
            }
            for piece in self.pieces
        ]
        head = {"metric": self.metric, "unit": self.unit, "variable": self.variable, "at": dict(self.at)}
        return {**head, "here": self.here, "to_next": self.to_next, "pieces": pieces}


def regimes_along(
    form: ClosedForm, variable: str, low: float | None = None, high: float | None = None, **at: float
) -> Regimes:
    """The exact piecewise form of a metric along one workload symbol, C (mean context) or real symbol.

    at: the point, which fixes all other symbols.  Whole-number symbols are looked at from 1 to 1024 (B) or 131,072
    tokens unless a range is given.  Raises SymsimError for a symbol that the metric does not have.
    """
    if is_cut_along(form, (variable,)):
        return _over_stretches(form, variable, low, high, at)
    subject = form.subject
    form, point, values = followed(form, (variable,), at)
    here = float(low or 1 if variable in WORKLOAD and variable not in point else values[variable])
    values[variable] = here
    scan = scanned(form, values, {variable: _grid(variable, here, low, high)})
    starts = scan.starts()
    stops = [*(start - 1 for start in starts[1:]), len(scan.grid) - 1]
    pieces = [_piece(form, scan, variable, values, start, stop) for start, stop in zip(starts, stops, strict=True)]
    if not _whole(variable):
        pieces = _touching(pieces, scan.grid[-1])
    inside = [i for i, piece in enumerate(pieces) if piece.low <= here <= piece.high]
    return Regimes(
        metric=form.name,
        latex=form.derivation.result.latex,
        unit=form.unit,
        variable=variable,
        variable_unit=symbol_info(variable).unit,
        subject=subject,
        at={**point, variable: here},
        here=inside[0] if inside else -1,
        pieces=tuple(pieces),
    )


def _over_stretches(
    form: ClosedForm, variable: str, low: float | None, high: float | None, at: Mapping[str, float]
) -> Regimes:
    """The pieces where prompts are cut into chunks: those of each stretch with as many chunks, one after another."""
    others = {name: value for name, value in at.items() if name != variable}
    parts = stretches(form, variable, low, high, at)
    here = at.get(variable, parts[0].low)
    every = [regimes_along(part.form, variable, part.low, part.high, **others) for part in parts]
    pieces: list[Piece] = []
    for before, part, found in zip([None, *parts], parts, every, strict=False):
        first, *rest = found.pieces
        if before is not None:
            was, now = (f"{count} chunks of a prompt" for count in (before.count, part.count))
            change = Border(at=first.low, step=form.derivation.result.symbol.name, was=was, now=now)
            first = replace(first, borders=(change,))
        pieces += [first, *rest]
    inside = [i for i, piece in enumerate(pieces) if piece.low <= here <= piece.high]
    where = inside[0] if inside else -1
    return replace(every[0], at={**every[0].at, variable: here}, here=where, pieces=tuple(pieces))


def _whole(variable: str) -> bool:
    return symbol_info(variable).integer


def _grid(variable: str, here: float, low: float | None, high: float | None) -> NDArray[np.float64]:
    if _whole(variable):
        first, last = symbol_info(variable).range or (1, _LONGEST)
        ends = low or first, high or max(last, here)
        if any(end != int(end) for end in ends) or ends[1] - ends[0] >= _LONGEST:
            raise SymsimError(f"{variable} is looked at from one whole number to another, at most {_LONGEST:,} of them")
        return np.arange(int(ends[0]), int(ends[1]) + 1, dtype=float)
    return np.geomspace(low or here / SPAN, high or here * SPAN, _FINENESS)


def _piece(form: ClosedForm, scan: Scan, variable: str, values: Mapping[str, Any], start: int, stop: int) -> Piece:
    x = form.numbers.symbol_of(variable)
    expression = exact_at(form, scan, values, start)
    affine = None
    if expression.is_polynomial(x) and sympy.Poly(expression, x).degree() <= 1:
        affine = float(expression.coeff(x, 0)), float(expression.coeff(x, 1))  # pyright: ignore[reportArgumentType]
    borders = () if start == 0 else _borders(form, scan, variable, values, start)
    low = float(scan.grid[start]) if _whole(variable) or not borders else borders[0].at
    return Piece(
        low=_number(variable, low),
        high=_number(variable, scan.grid[stop]),
        borders=borders,
        binds=scan.binds(start),
        expression=expression,
        affine=affine,
    )


def _number(variable: str, value: float) -> float:
    return int(value) if _whole(variable) else float(value)


def _borders(form: ClosedForm, scan: Scan, variable: str, values: Mapping[str, Any], start: int) -> tuple[Border, ...]:
    """What changes between a point of the grid and the one before it: of each step, what its time is spent on where
    that does, else the first of its sizes."""
    low = float(scan.grid[start])
    sides = zip(scan.choices, scan.labels(start - 1), scan.labels(start), strict=True)
    flips: dict[str, list[tuple[str, int, str, str]]] = {}
    for i, (choice, was, now) in enumerate(sides):
        if scan.chosen[start - 1, i] != scan.chosen[start, i]:
            flips.setdefault(choice.step, []).append((choice.step, i, was, now))
    told = [[one for one in every if one[3] in BOUNDS] or every[:1] for every in flips.values()]
    found = [_flip(form, scan, one, variable, values, start) for every in told for one in every]
    for constant, was, now in zip(scan.constants, *scan.figures[start - 1 : start + 1], strict=True):
        if was != now:
            found.append(Border(at=low, step=str(constant), was=f"{was:.6g}", now=f"{now:.6g}"))
    return tuple(found)


def _flip(
    form: ClosedForm,
    scan: Scan,
    change: tuple[str, int, str, str],
    variable: str,
    values: Mapping[str, Any],
    start: int,
) -> Border:
    """The border of two arms: the root of their difference, in all symbols."""
    step, which, was, now = change
    low = float(scan.grid[start])
    crossed = crossing(form, scan, which, variable, values, start - 1, start)
    if crossed is None:
        return Border(at=low, step=step, was=was, now=now)
    found, where = crossed
    if not float(scan.grid[start - 1]) <= where <= low * (1 + 1e-9):  # the arms cross elsewhere: a row made them jump
        return Border(at=low, step=step, was=was, now=now)
    border = low if _whole(variable) else where
    return Border(
        at=border, step=step, was=was, now=now, formula=Written(found, laid_out(form, "symbolic", "")), root=where
    )


def _touching(pieces: list[Piece], last: float) -> list[Piece]:
    """Pieces of a real symbol reach to where the next one starts."""
    ends = [*(piece.low for piece in pieces[1:]), float(last)]
    return [replace(piece, high=end) for piece, end in zip(pieces, ends, strict=True)]
