"""Layout: a formula laid out for printing, in whatever notation: what renderers take in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import cast

import sympy
from sympy import Expr, Rational
from sympy.core.function import AppliedUndef

from symsim.algebra.powers import plain, terms_of_norm
from symsim.algebra.symbols import KNOWN, SymbolInfo, rebuilt
from symsim.cost.derivation import Derivation, Step
from symsim.errors import printable
from symsim.formula.closed_form import ClosedForm, Level
from symsim.inputs.source import Source
from symsim.model.op_graph import USUAL
from symsim.notation.cut import Cut, cut_of
from symsim.tables.signature import Signature
from symsim.tables.table import signatures

DIGITS = 6
ROUNDED = f"coefficients are printed to {DIGITS} digits; the python format has them exactly"


YOURS = Source(how="chosen", note="yours to choose")

KINDS = {
    "workload": 0,
    "architecture": 1,
    "deployment": 2,
    "precision": 3,
    "hardware": 4,
    "convention": 5,
    "engine": 6,
    "calibration": 7,
}
"""Kind of symbol -> its place in a table of symbols."""


@dataclass(frozen=True, slots=True)
class SymbolRow:
    """One line of the symbol table. value is exact and in SI units; None is left to the reader to choose."""

    info: SymbolInfo
    value: Fraction | None
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """subject and origin stand on one line each; steps run from the metric down to its operators.

    reads: step -> the config keys behind its numbers; conditions: what a deployment must meet for it to hold;
    stand_ins: what is used in place of tables that do not answer; origin: the command that derives it, or nothing; cut:
    what holds for prompts that are longer than an iteration, where they are cut into chunks; functions: what steps
    apply besides tables, by name, and their parameters -> LaTeX.
    """

    subject: str = ""
    level: Level
    derivation: Derivation
    steps: tuple[Step, ...]
    symbols: tuple[SymbolRow, ...] = ()
    tables: tuple[Signature, ...] = ()
    reads: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    conditions: tuple[str, ...] = ()
    stand_ins: tuple[str, ...] = ()
    origin: str = ""
    cut: Cut | None = None
    functions: Mapping[str, str] = field(default_factory=dict[str, str])


def laid_out(form: ClosedForm, level: Level, subject: str, origin: str = "") -> Layout:
    """Lay a formula out at a level of detail: only symbols that are left in it get a row."""
    derivation = form.level(level)
    if level == "numeric":
        derivation = derivation.mapped(powers_folded)
    chunks = form.level_of_chunks(level)
    left = {s.name for s in derivation.free()}
    rows = [_row(name, form) for name in form.symbols if name in left]
    rows.sort(key=lambda row: (KINDS[row.info.kind], row.info.name))
    flags = {name for name, info in KNOWN.items() if info.kind == "flag"}
    decided = (g for g in derivation.guards if not (g.outcome and USUAL & {s.name for s in g.symbols()}))
    conditions = tuple(str(g) for g in decided if not flags & {s.name for s in g.symbols()})
    command = f"symsim formula {origin} --metric {form.name.replace('_', '-')} --level {level}" if origin else ""
    return Layout(
        subject=printable(subject),
        level=level,
        derivation=derivation,
        steps=top_down(derivation.steps),
        symbols=tuple(rows),
        tables=_tables(derivation),
        reads={step.symbol.name: form.config_keys(step.symbol.name) for step in derivation.steps},
        conditions=conditions,
        stand_ins=form.stand_ins,
        origin=printable(command),
        cut=None if chunks is None else cut_of(chunks),
    )


def top_down(steps: Sequence[Step]) -> tuple[Step, ...]:
    """The metric first, then each step at the point where the reader first meets it, breadth first."""
    by_symbol = {step.symbol: step for step in steps}
    order: list[Step] = [steps[-1]]
    for step in order:
        used = step.expr.free_symbols & set(by_symbol)
        order += [inner for inner in steps if inner.symbol in used and inner not in order]
    return tuple(order)


def ordered(expr: Expr, steps: Sequence[Step]) -> tuple[Expr, ...]:
    """Terms of a sum or a maximum as a reader wants them: compute before memory, steps as they are derived; what is
    taken off last."""
    place = {step.symbol: i for i, step in enumerate(steps)}

    def key(term: Expr) -> tuple[bool, int, int, str]:
        taken_off = bool(term.as_coeff_Mul()[0].is_negative)
        first = min((place[s] for s in term.free_symbols if s in place), default=len(place))  # pyright: ignore
        computes = bool(term.atoms(AppliedUndef)) or any(
            str(s).startswith(("peak_", "default_mfu")) for s in term.free_symbols
        )
        return (taken_off, first, 0 if computes else 1, plain(term))

    return tuple(sorted(cast(tuple[Expr, ...], expr.args), key=key))


def fractional(expr: Expr) -> tuple[Expr, str] | None:
    """A power with a fitted exponent as (base, exponent as people write it), or None for any other power.

    >>> fractional(sympy.Symbol("x") ** Rational(1255, 1000)), fractional(sympy.Symbol("x") ** Rational(1000, 1255))
    ((x, '1.255'), (x, '1/1.255'))
    """
    base, exponent = cast(tuple[Expr, Expr], expr.args)
    if not isinstance(exponent, Rational) or exponent.q == 1:
        return None
    return base, f"{float(exponent):.6g}" if _short(exponent) else f"1/{float(1 / exponent):.6g}"


def decimal(number: Rational) -> str | None:
    """A rational that is longer as a fraction than as the decimal of few digits that it is, or that no one would read
    as a fraction; None for any other.

    >>> decimal(Rational(4909, 100)), decimal(Rational(15, 16)), decimal(Rational(1000, 3))
    ('49.09', None, None)
    """
    written = f"{float(number):.{DIGITS}g}"
    longer = number.p > 99 and number.q > 1
    if not longer or not written.lstrip("-").replace(".", "").isdigit():
        return None
    return written if Rational(written) == number or number.q > _READABLE else None


_READABLE = 10**15
"""Fractions of greater denominators are worked out."""


def _short(exponent: Rational) -> bool:
    """Whether it is a decimal of at most four digits."""
    return float(f"{float(exponent):.4g}") == float(exponent)


def as_quantity(term: Expr, unit: str, steps: Sequence[Step]) -> tuple[Rational, Expr] | None:
    """A term with all numbers put in, as (coefficient in `unit`, the rest), or None where a step carries the unit.

    12 ns * B is such a term; 61 * t_layer is not.
    """
    if unit not in ("s", "B"):
        return None
    number, rest = term.as_coeff_Mul()
    carriers = {step.symbol for step in steps if step.unit == unit}
    if rest.free_symbols & carriers or rest.atoms(sympy.Max) or norm_factor(rest) or not isinstance(number, Rational):
        return None
    return number, rest


def norm_factor(term: Expr) -> tuple[Expr, Expr] | None:
    """The factor of a term that is a p-norm, or a sum with one, which then carries the unit, and the others; None where
    there is none.

    >>> x, y, r = sympy.symbols("x y r"); norm = (x ** Rational(3, 2) + y ** Rational(3, 2)) ** Rational(2, 3)
    >>> norm_factor(r * (norm + 1)) == (norm + 1, r), norm_factor(norm) == (norm, 1), norm_factor(x * r)
    (True, True, None)
    """
    factors = sympy.Mul.make_args(term)
    for factor in factors:
        if terms_of_norm(factor) or (isinstance(factor, sympy.Add) and any(map(norm_factor, factor.args))):
            return factor, sympy.Mul(*(other for other in factors if other is not factor))
    return None


def powers_folded(expr: Expr) -> Expr:
    """With fractional powers of numbers, where they are factors, worked out to more digits than are printed.

    >>> B, two = sympy.Symbol("B", positive=True), sympy.Pow(2, Rational(1, 2), evaluate=False)
    >>> powers_folded(sympy.Mul(3, two, B + 1, evaluate=False)).coeff(B).evalf(6)
    4.24264
    """
    if not expr.args:
        return expr
    args = [powers_folded(argument) for argument in cast(tuple[Expr, ...], expr.args)]
    if isinstance(expr, sympy.Mul):
        args = [_worked_out(factor) if _is_number_power(factor) else factor for factor in args]
    return expr if all(new is old for new, old in zip(args, expr.args, strict=True)) else rebuilt(expr, args)


def _is_number_power(factor: Expr) -> bool:
    return (
        isinstance(factor, sympy.Pow)
        and factor.base.is_Rational is True
        and not factor.exp.is_Integer
        and factor.is_number is True
    )


def _worked_out(factor: Expr) -> Expr:
    return Rational(f"{float(factor):.17g}")


def _row(name: str, form: ClosedForm) -> SymbolRow:
    return SymbolRow(form.symbols[name], form.bound.values.get(name), form.bound.sources.get(name, YOURS))


def _tables(derivation: Derivation) -> tuple[Signature, ...]:
    used = {str(call.func) for step in derivation.steps for call in step.expr.atoms(AppliedUndef)}
    return tuple(signatures()[name] for name in sorted(used))
