"""A metric as it is around one point of a scan: exact, without maxima and look-ups; and where two arms cross."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import sympy
from sympy import Expr, Rational
from sympy.core.function import AppliedUndef

from symsim.algebra.powers import fractional_powers
from symsim.algebra.symbols import WORKLOAD, is_symbol, substitute, symbol_info
from symsim.errors import EmptyTable, SymsimError, did_you_mean
from symsim.formula.binding_piece import root
from symsim.formula.breakdown import numbers
from symsim.formula.closed_form import ClosedForm
from symsim.formula.scan import EXTREMES, Scan, per_unit, pinned


def followed(
    form: ClosedForm, variables: Sequence[str], at: Mapping[str, float]
) -> tuple[ClosedForm, dict[str, float], dict[str, Any]]:
    """A metric made ready to be followed along symbols: its form, the point of `at`, and a number for every symbol.

    The mean context C becomes an input of its own where it is followed.  Variables without a value in the point or of
    the device start at 1.  Raises SymsimError for one that the metric does not have, or a symbol without a value.
    """
    form = form if "C" in variables else form.for_inputs(at)
    form = form if {"S", "T"} & {*variables} else form.in_chunks(at)
    stated = {name: value for name, value in at.items() if form.takes(name)}
    whole = form.overriding(stated).along(variables)
    form = whole.without(variables)
    for name in variables:
        if name not in form.symbols or not is_symbol(name):
            usable = [known for known in form.symbols if is_symbol(known)]
            raise SymsimError(f"{form.name} has no symbol {name} to follow; {did_you_mean(name, usable)}")
        if symbol_info(name).integer and symbol_info(name).kind != "workload":
            raise SymsimError(f"{name} is a choice of the deployment; compile the others and compare")
    point = {name: value for name, value in at.items() if name in form.symbols}
    values = form.point(**point)
    missing = [name for name in form.symbols if name not in values and name not in variables]
    if missing:
        along = " and ".join(variables)
        raise SymsimError(f"{form.name} along {along} needs a value for {', '.join(missing)}")
    here = whole.point(**{name: int(value) for name, value in at.items() if name in WORKLOAD})
    followed = {name: here[name] for name in variables if name in here}
    return form, point, {**dict.fromkeys(variables, 1), **followed, **values}


def exact_at(form: ClosedForm, scan: Scan, values: Mapping[str, Any], at: int) -> Expr:
    """The metric in the symbols of the scan alone: arms, roundings and look-ups as they are at a point of it.

    Of fitted times, whose coefficients have few digits, powers of numbers are put in to the digits of a float.
    Raises EmptyTable where a measured row cannot be used.
    """
    fixed: dict[Expr, Expr] = {}
    for constant, figure in zip(scan.constants, scan.figures[at], strict=True):
        if np.isnan(figure):
            where = ", ".join(f"{name} = {points[at]:g}" for name, points in scan.axes.items())
            raise EmptyTable(f"{constant.func} has no row that can be used at {where}")
        fixed[constant] = _exact(float(figure)) * constant / per_unit(constant) if figure else sympy.S.Zero
        if not isinstance(constant, AppliedUndef):
            fixed[constant] = Rational(round(float(figure)))
    exact = {s: v for s, v in form.bound.symbols().items() if s.name not in scan.axes}
    given = [n for n in form.symbols if is_symbol(n) and n not in scan.axes and n in values]
    point = {**exact, **{form.numbers.symbol_of(n): _exact(values[n]) for n in given}}
    numeric = pinned(form, scan, at).mapped(lambda expr: substitute(substitute(expr, fixed), point))
    whole = numeric.inlined()
    powers = fractional_powers(whole)
    if not powers:
        return _writable(cast(Expr, sympy.expand(whole)))
    return _writable(substitute(whole, {power: _exact(float(power)) for power in powers if not power.free_symbols}))


def _writable(expr: Expr) -> Expr:
    """Numbers of more digits than Python writes, as the share of experts that thousands of tokens hit has them, to the
    digits of a float."""
    longest = 10**sys.int_info.default_max_str_digits
    long = {one: _exact(float(one)) for one in expr.atoms(Rational) if max(abs(one.p), one.q) >= longest}
    return substitute(expr, long) if long else expr


def _exact(value: float) -> Rational:
    """The number that people write.

    >>> _exact(0.15)
    3/20
    """
    return cast(Rational, Rational(repr(value)) if isinstance(value, float) else Rational(value))


def crossing(
    form: ClosedForm, scan: Scan, which: int, variable: str, values: Mapping[str, Any], before: int, at: int
) -> tuple[Expr, float] | None:
    """Where the arms of a choice (which of the scan's) that bind at two points are equal: the variable in all other
    symbols, and its value near the second point. None where the arms have no such form.
    """
    arms = tuple(scan.choices[which].arms[scan.chosen[point, which]] for point in (before, at))
    inner = {s.symbol: s.expr for s in pinned(form, scan, at).steps if s.unit == "s"}
    while any(arm.free_symbols & set(inner) for arm in arms):
        arms = tuple(substitute(arm, inner) for arm in arms)
    if any(arm.has(*EXTREMES) for arm in arms):
        return None
    here = {name: float(points[at]) for name, points in scan.axes.items()}
    point = {**values, **{name: int(x) if symbol_info(name).integer else x for name, x in here.items()}}
    point |= form.numbers.following(point)
    found = root(arms[1] - arms[0], form.numbers.symbol_of(variable), here[variable], point, form.context)
    return None if found is None else (found, numbers((found,), point, form.context)[0])
